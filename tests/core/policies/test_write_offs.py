"""Write-offs follow what is uncollectible: at every moment bad debt equals what the source still calls so, and nothing is left open."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from tests.core.builders import RULES, World, at, credit_note, invoice, payment, refund, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.facts.events import ref_of
from counterfoil.core.finance.summary import by_day, close_day
from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.invoice import INVOICE, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import PostingMode, Rules

LOST = invoice(
    usd(10000),
    state=InvoiceState.UNCOLLECTIBLE,
    amount_remaining=usd(10000),
    amount_paid=usd(0),
    uncollectible_at=at("2026-05-01 12:00"),
    paid_parts=(),
)
PART = PaidPart("stripe:inpay_1", usd(4000), at("2026-06-02 12:00"), "stripe:ch_1")
PARTLY = replace(LOST, amount_remaining=usd(6000), amount_paid=usd(4000), paid_parts=(PART,))
RECOVERED = payment(
    usd(4000),
    occurred_at=at("2026-06-02 12:00"),
    applications=(Application("stripe:in_1", usd(4000), "stripe:inpay_1"),),
)
CREDITED = replace(LOST, amount_remaining=usd(0), credited_before_payment=usd(10000))


def books_of(*states: Record, rules: Rules = RULES) -> World:
    """Return a world that decided these states one after the other, each again whenever what it waited for arrived."""
    books = world(rules=rules)
    waiting: dict[ObjectRef, set[ObjectRef]] = {}
    for state in states:
        books.know(state)
        for ref in (ref_of(state), *waiting.pop(ref_of(state), set())):
            for wanted in books.redecide(books.objects[ref]).waits:
                waiting.setdefault(wanted, set()).add(ref)
    return books


def bad_debt(books: World) -> tuple[int, dict[str, int]]:
    """Return the bad debt and what is open on the receivable."""
    ledger = Ledger().take(books.sent)
    return ledger.balance("bad_debt"), ledger.left_open()


def test_a_credit_note_on_a_written_off_invoice_takes_the_write_off_back_and_its_place() -> None:
    # 100.00 written off, then credited: a loss of revenue, no bad debt any more.
    note = credit_note(usd(10000), before=10000)
    books = books_of(invoice(usd(10000)), LOST, CREDITED, note)
    assert bad_debt(books) == (0, {})
    assert "post_entry recovery_stripe.in_1 2026-05-01 bad_debt -100.00 USD, receivable 100.00 USD" in texts(books.sent)


def test_a_credit_note_of_a_part_leaves_the_rest_written_off() -> None:
    note = credit_note(usd(3000), before=3000)
    books = books_of(LOST, replace(LOST, amount_remaining=usd(7000), credited_before_payment=usd(3000)), note)
    assert bad_debt(books) == (7000, {})


def test_what_is_recovered_of_an_invoice_that_stays_uncollectible_is_no_bad_debt_any_more() -> None:
    # 40.00 of 100.00 comes in after all: bad debt is 60.00, from the day the source told of it.
    books = books_of(LOST, PARTLY, RECOVERED)
    assert bad_debt(books) == (6000, {})
    assert texts(books.sent)[3:6] == [
        "unmatch invoice/stripe:in_1 entry/bad_debt.stripe:in_1",
        "post_entry recovery_stripe.in_1 2026-05-01 bad_debt -100.00 USD, receivable 100.00 USD",
        "allocate entry/recovery.stripe:in_1 entry/bad_debt.stripe:in_1 100.00 USD",
    ]
    assert texts(books.sent)[6:8] == [
        "post_entry bad_debt_stripe.in_1.2 2026-05-01 bad_debt 60.00 USD, receivable -60.00 USD",
        "allocate invoice/stripe:in_1 entry/bad_debt.stripe:in_1.2 60.00 USD",
    ]


def test_the_change_of_a_write_off_is_booked_on_the_day_the_source_told_of_it() -> None:
    books = books_of(LOST)
    decision = books.decide(PARTLY, when=at("2026-06-02 13:00"))
    days = {line.split()[1]: line.split()[2] for line in texts(decision.commands) if line.startswith("post_entry")}
    assert days == {"bad_debt_stripe.in_1": "2026-05-01", "recovery_stripe.in_1": "2026-06-02", "bad_debt_stripe.in_1.2": "2026-06-02"}


def test_a_payment_known_before_its_invoice_says_so_is_booked_and_its_match_waits_for_the_invoice() -> None:
    books = world()
    books.decide(LOST)
    decision = books.decide(RECOVERED)
    assert (len(decision.commands), decision.waits) == (1, (INVOICE.ref("stripe:in_1"),))
    books.decide(PARTLY)
    assert books.redecide(RECOVERED).waits == ()
    assert bad_debt(books) == (6000, {})


def test_a_payment_before_the_write_off_is_no_recovery() -> None:
    books = books_of(RECOVERED, invoice(usd(10000)), PARTLY, RECOVERED)
    assert bad_debt(books) == (6000, {})
    assert not any("recovery" in line or "unmatch" in line for line in texts(books.sent))


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_bad_debt_is_what_is_uncollectible_whatever_comes_first(order: tuple[int, ...]) -> None:
    # 100.00 lost, 40.00 recovered, 25.00 credited: 35.00 stay lost. A state of the invoice that comes late changes nothing.
    both = replace(PARTLY, amount_remaining=usd(3500), credited_before_payment=usd(2500))
    states: tuple[Record, ...] = (LOST, PARTLY, both, RECOVERED, credit_note(usd(2500), before=2500))
    fresh = [i for place, i in enumerate(order) if i > 2 or all(later < i for later in order[:place] if later < 3)]
    assert bad_debt(books_of(*(states[i] for i in fresh))) == (3500, {})


def test_the_rest_paid_after_all_leaves_no_bad_debt() -> None:
    rest = PaidPart("stripe:inpay_2", usd(6000), at("2026-07-02 12:00"), "stripe:ch_2")
    paid = replace(
        PARTLY,
        state=InvoiceState.PAID,
        amount_remaining=usd(0),
        amount_paid=usd(10000),
        paid_parts=(PART, rest),
        paid_at=at("2026-07-02 12:00"),
    )
    last = payment(usd(6000), id="stripe:ch_2", applications=(Application("stripe:in_1", usd(6000), "stripe:inpay_2"),))
    books = books_of(LOST, PARTLY, RECOVERED, paid, last)
    assert bad_debt(books) == (0, {})
    assert "post_entry recovery_stripe.in_1.2 2026-07-02 bad_debt -60.00 USD, receivable 60.00 USD" in texts(books.sent)


def test_a_credit_note_voided_again_writes_off_anew() -> None:
    note = credit_note(usd(10000), before=10000)
    void = replace(note, state=CreditNoteState.VOID, voided_at=at("2026-06-09 12:00"))
    books = books_of(LOST, CREDITED, note, void, LOST)
    assert bad_debt(books) == (10000, {})


def test_in_summary_posting_bad_debt_follows_too() -> None:
    books = world(rules=with_entity(RULES, "US", posting_mode="summary"))
    for state in (LOST, RECOVERED, PARTLY, PARTLY, RECOVERED):
        books.decide(state)
    entries = [close_day(day, items).entry for day, items in by_day(books.items.values()).items()]
    lines = [line for entry in entries if entry for line in entry.lines]
    assert {str(a): sum(x.amount.minor for x in lines if x.account == a) for a in {x.account for x in lines}} == {
        "receivable": 0,
        "revenue:plans": -10000,
        "bad_debt": 6000,
        "clearing:stripe": 4000,
    }


PAID_IN_FULL = payment(
    usd(10000), occurred_at=at("2026-06-02 12:00"), applications=(Application("stripe:in_1", usd(10000), "stripe:inpay_1"),)
)
SETTLED = replace(
    LOST,
    state=InvoiceState.PAID,
    amount_remaining=usd(0),
    amount_paid=usd(10000),
    paid_parts=(replace(PART, amount=usd(10000)),),
    paid_at=at("2026-06-02 12:00"),
)
ISSUED = replace(LOST, state=InvoiceState.ISSUED, uncollectible_at=None)


@pytest.mark.parametrize("mode", [PostingMode.DETAILED, PostingMode.SUMMARY])
def test_an_invoice_whose_payment_is_booked_is_not_written_off_by_a_state_that_comes_late(mode: PostingMode) -> None:
    # 100.00 uncollectible on 1 May, paid on 2 June. The payment is booked first, then the state of May comes, then that of June.
    books = books_of(ISSUED, PAID_IN_FULL, LOST, rules=with_entity(RULES, "US", posting_mode=mode))
    assert waits_of(books, LOST) == ["invoice/stripe:in_1"]
    assert balances_of(books) == {"receivable": 0, "bad_debt": 0}
    books.decide(SETTLED)
    assert (waits_of(books, SETTLED), balances_of(books)) == ([], {"receivable": 0, "bad_debt": 0})
    assert mode is PostingMode.SUMMARY or bad_debt(books) == (0, {})


def test_of_an_invoice_whose_payment_is_booked_what_a_newer_state_still_calls_uncollectible_is_written_off() -> None:
    # A source that does not list payments: 40.00 were paid before the invoice was called uncollectible; the state of before comes late.
    plain = payment(usd(4000), ("stripe:in_1", 4000))
    issued, lost = replace(ISSUED, paid_parts=None), replace(LOST, paid_parts=None)
    books = books_of(issued, plain, lost)
    assert (waits_of(books, lost), bad_debt(books)) == (["invoice/stripe:in_1"], (0, {"invoice/stripe:in_1": 6000}))
    books.decide(replace(lost, amount_remaining=usd(6000), amount_paid=usd(4000)))
    assert bad_debt(books) == (6000, {})


def test_an_invoice_whose_credit_note_is_booked_is_not_written_off_by_a_state_that_comes_late() -> None:
    # 30.00 of 100.00 credited after the invoice was called uncollectible, and known before that state: 70.00 are lost.
    note = credit_note(usd(3000), before=3000)
    books = books_of(ISSUED, note, LOST)
    assert (waits_of(books, LOST), bad_debt(books)) == (["invoice/stripe:in_1"], (0, {"invoice/stripe:in_1": 7000}))
    books.decide(replace(LOST, amount_remaining=usd(7000), credited_before_payment=usd(3000)))
    assert bad_debt(books) == (7000, {})


def test_a_bank_debit_that_failed_after_all_keeps_no_invoice_from_being_written_off() -> None:
    # Paid, returned by the bank, and only then called uncollectible: the return stands for what is owed again.
    failed = refund(usd(10000), reason="payment_failed")
    books = books_of(ISSUED, PAID_IN_FULL, failed, LOST)
    assert waits_of(books, LOST) == []


def waits_of(books: World, state: Record) -> list[str]:
    """Return what a state waits for."""
    return [ref.key for ref in books.redecide(state).waits]


def balances_of(books: World) -> dict[str, int]:
    """Return balances of documents and of what was summed up."""
    ledger = Ledger().take(books.sent)
    for item in books.items.values():
        ledger.balances[item.entity, str(item.account), item.currency] += item.amount.minor
    return {name: ledger.balance(name) for name in ("receivable", "bad_debt")}
