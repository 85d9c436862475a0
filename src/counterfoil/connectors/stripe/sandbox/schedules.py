"""Subscription schedules, in their basic form: phases of items one after the other, then release or cancellation.

Source: https://docs.stripe.com/billing/subscriptions/subscription-schedules, https://docs.stripe.com/api/subscription_schedules.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, lists
from . import subscriptions as life
from .calls import Call, route
from .forms import Obj
from .render import plan_of, subscription_items
from .subscription_api import create_subscription
from .timeline import DAY, add_interval
from .world import Account

EXPIRING_BEFORE_S = 9 * DAY
"""Documented as seven days; Stripe's own trigger scenario sees the event nine days before the end."""
_ISSUER: Obj = {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}}


def _phase(account: Account, given: Obj, start: int) -> Obj:
    items = []
    for entry in forms.as_list(given.get("items")):
        price = account.get("price", entry.get("price") or entry.get("plan"), "phases[items][price]")
        quantity = forms.to_int(entry.get("quantity") or 1, "phases[items][quantity]")
        bare: Obj = {"billing_thresholds": None, "discounts": [], "metadata": {}, "tax_rates": []}
        items.append(bare | {"plan": price["id"], "price": price["id"], "quantity": quantity})
    if not items:
        raise errors.required("phases[items]")
    price = account.get("price", items[0]["price"])
    recurring = price["recurring"] or plan_of(price)
    iterations = forms.to_int(given.get("iterations") or 1, "phases[iterations]")
    end = given.get("end_date")
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": price["currency"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": int(end) if end else add_interval(start, recurring["interval"], recurring["interval_count"] * iterations),
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": given.get("proration_behavior") or "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def _phases(account: Account, given: list[Any], start: int) -> list[Obj]:
    phases: list[Obj] = []
    for entry in given:
        phases.append(_phase(account, forms.as_dict(entry, "phases"), phases[-1]["end_date"] if phases else start))
    return phases


@route("POST", "/v1/subscription_schedules")
def _create(call: Call) -> Obj:
    account = call.account
    source = account.get("subscription", call.text("from_subscription"), "from_subscription") if call.text("from_subscription") else None
    customer = account.living("customer", source["customer"] if source else call.need("customer"), "customer")
    now = account.now(customer["id"])
    given_start = call.text("start_date")
    start = now if given_start in (None, "now") else forms.to_int(given_start, "start_date")
    given = call.list("phases")
    if source is not None:
        start = life.period_of(account, source)[0]
        given = [{"items": [{"price": i["_price"], "quantity": i.get("quantity")} for i in subscription_items(account, source)]}]
    if not given:
        raise errors.required("phases")
    schedule = _blank(call, customer, now)
    schedule["phases"] = _phases(account, given, start)
    account.add(schedule)
    if start > now:
        account.emit("subscription_schedule.created", schedule)
        account.at(customer["id"], start, lambda: _begin(account, schedule))
    else:
        _begin(account, schedule, source)
        account.emit("subscription_schedule.created", schedule)
    return schedule


def _blank(call: Call, customer: Obj, now: int) -> Obj:
    return {
        "id": call.account.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "canceled_at": None,
        "completed_at": None,
        "created": now,
        "current_phase": None,
        "customer": customer["id"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None, "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic", "billing_thresholds": None, "collection_method": "charge_automatically",
            "default_payment_method": None, "description": None, "invoice_settings": _ISSUER, "on_behalf_of": None, "transfer_data": None,
        },
        "end_behavior": call.text("end_behavior") or "release",
        "livemode": False,
        "metadata": call.metadata({}),
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": customer["test_clock"],
    }  # fmt: skip


def _begin(account: Account, schedule: Obj, subscription: Obj | None = None) -> None:
    if schedule["status"] != "not_started":
        return
    first = schedule["phases"][0]
    _enter(account, schedule, 0)  # armed before the subscription's own renewal, so that a new phase is in place when it bills
    schedule["status"] = "active"
    if subscription is None:
        items = [{"price": item["price"], "quantity": item["quantity"]} for item in first["items"]]
        params = {"customer": schedule["customer"], "items": items, "metadata": schedule["metadata"]}
        call = Call(account.world, account, "POST", "/v1/subscriptions", "/v1/subscriptions", (), params, account.api_version)
        subscription = create_subscription(call)
    subscription["schedule"] = schedule["id"]
    schedule["subscription"] = subscription["id"]
    end = schedule["phases"][-1]["end_date"]

    def warn() -> None:
        if schedule["status"] == "active":
            account.emit("subscription_schedule.expiring", schedule)

    account.at(schedule["customer"], max(end - EXPIRING_BEFORE_S, account.now(schedule["customer"])), warn)


