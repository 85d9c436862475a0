"""Refunds and credit notes, many to many; refunds of nobody and without a credit note; money that comes back and is sent again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import ANN, RULES, World, at, credit_note, invoice, payment, refund, settled, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.kinds.credit_note import CreditNote, RefundPart
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.refund import CreditNotePart, Refund, RefundState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decision import Decision, OutboxCommand
from counterfoil.core.policies.rules import PostingMode, Rules

MATCHES = (BookCommand.ALLOCATE, BookCommand.UNMATCH)
ACCOUNT = with_entity(RULES, "US", uncredited_refund_policy="account")
GUESTS = Customer("stripe:cus_guests", "Guests")
BACK = settled(usd(10000), id="stripe:txn_back", when=at("2026-04-15 12:00"))


def paid(rules: Rules = RULES, *known: Record) -> World:
    """Return a world in which an invoice of 100.00 was paid."""
    books = world(*known, rules=rules)
    books.decide(invoice(usd(10000)))
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    return books


def note(number: int, amount: int, *parts: tuple[str, int], **more: Any) -> CreditNote:
    """Return a credit note after payment, with what refunds pay out of it."""
    found = tuple(RefundPart(refund_id, usd(minor)) for refund_id, minor in parts)
    given: dict[str, Any] = {"refund_ids": tuple(part.refund_id for part in found), "refund_parts": found, **more}
    return credit_note(usd(amount), id=f"stripe:cn_{number}", **given)


def linked(money: Money, *parts: tuple[str, int], **more: Any) -> Refund:
    """Return a refund that says what it pays out of credit notes."""
    return refund(money, credit_notes=tuple(CreditNotePart(note_id, usd(minor)) for note_id, minor in parts), **more)


def state_of(books: World, *accounts: str) -> tuple[dict[str, int], list[int]]:
    """Return what is open, by document, and the balances of accounts."""
    ledger = Ledger().take(sorted(books.sent, key=lambda command: command.kind in MATCHES))
    return ledger.left_open(), [ledger.balance(account) for account in accounts]


def problems(decision: Decision) -> list[tuple[str, Money | None]]:
    """Return the codes of a decision's problems and what is at stake."""
    return [(problem.code, problem.money) for problem in decision.problems]


@pytest.mark.parametrize("order", ["refund first", "notes first", "notes only"])
def test_one_refund_pays_out_two_credit_notes(order: str) -> None:
    # 100.00 refunded for notes of 60.00 and 40.00: nothing stays open, whoever tells of the other.
    books = paid()
    one, two = note(1, 6000, ("stripe:re_1", 6000)), note(2, 4000, ("stripe:re_1", 4000))
    given = linked(usd(10000), ("stripe:cn_1", 6000), ("stripe:cn_2", 4000))
    steps: dict[str, list[Record]] = {
        "refund first": [given, one, two, given],
        "notes first": [one, two, given, one, two],
        "notes only": [refund(usd(10000)), one, two],
    }
    for state in steps[order]:
        books.decide(state)
    assert state_of(books)[0] == {}
    assert {text for text in texts(books.sent) if "refund/" in text and text.startswith("allocate")} == {
        "allocate refund/stripe:re_1 credit_note/stripe:cn_1 60.00 USD",
        "allocate refund/stripe:re_1 credit_note/stripe:cn_2 40.00 USD",
    }


def test_two_refunds_pay_out_one_credit_note_each_its_part() -> None:
    books = paid()
    books.know(first := linked(usd(7000), ("stripe:cn_1", 7000)), second := linked(usd(3000), ("stripe:cn_1", 3000), id="stripe:re_2"))
    for state in (note(1, 10000, ("stripe:re_1", 7000), ("stripe:re_2", 3000)), first, second):
        books.decide(state)
    assert state_of(books)[0] == {}


