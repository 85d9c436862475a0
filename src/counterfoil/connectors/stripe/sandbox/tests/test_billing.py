"""Invoices and subscriptions: amounts worked by hand, and what happens as time passes."""

from __future__ import annotations

from typing import Any

import pytest

from .playing import DAY, Hands, Obj


def finalized(hands: Hands, customer: Obj, *amounts: int, **params: Any) -> Obj:
    draft = hands.invoice(customer, *amounts, **params)
    return hands.post(f"invoices/{draft['id']}/finalize")


def test_exclusive_tax_is_rounded_half_up_on_each_line() -> None:
    # 15 % of 43 = 6.45 -> 6, of 484 = 72.6 -> 73: 79, not 79.05 rounded over the sum; Stripe's own example.
    hands = Hands()
    invoice = hands.invoice(hands.customer(), 43, 484, default_tax_rates=[hands.rate("15")])
    assert [line["taxes"][0]["amount"] for line in invoice["lines"]["data"]] == [6, 73]
    assert (invoice["subtotal"], invoice["total"], invoice["total_excluding_tax"]) == (527, 606, 527)
    assert invoice["total_taxes"][0]["amount"] == 79
    assert invoice["total_taxes"][0]["taxable_amount"] == 527


def test_inclusive_tax_is_taken_out_of_the_amount() -> None:
    # 1190 with 19 % inside holds 1190 * 19 / 119 = 190.
    hands = Hands()
    invoice = hands.invoice(hands.customer(), 1190, default_tax_rates=[hands.rate("19", True)])
    assert (invoice["subtotal"], invoice["total"], invoice["total_excluding_tax"], invoice["subtotal_excluding_tax"]) == (
        1190,
        1190,
        1000,
        1000,
    )
    assert invoice["lines"]["data"][0]["taxes"][0] == {
        "amount": 190, "tax_behavior": "inclusive", "tax_rate_details": {"tax_rate": invoice["default_tax_rates"][0]["id"]},
        "taxability_reason": "not_available", "taxable_amount": 1000, "type": "tax_rate_details",
    }  # fmt: skip


def test_a_tax_rate_with_four_decimals_is_exact() -> None:
    # 8.8755 % of 100000 = 8875.5 -> 8876.
    hands = Hands()
    assert hands.invoice(hands.customer(), 100000, default_tax_rates=[hands.rate("8.8755")])["total"] == 108876


def test_three_decimal_currencies_are_rounded_to_tens() -> None:
    # 5 % of 12.340 dinars is 0.617 -> 0.620; 10 % off is 1.234 -> 1.230, then 5 % of 11.110 is 0.5555 -> 0.560.
    hands = Hands()
    vat = hands.rate("5")
    assert hands.invoice(hands.customer(), 12340, currency="kwd", default_tax_rates=[vat])["total"] == 12960
    coupon = hands.post("coupons", percent_off=10, duration="once")
    invoice = hands.invoice(hands.customer(), 12340, currency="kwd", default_tax_rates=[vat], discounts=[{"coupon": coupon["id"]}])
    assert invoice["total"] == 12340 - 1230 + 560
    assert hands.refused("invoiceitems", customer=hands.customer()["id"], amount=1005, currency="kwd")["param"] == "amount"