def _enter(account: Account, schedule: Obj, number: int) -> None:
    phase = schedule["phases"][number]
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    account.at(schedule["customer"], phase["end_date"], lambda: _leave(account, schedule, number))


def _leave(account: Account, schedule: Obj, number: int) -> None:
    if schedule["status"] != "active":
        return
    subscription = account.get("subscription", schedule["subscription"])
    before = account.before(schedule)
    if number + 1 < len(schedule["phases"]):
        _enter(account, schedule, number + 1)
        _apply(account, subscription, schedule["phases"][number + 1])
        account.emit("subscription_schedule.updated", schedule, before)
        return
    schedule |= {"status": "completed", "completed_at": account.now(schedule["customer"]), "current_phase": None}
    account.emit("subscription_schedule.completed", schedule, before)
    subscription["schedule"] = None
    if schedule["end_behavior"] == "cancel" and subscription["status"] not in life.ENDED:
        life.cancel_now(account, subscription, reason="cancellation_requested")


def _apply(account: Account, subscription: Obj, phase: Obj) -> None:
    """Put a phase's prices and quantities on the subscription, without proration: phases change where periods do."""
    before = account.before(subscription)
    for item, wanted in zip(subscription_items(account, subscription), phase["items"], strict=False):
        item["_price"], item["quantity"] = wanted["price"], wanted["quantity"]
    account.emit("customer.subscription.updated", subscription, before)


@route("POST", "/v1/subscription_schedules/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    schedule = account.get("subscription_schedule", call.args[0])
    before = account.before(schedule)
    schedule["metadata"] = call.metadata(schedule["metadata"])
    if call.has("end_behavior"):
        schedule["end_behavior"] = call.need("end_behavior")
    if call.has("phases"):
        current = next(
            (n for n, p in enumerate(schedule["phases"]) if p["start_date"] == (schedule["current_phase"] or {}).get("start_date")), 0
        )
        kept = schedule["phases"][: current + 1]
        later = call.list("phases")[current + 1 :]
        schedule["phases"] = kept + _phases(account, later, kept[-1]["end_date"])
    account.emit("subscription_schedule.updated", schedule, before)
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/cancel")
def _cancel(call: Call) -> Obj:
    account = call.account
    schedule = account.get("subscription_schedule", call.args[0])
    if schedule["status"] not in ("active", "not_started"):
        raise errors.invalid(f"You cannot cancel a subscription schedule that is {schedule['status']}.")
    is_unstarted = schedule["status"] == "not_started"
    schedule |= {"status": "canceled", "canceled_at": account.now(schedule["customer"]), "current_phase": None}
    account.emit("subscription_schedule.canceled", schedule)
    if is_unstarted:
        account.emit("subscription_schedule.aborted", schedule)
    subscription = account.find(schedule["subscription"], "subscription")
    if subscription is not None and subscription["status"] not in life.ENDED:
        life.cancel_now(account, subscription, reason="cancellation_requested")
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/release")
def _release(call: Call) -> Obj:
    account = call.account
    schedule = account.get("subscription_schedule", call.args[0])
    if schedule["status"] not in ("active", "not_started"):
        raise errors.invalid(f"You cannot release a subscription schedule that is {schedule['status']}.")
    subscription = account.find(schedule["subscription"], "subscription")
    if subscription is not None:
        subscription["schedule"] = None
    schedule |= {
        "status": "released", "released_at": account.now(schedule["customer"]), "released_subscription": schedule["subscription"],
        "subscription": None, "current_phase": None,
    }  # fmt: skip
    account.emit("subscription_schedule.released", schedule)
    return schedule


lists.serve("/v1/subscription_schedules", "subscription_schedule", equal=("customer",))