def test_a_refund_of_more_than_its_credit_note_gives_back_by_refund_is_matched_with_that_part() -> None:
    # Note of 100.00, 30.00 of it to the balance: 70.00 by refund. The refund is of 90.00; 20.00 are without a credit note.
    books = paid()
    books.decide(credit_note(usd(10000), refund_ids=("stripe:re_1",), to_balance=usd(3000)))
    decision = books.decide(refund(usd(9000), credit_note_id="stripe:cn_1"))
    assert "allocate refund/stripe:re_1 credit_note/stripe:cn_1 70.00 USD" in texts(decision.commands)
    assert problems(decision) == [("decide.refund_without_credit_note", usd(2000))]


def test_a_refund_made_again_after_the_first_one_came_back_takes_its_place() -> None:
    # Note of 100.00, refunded; the money came back and was sent again by hand.
    books = paid()
    books.decide(first := linked(usd(10000), ("stripe:cn_1", 10000)))
    books.decide(note(1, 10000, ("stripe:re_1", 10000)))
    books.redecide(first)
    books.decide(replace(first, state=RefundState.FAILED, reversal=BACK))
    decision = books.decide(linked(usd(10000), ("stripe:cn_1", 10000), id="stripe:re_2"))
    match = next(command for command in decision.commands if command.kind.value == "allocate")
    assert match.needs[-1] == "unmatch/refund/stripe:re_1+credit_note/stripe:cn_1"
    assert state_of(books, "clearing:stripe") == ({}, [0])


def test_a_refund_without_a_credit_note_is_a_case_with_its_money() -> None:
    decision = paid().decide(refund(usd(2500)))
    assert problems(decision) == [("decide.refund_without_credit_note", usd(2500))]
    assert decision.problems[0].releases_on == "entity/US/uncredited_refunds"
    assert texts(decision.commands) == ["post_payment refund_stripe.re_1 2026-03-12 out 25.00 USD via clearing:stripe"]


@pytest.mark.parametrize(
    ("state", "of"),
    [
        (refund(usd(2000), payment_id=""), "no payment and no invoice"),
        (refund(usd(2000)), "a payment that paid no invoice"),  # of 10.00
    ],
)
def test_a_refund_without_an_invoice_is_a_case_that_asks_for_no_credit_note(state: Refund, of: str) -> None:
    books = world()
    books.decide(payment(usd(1000)))
    [problem] = books.decide(state).problems
    money = usd(1000) if state.payment_id else usd(2000)
    assert (problem.code, problem.money) == ("decide.refund_without_credit_note", money)
    assert problem.cause == f"refund/stripe:re_1 gave {money} back, of {of}: the customer seems to owe it."
    assert problem.remedy == (
        "No credit note can account for it, as there is no invoice. Find out at the source what it was given back for. If the customer owes"
        ' nothing, set uncredited_refunds = "account" under [entities.US] and start again: it is booked to the refunds account. If it was'
        " sent by mistake, collect it and match what comes in with this refund in the books; then waive this case."
    )
    assert problem.releases_on == "entity/US/uncredited_refunds/without_invoice"


def test_refunds_with_an_invoice_and_without_are_two_causes_with_the_step_that_helps_each() -> None:
    books = paid()
    keys = [
        problem.releases_on for state in (refund(usd(100)), refund(usd(100), payment_id="")) for problem in books.decide(state).problems
    ]
    assert keys == ["entity/US/uncredited_refunds", "entity/US/uncredited_refunds/without_invoice"]


def test_a_refund_of_nothing_known_is_booked_to_the_refunds_account_where_that_is_the_rule() -> None:
    books = world(rules=ACCOUNT)
    assert books.decide(refund(usd(2000), payment_id="")).problems == ()
    assert state_of(books, "refunds", "receivable") == ({}, [2000, 0])


