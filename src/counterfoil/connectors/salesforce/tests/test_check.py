"""What ``counterfoil check`` says of an org: whose it is, its version, what the integration user may not read, its currency."""

from __future__ import annotations

import pytest

from counterfoil.connectors.salesforce import CONNECTOR
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.kit.connector import Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from .sandboxed import opened


async def checked(ctx: Context) -> list[tuple[Severity, str]]:
    """Return severity and code of every finding."""
    assert CONNECTOR.source_check is not None
    return [(one.severity, one.code) for one in await CONNECTOR.source_check(ctx)]


async def test_an_org_that_lacks_nothing_is_told_as_such() -> None:
    async with opened(SalesforceSandbox(has_currencies=True)) as ctx:
        codes = ["salesforce.version", "salesforce.org", "salesforce.fields", "salesforce.currency"]
        assert await checked(ctx) == [(Severity.OK, code) for code in codes]


async def test_a_field_the_user_may_not_see_is_named_with_its_object() -> None:
    sandbox = SalesforceSandbox()
    sandbox.world.hidden |= {("Contact", "Email"), ("Account", "Website")}
    async with opened(sandbox) as ctx:
        assert CONNECTOR.source_check is not None
        errors = [one.message for one in await CONNECTOR.source_check(ctx) if one.severity is Severity.ERROR]
        assert [words.split(",")[0] for words in errors] == ["Account has no field Website", "Contact has no field Email"]


async def test_a_version_the_org_does_not_know_names_one_it_knows() -> None:
    async with opened(SalesforceSandbox(), api_version="41.0") as ctx:
        assert CONNECTOR.source_check is not None
        [unknown] = [one for one in await CONNECTOR.source_check(ctx) if one.code == "salesforce.version_unknown"]
        assert unknown.remedy == 'Set api_version = "68.0"'


async def test_another_corporate_currency_is_an_error_and_an_org_of_one_currency_is_believed() -> None:
    async with opened(SalesforceSandbox(has_currencies=True), currency="EUR") as ctx:
        assert (Severity.ERROR, "salesforce.currency_mismatch") in await checked(ctx)
    async with opened(SalesforceSandbox(), currency="EUR") as ctx:
        assert (Severity.OK, "salesforce.currency") in await checked(ctx)


async def test_a_topic_that_cannot_be_listened_to_is_named() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        assert sandbox.pubsub is not None
        given = {"pubsub_address": sandbox.pubsub.address, "event_topics": {"/event/Nothing__e": "Id__c"}}
        ctx = Context(plain.connection, plain.settings.model_copy(update=given), plain.client, plain.clock, plain.state)
        assert CONNECTOR.source_check is not None
        errors = [one.message for one in await CONNECTOR.source_check(ctx) if one.severity is Severity.ERROR]
        assert errors == ["/event/Nothing__e cannot be listened to"]
        sandbox.bus.define("Nothing__e", Id__c="string")
        assert (Severity.OK, "salesforce.topics") in await checked(ctx)


async def test_a_wrong_secret_ends_the_check_at_once() -> None:
    async with opened(SalesforceSandbox(), client_secret="another") as ctx:
        with pytest.raises(SetupError):
            await checked(ctx)
