"""Payments, refunds, disputes, credit notes, payouts, currencies: amounts worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from .playing import DAY, Hands, Obj


def pay(hands: Hands, amount: int = 10000, currency: str = "usd", card: str = "pm_card_visa", **params: Any) -> Obj:
    intent = hands.post("payment_intents", amount=amount, currency=currency, payment_method=card, confirm=True, **params)
    return hands.get(f"charges/{intent['latest_charge']}", expand=["balance_transaction"])


def paid_invoice(hands: Hands, amount: int = 10000, **params: Any) -> Obj:
    draft = hands.invoice(hands.customer(), amount, **params)
    return hands.post(f"invoices/{draft['id']}/pay")


def test_a_charge_costs_2_9_percent_and_30_cents() -> None:
    # 2.9 % of 10050 = 291.45 -> 291, plus 30.
    charge = pay(Hands(), 10050)["balance_transaction"]
    assert (charge["amount"], charge["fee"], charge["net"]) == (10050, 321, 9729)
    assert charge["fee_details"] == [
        {"amount": 321, "application": None, "currency": "usd", "description": "Stripe processing fees", "type": "stripe_fee"}
    ]
    assert (charge["type"], charge["reporting_category"], charge["status"]) == ("charge", "charge", "pending")


def test_fees_can_be_set_per_account_and_currency() -> None:
    hands = Hands(fee_percent="1.5", fee_fixed_by_currency={"usd": 25})
    assert pay(hands)["balance_transaction"]["fee"] == 175


def test_a_foreign_charge_settles_in_the_accounts_currency() -> None:
    # 5000 yen at 0.0067 = 33.50 dollars; 100.00 euros at 1.0842 = 108.42; 12.340 dinars at 3.25 = 40.105 -> 40.11.
    hands = Hands()
    shown = [pay(hands, amount, currency)["balance_transaction"] for amount, currency in ((5000, "jpy"), (10000, "eur"), (12340, "kwd"))]
    assert [(t["amount"], t["currency"], t["exchange_rate"]) for t in shown] == [
        (3350, "usd", 0.0067),
        (10842, "usd", 1.0842),
        (4011, "usd", 3.25),
    ]


def test_a_currency_the_account_holds_is_not_converted() -> None:
    hands = Hands()
    account = hands.sandbox.add_account("acct_jp", "JP", "jpy", "sk_test_jp", settlement=["usd"], fee_percent="3.6", fee_fixed=0)
    for currency in ("jpy", "usd"):
        hands.sandbox.request(
            "POST",
            "/v1/payment_intents",
            {"amount": 1000, "currency": currency, "payment_method": "pm_card_visa", "confirm": True},
            account="acct_jp",
        )
    assert [(t["currency"], t["amount"], t["fee"]) for t in account.rows("balance_transaction")] == [("jpy", 1000, 36), ("usd", 1000, 36)]


@pytest.mark.parametrize(("currency", "amount"), [("kwd", 1005), ("isk", 150), ("ugx", 101)])
def test_amounts_must_be_multiples_of_what_the_currency_can_show(currency: str, amount: int) -> None:
    assert Hands().refused("payment_intents", amount=amount, currency=currency)["param"] == "amount"


def test_an_amount_below_the_minimum_is_refused() -> None:
    error = Hands().refused("payment_intents", amount=49, currency="usd")
    assert (error["http"], error["code"]) == (400, "amount_too_small")


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ],
)
def test_declined_cards_answer_402_with_their_codes(card: str, code: str, decline: str) -> None:
    hands = Hands()
    error = hands.refused("payment_intents", amount=1000, currency="usd", payment_method=card, confirm=True)
    assert (error["http"], error["type"], error["code"], error["decline_code"]) == (402, "card_error", code, decline)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert hands.types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert hands.get("balance_transactions")["data"] == []


def test_a_card_that_asks_for_authentication_waits() -> None:
    hands = Hands()
    intent = hands.post("payment_intents", amount=1000, currency="usd", payment_method="pm_card_authenticationRequired", confirm=True)
    assert (intent["status"], intent["next_action"]["type"], intent["latest_charge"]) == ("requires_action", "use_stripe_sdk", None)


def test_capture_later_moves_only_what_is_captured() -> None:
    hands = Hands()
    intent = hands.post(
        "payment_intents", amount=1000, currency="usd", payment_method="pm_card_visa", confirm=True, capture_method="manual"
    )
    assert (intent["status"], intent["amount_capturable"], hands.get("balance_transactions")["data"]) == ("requires_capture", 1000, [])
    done = hands.post(f"payment_intents/{intent['id']}/capture", amount_to_capture=600)
    assert (done["status"], done["amount_received"]) == ("succeeded", 600)
    assert hands.get("balance_transactions")["data"][0]["amount"] == 600


def test_asynchronous_capture_brings_the_balance_transaction_with_an_update() -> None:
    hands = Hands(is_capture_async=True)
    pay(hands)
    assert hands.events("charge.succeeded")[0]["data"]["object"]["balance_transaction"] is None
    assert hands.events("charge.updated")[0]["data"]["previous_attributes"] == {"amount_captured": 0, "balance_transaction": None}


def test_refunds_in_steps_never_exceed_the_charge() -> None:
    hands = Hands()
    charge = pay(hands)
    for amount in (3000, 2500):
        hands.post("refunds", charge=charge["id"], amount=amount)
    error = hands.refused("refunds", charge=charge["id"], amount=4501)
    assert error["message"] == "Refund amount (4501) is greater than unrefunded amount on charge (4500)"
    assert hands.post("refunds", payment_intent=charge["payment_intent"])["amount"] == 4500
    assert hands.refused("refunds", charge=charge["id"])["code"] == "charge_already_refunded"
    shown = hands.get(f"charges/{charge['id']}", expand=["refunds"])
    assert (shown["refunded"], shown["amount_refunded"], len(shown["refunds"]["data"])) == (True, 10000, 3)
    changed = hands.events("charge.refunded")[0]["data"]["previous_attributes"]
    assert changed == {"amount_refunded": 0}


def test_a_refund_returns_no_fee() -> None:
    hands = Hands()
    hands.post("refunds", charge=pay(hands)["id"])
    entry = hands.get("balance_transactions", type="refund")["data"][0]
    assert (entry["amount"], entry["fee"], entry["net"], entry["source"][:3]) == (-10000, 0, -10000, "re_")


def test_a_refund_that_fails_brings_the_money_back() -> None:
    hands = Hands()
    charge = pay(hands, card="pm_card_refundFail")
    refund = hands.post("refunds", charge=charge["id"], amount=4000)
    hands.advance(2)
    failed = hands.get(f"refunds/{refund['id']}", expand=["failure_balance_transaction"])
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert (failed["failure_balance_transaction"]["type"], failed["failure_balance_transaction"]["net"]) == ("refund_failure", 4000)
    assert hands.get(f"charges/{charge['id']}")["amount_refunded"] == 0
    assert "refund.failed" in hands.types()


def test_a_pending_refund_succeeds_later() -> None:
    hands = Hands()
    refund = hands.post("refunds", charge=pay(hands, card="pm_card_pendingRefund")["id"])
    assert refund["status"] == "pending"
    hands.advance(2)
    assert hands.get(f"refunds/{refund['id']}")["status"] == "succeeded"
    assert hands.events("refund.updated")[0]["data"]["previous_attributes"]["status"] == "pending"


def test_a_dispute_takes_the_money_and_a_fee_and_gives_the_money_back_when_won() -> None:
    hands = Hands()
    charge = pay(hands, card="pm_card_createDispute")
    dispute = hands.get("disputes", charge=charge["id"])["data"][0]
    assert (dispute["status"], dispute["reason"], dispute["amount"]) == ("needs_response", "fraudulent", 10000)
    taken = dispute["balance_transactions"][0]
    assert (taken["amount"], taken["fee"], taken["net"], taken["reporting_category"]) == (-10000, 1500, -11500, "dispute")
    won = hands.post(f"disputes/{dispute['id']}", evidence={"uncategorized_text": "winning_evidence"}, submit=True)
    given = won["balance_transactions"][1]
    assert (won["status"], given["net"], given["reporting_category"]) == ("won", 10000, "dispute_reversal")
    assert [t for t in hands.types() if t.startswith("charge.dispute")] == [
        "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated", "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]  # fmt: skip


def test_a_dispute_comes_after_the_payment_it_disputes() -> None:
    hands = Hands()
    draft = hands.invoice(hands.customer("pm_card_createDispute"), 5000)
    hands.post(f"invoices/{draft['id']}/pay")
    assert hands.types().index("charge.dispute.created") > hands.types().index("invoice.payment_succeeded")


def test_a_lost_dispute_keeps_the_money_gone() -> None:
    hands = Hands()
    pay(hands, card="pm_card_createDispute")
    dispute = hands.get("disputes")["data"][0]
    assert hands.post(f"disputes/{dispute['id']}/close")["status"] == "lost"
    assert len(hands.get("balance_transactions", type="adjustment")["data"]) == 1
    assert hands.refused(f"disputes/{dispute['id']}/close")["http"] == 400
    assert hands.refused("refunds", charge=dispute["charge"])["code"] == "charge_disputed"


def test_an_inquiry_moves_no_money() -> None:
    hands = Hands()
    pay(hands, card="pm_card_createDisputeInquiry")
    dispute = hands.get("disputes")["data"][0]
    assert (dispute["status"], dispute["is_charge_refundable"], dispute["balance_transactions"]) == ("warning_needs_response", True, [])
    assert hands.post(f"disputes/{dispute['id']}/close")["status"] == "warning_closed"


def test_a_credit_note_before_payment_lowers_what_is_due() -> None:
    # 119.00 with 19 %; credited 30.00 + 5.70 tax.
    hands = Hands()
    draft = hands.invoice(hands.customer(), 10000, default_tax_rates=[hands.rate("19")])
    invoice = hands.post(f"invoices/{draft['id']}/finalize")
    line = invoice["lines"]["data"][0]["id"]
    note = hands.post(
        "credit_notes", invoice=invoice["id"], lines=[{"type": "invoice_line_item", "invoice_line_item": line, "amount": 3000}]
    )
    assert (note["total"], note["subtotal"], note["pre_payment_amount"], note["post_payment_amount"]) == (3570, 3000, 3570, 0)
    assert (note["type"], note["number"]) == ("pre_payment", f"{invoice['number']}-CN-01")
    shown = hands.get(f"invoices/{invoice['id']}")
    assert (shown["total"], shown["amount_due"], shown["amount_remaining"], shown["pre_payment_credit_notes_amount"]) == (
        11900,
        8330,
        8330,
        3570,
    )
    assert hands.post(f"credit_notes/{note['id']}/void")["status"] == "void"
    assert hands.get(f"invoices/{invoice['id']}")["amount_due"] == 11900


def test_crediting_all_of_an_open_invoice_pays_it() -> None:
    hands = Hands()
    invoice = hands.post(f"invoices/{hands.invoice(hands.customer(), 900)['id']}/finalize")
    hands.post("credit_notes", invoice=invoice["id"], amount=900)
    assert hands.get(f"invoices/{invoice['id']}")["status"] == "paid"


def test_a_credit_note_after_payment_says_where_the_money_goes() -> None:
    hands = Hands()
    invoice = paid_invoice(hands)
    error = hands.refused("credit_notes", invoice=invoice["id"], amount=6000)
    assert error["http"] == 400
    note = hands.post("credit_notes", invoice=invoice["id"], amount=6000, refund_amount=3000, credit_amount=2000, out_of_band_amount=1000)
    assert (note["post_payment_amount"], note["out_of_band_amount"], note["refunds"][0]["amount_refunded"]) == (6000, 1000, 3000)
    assert hands.get(f"refunds/{note['refunds'][0]['refund']}")["amount"] == 3000
    assert hands.get(f"customers/{invoice['customer']}")["balance"] == -2000
    assert hands.get(f"invoices/{invoice['id']}")["post_payment_credit_notes_amount"] == 6000
    assert hands.refused("credit_notes", invoice=invoice["id"], amount=4001, credit_amount=4001)["code"] == "credit_note_amount_too_large"


def test_a_refund_made_before_can_be_linked() -> None:
    hands = Hands()
    invoice = paid_invoice(hands)
    payment = hands.get("invoice_payments", invoice=invoice["id"])["data"][0]["payment"]["payment_intent"]
    refund = hands.post("refunds", payment_intent=payment, amount=2500)
    note = hands.post("credit_notes", invoice=invoice["id"], amount=2500, refunds=[{"refund": refund["id"], "amount_refunded": 2500}])
    assert note["refunds"] == [{"amount_refunded": 2500, "refund": refund["id"], "type": "refund"}]
    assert len(hands.get("refunds")["data"]) == 1


def test_available_funds_leave_every_day_and_the_payout_lists_them() -> None:
    hands = Hands()
    pay(hands)
    pay(hands, 5000)
    # Fees 320 and 175: 9680 + 4825 become available on the third and leave that midnight.
    hands.advance(1.9)
    assert hands.get("payouts")["data"] == []
    hands.advance(0.2)
    payout = hands.get("payouts")["data"][0]
    assert (payout["amount"], payout["status"], payout["automatic"], payout["arrival_date"]) == (
        14505,
        "pending",
        True,
        1767225600 + 3 * DAY,
    )
    rows = hands.get("balance_transactions", payout=payout["id"])["data"]
    assert sorted(t["net"] for t in rows) == [-14505, 4825, 9680]
    hands.advance(1)
    assert hands.get(f"payouts/{payout['id']}")["status"] == "paid"
    wanted = ("balance.available", "payout.created", "payout.reconciliation_completed", "payout.paid")
    assert [t for t in hands.types() if t in wanted] == list(wanted)


def test_a_failed_payout_comes_back_and_leaves_again_the_next_day() -> None:
    hands = Hands()
    pay(hands)
    hands.advance(3.5)
    payout = hands.get("payouts")["data"][0]
    hands.sandbox.fail_payout(payout["id"])
    assert hands.get("balance")["available"][0]["amount"] == 9680
    failed = hands.get(f"payouts/{payout['id']}", expand=["failure_balance_transaction"])
    assert (failed["status"], failed["failure_balance_transaction"]["type"]) == ("failed", "payout_failure")
    hands.advance(1)
    assert [p["amount"] for p in hands.get("payouts")["data"]] == [9680, 9680]


def test_a_payout_by_hand_needs_funds() -> None:
    hands = Hands()
    assert hands.refused("payouts", amount=100, currency="usd")["code"] == "balance_insufficient"
    pay(hands, card="pm_card_bypassPending")
    payout = hands.post("payouts", amount=100, currency="usd")
    assert (payout["automatic"], payout["reconciliation_status"]) == (False, "not_applicable")


def test_an_entry_of_stripes_own_lowers_the_balance() -> None:
    hands = Hands()
    hands.sandbox.adjust("stripe_fee", -1250, "usd", "Billing - Usage Fee")
    entry = hands.get("balance_transactions")["data"][0]
    assert (entry["type"], entry["reporting_category"], entry["net"], entry["source"]) == ("stripe_fee", "fee", -1250, None)
    assert hands.get("balance")["available"][0]["amount"] == -1250