@pytest.mark.parametrize(("status", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_exempt_and_reverse_charge_customers_pay_no_tax(status: str, reason: str) -> None:
    hands = Hands()
    invoice = hands.invoice(hands.customer(tax_exempt=status), 1000, default_tax_rates=[hands.rate("19")])
    assert (invoice["total"], invoice["lines"]["data"][0]["taxes"][0]["taxability_reason"]) == (1000, reason)


def test_an_amount_off_is_spread_over_the_lines_without_losing_a_cent() -> None:
    # 100 over 349, 17, 10: 92.8, 4.5, 2.7 -> 93, 4, 3 by largest remainder (.81, .52, .65 -> first and third).
    hands = Hands()
    coupon = hands.post("coupons", amount_off=100, currency="usd", duration="once")
    invoice = hands.invoice(hands.customer(), 349, 17, 10, discounts=[{"coupon": coupon["id"]}], default_tax_rates=[hands.rate("10")])
    assert [line["discount_amounts"][0]["amount"] for line in invoice["lines"]["data"]] == [93, 4, 3]
    # Tax is on what is left: 256, 13, 7 -> 26, 1, 1.
    assert (invoice["subtotal"], invoice["total"]) == (376, 376 - 100 + 28)


def test_a_full_discount_makes_an_invoice_of_nothing_that_is_paid_at_once() -> None:
    hands = Hands()
    coupon = hands.post("coupons", percent_off=100, duration="forever")
    invoice = finalized(hands, hands.customer(), 5000, discounts=[{"coupon": coupon["id"]}])
    assert (invoice["status"], invoice["total"], invoice["amount_due"], invoice["attempt_count"]) == ("paid", 0, 0, 0)
    assert hands.types()[-3:] == ["invoice.updated", "invoice.paid", "invoice.payment_succeeded"]


def test_a_coupon_of_once_applies_to_the_first_invoice_only() -> None:
    hands = Hands()
    coupon = hands.post("coupons", percent_off="33.3", duration="once")
    subscription = hands.subscribe(hands.customer(), hands.price(1000), discounts=[{"coupon": coupon["id"]}])
    hands.advance(32)
    # 33.3 % of 1000 = 333.
    assert [i["total"] for i in hands.get("invoices", subscription=subscription["id"])["data"]] == [1000, 667]


def test_credit_balance_is_used_before_the_card() -> None:
    hands = Hands()
    customer = hands.customer(balance=-700)
    first = finalized(hands, customer, 500)
    assert (first["status"], first["amount_due"], first["starting_balance"], first["ending_balance"]) == ("paid", 0, -700, -200)
    second = finalized(hands, customer, 1000)
    assert (second["status"], second["amount_due"], second["starting_balance"], second["ending_balance"]) == ("open", 800, -200, 0)


def test_a_negative_total_becomes_credit() -> None:
    hands = Hands()
    customer = hands.customer()
    invoice = finalized(hands, customer, 1000, -2500)
    assert (invoice["total"], invoice["amount_due"], invoice["ending_balance"], invoice["status"]) == (-1500, 0, -1500, "paid")
    assert hands.get(f"customers/{customer['id']}")["balance"] == -1500


def test_a_customer_has_credit_in_each_currency_apart() -> None:
    hands = Hands()
    customer = hands.customer()
    finalized(hands, customer, 1000)
    foreign = finalized(hands, customer, -2500, currency="eur")
    assert (foreign["total"], foreign["amount_due"], foreign["ending_balance"]) == (-2500, 0, -2500)
    assert finalized(hands, customer, 900)["amount_due"] == 900
    assert finalized(hands, customer, 3000, currency="eur")["amount_due"] == 500
    finalized(hands, customer, -70, currency="eur")
    shown = hands.get(f"customers/{customer['id']}", expand=["invoice_credit_balance"])
    assert (shown["currency"], shown["balance"], shown["invoice_credit_balance"]) == ("usd", 0, {"eur": 70})


def test_less_than_the_minimum_charge_is_carried_over() -> None:
    # Less than 0.50 cannot be charged in dollars.
    hands = Hands()
    customer = hands.customer()
    invoice = finalized(hands, customer, 30)
    assert (invoice["status"], invoice["amount_due"], invoice["ending_balance"]) == ("paid", 0, 30)
    assert finalized(hands, customer, 100)["amount_due"] == 130


def test_voiding_gives_used_credit_back() -> None:
    hands = Hands()
    customer = hands.customer(balance=-300)
    invoice = finalized(hands, customer, 1000)
    assert hands.post(f"invoices/{invoice['id']}/void")["status"] == "void"
    assert hands.get(f"customers/{customer['id']}")["balance"] == -300
    assert hands.refused(f"invoices/{invoice['id']}/pay")["http"] == 400


def test_three_payments_pay_one_invoice() -> None:
    hands = Hands()
    customer = hands.customer()
    invoice = finalized(hands, customer, 60000)
    for part, status, left in ((20000, "open", 40000), (15000, "open", 25000), (25000, "paid", 0)):
        intent = hands.post(
            "payment_intents", amount=part, currency="usd", customer=customer["id"], payment_method="pm_card_visa", confirm=True
        )
        invoice = hands.post(f"invoices/{invoice['id']}/attach_payment", payment_intent=intent["id"])
        assert (invoice["status"], invoice["amount_remaining"]) == (status, left)
    payments = hands.get("invoice_payments", invoice=invoice["id"])["data"]
    assert sorted((p["status"], p["amount_paid"]) for p in payments if p["status"] == "paid") == [
        ("paid", 15000),
        ("paid", 20000),
        ("paid", 25000),
    ]
    assert hands.types().count("invoice_payment.paid") == 3


def test_paying_out_of_band_moves_no_money_and_tells_only_paid() -> None:
    hands = Hands()
    invoice = finalized(hands, hands.customer(""), 5000)
    before = len(hands.types())
    paid = hands.post(f"invoices/{invoice['id']}/pay", paid_out_of_band=True)
    assert (paid["status"], paid["amount_paid"], paid["amount_paid_off_stripe"]) == ("paid", 5000, 5000)
    assert hands.types()[before:] == ["payment_intent.canceled", "invoice.updated", "invoice.paid"]
    assert hands.get("balance_transactions")["data"] == []


def test_an_invoice_item_may_cost_fractions_of_a_cent() -> None:
    # 907 units at 1.37 = 1242.59 -> 1243.
    hands = Hands()
    item = hands.post("invoiceitems", customer=hands.customer()["id"], currency="usd", quantity=907, unit_amount_decimal="1.37")
    assert (item["amount"], item["pricing"]["unit_amount_decimal"]) == (1243, "1.37")


def test_an_embedded_invoice_shows_ten_lines_and_says_there_are_more() -> None:
    hands = Hands()
    invoice = hands.invoice(hands.customer(), *range(100, 113))
    assert (len(invoice["lines"]["data"]), invoice["lines"]["has_more"]) == (10, True)
    assert [line["amount"] for line in hands.get(f"invoices/{invoice['id']}/lines", limit=100)["data"]] == list(range(100, 113))


def test_a_preview_shows_the_renewal_and_keeps_nothing() -> None:
    hands = Hands()
    customer = hands.customer()
    subscription = hands.subscribe(customer, hands.price(1000), default_tax_rates=[hands.rate("19")])
    hands.post("invoiceitems", customer=customer["id"], amount=50, currency="usd")
    preview = hands.post("invoices/create_preview", subscription=subscription["id"])
    assert (preview["total"], len(preview["lines"]["data"])) == (1250, 2)
    assert len(hands.get("invoices")["data"]) == 1


def test_an_unpaid_invoice_by_mail_becomes_overdue() -> None:
    hands = Hands()
    draft = hands.invoice(hands.customer("", email="a@example.com"), 1000, collection_method="send_invoice", days_until_due=7)
    sent = hands.post(f"invoices/{draft['id']}/send")
    assert (sent["status"], sent["due_date"]) == ("open", hands.sandbox.now + 7 * DAY)
    hands.advance(8)
    assert [t for t in hands.types() if t in ("invoice.sent", "invoice.will_be_due", "invoice.overdue")] == [
        "invoice.sent", "invoice.will_be_due", "invoice.overdue",
    ]  # fmt: skip
