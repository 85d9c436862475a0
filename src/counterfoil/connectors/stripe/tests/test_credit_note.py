"""Credit notes of both generations: what reduces the invoice, what is given back and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteEvent, CreditNoteState, RefundPart
from counterfoil.core.kinds.invoice import Invoice, InvoiceLine, LineTax
from counterfoil.core.kinds.refund import CreditNotePart, Refund
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.kit.connector import Delivery, Fetched
from counterfoil.kit.errors import DriftError

from .building import ACCOUNT, CREATED, CREATED_AT, SOURCE, delivery, facts, fetched, fixture, normalized, records

RATE = fixture("invoice.basil.json")["counterfoil"]["tax_rates"][0]
LINES = fixture("invoice.basil.json")["lines"]["data"]


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def note(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": "cn_1",
        "object": "credit_note",
        "currency": "eur",
        "total": 5355,
        "status": "issued",
        "created": CREATED,
    }
    found |= {"invoice": "in_gold", "customer": "cus_1", "number": "GOLD-0001-CN-01", "reason": "order_change", "effective_at": CREATED}
    return {**found, "out_of_band_amount": None, "amount_shipping": 0, "shipping_cost": None, "customer_balance_transaction": None, **more}


def line(**more: Any) -> dict[str, Any]:
    found = {"id": "cnli_1", "object": "credit_note_line_item", "amount": 5000, "description": None, "discount_amount": 500, "quantity": 1}
    return {**found, "invoice_line_item": "il_1", **more}


TAX = {"amount": 855, "taxable_amount": 4500, "taxability_reason": "standard_rated"}
NEW_TAX = {**TAX, "tax_behavior": "exclusive", "tax_rate_details": {"tax_rate": "txr_excl"}}
OLD_TAX = {**TAX, "inclusive": False, "tax_rate": "txr_excl"}
EXTRA = {"account": ACCOUNT, "invoice_lines": LINES[:1], "tax_rates": [RATE]}

# 50.00 of the Team plan less its 10 % coupon, 19 % VAT on 45.00: 45.00 + 8.55 = 53.55
LINE = InvoiceLine(
    "stripe:cnli_1",
    "1 × Team plan",
    eur(5000),
    eur(500),
    Decimal(1),
    (LineTax("stripe:txr_excl", eur(855), eur(4500), False, Decimal(19), "DE", "standard_rated"),),
    "stripe:prod_team",
    "stripe:price_team",
    datetime(2026, 9, 21, 12, 13, 20, tzinfo=UTC),
    datetime(2026, 10, 21, 12, 13, 20, tzinfo=UTC),
)


def expected(**more: Any) -> CreditNote:
    given: dict[str, Any] = {"before_payment": eur(0), "after_payment": eur(0), "to_balance": eur(0), "out_of_band": eur(0), **more}
    state = CreditNoteState.ISSUED
    ids = ("stripe:cn_1", "stripe:in_gold", "stripe:cus_1")
    line_of = (replace(LINE, of_line_id="stripe:il_1"),)
    return CreditNote(
        *ids,
        state,
        "EUR",
        eur(5355),
        eur(855),
        line_of,
        CREATED_AT,
        "GOLD-0001-CN-01",
        "order_change",
        **given,
    )


def documents(of: Delivery, given: Mapping[str, Fetched] | None = None) -> list[Record]:
    """Return the entities without the tax rates, which have their own test."""
    return [e for e in records(of, given) if not isinstance(e, TaxRate)]


def new(**more: Any) -> dict[str, Any]:
    lines = {"object": "list", "data": [line(taxes=[NEW_TAX], tax_rates=[])], "has_more": False}
    return note(lines=lines, total_taxes=[NEW_TAX], counterfoil=EXTRA, **more)


def old(**more: Any) -> dict[str, Any]:
    lines = {"object": "list", "data": [line(tax_amounts=[OLD_TAX], tax_rates=[RATE])], "has_more": False}
    return note(lines=lines, tax_amounts=[OLD_TAX], counterfoil={**EXTRA, "tax_rates": []}, **more)


REFUNDED: dict[str, Any] = {"refund_ids": ("stripe:re_1",), "refund_parts": (RefundPart("stripe:re_1", eur(5355)),)}


@pytest.mark.parametrize(
    "wire", [new(pre_payment_amount=5355, post_payment_amount=0, refunds=[]), old(type="pre_payment")], ids=["basil", "before"]
)
def test_a_note_on_an_open_invoice_reduces_it(wire: dict[str, Any]) -> None:
    assert documents(delivery("credit_note.created", wire)) == [expected(before_payment=eur(5355))]


@pytest.mark.parametrize(
    "wire",
    [
        new(pre_payment_amount=0, post_payment_amount=5355, refunds=[{"amount_refunded": 5355, "refund": "re_1", "type": "refund"}]),
        old(type="post_payment", refund="re_1"),
    ],
    ids=["basil", "before"],
)
def test_a_note_on_a_paid_invoice_names_its_refund_and_the_refund_names_it(wire: dict[str, Any]) -> None:
    found = delivery("credit_note.created", wire)
    assert SOURCE.needs(found) == ("acct_1/credit_note/cn_1", "acct_1/invoice/in_gold", "acct_1/refund/re_1")
    refund = {
        "id": "re_1",
        "object": "refund",
        "amount": 5355,
        "currency": "eur",
        "created": CREATED,
        "status": "succeeded",
        "charge": "ch_1",
    }
    given = fetched("refund", refund) | fetched("invoice", fixture("invoice.basil.json"))
    credit, money_back, invoice = documents(found, given)
    assert credit == expected(after_payment=eur(5355), **REFUNDED)
    assert isinstance(money_back, Refund)
    assert (money_back.credit_note_id, money_back.credit_notes) == ("stripe:cn_1", (CreditNotePart("stripe:cn_1", eur(5355)),))
    assert isinstance(invoice, Invoice)


def test_what_is_given_back_is_split_into_refund_balance_and_outside() -> None:
    parts = {
        "refunds": [
            {"amount_refunded": 2000, "refund": "re_1", "type": "refund"},
            {"amount_refunded": 300, "refund": None, "type": "payment_record_refund"},
        ],
        "out_of_band_amount": 55,
        "customer_balance_transaction": {"id": "cbtxn_1", "amount": -3000},
    }
    for balance in (parts["customer_balance_transaction"], "cbtxn_1"):
        wire = new(pre_payment_amount=0, post_payment_amount=5355, **{**parts, "customer_balance_transaction": balance})
        (credit,) = documents(delivery("credit_note.updated", wire))
        # 20.00 refunded + 30.00 to the balance + 0.55 and 3.00 outside = 53.55
        refunded = {**REFUNDED, "refund_parts": (RefundPart("stripe:re_1", eur(2000)),)}
        assert credit == expected(after_payment=eur(5355), to_balance=eur(3000), out_of_band=eur(355), **refunded)


def test_a_voided_note_says_when() -> None:
    fact = facts(delivery("credit_note.voided", new(pre_payment_amount=5355, status="void", voided_at=CREATED + 60)))[-1]
    assert isinstance(fact.data, CreditNote)
    assert (fact.type, fact.data.state) == (CreditNoteEvent.VOIDED, CreditNoteState.VOID)
    assert fact.data.voided_at == datetime(2026, 9, 21, 14, 14, 20, tzinfo=UTC)


def test_an_unknown_status_is_drift() -> None:
    with pytest.raises(DriftError):
        normalized(delivery("credit_note.updated", new(status="torn")))


def test_a_note_tells_the_tax_rates_on_its_lines() -> None:
    first = records(delivery("credit_note.created", new(pre_payment_amount=5355)))[0]
    assert first == TaxRate("stripe:txr_excl", "USt", Decimal(19), False, "DE", "DE", "vat")
