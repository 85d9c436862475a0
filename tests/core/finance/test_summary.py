"""Summary posting: items by day, closing, supplements, switching modes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.core.builders import NOON, RULES, World, at, eur, invoice, line, payment, settled, tax, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import PostEntry
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.finance.summary import by_day, close_day
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.closing import close
from counterfoil.core.policies.rules import LockedPeriodPolicy, PostingMode

SUMMARY = with_entity(with_entity(RULES, "DE", posting_mode="summary"), "US", posting_mode="summary")
DAY = ("DE", date(2026, 3, 10), "EUR")


def two_invoices() -> World:
    """Return a world with two invoices of a day: 119.00 and 59.50, both with 19 % VAT."""
    books = world(rules=SUMMARY)
    for number, net in ((1, 10000), (2, 5000)):
        vat = net * 19 // 100
        item = line(eur(net), taxes=[tax(eur(vat), eur(net), "19")])
        books.decide(invoice(eur(net + vat), item, id=f"stripe:in_{number}", tax=vat))
    return books


def lines_of(entry: PostEntry | None) -> list[str]:
    """Return an entry's lines as text."""
    assert entry is not None
    return [f"{item.account} {item.amount} {item.description}".strip() for item in entry.lines]


def test_the_documents_of_a_day_become_one_entry_by_account_group_and_tax() -> None:
    books = two_invoices()
    assert books.sent == []
    closed = close_day(DAY, books.items.values())
    assert lines_of(closed.entry) == ["receivable 178.50 EUR", "revenue:plans -150.00 EUR plans VAT 19", "tax:VAT 19 -28.50 EUR VAT 19"]
    assert closed.documents == ("invoice_stripe.in_1", "invoice_stripe.in_2")


def test_deciding_again_adds_nothing_to_a_day() -> None:
    books = two_invoices()
    before = dict(books.items)
    for state in list(books.objects.values()):
        books.redecide(state)
    assert books.items == before


def test_late_items_make_a_supplementary_entry() -> None:
    books = two_invoices()
    items = by_day(books.items.values())[DAY]
    late = [item for item in items if item.document_id.endswith("in_2")]
    closed = close_day(DAY, late, number=2)
    assert (closed.id, closed.entry and closed.entry.memo) == ("DE:2026-03-10.EUR.2", "summary DE 2026-03-10 EUR, supplement 2")
    assert lines_of(closed.entry)[0] == "receivable 59.50 EUR"


def test_a_day_takes_only_its_own_items() -> None:
    with pytest.raises(InvariantError, match="not of"):
        close_day(("DE", date(2026, 3, 11), "EUR"), two_invoices().items.values())


def test_a_closed_day_is_one_command_with_a_key_of_its_own() -> None:
    books = two_invoices()
    decision = close(close_day(DAY, books.items.values()), books.view(), SUMMARY, NOON)
    assert texts(decision.commands) == [
        "post_entry summary_DE.2026-03-10.EUR.1 2026-03-10 receivable 178.50 EUR, revenue:plans -150.00 EUR, tax:VAT 19 -28.50 EUR"
    ]
    assert decision.commands[0].produces == "entry/summary.DE:2026-03-10.EUR.1"


def test_a_day_that_cancels_out_needs_no_entry() -> None:
    books = world(rules=SUMMARY)
    books.decide(invoice(usd(100), state=InvoiceState.VOID, voided_at=NOON))
    decision = close(close_day(("US", date(2026, 3, 10), "USD"), books.items.values()), books.view(), SUMMARY, NOON)
    assert (decision.commands, decision.ignored) == ((), "summary_cancels_out")


def test_a_locked_day_is_moved_or_parked_when_it_is_closed() -> None:
    books = two_invoices()
    closed = close_day(DAY, books.items.values())
    locked = with_entity(SUMMARY, "DE", locked_until=date(2026, 3, 31))
    moved = close(closed, books.view(), locked, NOON).commands[0].arguments
    assert isinstance(moved, PostEntry)
    assert (moved.accounting_on, moved.memo) == (date(2026, 4, 1), "summary DE 2026-03-10 EUR (original date 2026-03-10)")
    parked = close(closed, books.view(), with_entity(locked, "DE", locked_period_policy=LockedPeriodPolicy.PARK), NOON)
    assert parked.problems[0].case_class is CaseClass.PERIOD_LOCKED


def test_documents_of_before_the_switch_of_modes_keep_theirs() -> None:
    rules = with_entity(RULES, "US", posting_mode=PostingMode.SUMMARY, posting_mode_from=date(2026, 4, 1))
    books = world(rules=rules)
    assert len(books.decide(invoice(usd(100))).commands) == 1
    assert len(books.decide(invoice(usd(100), id="stripe:in_2", issued_at=at("2026-04-01 12:00"))).summary) == 2


def test_a_payment_after_the_switch_is_summed_up_like_the_invoice_it_pays() -> None:
    books = world(rules=with_entity(RULES, "US", posting_mode=PostingMode.DETAILED, posting_mode_from=date(2026, 4, 1)))
    books.decide(invoice(usd(9900)))
    decision = books.decide(payment(usd(9900), ("stripe:in_1", 9900), occurred_at=at("2026-04-02 12:00")))
    assert decision.commands == ()
    assert {item.document_id for item in decision.summary} == {"payment_stripe.ch_1"}


def test_a_document_wished_before_the_mode_was_changed_is_not_summed_up_as_well() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.rules = SUMMARY
    decision = books.decide(invoice(usd(9900)))
    assert (len(decision.commands), decision.summary) == (1, ())


def test_a_write_off_in_a_summary_is_taken_back_in_a_summary() -> None:
    books = world(rules=SUMMARY)
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=at("2026-05-01 12:00"))
    books.decide(lost)
    assert sum(item.amount.minor for item in books.items.values() if str(item.account) == "bad_debt") == 9900
    books.decide(replace(lost, state=InvoiceState.PAID, amount_remaining=usd(0), paid_at=at("2026-06-01 12:00")))
    assert sum(item.amount.minor for item in books.items.values() if str(item.account) == "bad_debt") == 0


def test_a_payment_settled_in_another_currency_balances_in_each_days_entries() -> None:
    books = world(rules=SUMMARY)
    books.decide(payment(eur(10000), settlement=settled(usd(10800), fee=300)))
    days = by_day(books.items.values())
    assert sorted(day[2] for day in days) == ["EUR", "USD"]
    assert all(sum(item.amount.minor for item in items) == 0 for items in days.values())
    assert Ledger().take(books.sent).balances == {}
