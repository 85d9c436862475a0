"""Both sides joined document by document: what differs, what is only late, and what a key of ours says of the source's id."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

import pytest

from counterfoil.core.proving.items import Ledger, ProofItem, Why, month, spellings
from counterfoil.core.proving.totals import TotalKind

DECEMBER = month("2025-12", UTC)
DAY, LATER, EARLIER = date(2025, 12, 3), date(2026, 1, 1), date(2025, 11, 30)


def item(minor: int, id: str = "in_1", kind: TotalKind = TotalKind.INVOICE, on: date | None = DAY, of: tuple[str, ...] = ()) -> ProofItem:
    """Return an amount."""
    return ProofItem(kind, "USD", minor, id, on, of=of)


def joined(source: list[ProofItem], books: list[ProofItem], *in_flight: str) -> list[tuple[str, int, Why]]:
    """Return what stands apart: id, books less source, why."""
    ledger = ledger_of(source, books)
    return [(one.id, one.difference.minor, one.why) for one in ledger.apart(in_flight)]


def ledger_of(source: list[ProofItem], books: list[ProofItem]) -> Ledger:
    """Return both sides joined."""
    ledger = Ledger(DECEMBER)
    for one in source:
        ledger.add_source(one)
    for one in books:
        ledger.add_books(one)
    return ledger


def test_a_month_ends_where_the_next_begins() -> None:
    assert (DECEMBER.first, DECEMBER.after) == (date(2025, 12, 1), date(2026, 1, 1))
    assert (DECEMBER.has(DAY), DECEMBER.has(LATER), DECEMBER.has(EARLIER), DECEMBER.has(None)) == (True, False, False, True)
    with pytest.raises(ValueError, match="month must be"):
        month("2025-13", UTC)


def test_equal_sides_leave_nothing() -> None:
    assert joined([item(100), item(50, "in_2")], [item(50, "in_2"), item(60), item(40)]) == []


def test_what_differs_is_missing_unknown_or_of_another_amount() -> None:
    found = joined([item(100), item(50, "in_2")], [item(90), item(7, "in_3")])
    assert found == [("in_1", -10, Why.AMOUNT), ("in_2", -50, Why.MISSING), ("in_3", 7, Why.UNKNOWN)]


def test_what_is_booked_in_another_month_or_on_its_way_is_no_difference() -> None:
    assert joined([item(100)], [item(100, on=LATER)]) == [("in_1", -100, Why.DATED)]
    assert joined([item(100, on=EARLIER)], [item(100)]) == [("in_1", 100, Why.DATED)]
    assert joined([item(100)], [], "in_1") == [("in_1", -100, Why.IN_FLIGHT)]
    assert joined([item(100, of=("ch_1",))], [], "ch_1") == [("in_1", -100, Why.IN_FLIGHT)]
    assert joined([item(100)], [item(90, on=LATER)]) == [("in_1", -100, Why.MISSING)]  # later, and not whole


def test_lines_sum_up_and_say_what_is_explained() -> None:
    ledger = ledger_of([item(100), item(50, "in_2")], [item(100)])
    (line,) = ledger.lines(ledger.apart(["in_2"]))
    assert (line.source_minor, line.books_minor, line.apart_minor, line.difference_minor) == (150, 100, -50, 0)
    assert (line.count_source, line.count_books) == (2, 1)


def test_a_key_of_ours_is_found_by_the_id_of_the_source_within_it() -> None:
    assert "in_1" in list(spellings("oob_in_1"))
    assert "in_1" in list(spellings("in_1.2"))
    assert joined([item(5, kind=TotalKind.OUT_OF_BAND_PAYMENT)], [item(5, "oob_in_1", TotalKind.OUT_OF_BAND_PAYMENT)]) == []


def test_what_is_pending_is_said_and_never_differs() -> None:
    ledger = ledger_of([item(30, "balance", TotalKind.PENDING, None)], [])
    (line,) = ledger.lines(())
    assert (line.source_minor, line.difference_minor) == (30, 0)
    assert list(ledger.apart()) == []


def test_money_booked_where_nobody_says_through_whom_it_came_is_what_the_source_says() -> None:
    source = [item(100, "in_1", TotalKind.OUT_OF_BAND_PAYMENT), item(50, "ch_1", TotalKind.PAYMENT)]
    also = (TotalKind.OUT_OF_BAND_PAYMENT,)
    adopted = [ProofItem(TotalKind.PAYMENT, "USD", minor, id, DAY, also=also) for minor, id in ((100, "oob_in_1"), (50, "ch_1"))]
    assert joined(source, adopted) == []
    told = {line.kind: (line.source_minor, line.books_minor) for line in ledger_of(source, adopted).lines(())}
    assert told == {TotalKind.OUT_OF_BAND_PAYMENT: (100, 100), TotalKind.PAYMENT: (50, 50)}
    assert [why for _, _, why in joined(source, [replace(one, also=()) for one in adopted])] == [Why.MISSING, Why.UNKNOWN]
