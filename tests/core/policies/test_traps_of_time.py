"""The traps of the domain that lie in time: locked periods, edits after posting, days of a time zone. Each test names its trap."""

from __future__ import annotations

from datetime import date

import pytest
from tests.core.builders import (
    JP,
    RULES,
    at,
    invoice,
    jpy,
    usd,
    with_entity,
    world,
)
from tests.core.policies.wished import document

from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.decision import OutboxCommand
from counterfoil.core.policies.rules import LockedPeriodPolicy


def test_invoice_dated_in_a_locked_period_goes_to_the_first_open_day_with_its_own_date_in_the_memo() -> None:
    books = world(rules=with_entity(RULES, "US", locked_until=date(2026, 3, 31)))
    books.decide(invoice(usd(9900)))
    posted = document(books, "invoice_stripe.in_1")
    assert (posted.accounting_on, posted.issued_on) == (date(2026, 4, 1), date(2026, 3, 10))
    assert posted.memo == "original date 2026-03-10"


def test_invoice_dated_in_a_locked_period_is_parked_where_the_entity_says_so() -> None:
    rules = with_entity(RULES, "US", locked_until=date(2026, 3, 31), locked_period_policy=LockedPeriodPolicy.PARK)
    decision = world(rules=rules).decide(invoice(usd(9900)))
    problem = decision.problems[0]
    assert decision.commands == ()
    assert (problem.case_class, problem.money, problem.releases_on) == (CaseClass.PERIOD_LOCKED, usd(9900), "period/US/2026-03-10")


@pytest.mark.parametrize("policy", LockedPeriodPolicy)
def test_a_period_locked_after_posting_changes_nothing_of_what_was_wished(policy: LockedPeriodPolicy) -> None:
    books = world()
    before = books.decide(invoice(usd(9900)))
    books.rules = with_entity(RULES, "US", locked_until=date(2026, 3, 31), locked_period_policy=policy)
    after = books.decide(invoice(usd(9900), state=InvoiceState.PAID))
    assert (after.commands, after.problems) == (before.commands, ())


def test_a_locked_period_does_not_change_the_id_of_the_wish() -> None:
    open_books, locked_books = world(), world(rules=with_entity(RULES, "US", locked_until=date(2026, 3, 31)))
    assert open_books.decide(invoice(usd(9900))).commands[0].id == locked_books.decide(invoice(usd(9900))).commands[0].id


def test_source_invoice_edited_after_posting_is_an_amount_mismatch_and_never_a_second_document() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    decision = books.decide(invoice(usd(9800)))
    assert decision.commands == ()
    assert (decision.problems[0].case_class, decision.problems[0].code) == (CaseClass.AMOUNT_MISMATCH, "decide.changed_after_posting")


def test_source_invoice_edited_before_anything_was_sent_replaces_the_wish() -> None:
    books = world()
    first = books.decide(invoice(usd(9900))).commands[0]
    books.wishes[first.target, first.external_key] = OutboxCommand(first, is_open=True)
    second = books.decide(invoice(usd(9800))).commands[0]
    assert (second.external_key, second.id != first.id, second.arguments) == (first.external_key, True, document(books, first.external_key))
    assert document(books, first.external_key).total == usd(9800)


def test_a_wish_that_goes_back_to_what_it_was_before_being_replaced_is_new_again() -> None:
    books = world()
    ids = []
    for minor in (9900, 9800, 9900, 9900):
        command = books.decide(invoice(usd(minor))).commands[0]
        books.wishes[command.target, command.external_key] = OutboxCommand(command, is_open=True)
        ids.append(command.id)
    assert len(set(ids)) == 3
    assert ids[2] == ids[3]


def test_a_changed_due_date_or_mapping_after_posting_is_no_edit_of_the_document() -> None:
    books = world()
    first = books.decide(invoice(usd(9900)))
    assert books.decide(invoice(usd(9900), due_at=at("2026-05-01 12:00"))).commands == first.commands


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-01 04:59", date(2026, 2, 28)),  # 23:59 in New York, winter time (UTC-5): still February
        ("2026-03-01 05:00", date(2026, 3, 1)),
        ("2026-04-01 03:59", date(2026, 3, 31)),  # 23:59 in New York, daylight saving time (UTC-4)
        ("2026-04-01 04:00", date(2026, 4, 1)),
        ("2026-03-08 06:59", date(2026, 3, 8)),  # the night clocks are put forward
    ],
)
def test_daylight_saving_and_month_end_boundaries_are_those_of_the_entitys_own_time_zone(instant: str, day: date) -> None:
    books = world()
    books.decide(invoice(usd(9900), issued_at=at(instant)))
    assert document(books, "invoice_stripe.in_1").accounting_on == day


def test_the_same_instant_may_lie_in_different_months_of_two_entities() -> None:
    books = world(connection="stripe_jp")
    books.decide(invoice(jpy(100), issued_at=at("2026-03-31 15:00")))
    assert (document(books, "invoice_stripe.in_1").accounting_on, JP.name) == (date(2026, 4, 1), "JP")
