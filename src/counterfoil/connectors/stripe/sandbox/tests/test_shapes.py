"""Answers and events have the shapes Stripe publishes, in the present version and before basil."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from counterfoil.connectors.stripe.sandbox.endpoints import versions
from counterfoil.connectors.stripe.sandbox.ledger import balance
from counterfoil.connectors.stripe.sandbox.render import build

from .playing import Hands, fixture, play_everything

NEW, OLD = "2026-10-28.endive", "2023-08-16"


@pytest.fixture(scope="module")
def played() -> Hands:
    hands = Hands()
    play_everything(hands)
    return hands


class Shapes:
    """The published schemas of one version."""

    def __init__(self, name: str) -> None:
        self.document = fixture(name)
        self.names = set(self.document["components"]["schemas"])
        self._validators: dict[str, Any] = {}

    def complaints(self, obj: dict[str, Any]) -> list[str]:
        kind = obj["object"]
        if kind not in self.names:
            return []
        if kind not in self._validators:
            schema = {"$ref": f"#/components/schemas/{kind}"} | self.document
            cls = validator_for(schema, default=Draft202012Validator)
            self._validators[kind] = cls(schema)
        return [f"{kind} {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in self._validators[kind].iter_errors(obj)]


def every_object(hands: Hands, version: str) -> Iterator[dict[str, Any]]:
    account = hands.account
    for kind, table in account.tables.items():
        if kind[0] != "_":
            for obj in table.rows.values():
                yield build(account, obj, version)
    yield balance(account)


KINDS = [
    "balance_transaction",
    "charge",
    "coupon",
    "credit_note",
    "customer",
    "customer_balance_transaction",
    "discount",
    "dispute",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "payment_intent",
    "payment_method",
    "payout",
    "price",
    "product",
    "promotion_code",
    "quote",
    "refund",
    "setup_intent",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "tax_id",
    "tax_rate",
]


def test_the_month_played_has_objects_of_every_kind(played: Hands) -> None:
    assert {kind for kind in KINDS if not list(played.account.rows(kind))} == set()


@pytest.mark.parametrize(("version", "schemas"), [(NEW, "schemas.2026-10-28.json.gz"), (OLD, "schemas.2023-08-16.json.gz")])
def test_every_object_has_the_published_shape(played: Hands, version: str, schemas: str) -> None:
    shapes = Shapes(schemas)
    complaints = {text for obj in every_object(played, version) for text in shapes.complaints(obj)}
    assert sorted(complaints) == []


def test_every_event_has_the_published_shape_and_a_published_type(played: Hands) -> None:
    shapes = Shapes("schemas.2026-10-28.json.gz")
    complaints = set()
    for event in played.sandbox.world.journal.events[played.account.id]:
        shown = event.snapshot() | {"data": json.loads(event.data[NEW])}
        complaints |= set(shapes.complaints(shown)) | set(shapes.complaints(shown["data"]["object"]))
        complaints |= set(shapes.complaints(event.thin()))
    assert sorted(complaints) == []


def test_an_endpoint_of_an_old_version_gets_old_shapes(played: Hands) -> None:
    shapes = Shapes("schemas.2023-08-16.json.gz")
    assert versions(played.account) == {NEW, OLD}
    events = [event for event in played.sandbox.world.journal.events[played.account.id] if OLD in event.data]
    complaints = {text for event in events for text in shapes.complaints(json.loads(event.data[OLD])["object"])}
    assert events
    assert sorted(complaints) == []


def test_before_basil_an_invoice_names_its_payment_and_charge(played: Hands) -> None:
    account = played.account
    paid = next(i for i in account.rows("invoice") if i["status"] == "paid" and i["_payments"] and not i["_paid_out_of_band"])
    old, new = build(account, paid, OLD), build(account, paid, NEW)
    assert old["paid"] is True
    assert account.get("charge", old["charge"])["payment_intent"] == old["payment_intent"]
    assert {"payment_intent", "charge", "paid", "subscription", "tax"} & set(new) == set()
    assert build(account, account.get("charge", old["charge"]), OLD)["invoice"] == paid["id"]
    assert "invoice" not in build(account, account.get("charge", old["charge"]), NEW)