def test_a_refund_whose_credit_note_comes_is_no_case_any_more() -> None:
    books = paid()
    books.decide(refund(usd(2500)))
    books.know(note(1, 2500, ("stripe:re_1", 2500)))
    assert books.decide(linked(usd(2500), ("stripe:cn_1", 2500))).problems == ()


def test_a_refund_without_a_credit_note_is_booked_to_the_refunds_account_where_that_is_the_rule() -> None:
    books = paid(ACCOUNT)
    decision = books.decide(refund(usd(2500)))
    assert texts(decision.commands)[1:] == [
        "post_entry refund_uncredited_stripe.re_1 2026-03-12 refunds 25.00 USD, receivable -25.00 USD",
        "allocate refund/stripe:re_1 entry/refund_uncredited.stripe:re_1 25.00 USD",
    ]
    assert state_of(books, "refunds", "receivable") == ({}, [2500, 0])


def test_a_credit_note_that_comes_after_the_refund_was_booked_to_the_refunds_account_takes_it_back() -> None:
    # 25.00 refunded on the 12th, booked to refunds; a note of 15.00 on the 20th takes 15.00 back: 10.00 stay there.
    books = paid(ACCOUNT)
    books.decide(refund(usd(2500)))
    later = note(1, 1500, ("stripe:re_1", 1500), issued_at=at("2026-03-20 12:00"))
    books.decide(later)
    books.decide(linked(usd(2500), ("stripe:cn_1", 1500)))
    books.redecide(later)
    assert "post_entry refund_credited_later_stripe.re_1-stripe.cn_1" in "\n".join(texts(books.sent))
    assert state_of(books, "refunds", "receivable") == ({}, [1000, 0])


def test_a_refund_to_the_refunds_account_that_was_not_sent_yet_gives_way_to_the_credit_note() -> None:
    books = paid(ACCOUNT)
    books.decide(refund(usd(2500)))
    key = ("odoo", "refund_uncredited_stripe.re_1")
    books.wishes[key] = OutboxCommand(books.wishes[key].command, is_open=True)
    books.know(note(1, 2500, ("stripe:re_1", 2500)))
    decision = books.decide(linked(usd(2500), ("stripe:cn_1", 2500)))
    assert texts(decision.commands)[1:] == ["allocate refund/stripe:re_1 credit_note/stripe:cn_1 25.00 USD"]


def test_a_refund_to_the_refunds_account_that_comes_back_leaves_nothing_there() -> None:
    # 100.00 refunded and booked to refunds, 40.00 of it credited later; then all of it comes back: only the note is open again.
    books = paid(ACCOUNT)
    books.decide(refund(usd(10000)))
    books.decide(note(1, 4000, ("stripe:re_1", 4000), issued_at=at("2026-03-20 12:00")))
    credited = linked(usd(10000), ("stripe:cn_1", 4000))
    books.decide(credited)
    books.decide(replace(credited, state=RefundState.FAILED, reversal=BACK))
    assert state_of(books, "refunds", "clearing:stripe") == ({"credit_note/stripe:cn_1": -4000}, [0, 10000])


def test_a_refund_of_what_was_never_applied_needs_no_credit_note() -> None:
    books = world()
    books.decide(payment(usd(10000)))
    assert books.decide(refund(usd(2500))).problems == ()


def test_the_return_of_a_payment_that_failed_needs_no_credit_note() -> None:
    assert paid().decide(refund(usd(10000), reason="payment_failed")).problems == ()


def test_a_refund_that_came_back_asks_for_no_credit_note() -> None:
    assert paid().decide(refund(usd(10000), state=RefundState.FAILED, reversal=BACK)).problems == ()


def test_a_refund_of_nobody_is_a_case_with_its_money_and_the_setting_that_helps() -> None:
    decision = world().decide(refund(usd(2000), payment_id="", customer_id=""))
    assert problems(decision) == [("decide.customer_missing", usd(2000))]
    assert 'collecting_customer = "<source>:<its id>" under [entities.US]' in decision.problems[0].remedy


