"""The calls about subscriptions and their items: create, change with proration, pause, resume, cancel.

Sources: https://docs.stripe.com/api/subscriptions, /subscription_items, https://docs.stripe.com/billing/subscriptions/change.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, invoices, lists
from . import subscriptions as life
from .calls import Call, Page, route
from .cards import own_method
from .catalog import create_price
from .discounts import create_discounts
from .forms import Obj
from .items import new_item, pricing_of, rates
from .new_items import currency_of, new_item_of
from .proration import Change, prorate
from .render import subscription_items
from .timeline import DAY
from .world import Account


def create_subscription(call: Call) -> Obj:
    """Create a subscription from a call's parameters and bill what starts now."""
    account = call.account
    customer = account.living("customer", call.need("customer"), "customer")
    items = call.list("items")
    if not items:
        raise errors.required("items")
    subscription = _blank(call, customer, currency_of(call, items))
    _fill(call, subscription, customer)
    for given in items:
        new_item_of(account, subscription, forms.as_dict(given, "items"))
    if len({(p["recurring"]["interval"], p["recurring"]["interval_count"]) for p in _prices(account, subscription)}) > 1:
        raise errors.invalid("Currency and interval fields must match across all plans on this subscription.", "items")
    behavior = call.text("payment_behavior") or "allow_incomplete"
    if behavior == "error_if_incomplete" and subscription["collection_method"] == "charge_automatically":
        life.check_declined(account.find(subscription["default_payment_method"]) or invoices_method(account, customer))
    account.add(subscription)
    _add_invoice_items(call, subscription, customer)
    _start(call, subscription, behavior)
    return subscription


def invoices_method(account: Account, customer: Obj) -> Obj | None:
    """Return a customer's default payment method, or None."""
    from .charges import method_for_customer

    return method_for_customer(account, customer)


def _prices(account: Account, subscription: Obj) -> list[Obj]:
    return [life.price_of(account, item) for item in subscription_items(account, subscription)]


