"""Stored objects to answers: embedded lists and objects, API versions, expansion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import legacy
from .errors import StripeError
from .forms import Obj
from .world import Account

EMBEDDED_LINES_MAX = 10
_DEPTH_MAX = 4

Builder = Callable[[Account, Obj, Obj], None]


def listing(url: str, items: Sequence[Obj], has_more: bool = False) -> Obj:
    """Return Stripe's list envelope."""
    return {"object": "list", "data": list(items), "has_more": has_more, "url": url}


def render(account: Account, obj: Obj, version: str, expand: Iterable[str] = ()) -> Obj:
    """Return an object as that API version shows it, with the given paths expanded."""
    out = build(account, obj, version)
    for path in expand:
        expand_path(account, out, path, version)
    return out


def build(account: Account, obj: Obj, version: str) -> Obj:
    """Return an object as that API version shows it, references as ids."""
    out = {key: value for key, value in obj.items() if key[0] != "_"}
    if obj.get("deleted"):
        return out
    kind = obj.get("object", "")
    builder = _BUILDERS.get(kind)
    if builder is not None:
        builder(account, obj, out)
    legacy.rewrite(account, obj, out, version)
    _build_parts(account, obj, out, version)
    return out


def _build_parts(account: Account, obj: Obj, out: Obj, version: str) -> None:
    """Embed parts that are objects themselves and therefore have versions of their own."""
    kind = obj["object"]
    if kind == "invoice":
        lines = account.lines.get(obj["id"], [])
        shown = [build(account, line, version) for line in lines[:EMBEDDED_LINES_MAX]]
        url = f"/v1/invoices/{obj['id']}/lines"
        out["lines"] = listing(url, shown, len(lines) > EMBEDDED_LINES_MAX) | {"total_count": len(lines)}
    elif kind == "subscription":
        items = [build(account, item, version) for item in subscription_items(account, obj)]
        out["items"] = listing(f"/v1/subscription_items?subscription={obj['id']}", items) | {"total_count": len(items)}
    elif kind == "customer":
        discount = account.find(obj.get("_discount"), "discount")
        out["discount"] = build(account, discount, version) if discount else None
    elif kind == "credit_note":
        lines = [build(account, line, version) for line in obj["_lines"]]
        out["lines"] = listing(f"/v1/credit_notes/{obj['id']}/lines", lines[:EMBEDDED_LINES_MAX], len(lines) > EMBEDDED_LINES_MAX)


def subscription_items(account: Account, subscription: Obj) -> list[Obj]:
    """Return a subscription's items, the oldest first."""
    rows = account.table("subscription_item").rows
    return [rows[item] for item in subscription["_items"] if item in rows]


def tax_rates(account: Account, ids: Iterable[str]) -> list[Obj]:
    """Return tax rates by id."""
    return [build(account, rate, "") for rate in (account.find(rate_id, "tax_rate") for rate_id in ids) if rate]


def plan_of(price: Obj) -> Obj:
    """Return the plan that mirrors a recurring price."""
    recurring = price.get("recurring") or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval", "month"),
        "interval_count": recurring.get("interval_count", 1),
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type", "licensed"),
    }


def _with_default_tax_rates(account: Account, obj: Obj, out: Obj) -> None:
    out["default_tax_rates"] = tax_rates(account, obj["_default_tax_rates"])


def _with_tax_rates(account: Account, obj: Obj, out: Obj) -> None:
    out["tax_rates"] = tax_rates(account, obj["_tax_rates"])


def _subscription_item(account: Account, obj: Obj, out: Obj) -> None:
    _with_tax_rates(account, obj, out)
    price = account.find(obj["_price"], "price")
    if price is not None:
        out["price"] = build(account, price, "")
        out["plan"] = plan_of(price)


def _dispute(account: Account, obj: Obj, out: Obj) -> None:
    found = (account.find(txn, "balance_transaction") for txn in obj["_balance_transactions"])
    out["balance_transactions"] = [build(account, txn, "") for txn in found if txn]


