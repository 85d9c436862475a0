"""Lanes and maintenance windows: when what is wished now goes, worked by hand, also across changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from counterfoil.core.commands import DOMAINS
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.commands import Lane
from counterfoil.core.policies.lanes import LaneRule, Lanes
from counterfoil.kit.windows import Dated, Weekly, closed_until

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 12, 0, 10, tzinfo=UTC)  # a Wednesday
INVOICE = BookCommand.POST_INVOICE


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_domains_are_those_the_configuration_names() -> None:
    assert DOMAINS == ("customers", "products", "invoices", "credit_notes", "payments", "entries", "matches", "crm_status")


def test_without_a_rule_a_command_goes_as_it_says_itself() -> None:
    assert Lanes().place(INVOICE, "DE01", Lane.BATCH, NOW) == (Lane.BATCH, None)


def test_a_micro_batch_goes_at_the_end_of_its_span() -> None:
    lanes = Lanes((LaneRule("invoices", lane=Lane.MICRO_BATCH, collect_s=30),))
    assert lanes.place(INVOICE, "DE01", Lane.REAL_TIME, NOW) == (Lane.MICRO_BATCH, at("2026-03-04T12:00:30+00:00"))
    assert lanes.place(BookCommand.POST_PAYMENT, "DE01", Lane.REAL_TIME, NOW) == (Lane.REAL_TIME, None)


def test_a_rule_for_an_entity_wins() -> None:
    lanes = Lanes((LaneRule("invoices", "DE01", Lane.REAL_TIME, within_s=60), LaneRule("invoices", "", Lane.BATCH, every_s=3600)))
    assert lanes.place(INVOICE, "DE01", Lane.BATCH, NOW) == (Lane.REAL_TIME, None)
    assert lanes.place(INVOICE, "US01", Lane.REAL_TIME, NOW) == (Lane.BATCH, at("2026-03-04T13:00:00+00:00"))
    assert (lanes.within_s(INVOICE, "DE01"), lanes.within_s(INVOICE, "US01")) == (60, None)


def test_a_batch_goes_at_the_next_declared_time_of_the_zone() -> None:
    rule = LaneRule("entries", lane=Lane.BATCH, at=(time(6), time(13)), zone=BERLIN)
    # 12:00:10 UTC is 13:00:10 in Berlin: the next one is six in the morning, five o'clock UTC; in summer four.
    assert rule.due_at(NOW) == at("2026-03-05T05:00:00+00:00")
    assert rule.due_at(at("2026-03-28T20:00:00+00:00")) == at("2026-03-29T04:00:00+00:00")


def test_a_time_of_the_day_before_in_a_zone_behind_may_be_still_to_come() -> None:
    # 02:00 UTC on the 5th is 21:00 on the 4th in New York (winter): 23:00 there is 04:00 UTC on the 5th.
    rule = LaneRule("entries", lane=Lane.BATCH, at=(time(23),), zone=ZoneInfo("America/New_York"))
    assert rule.due_at(at("2026-03-05T02:00:00+00:00")) == at("2026-03-05T04:00:00+00:00")
    # At the very moment it goes, the next one is tomorrow's.
    assert rule.due_at(at("2026-03-05T04:00:00+00:00")) == at("2026-03-06T04:00:00+00:00")
    assert str(rule.due_at(NOW)) == "2026-03-05 04:00:00+00:00"


def test_a_rule_that_only_promises_leaves_the_lane_and_one_of_an_entity_goes_before_one_of_all() -> None:
    promise = LaneRule("invoices", within_s=60)
    assert Lanes((promise,)).place(INVOICE, "DE01", Lane.BATCH, NOW) == (Lane.BATCH, None)
    assert Lanes().within_s(INVOICE, "DE01") is None
    assert Lanes((promise, LaneRule("invoices", "DE01", within_s=5))).within_s(INVOICE, "DE01") == 5


@given(st.floats(0, 31_536_000), st.floats(1, 3600))
def test_collecting_lasts_no_longer_than_declared_and_never_ends_in_the_past(after_s: float, collect_s: float) -> None:
    now = NOW + timedelta(seconds=after_s)
    due = LaneRule("invoices", lane=Lane.MICRO_BATCH, collect_s=collect_s).due_at(now)
    assert due is not None
    assert timedelta(0) <= due - now <= timedelta(seconds=collect_s + 0.001)


WEEKLY = Weekly(frozenset({6}), time(22), time(2), BERLIN)  # Sunday evening to Monday morning


def test_a_weekly_window_reaches_into_the_next_day() -> None:
    assert closed_until([WEEKLY], at("2026-03-01T20:59:59+00:00")) is None
    assert closed_until([WEEKLY], at("2026-03-01T21:00:00+00:00")) == at("2026-03-02T01:00:00+00:00")
    assert closed_until([WEEKLY], at("2026-03-02T00:59:59+00:00")) == at("2026-03-02T01:00:00+00:00")
    assert closed_until([WEEKLY], at("2026-03-02T01:00:00+00:00")) is None


def test_a_window_over_the_change_of_the_clocks_is_taken_as_the_longer_one() -> None:
    # 25 October 2026: 03:00 CEST becomes 02:00 CET. A window until 02:30 ends at the second 02:30.
    window = Weekly(frozenset({6}), time(1), time(2, 30), BERLIN)
    assert closed_until([window], at("2026-10-25T00:45:00+00:00")) == at("2026-10-25T01:30:00+00:00")


def test_windows_that_follow_each_other_are_one() -> None:
    dated = [Dated(NOW, NOW + timedelta(hours=1)), Dated(NOW + timedelta(hours=1), NOW + timedelta(hours=3))]
    assert closed_until(dated, NOW) == NOW + timedelta(hours=3)
    assert closed_until(dated, NOW + timedelta(hours=3)) is None
