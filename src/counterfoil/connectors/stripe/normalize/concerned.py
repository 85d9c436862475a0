"""What a delivery that cannot be read is about, as far as it can be told: its object's key and its money; so one cause is one case."""

from __future__ import annotations

from typing import Any

import msgspec

from counterfoil.connectors.stripe.refs import FETCH_KIND, canonical
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import DriftError, RejectedError

from .amounts import money

_KINDS = {name: kind for kind, name in FETCH_KIND.items()}
_LEADS_TO = {"invoice_payment": ("invoice", "invoice"), "payment_intent": ("charge", "latest_charge")}
"""Objects that only lead to another one: to which kind, by which field."""


def concerning(error: RejectedError, body: bytes) -> RejectedError:
    """Return the refusal of a delivery with the object it is about, and that one's money unless a part of it told its own."""
    about = _object(body)
    error.object_key = _key(about)
    if not error.concerns:
        error.concerns = error.object_key
        error.money = error.money or _money(about)
    return error


def of_charge(error: RejectedError, charge_id: str, amount: int, currency: str) -> RejectedError:
    """Return the refusal of one charge with its money: it is the same cause, counted once, whichever delivery brings the charge."""
    error.concerns = PAYMENT.ref(canonical(charge_id)).key
    error.money = error.money or _money({"amount": amount, "currency": currency})
    if not error.cause and not isinstance(error, DriftError):
        error.cause = f"charge {charge_id}: {error}"
    return error


def _object(body: bytes) -> dict[str, Any]:
    """Return the object of an event, or the listed or fetched one itself. What cannot be read is as good as absent."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("related_object"), dict):
        return found  # a thin event, whatever data it has of its own
    for name in ("data", "object"):
        inner = found.get(name) if isinstance(found, dict) else None
        found = inner if isinstance(inner, dict) else found
    return found if isinstance(found, dict) else {}


def _key(about: dict[str, Any]) -> str:
    related = about.get("related_object")
    if isinstance(related, dict):
        about = {"object": related.get("type"), "id": related.get("id")}
    kind, object_id = about.get("object"), about.get("id")
    if isinstance(kind, str) and kind in _LEADS_TO:
        kind, field = _LEADS_TO[kind]
        object_id = about.get(field)
    object_id = object_id.get("id") if isinstance(object_id, dict) else object_id
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    return ObjectRef(known, canonical(object_id)).key if known is not None and isinstance(object_id, str) and object_id else ""


def _money(about: dict[str, Any]) -> Money | None:
    amount, currency = about.get("total", about.get("amount")), about.get("currency")
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str):
        return None
    try:
        return abs(money(amount, currency))
    except RejectedError:
        return None
