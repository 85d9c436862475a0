"""People decide the cases people made, each with its reason, and never more of them than were caused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from counterfoil.app.simulation.people import TRIES_MAX, SimulatedPeople
from counterfoil.core.language.keys import WAITS_FOR_NOTHING
from counterfoil.store.cases import Case, CaseState, CaseSubject

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def case(number: int, code: str, case_class: str, cause: str = "") -> Case:
    """Return an open case."""
    return Case(
        id=number,
        case_class=case_class,
        code=code,
        cause=cause,
        entity="DE",
        state=CaseState.OPEN,
        opened_at=NOW,
        due_at=NOW,
        closed_at=None,
        count=1,
        money_minor=None,
        fingerprint="", next_step="", connection="", owner="", impact="", currency="", closed_by="", reason="",
        releases_on=WAITS_FOR_NOTHING,
    )  # fmt: skip


@dataclass
class Books:
    """Notes what people do in the books."""

    done: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, _method: str, _path: str, **wish: Any) -> None:
        self.done.append(wish)


@dataclass
class Happened:
    """What went wrong so far."""

    struck: Counter[str]
    locked: dict[str, str] = field(default_factory=dict)
    books: Books = field(default_factory=Books)


@dataclass
class Hub:
    """Answers the first question with the open cases, and counts what is asked of it afterwards."""

    cases: list[Case]
    held: tuple[CaseSubject, ...] = ()
    retried: int = 0

    async def ask(self, question: Any) -> Any:
        if question.__name__ == "list_cases":
            return self.cases
        if question.__name__ == "standing_still":
            return list(self.held)
        self.retried += 1
        return None


def people(struck: dict[str, int], *cases: Case, locked: dict[str, str] | None = None) -> tuple[SimulatedPeople, Hub, Happened]:
    hub, happened = Hub(list(cases)), Happened(Counter(struck), locked or {})
    return SimulatedPeople(happened, hub), hub, happened  # type: ignore[arg-type]  # stand-ins


MISMATCHES = tuple(case(number, "odoo.amount_mismatch", "amount_mismatch") for number in (1, 2))


async def test_an_edited_draft_explains_one_mismatch_and_not_a_second() -> None:
    who, hub, _ = people({"draft_edited": 1}, *MISMATCHES)
    assert await who.look()
    assert (sorted(who.decided), hub.retried) == ([1], 1)


async def test_what_nobody_on_the_schedule_did_is_left_open() -> None:
    others = (case(3, "odoo.date_moved", "period_locked"), case(4, "deliver.unknown", "timeout"))
    who, hub, _ = people({"target_calls": 9}, *MISMATCHES, *others)
    assert not await who.look()
    assert (who.decided, hub.retried) == ({}, 0)


async def test_a_document_odoo_moved_is_moved_to_the_first_open_day() -> None:
    moved = case(1, "odoo.date_moved", "period_locked", "some were moved")
    who, hub, happened = people({"period_locked": 1}, moved, locked={"DE": "2025-12-31"})
    words = "PCFP/1 is booked on 2026-01-04 instead of 2025-12-30: locked"
    hub.held = (CaseSubject("deliver", "c1", "payment/stripe:pi_1", detail=words),)
    assert await who.look()
    assert happened.books.done == [{"action": "redate", "name": "PCFP/1", "date": "2026-01-01"}]
    assert hub.retried == 1


async def test_a_document_posted_with_what_a_person_put_in_is_taken_back() -> None:
    cause = "odoo does not take postings of DE: Odoo computes 11 JPY, the source says 2 JPY; it is posted as INV/1: x"
    who, hub, happened = people({"draft_edited": 1}, case(1, "odoo.amount_mismatch", "amount_mismatch", cause))
    hub.held = tuple(CaseSubject("deliver", f"c{n}", f"invoice/stripe:in_{n}", detail=cause) for n in (1, 2))
    assert await who.look()
    assert happened.books.done == [{"action": "delete", "xid": f"counterfoil.invoice_stripe.in_{n}"} for n in (1, 2)]
    assert (hub.retried, "between the hub's look and its posting" in who.decided[1].reason) == (1, True)


async def test_a_case_that_stays_is_not_tried_for_ever() -> None:
    who, hub, _ = people({"draft_edited": 1}, MISMATCHES[0])
    assert [await who.look() for _ in range(TRIES_MAX + 1)] == [True] * TRIES_MAX + [False]
    assert hub.retried == TRIES_MAX
