"""Coupons, promotion codes and the discounts made from them.

Sources: https://docs.stripe.com/api/coupons, /promotion_codes, /discounts; https://docs.stripe.com/billing/subscriptions/coupons.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, lists
from .calls import Call, Page, route
from .forms import Obj
from .timeline import add_interval
from .world import Account


def create_discount(account: Account, given: Obj, **place: Any) -> Obj:
    """Return a new discount from ``coupon``, ``promotion_code`` or an existing ``discount``; ``place`` says what it hangs on."""
    if given.get("discount"):
        return account.get("discount", given["discount"], "discounts")
    code = None
    coupon_id = given.get("coupon")
    if given.get("promotion_code"):
        code = account.get("promotion_code", given["promotion_code"], "promotion_code")
        if not code["active"]:
            raise errors.invalid("This promotion code is inactive.", "promotion_code")
        coupon_id = code["promotion"]["coupon"]
        code["times_redeemed"] += 1
    coupon = account.get("coupon", coupon_id, "coupon")
    now = account.now(place.get("customer"))
    if not is_valid(coupon, now):
        raise errors.invalid("Coupon expired: this coupon can no longer be redeemed.", "coupon", "coupon_expired")
    coupon["times_redeemed"] += 1
    coupon["valid"] = is_valid(coupon, now)
    months = coupon["duration_in_months"]
    discount: Obj = {
        "id": account.new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": None,
        "customer_account": None,
        "end": add_interval(now, "month", months) if coupon["duration"] == "repeating" and months else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": code["id"] if code else None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": now,
        "subscription": None,
        "subscription_item": None,
        "_uses": 0,
    }
    return account.add(discount | place)


def create_discounts(account: Account, given: Any, **place: Any) -> list[str]:
    """Return ids of discounts made from a ``discounts`` parameter."""
    return [create_discount(account, forms.as_dict(entry, "discounts"), **place)["id"] for entry in forms.as_list(given)]


def is_valid(coupon: Obj, now: int) -> bool:
    """Return whether a coupon can still be redeemed."""
    if coupon["redeem_by"] is not None and coupon["redeem_by"] < now:
        return False
    return coupon["max_redemptions"] is None or coupon["times_redeemed"] < coupon["max_redemptions"]


def coupon_of(account: Account, discount_id: str) -> Obj | None:
    """Return the coupon behind a discount; deleting a coupon does not end the discounts made from it."""
    discount = account.find(discount_id, "discount")
    if discount is None:
        return None
    coupon_id = discount["source"]["coupon"]
    return account.find(coupon_id, "coupon") or account.find(coupon_id, "_deleted_coupon")


def is_running(account: Account, discount_id: str, at: int) -> bool:
    """Return whether a discount still applies to an invoice made at an instant."""
    discount, coupon = account.find(discount_id, "discount"), coupon_of(account, discount_id)
    if discount is None or coupon is None:
        return False
    if coupon["duration"] == "once" and discount["_uses"] > 0:
        return False
    return discount["end"] is None or at < discount["end"]


def _percent(value: Any) -> float:
    share = forms.to_decimal(value, "percent_off")
    if not 0 < share <= 100:
        raise errors.invalid("Invalid percent_off: must be greater than 0 and at most 100.", "percent_off")
    return float(share)  # the wire's JSON number; arithmetic reads it back through its decimal text


@route("POST", "/v1/coupons")
def _create_coupon(call: Call) -> Obj:
    account = call.account
    percent, amount = call.text("percent_off"), call.integer("amount_off")
    if (percent is None) == (amount is None):
        raise errors.invalid("You must pass either `percent_off` or `amount_off`, and not both.")
    duration = call.text("duration") or "once"
    if duration == "repeating" and call.integer("duration_in_months") is None:
        raise errors.required("duration_in_months")
    coupon_id = call.text("id") or account.world.ids.letters(8)
    if account.find(coupon_id, "coupon"):
        raise errors.invalid("Coupon already exists.", "id", "resource_already_exists")
    coupon: Obj = {
        "id": coupon_id,
        "object": "coupon",
        "amount_off": amount,
        "created": call.world.timeline.now,
        "currency": call.currency() if amount is not None else None,
        "duration": duration,
        "duration_in_months": call.integer("duration_in_months") if duration == "repeating" else None,
        "livemode": False,
        "max_redemptions": call.integer("max_redemptions"),
        "metadata": call.metadata({}),
        "name": call.text("name"),
        "percent_off": _percent(percent) if percent is not None else None,
        "redeem_by": call.integer("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        "_products": forms.as_list(call.object("applies_to").get("products")),
    }
    account.add(coupon)
    account.emit("coupon.created", coupon)
    return coupon


@route("POST", "/v1/coupons/{id}")
def _update_coupon(call: Call) -> Obj:
    coupon = call.account.get("coupon", call.args[0])
    before = call.account.before(coupon)
    call.assign(coupon, "name")
    coupon["metadata"] = call.metadata(coupon["metadata"])
    call.account.emit("coupon.updated", coupon, before)
    return coupon


@route("DELETE", "/v1/coupons/{id}")
def _delete_coupon(call: Call) -> Obj:
    coupon = call.account.get("coupon", call.args[0])
    call.account.emit("coupon.deleted", coupon)
    stub = call.account.remove(coupon)
    call.account.table("_deleted_coupon").rows[coupon["id"]] = coupon
    return stub


@route("POST", "/v1/promotion_codes")
def _create_promotion_code(call: Call) -> Obj:
    account = call.account
    coupon_id = forms.to_text(call.object("promotion").get("coupon")) or call.text("coupon")
    if coupon_id is None:
        raise errors.required("promotion")
    account.get("coupon", coupon_id, "coupon")
    code: Obj = {
        "id": account.new_id("promo"),
        "object": "promotion_code",
        "active": call.flag("active", True),
        "code": call.text("code") or account.world.ids.letters(8).upper(),
        "created": call.world.timeline.now,
        "customer": call.text("customer"),
        "customer_account": None,
        "expires_at": call.integer("expires_at"),
        "livemode": False,
        "max_redemptions": call.integer("max_redemptions"),
        "metadata": call.metadata({}),
        "promotion": {"coupon": coupon_id, "type": "coupon"},
        "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
        "times_redeemed": 0,
    }
    account.add(code)
    account.emit("promotion_code.created", code)
    return code


@route("POST", "/v1/promotion_codes/{id}")
def _update_promotion_code(call: Call) -> Obj:
    code = call.account.get("promotion_code", call.args[0])
    before = call.account.before(code)
    if call.has("active"):
        code["active"] = call.flag("active")
    code["metadata"] = call.metadata(code["metadata"])
    call.account.emit("promotion_code.updated", code, before)
    return code


@route("GET", "/v1/promotion_codes")
def _list_promotion_codes(call: Call) -> Page:
    coupon = call.text("coupon")
    rows = (c for c in call.account.table("promotion_code").newest_first() if coupon in (None, c["promotion"]["coupon"]))
    return lists.page(call, rows, equal=("code", "customer"), flags=("active",))


lists.serve("/v1/coupons", "coupon")
lists.serve("/v1/promotion_codes", "promotion_code", is_listed=False)
