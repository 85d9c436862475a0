"""Stripe's own sample objects, as events and as listed objects, normalize without an unhandled case."""

from __future__ import annotations

import pytest

from counterfoil.connectors.stripe.normalize import OBJECTS
from counterfoil.connectors.stripe.normalize.events import HANDLED, IGNORED
from counterfoil.kit.connector import Ignored
from counterfoil.kit.errors import DriftError

from .building import delivery, fetched, fetched_as_snapshot, fixture, listed_delivery, normalized, official

RESOURCES = fixture("official.json")["resources"]

FILLED_IN = {"invoice_payment": {"currency": "usd", "status": "paid", "invoice": "in_1", "amount_requested": 100, "amount_paid": 100}}
"""Where the official sample has only the name of a field's type in the field (``"currency": "currency"``)."""

STEMS = {"tax_id": "customer.tax_id", "subscription": "customer.subscription", "discount": "customer.discount", "dispute": "charge.dispute"}


def events_of(resource: str) -> list[str]:
    """Return the event types that would carry this resource."""
    by_map = [kind for kind, obj in HANDLED.items() if obj == resource]
    stem = STEMS.get(resource, resource.removeprefix("deleted_"))
    return by_map or [kind for kind in IGNORED if kind.rpartition(".")[0] == stem]


CASES = [(resource, kind) for resource in sorted(RESOURCES) for kind in events_of(resource)]


def test_the_samples_are_all_there() -> None:
    assert len(RESOURCES) == 113
    assert {resource for resource, _ in CASES} >= {"customer", "invoice", "charge", "refund", "dispute", "payout", "credit_note", "topup"}


@pytest.mark.parametrize(("resource", "kind"), CASES, ids=lambda value: str(value))
def test_an_official_object_in_its_events(resource: str, kind: str) -> None:
    obj = {**official(resource), **FILLED_IN.get(resource, {})}
    one = delivery(kind, obj)
    given = fetched_as_snapshot(one, obj)
    if resource == "invoice_payment":
        given |= fetched("invoice", official("invoice"), object_id="in_1")
    result = normalized(one, given)
    assert result == Ignored(IGNORED[kind]) if kind in IGNORED else result


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_an_official_object_as_listed(resource: str) -> None:
    obj = {"id": "x_1", **official(resource), **FILLED_IN.get(resource, {})}
    if resource.startswith("deleted_") or obj["object"] not in OBJECTS:
        return
    if resource in ("payment_intent", "invoice_payment", "tax_id"):
        return  # never listed: they lead to charges, invoices and customers
    assert normalized(listed_delivery(obj))


@pytest.mark.parametrize("resource", [name for name in sorted(RESOURCES) if RESOURCES[name].get("object") not in OBJECTS])
def test_an_object_without_a_map_is_drift_when_listed(resource: str) -> None:
    with pytest.raises(DriftError):
        normalized(listed_delivery({"id": "x_1", "object": resource, **official(resource)}))


@pytest.mark.parametrize(("resource", "kind"), [("deleted_customer", "customer.deleted"), ("deleted_product", "product.deleted")])
def test_the_stub_of_a_deleted_object_is_enough(resource: str, kind: str) -> None:
    result = normalized(delivery(kind, official(resource)))
    assert not isinstance(result, Ignored)
    assert getattr(result[0].data, "is_deleted", False)