_BUILDERS: dict[str, Builder] = {
    "invoice": _with_default_tax_rates,
    "subscription": _with_default_tax_rates,
    "quote": _with_default_tax_rates,
    "subscription_item": _subscription_item,
    "invoiceitem": _with_tax_rates,
    "credit_note_line_item": _with_tax_rates,
    "dispute": _dispute,
}


def _refunds(account: Account, out: Obj) -> Any:
    found = [r for r in account.table("refund").newest_first() if r["charge"] == out["id"]]
    return listing(f"/v1/charges/{out['id']}/refunds", found)


def _payments(account: Account, out: Obj) -> Any:
    invoice = account.find(out["id"], "invoice")
    payments = [account.find(payment, "invoice_payment") for payment in invoice["_payments"]] if invoice else []
    found = [payment for payment in payments if payment]
    return listing(f"/v1/invoice_payments?invoice={out['id']}", found)


def _subscriptions(account: Account, out: Obj) -> Any:
    found = [s for s in reversed(account.of_customer("subscription", out["id"])) if s["status"] != "canceled"]
    return listing(f"/v1/customers/{out['id']}/subscriptions", found)


def _tax_ids(account: Account, out: Obj) -> Any:
    found = account.of_customer("tax_id", out["id"])[::-1]
    return listing(f"/v1/customers/{out['id']}/tax_ids", found)


def _credit(account: Account, out: Obj) -> Any:
    customer = account.find(out["id"], "customer")
    return {currency: -amount for currency, amount in customer["_balances"].items()} if customer else {}


def _tiers(account: Account, out: Obj) -> Any:
    price = account.find(out["id"], "price")
    return price.get("_tiers") if price else None


def _sources(account: Account, out: Obj) -> Any:
    found = [p["_card"] for p in account.of_customer("payment_method", out["id"]) if "_card" in p]
    return listing(f"/v1/customers/{out['id']}/sources", found)


def _quote_lines(account: Account, out: Obj) -> Any:
    quote = account.find(out["id"], "quote")
    return listing(f"/v1/quotes/{out['id']}/line_items", quote["_lines"] if quote else [])


_INCLUDABLE: dict[tuple[str, str], Callable[[Account, Obj], Any]] = {
    ("charge", "refunds"): _refunds,
    ("invoice", "payments"): _payments,
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax_ids"): _tax_ids,
    ("customer", "sources"): _sources,
    ("customer", "invoice_credit_balance"): _credit,
    ("price", "tiers"): _tiers,
    ("quote", "line_items"): _quote_lines,
}


def expand_path(account: Account, out: Obj, path: str, version: str) -> None:
    """Expand one path (``data.customer``, ``latest_invoice.payments``) in place. Raises 400 if it leads nowhere or too deep."""
    segments = path.split(".")
    if len(segments) - (segments[0] == "data") > _DEPTH_MAX + segments.count("data"):
        raise StripeError(f"You cannot expand more than {_DEPTH_MAX} levels of a property. Property: {path}", param="expand")
    _expand(account, out, segments, version, path)


def _expand(account: Account, node: Any, segments: list[str], version: str, path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(account, item, segments, version, path)
        return
    if not isinstance(node, dict) or node.get("deleted"):
        return
    field, rest = segments[0], segments[1:]
    included = _INCLUDABLE.get((node.get("object", ""), field))
    if included is not None and node.get(field) is None:
        value = included(account, node)
        if isinstance(value, dict) and value.get("object") == "list":
            value["data"] = [build(account, item, version) for item in value["data"]]
        node[field] = value
    elif field not in node:
        if node.get("object") is None or node.get("object") == "list":
            return
        raise StripeError(
            f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead.", param="expand"
        )
    else:
        node[field] = _resolved(account, field, node[field], version)
    if rest:
        _expand(account, node[field], rest, version, path)


def _resolved(account: Account, field: str, value: Any, version: str) -> Any:
    if isinstance(value, str):
        found = account.find(value, "coupon" if field == "coupon" else "")
        if found is None and field in ("source", "default_source"):
            found = account.find(value, "payment_method")
        return build(account, found, version) if found is not None else value
    if isinstance(value, list):
        return [_resolved(account, field, item, version) for item in value]
    if isinstance(value, dict):
        return dict(value)
    return value