def _blank(call: Call, customer: Obj, currency: str) -> Obj:
    account = call.account
    now = account.now(customer["id"])
    return {
        "id": account.new_id("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": call.text("collection_method") or "charge_automatically",
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {"payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off"},
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "active",
        "test_clock": customer["test_clock"],
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
        "_default_tax_rates": [],
        "_due": None,
        "_items": [],
    }


def _fill(call: Call, subscription: Obj, customer: Obj) -> None:
    account = call.account
    call.assign(subscription, "description", "default_source")
    subscription["metadata"] = call.metadata(subscription["metadata"])
    if call.has("days_until_due"):
        subscription["days_until_due"] = call.integer("days_until_due")
    if call.has("collection_method"):
        subscription["collection_method"] = call.need("collection_method")
    if subscription["collection_method"] == "send_invoice" and subscription["days_until_due"] is None:
        raise errors.invalid("You must pass `days_until_due` when `collection_method` is `send_invoice`.", "days_until_due")
    if call.has("default_tax_rates"):
        subscription["_default_tax_rates"] = rates(call, "default_tax_rates")
    if call.has("default_payment_method"):
        given = call.text("default_payment_method")
        subscription["default_payment_method"] = own_method(account, given, customer, "default_payment_method")["id"] if given else None
    if call.has("cancel_at_period_end"):
        _announce_cancel(account, subscription, call.flag("cancel_at_period_end"))
    if call.has("cancel_at"):
        subscription["cancel_at"] = call.integer("cancel_at")
        subscription["canceled_at"] = account.now(customer["id"]) if subscription["cancel_at"] else None
    for name in ("discounts", "coupon", "promotion_code"):
        if call.has(name):
            given_list = call.params[name] if name == "discounts" else ([{name: call.text(name)}] if call.text(name) else [])
            subscription["discounts"] = create_discounts(account, given_list, customer=customer["id"], subscription=subscription["id"])
    settings = call.object("trial_settings").get("end_behavior")
    if settings:
        subscription["trial_settings"] = {
            "end_behavior": {"missing_payment_method": settings.get("missing_payment_method") or "create_invoice"}
        }
    if call.has("pause_collection"):
        given_pause = call.object("pause_collection")
        resumes = given_pause.get("resumes_at")
        subscription["pause_collection"] = (
            {"behavior": given_pause.get("behavior"), "resumes_at": int(resumes) if resumes else None} if given_pause else None
        )


def _announce_cancel(account: Account, subscription: Obj, is_wanted: bool) -> None:
    subscription["cancel_at_period_end"] = is_wanted
    if is_wanted and subscription_items(account, subscription):
        subscription["cancel_at"] = life.period_of(account, subscription)[1]
        subscription["canceled_at"] = account.now(subscription["customer"])
        subscription["cancellation_details"]["reason"] = "cancellation_requested"
    elif not is_wanted:
        subscription["cancel_at"] = subscription["canceled_at"] = None
        subscription["cancellation_details"]["reason"] = None


def _add_invoice_items(call: Call, subscription: Obj, customer: Obj) -> None:
    from .catalog import amount_of

    account = call.account
    for entry in call.list("add_invoice_items"):
        price = (
            account.get("price", entry["price"], "add_invoice_items[price]")
            if entry.get("price")
            else create_price(account, entry["price_data"])
        )
        quantity = forms.to_int(entry.get("quantity") or 1, "add_invoice_items[quantity]")
        product = account.find(price["product"], "product")
        new_item(
            account,
            customer,
            amount_of(price, quantity),
            price["currency"],
            description=product["name"] if product else None,
            quantity=quantity,
            pricing=pricing_of(price),
            _tax_rates=forms.as_list(entry.get("tax_rates")),
            parent={
                "subscription_details": {"subscription": subscription["id"], "subscription_item": None},
                "type": "subscription_details",
            },
        )


def _trial_end(call: Call, subscription: Obj, now: int) -> int | None:
    given = call.text("trial_end")
    if given == "now":
        return None
    if given is not None:
        end = forms.to_int(given, "trial_end")
        if end <= now:
            raise errors.invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        return end
    days = call.integer("trial_period_days")
    if days is None and call.flag("trial_from_plan"):
        days = _prices(call.account, subscription)[0]["recurring"]["trial_period_days"]
    return now + days * DAY if days else None


def _start(call: Call, subscription: Obj, behavior: str) -> None:
    """Set the first period, tell, and bill it."""
    account = call.account
    now = account.now(subscription["customer"])
    trial_end = _trial_end(call, subscription, now)
    if trial_end is not None:
        subscription |= {"status": "trialing", "trial_start": now, "trial_end": trial_end, "billing_cycle_anchor": trial_end}
        life.set_period(account, subscription, now, trial_end)
        lines = [life.line_for(account, subscription, item, (now, trial_end), 0) for item in subscription_items(account, subscription)]
    else:
        anchor = call.integer("billing_cycle_anchor")
        subscription["billing_cycle_anchor"] = anchor or now
        life.set_period(account, subscription, now, life.period_end(account, subscription, now))
        lines = _first_lines(call, subscription, anchor)
        if subscription["collection_method"] == "charge_automatically":
            subscription["status"] = "incomplete"
    if subscription["cancel_at_period_end"]:
        _announce_cancel(account, subscription, True)
    invoice = life.bill(account, subscription, "subscription_create", lines) if lines else None
    life.watch(account, subscription)
    account.emit("customer.subscription.created", subscription)
    if trial_end is not None:
        life.watch_trial(account, subscription)
    if invoice is None:
        subscription["status"] = "active" if subscription["status"] == "incomplete" else subscription["status"]
    elif subscription["collection_method"] == "charge_automatically":
        _collect_first(account, subscription, invoice, behavior)


def _collect_first(account: Account, subscription: Obj, invoice: Obj, behavior: str) -> None:
    if behavior == "default_incomplete":
        invoices.finalize(account, invoice)
    else:
        life.charge_now(account, invoice)
    if subscription["status"] == "incomplete":
        life.expire_incomplete(account, subscription)


def _first_lines(call: Call, subscription: Obj, anchor: int | None) -> list[Obj]:
    """Return the lines of the first invoice; a later anchor makes the first period shorter and is charged by the second."""
    account = call.account
    period = life.period_of(account, subscription)
    items = [i for i in subscription_items(account, subscription) if life.price_of(account, i)["recurring"]["usage_type"] != "metered"]
    if anchor is None:
        return [life.line_for(account, subscription, item, period) for item in items]
    if call.text("proration_behavior") == "none":
        return []
    return [life.line_for(account, subscription, item, period, prorate(account, item, period)) for item in items]


@route("POST", "/v1/subscriptions")
def _create(call: Call) -> Obj:
    return create_subscription(call)


@route("POST", "/v1/subscriptions/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.args[0])
    if subscription["status"] in life.ENDED and set(call.params) - {"metadata", "expand", "cancellation_details"}:
        raise errors.invalid("A canceled subscription can only update its cancellation_details and metadata.")
    before = account.before(subscription)
    customer = account.get("customer", subscription["customer"])
    old_due = subscription["cancel_at"]
    change = Change(account, subscription, call)
    for given in call.list("items"):
        change.item(forms.as_dict(given, "items"))
    _fill(call, subscription, customer)
    _add_invoice_items(call, subscription, customer)
    if call.text("trial_end") == "now" and subscription["status"] == "trialing":
        account.emit("customer.subscription.updated", subscription, before)
        life.end_trial(account, subscription)
        return subscription
    if call.has("trial_end") and call.text("trial_end") != "now":
        _extend_trial(call, subscription)
    change.finish()
    if subscription["cancel_at"] != old_due:
        life.watch(account, subscription)
    account.emit("customer.subscription.updated", subscription, before)
    change.bill()
    return subscription


def _extend_trial(call: Call, subscription: Obj) -> None:
    account = call.account
    now = account.now(subscription["customer"])
    end = _trial_end(call, subscription, now)
    if end is None:
        return
    subscription |= {"status": "trialing", "trial_end": end, "trial_start": subscription["trial_start"] or now, "billing_cycle_anchor": end}
    life.set_period(account, subscription, now, end)
    life.watch(account, subscription)
    life.watch_trial(account, subscription)


@route("DELETE", "/v1/subscriptions/{id}")
def _cancel(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.args[0])
    if subscription["status"] in life.ENDED:
        raise errors.missing("subscription", subscription["id"])
    details = call.object("cancellation_details")
    subscription["cancellation_details"] |= {key: forms.to_text(value) for key, value in details.items() if key in ("comment", "feedback")}
    change = Change(account, subscription, call)
    if call.flag("prorate"):
        change.credit_rest()
    life.cancel_now(account, subscription, reason="cancellation_requested")
    if call.flag("invoice_now"):
        change.bill_rest()
    return subscription


@route("POST", "/v1/subscriptions/{id}/resume")
def _resume(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.args[0])
    if subscription["status"] != "paused":
        raise errors.invalid("Only paused subscriptions can be resumed.")
    before = account.before(subscription)
    now = account.now(subscription["customer"])
    subscription |= {"status": "active", "billing_cycle_anchor": now}
    life.start_period(account, subscription, now)
    lines = [
        life.line_for(account, subscription, item, life.period_of(account, subscription))
        for item in subscription_items(account, subscription)
    ]
    invoice = life.bill(account, subscription, "subscription_update", lines)
    account.emit("customer.subscription.updated", subscription, before)
    account.emit("customer.subscription.resumed", subscription)
    life.charge_now(account, invoice)
    return subscription


@route("DELETE", "/v1/subscriptions/{id}/discount")
def _delete_discount(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.args[0])
    before = account.before(subscription)
    removed, subscription["discounts"] = subscription["discounts"], []
    account.emit("customer.subscription.updated", subscription, before)
    return {"id": removed[0] if removed else "", "object": "discount", "deleted": True}


@route("GET", "/v1/subscriptions")
def _list(call: Call) -> Page:
    account = call.account
    wanted, price = call.text("status"), call.text("price") or call.text("plan")
    tests: list[Any] = []
    if wanted is None:
        tests.append(lambda s: s["status"] not in ("canceled",))
    elif wanted == "ended":
        tests.append(lambda s: s["status"] in life.ENDED)
    elif wanted != "all":
        tests.append(lambda s: s["status"] == wanted)
    if price is not None:
        tests.append(lambda s: any(item["_price"] == price for item in subscription_items(account, s)))
    return lists.page(
        call, account.table("subscription").newest_first(), equal=("customer", "collection_method", "test_clock"), tests=tests
    )


lists.serve("/v1/subscriptions", "subscription", is_listed=False)
