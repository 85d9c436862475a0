"""A payment of which an invoice took only a part, given back in parts: what is known first does not matter, and matches are made anew."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.path.cases_player import play
from tests.integration.path.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMER = {"id": "cus_open", "object": "customer", "created": "NOW", "name": "Customer with money left", "currency": "usd", "balance": 0}


def movement(name: str, amount: int, kind: str, source: str, fee: int = 0) -> dict[str, Any]:
    """Return a movement of the balance."""
    parts = [{"amount": fee, "currency": "usd", "type": "stripe_fee", "description": "fee", "application": None}] if fee else []
    of = {"id": f"txn_open{name}", "object": "balance_transaction", "type": kind, "reporting_category": kind, "source": source}
    when = {"created": "NOW", "available_on": "NOW", "status": "available", "exchange_rate": None}
    return {**of, **when, "amount": amount, "fee": fee, "net": amount - fee, "currency": "usd", "fee_details": parts}


def paid() -> list[dict[str, Any]]:
    """Return a charge of 100.00, fee 3.20, of which an invoice took 60.00."""
    money = {"amount": 10000, "currency": "usd", "customer": "cus_open", "created": "NOW"}
    charge = {"id": "ch_open", "object": "charge", "payment_intent": "pi_open", "balance_transaction": "txn_openc", **money}
    state: dict[str, Any] = {"amount_captured": 10000, "captured": True, "refunded": False, "disputed": False, "paid": True}
    card = {"failure_balance_transaction": None, "failure_code": None, "payment_method_details": {"type": "card"}, "amount_refunded": 0}
    intent = {"id": "pi_open", "object": "payment_intent", "amount_received": 10000, "latest_charge": "ch_open", "status": "succeeded"}
    part = {"id": "inpay_open", "object": "invoice_payment", "amount_paid": 6000, "amount_requested": 6000, "created": "NOW"}
    by = {"payment": {"type": "payment_intent", "payment_intent": "pi_open"}, "currency": "usd", "invoice": "in_open", "is_default": True}
    done = {"status": "paid", "status_transitions": {"canceled_at": None, "paid_at": "NOW"}}
    return [
        movement("c", 10000, "charge", "ch_open", 320),
        {**charge, **state, **card, "status": "succeeded"},
        {**intent, **money},
        {**part, **by, **done},
        bill(),
    ]


def bill() -> dict[str, Any]:
    """Return the invoice of 60.00."""
    names = ("subtotal", "total", "amount_due", "amount_paid")
    nothing = ("amount_remaining", "amount_overpaid", "amount_paid_off_stripe", "amount_shipping", "starting_balance", "ending_balance")
    empty: dict[str, Any] = {"pre_payment_credit_notes_amount": 0, "post_payment_credit_notes_amount": 0, "due_date": None}
    line = {"id": "il_open", "object": "line_item", "amount": 6000, "currency": "usd", "description": "item", "quantity": 1}
    more: dict[str, Any] = {
        "discount_amounts": [],
        "discounts": [],
        "taxes": [],
        "period": {"start": "NOW", "end": "NOW"},
        "invoice": "in_open",
    }
    return {
        **{"id": "in_open", "object": "invoice", "created": "NOW", "currency": "usd", "customer": "cus_open", "number": "OPEN-1"},
        **dict.fromkeys(names, 6000),
        **dict.fromkeys(nothing, 0),
        **empty,
        **{"status": "paid", "billing_reason": "manual", "effective_at": "NOW", "total_taxes": [], "total_discount_amounts": []},
        **{"attempt_count": 0, "shipping_cost": None, "_payments": ["inpay_open"]},
        "status_transitions": {"finalized_at": "NOW", "paid_at": "NOW", "voided_at": None, "marked_uncollectible_at": None},
        "lines": {"object": "list", "data": [{**line, **more}], "has_more": False},
    }


def refund(number: int, **changes: Any) -> dict[str, Any]:
    """Return one of two refunds of 30.00 each."""
    money = {"amount": 3000, "currency": "usd", "charge": "ch_open", "payment_intent": "pi_open", "reason": None, "metadata": {}}
    base = {"id": f"re_open{number}", "object": "refund", "created": f"NOW+{number}", "balance_transaction": f"txn_openr{number}"}
    return {**base, **money, "status": "succeeded", **changes}


def open_on(house: House, *keys: str) -> list[int]:
    """Return what is open on payments and refunds of the US, in minor units."""
    env, code = house.odoo.env(), house.provisioned.companies["US"].account_codes["receivable"]
    found = []
    for key in keys:
        rows = [env.row("account.move.line", line) for line in env.find("account.move.line", "move_id", house.payment(key)["move_id"])]
        owed = [row for row in rows if row["account_id"] and env.row("account.account", row["account_id"])["code"] == code]
        found.append(sum(round(row["amount_residual"] * 100) for row in owed))
    return found


async def test_refunds_take_what_a_payment_left_open_in_their_order_and_give_it_back_when_one_of_them_comes_back(
    home_of_all: House,
) -> None:
    moved = [movement(f"r{number}", -3000, "refund", f"re_open{number}") for number in (1, 2)]
    begin: list[dict[str, Any]] = [{"load": [CUSTOMER, *paid(), *moved, refund(1), refund(2)]}]
    begin += [{"deliver": ["invoice.paid", bill()]}, {"deliver": ["charge.succeeded", paid()[1]]}]
    begin += [{"deliver": ["refund.created", refund(2)]}, {"pause": 1}, {"deliver": ["refund.created", refund(1)]}]
    played = await play(home_of_all, "two-refunds", steps=begin)
    # 40.00 were open: 30.00 for the first, whenever it is told; 10.00 for the second, and 20.00 beyond. Fee 3.20.
    assert await played.new_cases() == []
    assert played.change() == {"clearing": 3680, "fees": 320, "revenue": -6000, "refunds": 2000}
    documents = ["payment_stripe.ch_open", "refund_stripe.re_open1", "refund_stripe.re_open2"]
    assert open_on(home_of_all, *documents) == [0, 0, 0]

    back = [movement("b", 3000, "refund_failure", "re_open1"), refund(1, status="failed", failure_balance_transaction="txn_openb")]
    played = await play(home_of_all, "two-refunds", steps=[{"load": back}, {"deliver": ["refund.failed", back[1]]}])
    # The first is back: all 30.00 of the second were the customer's own, and 10.00 are still.
    assert await played.new_cases() == []
    assert played.change() == {"clearing": 3000, "receivable": -1000, "refunds": -2000}
    assert open_on(home_of_all, *documents) == [-1000, 0, 0]
