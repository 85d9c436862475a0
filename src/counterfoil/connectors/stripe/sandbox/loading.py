"""Loading raw API objects as they are (the official fixtures, an export of a real account) into the tables."""

from __future__ import annotations

from collections.abc import Iterable

from .forms import Obj
from .world import Account

_HIDDEN: dict[str, Obj] = {
    "customer": {"_discount": None},
    "invoice": {"_paid_out_of_band": False, "_payments": [], "_days_until_due": None, "_finalize_at": None},
    "line_item": {"_item": None},
    "subscription": {"_due": None},
    "invoiceitem": {"_credited": None},
    "payment_method": {"_test": "visa"},
    "payment_intent": {"_invoice": None},
    "balance_transaction": {"_payout": None},
    "coupon": {"_products": []},
    "discount": {"_uses": 0},
    "price": {"_tiers": []},
    "webhook_endpoint": {"_secrets": ["whsec_loaded"], "_version": ""},
}
_EMBEDDED_LISTS = {"invoice": "lines", "subscription": "items", "credit_note": "lines"}


def load_objects(account: Account, objects: Iterable[Obj]) -> dict[str, int]:
    """Keep objects, the oldest first, and return how many of each kind. Raises ValueError for one without object and id.

    They are shown as they were given (references as ids where they were objects); no event tells of them, no clock moves them, and
    balances count loaded balance transactions by their status.
    """
    loaded: dict[str, int] = {}
    for obj in sorted(objects, key=lambda o: int(o.get("created") or 0)):
        if not obj.get("object") or not obj.get("id"):
            raise ValueError("an object to load needs `object` and `id`")
        _load(account, obj)
        loaded[obj["object"]] = loaded.get(obj["object"], 0) + 1
    return loaded


def _load(account: Account, given: Obj) -> None:
    obj = dict(given)
    kind = obj["object"]
    for name, default in _HIDDEN.get(kind, {}).items():
        obj.setdefault(name, list(default) if isinstance(default, list) else default)
    _take_rates(account, obj)
    _take_parts(account, obj)
    account.add(obj)
    if kind == "balance_transaction":
        book = account.pending if obj["status"] == "pending" else account.available
        book[obj["currency"]] = book.get(obj["currency"], 0) + obj["net"]


def _take_rates(account: Account, obj: Obj) -> None:
    """Keep embedded tax rates in their own table."""
    for shown, hidden in (("tax_rates", "_tax_rates"), ("default_tax_rates", "_default_tax_rates")):
        rates = obj.pop(shown, None)
        if rates is not None or obj["object"] in ("line_item", "invoice", "subscription", "quote", "credit_note_line_item"):
            obj[hidden] = [_reference(account, rate) for rate in rates or []]


def _reference(account: Account, value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    if account.find(value["id"], value["object"]) is None:
        account.add(dict(value))
    return str(value["id"])


def _take_parts(account: Account, obj: Obj) -> None:
    kind = obj["object"]
    if kind == "dispute":
        obj["_balance_transactions"] = [_reference(account, txn) for txn in obj.pop("balance_transactions", [])]
    if kind == "customer":
        obj["_balances"] = {obj.get("currency") or account.currency: obj.get("balance") or 0}
    if kind == "customer" and isinstance(obj.get("discount"), dict):
        obj["_discount"] = _reference(account, obj["discount"])
    if kind == "subscription_item":
        price = obj.pop("price")
        obj["_price"] = _reference(account, dict(_HIDDEN["price"]) | price if isinstance(price, dict) else price)
        obj.pop("plan", None)
    field = _EMBEDDED_LISTS.get(kind)
    if field is None:
        return
    parts = [dict(part) for part in (obj.pop(field, None) or {}).get("data", [])]
    for part in parts:
        part.setdefault(
            "object", {"invoice": "line_item", "subscription": "subscription_item", "credit_note": "credit_note_line_item"}[kind]
        )
    if kind == "subscription":
        obj["_items"] = [part["id"] for part in parts]
        for part in parts:
            _load(account, part)
        return
    for part in parts:
        for name, default in _HIDDEN.get(part["object"], {}).items():
            part.setdefault(name, default)
        _take_rates(account, part)
    if kind == "invoice":
        account.lines[obj["id"]] = parts
    else:
        obj["_lines"] = parts
