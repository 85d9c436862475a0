"""Invoices and subscriptions: amounts worked by hand, and what happens as time passes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from counterfoil.connectors.stripe.sandbox.timeline import add_interval

from .playing import DAY, Hands, Obj


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


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


def test_an_upgrade_in_mid_period_credits_the_old_and_charges_the_new_price() -> None:
    # January has 31 days; after 10, 21/31 are left: 1000 -> -677 (677.4), 3000 -> 2032 (2032.3).
    hands = Hands()
    small, large = hands.price(1000), hands.price(3000)
    subscription = hands.subscribe(hands.customer(), small)
    hands.advance(10)
    item = subscription["items"]["data"][0]["id"]
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": item, "price": large["id"]}], proration_behavior="always_invoice")
    invoice = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert (invoice["billing_reason"], invoice["status"], invoice["total"]) == ("subscription_update", "paid", 1355)
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-677, 2032]
    assert all(line["parent"]["subscription_item_details"]["proration"] for line in invoice["lines"]["data"])
    assert [line["period"]["end"] for line in invoice["lines"]["data"]] == [instant("2026-02-01")] * 2


def test_a_change_in_a_period_an_anchor_made_shorter_is_prorated_by_the_whole_interval() -> None:
    # From 1 to 11 January, of a month of 31 days that ends then: 3100 x 10/31 = 1000. After 5 days 5/31 are left:
    # 3100 x 5/31 = 500 back, 9300 x 5/31 = 1500 to pay.
    hands = Hands()
    small, large = hands.price(3100), hands.price(9300)
    subscription = hands.subscribe(hands.customer(), small, billing_cycle_anchor=instant("2026-01-11"))
    assert hands.get("invoices", subscription=subscription["id"])["data"][0]["total"] == 1000
    hands.advance(5)
    item = subscription["items"]["data"][0]["id"]
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": item, "price": large["id"]}], proration_behavior="always_invoice")
    invoice = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-500, 1500]


def test_a_downgrade_of_a_year_becomes_credit() -> None:
    # 100 of 365 days gone, 265 left: -120000 * 265 / 365 = -87123.3 -> -87123, 60000 -> 43562 (43561.6).
    hands = Hands()
    customer = hands.customer()
    subscription = hands.subscribe(customer, hands.price(120000, "year"))
    hands.advance(100)
    item = subscription["items"]["data"][0]["id"]
    price = hands.price(60000, "year")
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": item, "price": price["id"]}], proration_behavior="always_invoice")
    invoice = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert (invoice["total"], invoice["amount_due"], invoice["status"]) == (-43561, 0, "paid")
    assert hands.get(f"customers/{customer['id']}")["balance"] == -43561


def test_prorations_hold_the_discounts_of_what_they_prorate() -> None:
    # 50 % off the first invoice only: 1000 cost 500, so 21/31 unused are 338.7 -> -339; the new price is not discounted: 2032.
    hands = Hands()
    coupon = hands.post("coupons", percent_off=50, duration="once")
    small, large = hands.price(1000), hands.price(3000)
    subscription = hands.subscribe(hands.customer(), small, discounts=[{"coupon": coupon["id"]}])
    hands.advance(10)
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": subscription["items"]["data"][0]["id"], "price": large["id"]}])
    assert [i["amount"] for i in hands.get("invoiceitems")["data"]] == [2032, -339]


def test_a_schedule_changes_the_quantity_where_the_period_changes() -> None:
    hands = Hands()
    price, customer = hands.price(1000), hands.customer()
    phases = [{"items": [{"price": price["id"], "quantity": n}], "iterations": 1} for n in (1, 3)]
    schedule = hands.post("subscription_schedules", customer=customer["id"], start_date="now", phases=phases)
    hands.sandbox.set_clock(instant("2026-02-02"))
    assert [i["total"] for i in hands.get("invoices", subscription=schedule["subscription"])["data"]] == [3000, 1000]
    hands.sandbox.set_clock(instant("2026-03-02"))
    assert hands.get(f"subscription_schedules/{schedule['id']}")["status"] == "completed"


def test_quantity_changes_wait_as_items_for_the_renewal() -> None:
    # Half of a 31-day month left at day 15.5: 2 more seats of 1000 cost 1000; 4 -> credit -2000 and 6 -> 3000.
    hands = Hands()
    subscription = hands.subscribe(hands.customer(), hands.price(1000), 4)
    hands.advance(15.5)
    hands.post(f"subscriptions/{subscription['id']}", items=[{"id": subscription["items"]["data"][0]["id"], "quantity": 6}])
    assert [i["amount"] for i in hands.get("invoiceitems", pending=True)["data"]] == [3000, -2000]
    hands.advance(17)
    invoice = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert (invoice["total"], invoice["billing_reason"]) == (7000, "subscription_cycle")


def test_a_renewal_is_a_draft_for_an_hour_and_then_charged() -> None:
    hands = Hands()
    subscription = hands.subscribe(hands.customer(), hands.price(1000))
    hands.sandbox.set_clock(instant("2026-02-01"))
    draft = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert (draft["status"], draft["number"], draft["automatically_finalizes_at"]) == ("draft", None, instant("2026-02-01T01:00:00"))
    changed = hands.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert changed["items"]["data"][0]["current_period_end"] == instant("2026-02-01")
    hands.sandbox.advance(3600)
    assert hands.get(f"invoices/{draft['id']}")["status"] == "paid"


def test_periods_anchored_on_the_31st_end_on_the_last_day_of_short_months() -> None:
    anchor = instant("2026-01-31")
    ends = [add_interval(anchor, "month", n) for n in range(1, 5)]
    assert ends == [instant("2026-02-28"), instant("2026-03-31"), instant("2026-04-30"), instant("2026-05-31")]


def test_a_subscription_of_the_31st_keeps_its_day() -> None:
    hands = Hands()
    hands.sandbox.set_clock(instant("2026-01-31"))
    subscription = hands.subscribe(hands.customer(), hands.price(1000))
    hands.sandbox.set_clock(instant("2026-04-02"))
    periods = [i["lines"]["data"][0]["period"] for i in hands.get("invoices", subscription=subscription["id"])["data"]][::-1]
    assert [(p["start"], p["end"]) for p in periods] == [
        (instant("2026-01-31"), instant("2026-02-28")),
        (instant("2026-02-28"), instant("2026-03-31")),
        (instant("2026-03-31"), instant("2026-04-30")),
    ]


def test_a_trial_bills_nothing_then_the_first_period() -> None:
    hands = Hands()
    subscription = hands.subscribe(hands.customer(), hands.price(1000), trial_period_days=14)
    assert (subscription["status"], hands.get(f"invoices/{subscription['latest_invoice']}")["total"]) == ("trialing", 0)
    hands.advance(11)
    assert hands.types()[-1] == "customer.subscription.trial_will_end"
    hands.advance(4)
    now = hands.get(f"subscriptions/{subscription['id']}")
    assert (now["status"], hands.get(f"invoices/{now['latest_invoice']}")["total"]) == ("active", 1000)
    assert now["items"]["data"][0]["current_period_end"] == instant("2026-02-15")


def test_a_declined_first_payment_leaves_the_subscription_incomplete_for_23_hours() -> None:
    hands = Hands()
    subscription = hands.subscribe(hands.customer("pm_card_chargeCustomerFail"), hands.price(1000))
    assert hands.get(f"subscriptions/{subscription['id']}")["status"] == "incomplete"
    hands.sandbox.advance(23 * 3600)
    assert hands.get(f"subscriptions/{subscription['id']}")["status"] == "incomplete_expired"
    assert hands.get(f"invoices/{subscription['latest_invoice']}")["status"] == "void"


def test_an_incomplete_subscription_becomes_active_when_paid() -> None:
    hands = Hands()
    customer = hands.customer("pm_card_chargeCustomerFail")
    subscription = hands.subscribe(customer, hands.price(1000))
    hands.post(f"invoices/{subscription['latest_invoice']}/pay", payment_method="pm_card_visa")
    assert hands.get(f"subscriptions/{subscription['id']}")["status"] == "active"


def test_dunning_retries_after_3_5_and_7_days_and_then_cancels() -> None:
    hands = Hands()
    customer = hands.customer()
    subscription = hands.subscribe(customer, hands.price(1000))
    bad = hands.post("payment_methods/pm_card_chargeCustomerFail/attach", customer=customer["id"])
    hands.post(f"customers/{customer['id']}", invoice_settings={"default_payment_method": bad["id"]})
    hands.sandbox.set_clock(instant("2026-02-01T02:00:00"))
    assert hands.get(f"subscriptions/{subscription['id']}")["status"] == "past_due"
    invoice = hands.get("invoices", subscription=subscription["id"])["data"][0]
    assert (invoice["attempt_count"], invoice["next_payment_attempt"]) == (1, instant("2026-02-04T01:00:00"))
    hands.advance(16)
    invoice = hands.get(f"invoices/{invoice['id']}")
    assert (invoice["attempt_count"], invoice["next_payment_attempt"], invoice["status"]) == (4, None, "open")
    ended = hands.get(f"subscriptions/{subscription['id']}")
    assert (ended["status"], ended["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
    assert hands.types().count("invoice.payment_failed") == 4


def test_cancel_at_period_end_only_announces() -> None:
    hands = Hands()
    subscription = hands.subscribe(hands.customer(), hands.price(1000))
    announced = hands.post(f"subscriptions/{subscription['id']}", cancel_at_period_end=True)
    assert (announced["status"], announced["cancel_at"]) == ("active", instant("2026-02-01"))
    assert "customer.subscription.deleted" not in hands.types()
    hands.sandbox.set_clock(instant("2026-02-02"))
    assert "customer.subscription.deleted" in hands.types()
    assert len(hands.get("invoices", subscription=subscription["id"])["data"]) == 1


def test_a_test_clock_moves_only_its_customers() -> None:
    hands = Hands()
    clock = hands.post("test_helpers/test_clocks", frozen_time=instant("2026-03-10"))
    inside = hands.subscribe(hands.customer(test_clock=clock["id"]), hands.price(1000))
    outside = hands.subscribe(hands.customer(), hands.price(1000))
    shown = hands.post(f"test_helpers/test_clocks/{clock['id']}/advance", frozen_time=instant("2026-05-11"))
    assert shown["status"] == "advancing"
    assert hands.get(f"test_helpers/test_clocks/{clock['id']}")["status"] == "ready"
    assert [i["created"] for i in hands.get("invoices", subscription=inside["id"])["data"]][::-1] == [
        instant("2026-03-10"), instant("2026-04-10"), instant("2026-05-10"),
    ]  # fmt: skip
    assert len(hands.get("invoices", subscription=outside["id"])["data"]) == 1
    assert hands.sandbox.now == instant("2026-01-01")


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


def test_tiers_are_graduated_or_by_volume() -> None:
    tiers = [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50, "flat_amount": 7}]
    hands = Hands()
    totals = []
    for mode in ("graduated", "volume"):
        price = hands.post(
            "prices", currency="usd", product_data={"name": mode}, recurring={"interval": "month"}, billing_scheme="tiered", tiers=tiers,
            tiers_mode=mode,
        )  # fmt: skip
        subscription = hands.subscribe(hands.customer(), price, 15)
        totals.append(hands.get(f"invoices/{subscription['latest_invoice']}")["total"])
    # Graduated: 10 * 100 + 5 * 50 + 7; volume: 15 * 50 + 7.
    assert totals == [1257, 757]


def test_metered_usage_is_billed_with_the_next_renewal() -> None:
    hands = Hands()
    meter = hands.post("billing/meters", display_name="Calls", event_name="calls", default_aggregation={"formula": "sum"})
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter["id"]}
    price = hands.post("prices", unit_amount_decimal="0.5", currency="usd", product_data={"name": "Calls"}, recurring=recurring)
    customer = hands.customer()
    subscription = hands.post("subscriptions", customer=customer["id"], items=[{"price": price["id"]}])
    for value in ("1000", "501"):
        hands.advance(2)
        hands.post("billing/meter_events", event_name="calls", payload={"stripe_customer_id": customer["id"], "value": value})
    hands.advance(28)
    # 1501 at half a cent = 750.5 -> 751.
    assert hands.get("invoices", subscription=subscription["id"])["data"][0]["total"] == 751


def test_an_unpaid_invoice_by_mail_becomes_overdue() -> None:
    hands = Hands()
    draft = hands.invoice(hands.customer("", email="a@example.com"), 1000, collection_method="send_invoice", days_until_due=7)
    sent = hands.post(f"invoices/{draft['id']}/send")
    assert (sent["status"], sent["due_date"]) == ("open", hands.sandbox.now + 7 * DAY)
    hands.advance(8)
    assert [t for t in hands.types() if t in ("invoice.sent", "invoice.will_be_due", "invoice.overdue")] == [
        "invoice.sent", "invoice.will_be_due", "invoice.overdue",
    ]  # fmt: skip