def test_money_of_nobody_is_booked_on_the_collecting_customer_and_so_is_its_refund() -> None:
    # Guest checkout: 50.00 in, 20.00 back.
    books = world(GUESTS, rules=with_entity(RULES, "US", collecting_customer=GUESTS.id))
    books.decide(payment(usd(5000), customer_id="", fee=175))
    decision = books.decide(refund(usd(2000), customer_id=""))
    assert (decision.problems, decision.commands[0].needs) == ((), ("customer/stripe:cus_guests",))
    assert state_of(books, "clearing:stripe") == ({"payment/stripe:ch_1": -3000}, [2825])


def test_a_collecting_customer_the_hub_does_not_know_yet_is_waited_for() -> None:
    books = world(rules=with_entity(RULES, "US", collecting_customer=GUESTS.id))
    assert [ref.key for ref in books.decide(payment(usd(5000), customer_id="")).waits] == ["customer/stripe:cus_guests"]


def test_a_refund_without_customer_is_its_credit_notes_customers() -> None:
    books = world(note(1, 2000, ("stripe:re_1", 2000)), rules=with_entity(RULES, "US", collecting_customer=GUESTS.id))
    decision = books.decide(linked(usd(2000), ("stripe:cn_1", 2000), payment_id="", customer_id=""))
    assert decision.commands[0].needs == (f"customer/{ANN.id}",)


def test_a_refund_canceled_without_a_movement_back_stays_as_the_balance_says() -> None:
    decision = paid().decide(linked(usd(2500), state=RefundState.CANCELED))
    assert (decision.waits, texts(decision.commands)[0].split()[1]) == ((), "refund_stripe.re_1")
    assert world().decide(refund(usd(2500), state=RefundState.CANCELED, settlement=None)).ignored == "refund_canceled"


def test_summed_up_a_refund_without_a_credit_note_is_on_the_same_accounts() -> None:
    rules = with_entity(ACCOUNT, "US", posting_mode=PostingMode.SUMMARY)
    books = world(rules=rules)
    for state in (refund(usd(2500)), payment(usd(10000), ("stripe:in_1", 10000)), invoice(usd(10000)), refund(usd(2500))):
        books.decide(state)
    sums: dict[str, int] = {}
    for item in books.items.values():
        sums[str(item.account)] = sums.get(str(item.account), 0) + item.amount.minor
    assert (sums["refunds"], sums["receivable"]) == (2500, 0)


@pytest.mark.parametrize("mode", [PostingMode.DETAILED, PostingMode.SUMMARY])
@pytest.mark.parametrize("policy", ["case", "account"])
def test_a_refund_that_came_back_before_its_note_was_known_pays_nothing_of_it_out(policy: str, mode: PostingMode) -> None:
    # 100.00 sold and paid, 100.00 refunded and back again; then a note of 100.00 names that refund. The money is here and the sale is
    # credited: clearing 100.00, the customer is owed 100.00, nothing is left on the refunds account (100.00 of income that is none).
    rules = with_entity(RULES, "US", uncredited_refund_policy=policy, posting_mode=mode)
    books = paid(rules)
    books.decide(refund(usd(10000)))
    failed = refund(usd(10000), state=RefundState.FAILED, reversal=BACK)
    books.decide(failed)
    late = note(1, 10000, ("stripe:re_1", 10000))
    for state in (late, replace(failed, credit_note_id=late.id), late):
        books.decide(state)
    ledger = Ledger().take(sorted(books.sent, key=lambda command: command.kind in MATCHES))
    for item in books.items.values():
        ledger.balances[item.entity, str(item.account), item.currency] += item.amount.minor
    assert [ledger.balance(account) for account in ("clearing:stripe", "receivable", "refunds")] == [10000, -10000, 0]
    assert mode is PostingMode.SUMMARY or ledger.left_open() == {"credit_note/stripe:cn_1": -10000}
