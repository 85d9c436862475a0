"""What is made of the items a subscription is given."""

from __future__ import annotations

from typing import Any

from . import errors, forms
from .calls import Call
from .catalog import create_price
from .discounts import create_discounts
from .forms import Obj
from .world import Account


def new_item_of(account: Account, subscription: Obj, given: Obj) -> Obj:
    """Add an item to a subscription from ``price`` (or ``plan``, ``price_data``) and ``quantity``."""
    price_id = given.get("price") or given.get("plan")
    if price_id:
        price = account.get("price", price_id, "items[price]")
    elif given.get("price_data"):
        price = create_price(account, forms.as_dict(given["price_data"], "items[price_data]"))
    else:
        raise errors.required("items[price]")
    if price["type"] != "recurring":
        raise errors.invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.", "items[price]"
        )
    if price["currency"] != subscription["currency"]:
        raise errors.invalid(
            f"The price specified only supports `{price['currency']}`. This doesn't match the expected currency.", "items[price]"
        )
    is_metered = price["recurring"]["usage_type"] == "metered"
    now = account.now(subscription["customer"])
    item: Obj = {
        "id": account.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": now,
        "current_period_start": now,
        "discounts": create_discounts(account, given.get("discounts"), customer=subscription["customer"], subscription=subscription["id"]),
        "metadata": forms.merge_metadata({}, given.get("metadata")),
        "quantity": None if is_metered else forms.to_int(given.get("quantity", 1), "items[quantity]"),
        "subscription": subscription["id"],
        "_price": price["id"],
        "_tax_rates": [account.get("tax_rate", rate, "items[tax_rates]")["id"] for rate in forms.as_list(given.get("tax_rates"))],
    }
    if is_metered:
        del item["quantity"]
    account.add(item)
    subscription["_items"].append(item["id"])
    return item


def currency_of(call: Call, items: list[Any]) -> str:
    """Return the currency of a new subscription: that of its first price, or the account's."""
    first = items[0]
    price_id = first.get("price") or first.get("plan")
    if price_id:
        return str(call.account.get("price", price_id, "items[0][price]")["currency"])
    return str((first.get("price_data") or {}).get("currency") or call.account.currency).lower()
