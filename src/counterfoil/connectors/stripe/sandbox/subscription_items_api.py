"""The calls about single subscription items.

Source: https://docs.stripe.com/api/subscription_items.
"""

from __future__ import annotations

from . import errors, lists
from .calls import Call, Page, route
from .forms import Obj
from .proration import Change
from .render import subscription_items


@route("POST", "/v1/subscription_items")
def _create(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.need("subscription"), "subscription")
    before = account.before(subscription)
    change = Change(account, subscription, call)
    change.item({key: value for key, value in call.params.items() if key not in ("subscription", "expand")})
    created = subscription["_items"][-1]
    change.finish()
    account.emit("customer.subscription.updated", subscription, before)
    change.bill()
    return account.get("subscription_item", created)


@route("POST", "/v1/subscription_items/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    item = account.get("subscription_item", call.args[0])
    subscription = account.get("subscription", item["subscription"])
    before = account.before(subscription)
    change = Change(account, subscription, call)
    change.item({**call.params, "id": item["id"]})
    change.finish()
    account.emit("customer.subscription.updated", subscription, before)
    change.bill()
    return item


@route("DELETE", "/v1/subscription_items/{id}")
def _delete(call: Call) -> Obj:
    account = call.account
    item = account.get("subscription_item", call.args[0])
    subscription = account.get("subscription", item["subscription"])
    before = account.before(subscription)
    change = Change(account, subscription, call)
    change.delete(item)
    account.emit("customer.subscription.updated", subscription, before)
    change.bill()
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


@route("GET", "/v1/subscription_items")
def _list(call: Call) -> Page:
    wanted = call.text("subscription")
    if wanted is None:
        raise errors.required("subscription")
    subscription = call.account.get("subscription", wanted, "subscription")
    return lists.page(call, subscription_items(call.account, subscription))


lists.serve("/v1/subscription_items", "subscription_item", is_listed=False)
