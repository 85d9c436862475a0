"""Subscriptions over time: renewals, trials, dunning, anchors, prorations, tiers and usage. Amounts are worked by hand."""

from __future__ import annotations

from counterfoil.connectors.stripe.sandbox.timeline import add_interval

from .playing import Hands, instant


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
