"""Billing meters and their events, summed into metered prices at the end of a period.

Sources: https://docs.stripe.com/api/billing/meter, /billing/meter-event.
"""

from __future__ import annotations

from . import errors, forms, lists
from .calls import Call, Plain, route
from .forms import Obj
from .timeline import DAY
from .world import Account


def usage(account: Account, meter_id: str | None, customer: str, period: tuple[int, int]) -> int:
    """Return a customer's usage within a period by the meter's formula (sum, count or last)."""
    meter = account.find(meter_id, "billing.meter")
    if meter is None:
        return 0
    events = [
        event
        for event in account.rows("billing.meter_event")
        if event["event_name"] == meter["event_name"] and event["_customer"] == customer and period[0] <= event["timestamp"] < period[1]
    ]
    values = [int(event["_value"]) for event in sorted(events, key=lambda e: int(e["timestamp"]))]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(values)
    if formula == "last":
        return values[-1] if values else 0
    return sum(values)


@route("POST", "/v1/billing/meters")
def _create(call: Call) -> Obj:
    account = call.account
    name = call.need("event_name")
    if any(meter["event_name"] == name and meter["status"] == "active" for meter in account.rows("billing.meter")):
        raise errors.invalid("There is already an active meter for the event name.", "event_name", "archived_meter_attached")
    formula = call.object("default_aggregation").get("formula")
    if formula not in ("sum", "count", "last"):
        raise errors.required("default_aggregation[formula]")
    now = account.now()
    meter: Obj = {
        "id": account.new_id("mtr"),
        "object": "billing.meter",
        "created": now,
        "customer_mapping": call.object("customer_mapping") or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": formula},
        "display_name": call.need("display_name"),
        "event_name": name,
        "event_time_window": call.text("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": call.object("value_settings") or {"event_payload_key": "value"},
    }
    account.add(meter)
    account.emit("billing.meter.created", meter)
    return meter


def _switch(call: Call, is_active: bool) -> Obj:
    account = call.account
    meter = account.get("billing.meter", call.args[0])
    meter["status"] = "active" if is_active else "inactive"
    meter["status_transitions"] = {"deactivated_at": None if is_active else account.now()}
    account.emit("billing.meter.reactivated" if is_active else "billing.meter.deactivated", meter)
    return meter


@route("POST", "/v1/billing/meters/{id}/deactivate")
def _deactivate(call: Call) -> Obj:
    return _switch(call, False)


@route("POST", "/v1/billing/meters/{id}/reactivate")
def _reactivate(call: Call) -> Obj:
    return _switch(call, True)


@route("POST", "/v1/billing/meter_events")
def _record(call: Call) -> Plain:
    account = call.account
    name, payload = call.need("event_name"), call.object("payload")
    meter = next((m for m in account.rows("billing.meter") if m["event_name"] == name and m["status"] == "active"), None)
    if meter is None:
        raise errors.invalid(f"No active meter found for event name {name}.", "event_name", "no_meter")
    customer = payload.get(meter["customer_mapping"]["event_payload_key"])
    account.get("customer", customer, "payload[stripe_customer_id]")
    now = account.now(str(customer))
    at = call.integer("timestamp") or now
    if at < now - 35 * DAY or at > now + 300:
        raise errors.invalid(
            "The timestamp must be within the past 35 days and up to 5 minutes in the future.", "timestamp", "timestamp_out_of_range"
        )
    identifier = call.text("identifier") or account.world.ids.uuid()
    if any(event["identifier"] == identifier for event in account.rows("billing.meter_event")):
        raise errors.invalid(f"An event already exists with identifier {identifier}.", "identifier", "duplicate_meter_event")
    event: Obj = {
        "id": identifier, "object": "billing.meter_event", "created": now, "event_name": name, "identifier": identifier, "livemode": False,
        "payload": payload, "timestamp": at, "_customer": customer,
        "_value": forms.to_int(payload.get(meter["value_settings"]["event_payload_key"], 1), "payload[value]"),
    }  # fmt: skip
    account.add(event)
    return Plain({key: value for key, value in event.items() if key[0] != "_" and key != "id"})


@route("GET", "/v1/billing/meters/{id}/event_summaries")
def _summaries(call: Call) -> Plain:
    account = call.account
    meter = account.get("billing.meter", call.args[0])
    start, end, customer = call.need_integer("start_time"), call.need_integer("end_time"), call.need("customer")
    summary = {
        "id": f"mtrusg_{meter['id'][-14:]}",
        "object": "billing.meter_event_summary",
        "aggregated_value": usage(account, meter["id"], customer, (start, end)),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }
    return Plain({"object": "list", "data": [summary], "has_more": False, "url": call.path})


lists.serve("/v1/billing/meters", "billing.meter", equal=("status",))
