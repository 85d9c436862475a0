"""Refunds of a payment that left something open: each gives back of that what the ones before it left, whatever is known first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from tests.core.builders import ANN, NOON, PRO, RULES, World, at, credit_note, invoice, payment, refund, settled, usd, with_entity, world
from tests.core.ledger import Ledger
from tests.core.stories import delivered

from counterfoil.core.commands.books import PostEntry
from counterfoil.core.kinds.credit_note import RefundPart
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application
from counterfoil.core.kinds.refund import CreditNotePart, Refund, RefundState
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import PostingMode, Rules

ACCOUNT = with_entity(RULES, "US", uncredited_refund_policy="account")
FIRST, SECOND = at("2026-03-12 12:00"), at("2026-03-14 12:00")
PAID = payment(usd(10000), ("stripe:in_1", 6000))
SIXTY = invoice(usd(6000))


def books_of(*states: Record, rules: Rules = ACCOUNT) -> World:
    """Return the books after states came in this order."""
    books = world(rules=rules)
    books.take(ANN, PRO, *states)
    return books


def found(books: World, *accounts: str) -> tuple[dict[str, int], list[int]]:
    """Return what is open, by document, and the balances of accounts, receivable first."""
    ledger = Ledger().take(delivered(books.sent))
    return ledger.left_open(), [ledger.balance(account) for account in ("receivable", *accounts)]


def matches_of(books: World) -> dict[tuple[str, str], int]:
    """Return the matches that stand."""
    return Ledger().take(delivered(books.sent)).matches


def asked(books: World) -> list[tuple[str, int]]:
    """Return which refunds nothing accounts for, and by how much."""
    decisions = {ref.id: books.redecide(state) for ref, state in books.objects.items() if isinstance(state, Refund)}
    return [(id, problem.money.minor) for id, decision in decisions.items() for problem in decision.problems if problem.money]


def made(amount: int, number: int = 1, **more: Any) -> Refund:
    """Return one of several refunds, made one after the other."""
    when = FIRST if number == 1 else SECOND
    moved = settled(usd(-amount), id=f"stripe:txn_re_{number}", when=when)
    return refund(usd(amount), id=f"stripe:re_{number}", occurred_at=when, settlement=moved, **more)


def back(given: Refund, when: str = "2026-04-15 12:00") -> Refund:
    """Return a refund whose money came back."""
    number = given.id.rpartition("_")[2]
    return replace(given, state=RefundState.FAILED, reversal=settled(given.amount, id=f"stripe:txn_back_{number}", when=at(when)))


def test_a_refund_gives_back_what_its_payment_left_open_and_only_the_rest_goes_to_the_refunds_account() -> None:
    # 100.00 paid, 60.00 of it for an invoice, 50.00 given back: 40.00 were the customer's own, 10.00 are lost.
    books = books_of(SIXTY, PAID, made(5000))
    assert found(books, "refunds", "clearing:stripe") == ({}, [0, 1000, 5000])
    assert matches_of(books) == {
        ("invoice/stripe:in_1", "payment/stripe:ch_1"): 6000,
        ("refund/stripe:re_1", "payment/stripe:ch_1"): 4000,
        ("refund/stripe:re_1", "entry/refund_uncredited.stripe:re_1"): 1000,
    }


@pytest.mark.parametrize("is_turned", [False, True])
def test_refunds_draw_in_the_order_they_were_made_and_not_in_that_of_their_ids(is_turned: bool) -> None:
    # 40.00 are open. re_2 was made first, of 30.00; of the 30.00 of re_1, made two days later, 10.00 are left and 20.00 are beyond.
    early = replace(made(3000, 2), occurred_at=FIRST)
    late = replace(made(3000, 1), occurred_at=SECOND)
    books = books_of(SIXTY, PAID, *((late, early) if is_turned else (early, late)))
    assert found(books, "refunds") == ({}, [0, 2000])
    drawn = {debit: minor for (debit, credit), minor in matches_of(books).items() if credit == "payment/stripe:ch_1"}
    assert drawn == {"invoice/stripe:in_1": 6000, "refund/stripe:re_2": 3000, "refund/stripe:re_1": 1000}


def test_a_refund_does_not_wait_for_the_credit_note_of_an_earlier_one_that_came_back() -> None:
    # 40.00 are open, and whatever the note says: the first refund gives nothing of it back any more. 30.00 are the second one's.
    books = books_of(SIXTY, PAID, back(made(3000, credit_note_id="stripe:cn_never")), made(3000, 2))
    assert matches_of(books)["refund/stripe:re_2", "payment/stripe:ch_1"] == 3000


def test_a_case_is_about_what_goes_beyond_what_the_payment_left_open() -> None:
    books = books_of(SIXTY, PAID, made(5000), rules=RULES)
    assert asked(books) == [("stripe:re_1", 1000)]
    assert found(books) == ({"refund/stripe:re_1": 1000}, [1000])


def test_a_refund_smaller_than_what_is_open_leaves_the_rest_to_the_customer() -> None:
    books = books_of(SIXTY, PAID, made(1500), rules=RULES)
    assert (asked(books), found(books)) == ([], ({"payment/stripe:ch_1": -2500}, [-2500]))


def test_a_credit_note_for_the_rest_of_a_refund_leaves_what_the_payment_gave_back() -> None:
    # What the case asks for: a note of the 10.00 that names the refund.
    note = credit_note(usd(1000), refund_ids=("stripe:re_1",), refund_parts=(RefundPart("stripe:re_1", usd(1000)),))
    given = made(5000)
    named = replace(given, credit_note_id=note.id, credit_notes=(CreditNotePart(note.id, usd(1000)),))
    for order in ((SIXTY, PAID, given, note, named), (SIXTY, PAID, given, named, note), (SIXTY, note, named, PAID)):
        books = books_of(*order, rules=RULES)
        assert (asked(books), found(books)) == ([], ({}, [0]))


@pytest.mark.parametrize("rules", [RULES, ACCOUNT], ids=["case", "account"])
def test_a_credit_note_for_all_of_a_refund_opens_what_the_payment_left_again(rules: Rules) -> None:
    # 50.00 of the invoice are credited and refunded: the 40.00 that were never used are the customer's again.
    note = credit_note(usd(5000), refund_ids=("stripe:re_1",), refund_parts=(RefundPart("stripe:re_1", usd(5000)),))
    books = books_of(SIXTY, PAID, made(5000), note, rules=rules)
    assert asked(books) == []
    assert found(books, "refunds") == ({"payment/stripe:ch_1": -4000}, [-4000, 0])


@pytest.mark.parametrize("rules", [RULES, ACCOUNT], ids=["case", "account"])
def test_a_credit_note_for_some_of_what_the_payment_gave_back_makes_that_match_anew(rules: Rules) -> None:
    # A note of 30.00: of the 50.00, 30.00 are credited, 20.00 were the customer's own, who has 20.00 left.
    note = credit_note(usd(3000), refund_ids=("stripe:re_1",), refund_parts=(RefundPart("stripe:re_1", usd(3000)),))
    books = books_of(SIXTY, PAID, made(5000), note, rules=rules)
    assert asked(books) == []
    assert found(books, "refunds") == ({"payment/stripe:ch_1": -2000}, [-2000, 0])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_several_refunds_of_one_payment_take_from_it_in_the_order_they_were_made(order: tuple[int, ...]) -> None:
    # 40.00 are open; 30.00, then 30.00 are given back: the second finds 10.00, and 20.00 go to the refunds account.
    states: list[Record] = [PAID, made(3000), made(3000, 2)]
    books = books_of(SIXTY, *(states[place] for place in order))
    assert found(books, "refunds", "clearing:stripe") == ({}, [0, 2000, 4000])
    assert {pair: minor for pair, minor in matches_of(books).items() if pair[0].startswith("refund/")} == {
        ("refund/stripe:re_1", "payment/stripe:ch_1"): 3000,
        ("refund/stripe:re_2", "payment/stripe:ch_1"): 1000,
        ("refund/stripe:re_2", "entry/refund_uncredited.stripe:re_2"): 2000,
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_case_is_that_of_the_refund_for_which_nothing_was_left(order: tuple[int, ...]) -> None:
    states: list[Record] = [PAID, made(3000), made(3000, 2)]
    books = books_of(SIXTY, *(states[place] for place in order), rules=RULES)
    assert asked(books) == [("stripe:re_2", 2000)]
    assert found(books) == ({"refund/stripe:re_2": 2000}, [2000])


def test_two_refunds_that_together_give_back_what_is_open_leave_nothing_open_and_no_case() -> None:
    # Neither is the rest of the payment: 20.00 and 20.00 of the 40.00.
    books = books_of(SIXTY, PAID, made(2000), made(2000, 2), rules=RULES)
    assert (asked(books), found(books)) == ([], ({}, [0]))


@pytest.mark.parametrize("mode", [PostingMode.DETAILED, PostingMode.SUMMARY])
def test_when_an_earlier_refund_comes_back_a_later_one_gives_back_what_it_had(mode: PostingMode) -> None:
    # 40.00 given back, then 10.00 more, booked to the refunds account; the 40.00 come back. The customer has 30.00 with us.
    rules = with_entity(ACCOUNT, "US", posting_mode=mode)
    first = made(4000)
    books = books_of(SIXTY, PAID, first, made(1000, 2), back(first), rules=rules)
    assert balances(books) == {"refunds": 0, "receivable": -3000, "clearing:stripe": 9000}
    days = [item.day for item in books.items.values() if item.document_id.startswith("refund_uncredited_return")]
    days += [
        one.arguments.accounting_on
        for one in books.sent
        if isinstance(one.arguments, PostEntry) and "had that much open" in one.arguments.memo
    ]
    assert set(days) == {date(2026, 4, 15)}


def balances(books: World) -> dict[str, int]:
    """Return balances, of documents and of what was summed up."""
    ledger = Ledger().take(delivered(books.sent))
    for item in books.items.values():
        ledger.balances[item.entity, str(item.account), item.currency] += item.amount.minor
    return {name: ledger.balance(name) for name in ("refunds", "receivable", "clearing:stripe")}


def test_a_case_ends_when_an_earlier_refund_comes_back() -> None:
    first = made(4000)
    books = books_of(SIXTY, PAID, first, made(1000, 2), rules=RULES)
    assert asked(books) == [("stripe:re_2", 1000)]
    books.take(back(first))
    assert (asked(books), found(books)) == ([], ({"payment/stripe:ch_1": -3000}, [-3000]))


@pytest.mark.parametrize("rules", [RULES, ACCOUNT], ids=["case", "account"])
def test_what_a_customer_pays_with_the_open_money_later_is_not_given_back_any_more(rules: Rules) -> None:
    # 100.00 paid ahead, 50.00 given back; then it turns out that 60.00 and 25.00 of it paid invoices: 15.00 were left.
    ahead, last = payment(usd(10000)), payment(usd(10000), ("stripe:in_1", 6000), ("stripe:in_2", 2500))
    second = invoice(usd(2500), id="stripe:in_2")
    books = books_of(SIXTY, ahead, made(5000), PAID, second, last, rules=rules)
    is_case = rules is RULES
    assert asked(books) == ([("stripe:re_1", 3500)] if is_case else [])
    assert found(books, "refunds") == (({"refund/stripe:re_1": 3500}, [3500, 0]) if is_case else ({}, [0, 3500]))


@pytest.mark.parametrize("rules", [RULES, ACCOUNT], ids=["case", "account"])
def test_money_that_became_the_customers_balance_is_not_open_for_a_refund(rules: Rules) -> None:
    # The invoice took 60.00 of the 100.00, the source put 40.00 on the balance, and 50.00 are given back: the balance stays 40.00, used by
    # the next invoice; nothing of the payment is open, so all 50.00 go beyond it.
    due = invoice(usd(6000), paid_parts=(), amount_paid=usd(0))
    part = PaidPart("stripe:inpay_1", usd(6000), NOON, "stripe:ch_1")
    paid = replace(due, state=InvoiceState.PAID, paid_parts=(part,), amount_paid=usd(6000), amount_overpaid=usd(4000), paid_at=NOON)
    money = payment(usd(10000), applications=(Application("stripe:in_1", usd(6000), "stripe:inpay_1"),))
    credit = CustomerCredit("stripe:cb_1", "stripe:cus_A", usd(-4000), NOON, is_paid=True, invoice_id="stripe:in_1")
    later = invoice(usd(4000), id="stripe:in_2", starting_balance=usd(-4000), ending_balance=usd(0), amount_remaining=usd(0))
    for order in ((due, money, made(5000), paid, credit, made(5000), later), (due, money, paid, credit, later, made(5000))):
        books = books_of(*order, rules=rules)
        assert asked(books) == ([("stripe:re_1", 5000)] if rules is RULES else [])
        left, [_, refunds, credit_account] = found(books, "refunds", "customer_credit")
        assert (refunds, credit_account) == ((0 if rules is RULES else 5000), 0)
        assert left == ({"refund/stripe:re_1": 5000} if rules is RULES else {})


def test_a_bank_debit_that_failed_gives_back_what_is_open_and_the_customer_owes_the_rest_again() -> None:
    # 100.00 paid, 60.00 of it for an invoice; all of it fails after all: the invoice is owed again.
    books = books_of(SIXTY, PAID, made(10000, reason="payment_failed"), rules=RULES)
    assert (asked(books), found(books)) == ([], ({"refund/stripe:re_1": 6000}, [6000]))
