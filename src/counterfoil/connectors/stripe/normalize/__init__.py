"""Pure: a delivery and what was fetched for it become canonical facts, or are ignored by a named rule.

One module per kind of object; :mod:`.events` says which one an event type belongs to, this file which functions that are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.wire import API_VERSION, RELEASES
from counterfoil.connectors.stripe.wire.events import Event, HeadObject, Listed
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized
from counterfoil.kit.errors import RejectedError

from . import balance, catalog, charge, credit_note, customer, dispute, events, invoice, payout, refund, subscription
from .amounts import rejected
from .concerned import concerning
from .reading import DeliveryNotice, FetchedNotice, Gone, decode, drift

_EVENT = msgspec.json.Decoder(Event)
_LISTED = msgspec.json.Decoder(Listed)
_HEAD = msgspec.json.Decoder(HeadObject)
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.([a-z_]+))?")

STATE_SUFFIXES = (".listed", ".fetched")
"""Ends of the kinds of deliveries that are an object's whole state, not an event."""


class ObjectMap(NamedTuple):
    """How one kind of object is mapped."""

    needs: Callable[[DeliveryNotice], tuple[str, ...]]
    facts: Callable[[FetchedNotice], Normalized]


def _nothing(_notice: DeliveryNotice) -> tuple[str, ...]:
    return ()


OBJECTS: dict[str, ObjectMap] = {
    "customer": ObjectMap(customer.needs, customer.facts),
    "tax_id": ObjectMap(customer.tax_id_needs, customer.tax_id_facts),
    "product": ObjectMap(catalog.needs_when_thin, catalog.product_facts),
    "price": ObjectMap(catalog.needs_when_thin, catalog.price_facts),
    "tax_rate": ObjectMap(catalog.needs_when_thin, catalog.tax_rate_facts),
    "subscription": ObjectMap(subscription.needs, subscription.facts),
    "invoice": ObjectMap(invoice.needs, invoice.facts),
    "invoice_payment": ObjectMap(invoice.payment_needs, invoice.payment_facts),
    "credit_note": ObjectMap(credit_note.needs, credit_note.facts),
    "charge": ObjectMap(refund.charge_needs, refund.charge_facts),
    "payment_intent": ObjectMap(charge.intent_needs, charge.intent_facts),
    "refund": ObjectMap(refund.needs, refund.facts),
    "dispute": ObjectMap(dispute.needs, dispute.facts),
    "payout": ObjectMap(payout.needs, payout.facts),
    "balance_transaction": ObjectMap(_nothing, balance.facts),
    "customer_balance_transaction": ObjectMap(_nothing, customer.balance_transaction_facts),
}
"""Stripe's word for an object -> its functions. The last two are only ever listed, no event tells them."""


def needs(delivery: Delivery) -> tuple[str, ...]:
    """Return what must be fetched before a delivery is normalized; nothing for one that normalizing will refuse or ignore."""
    if delivery.kind.endswith(STATE_SUFFIXES):
        return ()
    try:
        object_, _ = _classified(delivery)
        return OBJECTS[object_].needs(_notice(delivery, object_)) if object_ else ()
    except RejectedError:
        return ()


def normalize(settings: StripeConfig, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
    """Return the canonical facts of a delivery, or the rule by which it is ignored.

    Raises RejectedError (a value that cannot be read) and DriftError (an event type, API version or state without a map), nothing else.
    """
    try:
        object_, rule = _classified(delivery)
        if rule:
            return Ignored(rule)
        return OBJECTS[object_].facts(FetchedNotice(_notice(delivery, object_), settings, fetched))
    except Gone:
        return Ignored("object_gone")
    except RejectedError as error:
        concerning(error, delivery.body)
        raise


def _classified(delivery: Delivery) -> tuple[str, str]:
    """Return (kind of object, "") or ("", rule). Raises DriftError for an event type or API version that is not known."""
    if delivery.kind.endswith(STATE_SUFFIXES):
        object_ = decode(_LISTED, delivery.body).object
        if object_ not in OBJECTS:
            raise drift("object", object_)
        return object_, ""
    _check_version(delivery.api_version)
    plain = delivery.kind.removeprefix("v1.")
    is_thin = plain != delivery.kind or plain.startswith("v2.")
    found = events.HANDLED.get(plain) or (events.THIN_HANDLED.get(plain) if is_thin else None)
    if found is not None:
        return found, ""
    rule = events.IGNORED.get(plain) or (events.THIN_IGNORED.get(plain) if is_thin else None)
    if rule is None:
        raise drift("event.type", delivery.kind)
    return "", rule


def _check_version(version: str) -> None:
    """Raise DriftError for a version of a release that is not known. None is told on thin events, and none on old ones.

    A version is a date and, since 2024-09-30, the name of a release. Versions of one release only add to each other, so any date with a
    known name is known; a bare date only if it is not after the pinned one. Source: https://docs.stripe.com/api/versioning
    """
    if not version:
        return
    parts = _VERSION.fullmatch(version)
    is_known = parts is not None and (parts.group(2) in RELEASES if parts.group(2) else parts.group(1) <= API_VERSION[:10])
    if not is_known:
        raise drift("api_version", version)


def _notice(delivery: Delivery, object_: str) -> DeliveryNotice:
    if delivery.kind.endswith(STATE_SUFFIXES):
        return _listed_notice(delivery)
    event = decode(_EVENT, delivery.body)
    if event.data is None:
        related = event.related_object
        if related is None:
            raise rejected(f"event {event.id} is about nothing", "payload_invalid")
        return DeliveryNotice(event.type.removeprefix("v1."), delivery.account, delivery.occurred_at, object_, related.id, b"", {}, True)
    snapshot = bytes(event.data.object)
    previous = {name: bytes(value) for name, value in (event.data.previous_attributes or {}).items()}
    object_id = decode(_HEAD, snapshot).id
    if not object_id:
        raise rejected(f"the object of event {event.id} has no id", "payload_invalid")
    return DeliveryNotice(event.type, delivery.account, delivery.occurred_at, object_, object_id, snapshot, previous, True)


def _listed_notice(delivery: Delivery) -> DeliveryNotice:
    listed = decode(_LISTED, delivery.body)
    account = listed.counterfoil.account or delivery.account
    suffix = delivery.kind.rpartition(".")[2]
    return DeliveryNotice(f"{listed.object}.{suffix}", account, delivery.occurred_at, listed.object, listed.id, delivery.body, {}, False)
