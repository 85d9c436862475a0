"""One charge that cannot be read is the same cause with the same money, whichever delivery brings it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Delivery, Fetched
from counterfoil.kit.errors import RejectedError

from .building import CREATED_AT, delivery, event_body, fetched, listed_delivery, normalized, thin_body
from .test_money import charge, movement

BROKEN = charge(balance_transaction=movement("txn_1", 5000, 175, net=4800))  # 50.00 less 1.75 is not 48.00
PAID = {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1", "customer": "cus_1"}


def refusal(of: Delivery, given: dict[str, Fetched] | None = None) -> RejectedError:
    """Return the refusal of a delivery."""
    with pytest.raises(RejectedError) as caught:
        normalized(of, given)
    return caught.value


def test_a_charge_brought_by_an_event_a_list_or_its_intent_is_refused_for_one_cause() -> None:
    found = [
        refusal(delivery("charge.succeeded", BROKEN)),
        refusal(listed_delivery(BROKEN)),
        refusal(delivery("payment_intent.succeeded", PAID), fetched("charge", BROKEN)),
    ]
    key = "payment/stripe:ch_1"
    assert {(one.object_key, one.concerns, one.money) for one in found} == {(key, key, Money(5000, "USD"))}
    assert len({one.cause for one in found}) == 1
    assert found[0].cause.startswith("charge ch_1: ")


@pytest.mark.parametrize(
    ("kind", "obj", "key", "money"),
    [
        ("charge.updated", charge(status="flying"), "payment/stripe:ch_1", Money(5000, "USD")),
        ("charge.updated", charge(created="soon"), "payment/stripe:ch_1", Money(5000, "USD")),
        ("charge.updated", charge(amount="much"), "payment/stripe:ch_1", None),
        ("refund.updated", {"id": "re_1", "object": "refund", "amount": 700, "currency": "eur"}, "refund/stripe:re_1", Money(700, "EUR")),
        ("invoice.paid", {"id": "in_1", "object": "invoice", "total": 900, "currency": "jpy"}, "invoice/stripe:in_1", Money(900, "JPY")),
        ("invoice_payment.paid", {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"}, "invoice/stripe:in_1", None),
        ("charge.updated", {"id": "ch_1", "object": "charge", "currency": 7, "amount": True}, "payment/stripe:ch_1", None),
        ("charge.updated", {"id": "ch_1", "object": ["charge"]}, "", None),
    ],
)
def test_what_is_refused_says_what_it_is_about_as_far_as_that_can_be_told(kind: str, obj: dict[str, Any], key: str, money: Money) -> None:
    error = refusal(Delivery("acct_1/evt_1", "ch_1", kind, event_body(kind, obj), CREATED_AT, "acct_1"))
    assert (error.object_key, error.concerns, error.money) == (key, key, money)


def test_a_thin_event_that_cannot_be_read_names_its_object() -> None:
    body = thin_body("v1.charge.succeeded", "ch_1", "charge")
    error = refusal(Delivery("acct_1/evt_thin", "ch_1", "v1.charge.succeeded", body, CREATED_AT, "acct_1"))
    assert (error.object_key, error.money) == ("payment/stripe:ch_1", None)


def test_a_thin_event_with_data_of_its_own_names_its_object_too() -> None:
    body = json.dumps({**json.loads(thin_body("v1.charge.succeeded", "ch_1", "charge")), "data": {"reason": "import"}}).encode()
    error = refusal(Delivery("acct_1/evt_thin", "ch_1", "v1.charge.succeeded", body, CREATED_AT, "acct_1"))
    assert (error.object_key, error.concerns) == ("payment/stripe:ch_1", "payment/stripe:ch_1")
