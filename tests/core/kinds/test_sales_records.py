"""Companies, contacts and deals of a sales system: what may follow what, what is kept, and that nothing of them is booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest

from counterfoil.core.facts.events import Event, Fact, ref_of
from counterfoil.core.facts.merge import Current, MergeOutcome, merge
from counterfoil.core.kinds.company import COMPANY, Company, CompanyEvent, CompanyState
from counterfoil.core.kinds.contact import CONTACT, Contact, ContactEvent, ContactState
from counterfoil.core.kinds.deal import DEAL, Deal, DealEvent, DealState
from counterfoil.core.kinds.quote import QUOTE, Quote, QuoteState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Record
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import MemoryView
from counterfoil.core.policies.rules import Rules

AT = datetime(2026, 3, 1, tzinfo=UTC)
HARBOR = Company("crm:1.10", "Blue Harbor", domain="blueharbor.example", country="DE")
MIRA = Contact("crm:1.20", "Mira Sand", email="mira@blueharbor.example", company_ids=("crm:1.10",))
DEAL_OPEN = Deal("crm:1.30", "100 seats", DealState.OPEN, Money(120_000, "EUR"), "EUR", company_ids=("crm:1.10",))


def fact(state: Record, sequence: int) -> Fact:
    return Fact(CompanyEvent.UPDATED, AT, sequence, state)


def after(*facts: Fact) -> Current:
    current: Current | None = None
    for one in facts:
        current = merge(current, one).current
    assert current is not None
    return current


def test_what_was_deleted_may_come_back_and_what_was_merged_does_not() -> None:
    gone = Company("crm:1.10", "", CompanyState.DELETED)
    assert after(fact(HARBOR, 1), fact(gone, 2), fact(HARBOR, 3)).record == HARBOR
    merged = Company("crm:1.10", "", CompanyState.MERGED, merged_into="crm:1.11")
    kept = after(fact(HARBOR, 1), fact(merged, 2)).record
    # The survivor is named, and the name it had is still there to be found by.
    assert kept == Company("crm:1.10", "Blue Harbor", CompanyState.MERGED, "blueharbor.example", "", "DE", "crm:1.11")
    assert merge(Current(kept, 2), fact(HARBOR, 3)).outcome is MergeOutcome.STALE


def test_a_quote_may_be_taken_back_at_any_time_and_a_deleted_one_keeps_its_terms() -> None:
    terms = Quote("crm:1.40", "Offer", QuoteState.APPROVED, "Q-7", Money(120_000, "EUR"), "EUR", deal_ids=("crm:1.30",))
    for first, second in permutations(QuoteState, 2):
        assert merge(Current(replace(terms, state=first), 1), fact(replace(terms, state=second), 2)).current.record.state is second  # type: ignore[attr-defined]
    gone = Quote("crm:1.40", "", QuoteState.DELETED)
    assert after(fact(terms, 1), fact(gone, 2)).record == replace(terms, state=QuoteState.DELETED)
    assert QUOTE.found_by(terms) == ("Offer", "Q-7")


def test_of_an_erased_contact_nothing_personal_is_kept_in_whatever_order_it_is_told() -> None:
    erased = Contact("crm:1.20", "", ContactState.ERASED)
    facts = (fact(MIRA, 1), fact(Contact("crm:1.20", "Mira", ContactState.DELETED), 3), fact(erased, 2), fact(MIRA, 4))
    for told in permutations(facts):
        assert after(*told).record == erased


def test_of_a_merged_contact_nothing_personal_is_kept_as_all_of_it_is_its_survivors() -> None:
    merged = Contact("crm:1.20", "", ContactState.MERGED, merged_into="crm:1.21")
    for told in permutations((fact(merged, 2), fact(Contact("crm:1.20", "Mira", ContactState.DELETED), 1))):
        assert after(*told).record == merged
    assert after(fact(MIRA, 1), fact(merged, 2)).record == merged


@pytest.mark.parametrize(
    ("merged", "gone"),
    [
        (Company("1", "", CompanyState.MERGED, merged_into="2"), Company("1", "", CompanyState.DELETED)),
        (Contact("1", "", ContactState.MERGED, merged_into="2"), Contact("1", "", ContactState.DELETED)),
        (Deal("1", "", DealState.MERGED, merged_into="2"), Deal("1", "", DealState.DELETED)),
    ],
)
def test_what_was_merged_stays_so_though_its_survivor_is_deleted_and_the_merge_is_told_late(merged: Record, gone: Record) -> None:
    for told in permutations((fact(merged, 1), fact(gone, 2))):
        assert after(*told).record == merged


def test_a_deal_may_be_opened_again_and_decided_otherwise() -> None:
    states = [DealState.OPEN, DealState.LOST, DealState.OPEN, DealState.WON, DealState.LOST, DealState.DELETED, DealState.WON]
    facts = [fact(Deal("crm:1.30", "100 seats", state), place) for place, state in enumerate(states)]
    assert [after(*facts[: place + 1]).record for place in range(len(facts))] == [one.data for one in facts]


def test_a_deleted_deal_keeps_what_was_known_of_it() -> None:
    gone = after(fact(DEAL_OPEN, 1), fact(Deal("crm:1.30", "", DealState.DELETED), 2)).record
    assert gone == Deal("crm:1.30", "100 seats", DealState.DELETED, Money(120_000, "EUR"), "EUR", company_ids=("crm:1.10",))


@pytest.mark.parametrize(
    ("event_type", "record", "rule"),
    [
        (CompanyEvent.CREATED, HARBOR, "company_has_no_counterpart"),
        (ContactEvent.CREATED, MIRA, "contact_has_no_counterpart"),
        (DealEvent.WON, DEAL_OPEN, "deal_has_no_counterpart"),
    ],
)
def test_nothing_of_a_sales_system_is_booked_nor_waited_for(event_type: EventType, record: Record, rule: str) -> None:
    event = Event("ev1", event_type, 1, "crm", ref_of(record), AT, AT, 1, record)
    decision = decide(event, MemoryView({ref_of(record): record}), Rules(1, {}, ()))
    assert (decision.ignored, decision.commands, decision.waits, decision.problems) == (rule, (), (), ())


def test_they_are_found_by_what_people_know_and_are_no_customers() -> None:
    assert (COMPANY.found_by(HARBOR), CONTACT.found_by(MIRA), DEAL.found_by(DEAL_OPEN)) == (
        ("Blue Harbor", "blueharbor.example"),
        ("Mira Sand", "mira@blueharbor.example"),
        ("100 seats",),
    )
    assert [COMPANY.customer_of(HARBOR), CONTACT.customer_of(MIRA), DEAL.customer_of(DEAL_OPEN)] == ["", "", ""]
