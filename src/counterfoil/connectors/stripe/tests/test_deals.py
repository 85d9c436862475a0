"""Invoices and subscriptions that say in their metadata which deal of a sales system they came of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from counterfoil.connectors.stripe.normalize.deals import deals_of
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.kinds.subscription import Subscription
from counterfoil.kit.connector import Ignored

from .building import SOURCE, delivery, fixture, settings

ORG = "salesforce:00D5000000Gv7qJEAR"
KEYS = {"opportunity": ORG, "deal": "hubspot:4711"}


def told(kind: str, obj: dict[str, Any], keys: dict[str, str]) -> list[object]:
    """Return the records of a delivery."""
    answer = SOURCE.normalize(settings(deal_keys=keys), delivery(kind, obj), {})
    assert not isinstance(answer, Ignored)
    return [fact.data for fact in answer]


def test_metadata_name_the_deals_an_invoice_came_of_and_what_is_no_id_names_none() -> None:
    given = {"opportunity": "0065000000Gv7qJAAR; 0065000000Gv7qKAAR;", "deal": "no deal yet", "order": "17"}
    assert deals_of(settings(deal_keys=KEYS), given) == (f"{ORG}.0065000000Gv7qJAAR", f"{ORG}.0065000000Gv7qKAAR")
    assert deals_of(settings(deal_keys=KEYS), {"deal": "7", "opportunity": "x" * 256}) == ("hubspot:4711.7",)
    assert deals_of(settings(deal_keys=KEYS), None) == ()
    assert deals_of(settings(), given) == ()


@pytest.mark.parametrize("name", ["invoice.basil.json", "invoice.2023-08-16.json"])
def test_an_invoice_of_either_generation_says_which_deal_it_came_of(name: str) -> None:
    obj: dict[str, Any] = {**json.loads(json.dumps(fixture(name))), "metadata": {"deal": "7"}}
    found = [one for one in told("invoice.updated", obj, KEYS) if isinstance(one, Invoice)]
    assert [one.deal_ids for one in found] == [("hubspot:4711.7",)]


def test_a_subscription_says_which_deal_it_came_of() -> None:
    obj = {
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "currency": "eur", "start_date": 1_758_400_000,
        "items": {"object": "list", "has_more": False, "data": []}, "metadata": {"opportunity": "0065000000Gv7qJAAR"},
    }  # fmt: skip
    [found] = told("customer.subscription.updated", obj, KEYS)
    assert isinstance(found, Subscription)
    assert found.deal_ids == (f"{ORG}.0065000000Gv7qJAAR",)


@pytest.mark.parametrize(
    ("key", "place"), [("", ORG), ("k" * 41, ORG), ("deal", "hubspot"), ("deal", "hubspot:47 11"), ("deal", "hubspot:4711.7")]
)
def test_a_key_of_metadata_goes_with_the_system_and_its_account(key: str, place: str) -> None:
    with pytest.raises(ValidationError, match="such as crm:4711"):
        settings(deal_keys={key: place})
