"""Figures of two builds are divided pair by pair."""

from __future__ import annotations

from benchmarks.against import figures_in, ratios


def test_figures_are_read_from_the_json_lines_and_rows_are_summed_up() -> None:
    output = (
        "== cost\n1200 events\n"
        '{"benchmark": "cost", "figure": "event", "events": 1200, "rows_inserted": 11.5, "rows_updated": 8.0, "rows_deleted": 2.0}\n'
    )
    assert figures_in(output) == {"events": 1200.0, "rows_inserted": 11.5, "rows_updated": 8.0, "rows_deleted": 2.0, "rows": 21.5}
    assert figures_in("nothing measured\n") == {}


def test_each_pair_has_its_own_ratio_and_what_one_of_them_lacks_is_left_out() -> None:
    pairs = [({"a": 2.0, "b": 0.0, "c": 1.0}, {"a": 1.0, "b": 1.0}), ({"a": 4.0, "b": 0.0, "c": 1.0}, {"a": 6.0, "b": 1.0, "c": 1.0})]
    assert ratios(pairs) == {"a": [0.5, 1.5]}
