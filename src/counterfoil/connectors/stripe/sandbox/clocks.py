"""Test clocks: time for a group of customers that moves only when told to.

Source: https://docs.stripe.com/billing/testing/test-clocks.
"""

from __future__ import annotations

from . import errors, lists
from .calls import Call, route
from .forms import Obj
from .timeline import DAY, Timeline


@route("POST", "/v1/test_helpers/test_clocks")
def _create(call: Call) -> Obj:
    account = call.account
    frozen = call.need_integer("frozen_time")
    clock: Obj = {
        "id": account.new_id("clock"),
        "object": "test_helpers.test_clock",
        "created": account.now(),
        "deletes_after": account.now() + 30 * DAY,
        "frozen_time": frozen,
        "livemode": False,
        "name": call.text("name"),
        "status": "ready",
        "status_details": {},
    }
    account.test_clocks[clock["id"]] = Timeline(frozen, call.world.settle)
    account.add(clock)
    account.emit("test_helpers.test_clock.created", clock)
    return clock


@route("POST", "/v1/test_helpers/test_clocks/{id}/advance")
def _advance(call: Call) -> Obj:
    """Everything due happens before the call answers; the answer says ``advancing`` as Stripe's does, a read afterwards ``ready``."""
    account = call.account
    clock = account.get("test_helpers.test_clock", call.args[0])
    to = call.need_integer("frozen_time")
    timeline = account.test_clocks[clock["id"]]
    if to <= timeline.now:
        raise errors.invalid("The frozen_time must be after the clock's present time.", "frozen_time")
    clock |= {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": to}}}
    account.emit("test_helpers.test_clock.advancing", clock)
    shown = dict(clock)
    timeline.advance(to)
    clock |= {"status": "ready", "frozen_time": to, "status_details": {}}
    account.emit("test_helpers.test_clock.ready", clock)
    return shown


@route("DELETE", "/v1/test_helpers/test_clocks/{id}")
def _delete(call: Call) -> Obj:
    account = call.account
    clock = account.get("test_helpers.test_clock", call.args[0])
    for customer in list(account.rows("customer")):
        if customer.get("test_clock") == clock["id"] and not customer.get("deleted"):
            account.table("customer").rows[customer["id"]] = {
                "id": customer["id"],
                "object": "customer",
                "deleted": True,
                "test_clock": clock["id"],
                "_n": customer["_n"],
                "_discount": None,
            }
    account.emit("test_helpers.test_clock.deleted", clock)
    return account.remove(clock)


lists.serve("/v1/test_helpers/test_clocks", "test_helpers.test_clock")
