"""Every event type is mapped or ignored by a named rule; what is in no table is drift."""

from __future__ import annotations

import pytest

from counterfoil.connectors.stripe.normalize import OBJECTS
from counterfoil.connectors.stripe.normalize.events import HANDLED, IGNORED, THIN_HANDLED, THIN_IGNORED
from counterfoil.connectors.stripe.webhooks import delivery_of
from counterfoil.kit.connector import Ignored
from counterfoil.kit.errors import DriftError

from .building import SOURCE, delivery, fixture, listed_delivery, normalized, settings, thin_body

TYPES = fixture("event-types.json")["types"]


def test_all_275_types_are_in_exactly_one_table() -> None:
    assert len(TYPES) == 275
    assert HANDLED.keys() | IGNORED.keys() == set(TYPES)
    assert not HANDLED.keys() & IGNORED.keys()
    assert not (THIN_HANDLED.keys() | THIN_IGNORED.keys()) & set(TYPES)


def test_every_mapped_object_has_its_functions() -> None:
    assert set(HANDLED.values()) | set(THIN_HANDLED.values()) <= OBJECTS.keys()


@pytest.mark.parametrize("kind", sorted(IGNORED))
def test_ignored_types_name_their_rule_and_need_nothing(kind: str) -> None:
    found = delivery(kind, {"id": "x_1", "object": "x"})
    assert SOURCE.needs(found) == ()
    assert normalized(found) == Ignored(IGNORED[kind])


def test_an_unknown_type_is_one_drift_per_type() -> None:
    for event_id in ("evt_1", "evt_2"):
        with pytest.raises(DriftError) as caught:
            normalized(delivery("invoice.teleported", {"id": "in_1", "object": "invoice"}, event_id=event_id))
        assert caught.value.drift_key == "event.type:invoice.teleported"


@pytest.mark.parametrize("version", ["2026-10-29", "2027-03-01.future", "tomorrow", "2026-10-28.endive.2", "2026-11-18.preview"])
def test_an_unknown_api_version_is_one_drift_per_version(version: str) -> None:
    found = delivery("customer.created", {"id": "cus_1", "object": "customer"}, api_version=version)
    assert SOURCE.needs(found) == ()
    with pytest.raises(DriftError) as caught:
        normalized(found)
    assert caught.value.drift_key == f"api_version:{version}"


@pytest.mark.parametrize("version", [None, "2026-10-28.endive", "2025-03-31.basil", "2024-09-30.acacia", "2023-08-16", "2011-01-01"])
def test_older_api_versions_are_known(version: str | None) -> None:
    assert normalized(delivery("customer.created", {"id": "cus_1", "object": "customer"}, api_version=version))


@pytest.mark.parametrize("version", ["2026-11-18.endive", "2027-01-27.endive", "2026-08-26.dahlia"])
def test_a_later_version_of_a_known_release_is_known(version: str | None) -> None:
    assert normalized(delivery("customer.created", {"id": "cus_1", "object": "customer"}, api_version=version))


def test_thin_only_names_are_drift_as_snapshots() -> None:
    thin = delivery_of(settings(), thin_body("v1.product.activated", "prod_1", "product"))
    assert SOURCE.needs(thin) == ("acct_1/product/prod_1",)
    with pytest.raises(DriftError):
        normalized(delivery("product.activated", {"id": "prod_1", "object": "product"}))


def test_a_ping_of_an_event_destination_is_taken_and_ignored() -> None:
    ping = delivery_of(settings(), thin_body("v2.core.event_destination.ping", "ed_1", "v2.core.event_destination"))
    assert normalized(ping) == Ignored("endpoint_ping")


def test_an_unknown_listed_object_is_drift() -> None:
    with pytest.raises(DriftError) as caught:
        normalized(listed_delivery({"id": "x_1", "object": "spaceship"}))
    assert caught.value.drift_key == "object:spaceship"
