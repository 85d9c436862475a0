"""What of a sales system's settings decides whose status is shown is released with the rules."""

from __future__ import annotations

import pytest

from counterfoil.app.rules import body_of, declared_rules, settled
from counterfoil.app.settings import Settings, from_values
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.tests.sandboxed import settings_of
from counterfoil.kit.discovery import connector_names, load_connector


def file_of(**customer_ids: str) -> Settings:
    given = settings_of(HubspotSandbox()).model_dump(include={"portal_id", "currency", "webhook_url", "base_url"})
    secrets = {"access_token": "pat-1", "client_secrets": ["the secret"]}
    connection = {"connector": "hubspot", **given, **secrets, "customer_ids": customer_ids}
    return from_values({"connections": {"sales": connection}, "hub": {"home": "home"}})


def test_which_customers_a_company_names_is_the_releases_and_no_workers_file() -> None:
    released, file = file_of(billing_id="stripe"), file_of(billing_id="files", crm_id="stripe")
    assert declared_rules(released)["connections.sales.customer_ids.billing_id"] == "stripe"
    assert settled(file, body_of(released), 7).connections["sales"].settings.customer_ids == {"billing_id": "stripe"}
    assert file.connections["sales"].settings.access_token == settled(file, body_of(released), 7).connections["sales"].settings.access_token


@pytest.mark.parametrize("name", connector_names())
def test_what_names_customers_or_documents_is_a_releases_wherever_a_connector_has_it(name: str) -> None:
    connector = load_connector(name)
    naming = {"customer_ids", "deal_documents", "deal_keys"} & set(connector.config.model_fields)
    assert naming <= set(connector.booking_settings)
