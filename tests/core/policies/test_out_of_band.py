"""Paid outside the processor in parts: a payment each, on its day; and an upgrade books nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, RULES, World, at, invoice, texts, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.kinds.invoice import PaidPart
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.policies.rules import Route

FIRST = "stripe:oob_in_1"


def cheque(amount: int, day: int, *, earlier: int = 0, id: str = FIRST, applied_as: str = "") -> Payment:
    """Return a payment outside the processor as a part of what was paid so."""
    return Payment(
        id,
        ANN.id,
        PaymentState.SUCCEEDED,
        usd(amount),
        at(f"2026-03-{day} 12:00"),
        (Application("stripe:in_1", usd(amount), applied_as),),
        is_out_of_band=True,
        earlier_parts=usd(earlier),
        first_part_id=FIRST,
    )


ONE = cheque(3000, 11, applied_as="stripe:inpay_1")
TWO = cheque(7000, 20, earlier=3000, id=f"{FIRST}.inpay_2", applied_as="stripe:inpay_2")
BILL = invoice(
    usd(10000),
    paid_out_of_band=usd(10000),
    paid_parts=(PaidPart("stripe:inpay_1", usd(3000)), PaidPart("stripe:inpay_2", usd(7000))),
)
RUNNING_TOTAL = replace(cheque(10000, 20), earlier_parts=None, first_part_id="")


def test_two_payments_outside_the_processor_are_two_payments_each_on_its_day() -> None:
    books = world()
    for state in (BILL, ONE, TWO):
        books.decide(state)
    assert texts(books.sent)[1:] == [
        "post_payment payment_stripe.oob_in_1 2026-03-11 in 30.00 USD via out_of_band",
        "allocate invoice/stripe:in_1 payment/stripe:oob_in_1 30.00 USD",
        "post_payment payment_stripe.oob_in_1.inpay_2 2026-03-20 in 70.00 USD via out_of_band",
        "allocate invoice/stripe:in_1 payment/stripe:oob_in_1.inpay_2 70.00 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {}


def test_what_is_booked_as_a_sum_is_not_booked_again_when_the_source_tells_its_parts() -> None:
    books = world()
    books.decide(BILL)
    books.decide(RUNNING_TOTAL)
    assert books.decide(ONE).problems == ()
    assert books.decide(TWO).ignored == "booked_with_what_was_paid_before"
    books.decide(cheque(2500, 25, earlier=10000, id=f"{FIRST}.inpay_3", applied_as="stripe:inpay_3"))
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("out_of_band"), ledger.left_open()) == (12500, {"payment/stripe:oob_in_1.inpay_3": -2500})


def test_a_sum_that_grows_books_what_it_grew_by() -> None:
    # A source that tells 40.00, later 100.00, and never the parts.
    books = world(replace(BILL, paid_parts=()))
    books.decide(cheque(4000, 11))
    decision = books.decide(cheque(10000, 20))
    assert (decision.problems, texts(decision.commands)) == (
        (),
        [
            "post_payment payment_stripe.oob_in_1 2026-03-11 in 40.00 USD via out_of_band",
            "post_payment payment_stripe.oob_in_1.2 2026-03-20 in 60.00 USD via out_of_band",
            "allocate invoice/stripe:in_1 payment/stripe:oob_in_1 40.00 USD",
            "allocate invoice/stripe:in_1 payment/stripe:oob_in_1.2 60.00 USD",
        ],
    )
    assert books.redecide(cheque(10000, 20)).commands == decision.commands


def test_a_sum_that_grew_is_not_booked_again_when_its_parts_are_told_after_all() -> None:
    books = world()
    for state in (replace(BILL, paid_parts=()), cheque(4000, 11), cheque(10000, 20), BILL, ONE, TWO):
        assert books.decide(state).problems == ()
    assert Ledger().take(books.sent).balance("out_of_band") == 10000


def test_a_payment_that_became_less_is_a_case_with_what_it_lacks() -> None:
    books = world(replace(BILL, paid_out_of_band=usd(3000)))
    books.decide(cheque(4000, 11))
    problem = books.decide(cheque(3000, 11)).problems[0]
    assert (problem.code, problem.money) == ("decide.changed_after_posting", usd(1000))


@pytest.mark.parametrize("states", [(ONE, TWO), (cheque(3000, 11), cheque(10000, 20))], ids=["parts", "a growing sum"])
def test_in_summary_posting_each_part_is_booked_once_on_its_day(states: tuple[Payment, ...]) -> None:
    books = World(with_entity(RULES, "US", posting_mode="summary")).know(*world(BILL).objects.values())
    for state in (*states, *states):
        books.decide(state)
    booked = {(str(item.day), item.amount.minor) for item in books.items.values() if str(item.account) == "out_of_band"}
    assert booked == {("2026-03-11", 3000), ("2026-03-20", 7000)}


def test_a_payment_outside_the_processor_belongs_to_the_entity_that_issued_its_invoice() -> None:
    # The invoice names Germany as its billing country; its customer has moved to the US since.
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    for state in (ONE, replace(RUNNING_TOTAL, id="stripe:pay_9")):
        books = world(replace(BILL, customer_country="DE"), rules=rules)
        assert {command.entity for command in books.decide(state).commands} == {"DE"}
