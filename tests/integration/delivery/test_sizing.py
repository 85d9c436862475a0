"""How large batches are made: one size for each place and pace, learned from what a target took."""

from __future__ import annotations

import pytest

from counterfoil.delivery.sizing import ORDINARY_S, YIELDING_MIN, YIELDING_S, LearnedSizes

PLACE = ("books", "all", "post_invoice")


def learned(sent: int, latency_s: float, *, is_yielding: bool = False, has_failed: bool = False) -> LearnedSizes:
    sizes = LearnedSizes()
    sizes.learn(PLACE, 100, sent, latency_s, is_yielding=is_yielding, has_failed=has_failed)
    return sizes


def test_the_two_paces_are_thirty_seconds_and_half_a_second() -> None:
    assert (ORDINARY_S, YIELDING_S, YIELDING_MIN) == (30.0, 0.5, 4)


@pytest.mark.parametrize(
    ("latency_s", "is_yielding", "has_failed", "size"),
    [
        (30.0, False, False, 100),
        (30.1, False, False, 50),
        (1.0, False, True, 50),
        (0.5, True, False, 100),
        (0.6, True, False, 41),  # 6 ms a record make 83 of them half a second, and that took too long: half of it
        (0.1, True, True, 50),
    ],
)
def test_a_batch_that_took_longer_than_its_pace_or_failed_halves_the_next(
    latency_s: float, is_yielding: bool, has_failed: bool, size: int
) -> None:
    sizes = learned(100, latency_s, is_yielding=is_yielding, has_failed=has_failed)
    assert sizes.size(PLACE, 100, is_yielding=is_yielding) == size


def test_a_batch_that_went_fast_makes_the_next_a_quarter_larger_when_it_was_full() -> None:
    sizes = learned(100, 40.0)
    sizes.learn(PLACE, 100, 49, 1.0, is_yielding=False, has_failed=False)
    assert sizes.size(PLACE, 100, is_yielding=False) == 50
    sizes.learn(PLACE, 100, 50, 1.0, is_yielding=False, has_failed=False)
    assert sizes.size(PLACE, 100, is_yielding=False) == 62


def test_ordinary_batches_shrink_to_one_and_yielding_ones_to_four() -> None:
    sizes = LearnedSizes()
    for _ in range(10):
        for is_yielding in (False, True):
            sizes.learn(PLACE, 100, 100, 60.0, is_yielding=is_yielding, has_failed=False)
    assert (sizes.size(PLACE, 100, is_yielding=False), sizes.size(PLACE, 100, is_yielding=True)) == (1, 4)


@pytest.mark.parametrize(("size_max", "yielding"), [(1, 1), (2, 2), (4, 4), (5, 5)])
def test_a_connector_that_takes_few_at_once_is_sent_no_more(size_max: int, yielding: int) -> None:
    sizes = LearnedSizes()
    assert (sizes.size(PLACE, size_max, is_yielding=False), sizes.size(PLACE, size_max, is_yielding=True)) == (size_max, yielding)
    assert learned(100, 1.0).size(PLACE, size_max, is_yielding=False) == size_max  # it took a hundred before


@pytest.mark.parametrize(
    ("latency_s", "size"),
    [
        (4.0, 12),  # 40 ms a record
        (5.0, 10),
        (0.1, 100),  # 1 ms: no more than the connector takes
        (0.0, 100),  # too fast to be measured
        (20.0, 4),  # 200 ms: two of them would be half a second
    ],
)
def test_a_first_yielding_batch_is_cut_by_what_a_record_took_at_the_other_pace(latency_s: float, size: int) -> None:
    sizes = learned(100, latency_s)
    assert sizes.size(PLACE, 100, is_yielding=True) == size
    assert sizes.size(PLACE, 100, is_yielding=False) == 100


def test_what_was_learned_of_one_place_says_nothing_of_another() -> None:
    sizes = learned(100, 40.0)
    assert sizes.size(PLACE, 100, is_yielding=False) == 50
    for other in (("ledger", "all", "post_invoice"), ("books", "DE", "post_invoice"), ("books", "all", "post_entry")):
        assert (sizes.size(other, 100, is_yielding=False), sizes.size(other, 100, is_yielding=True)) == (100, 100)
