"""Opportunities: which of them say what was billed of them, and what they show of it, in fields of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from counterfoil.connectors.salesforce.normalize.events import is_of_no_interest
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.checking import Rule
from counterfoil.connectors.salesforce.shown import FIELDS
from counterfoil.core.commands.crm import ShowStatus, Standing
from counterfoil.core.kinds.deal import Deal
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.errors import SetupError
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import (
    DAY,
    ORG,
    SHOW,
    all_checked,
    asked,
    deal_of,
    heard,
    listening,
    opened,
    polled,
    send,
    settings_of,
    shown,
    state_of,
    status_command,
    waits_for_nothing,
)

__all__ = ["waits_for_nothing"]

NAMES = {"Stripe_Invoice__c": "stripe/invoice", "Stripe_Subscription__c": "stripe/subscription"}


def org() -> SalesforceSandbox:
    """Return an org whose opportunities have the fields that name what was billed."""
    sandbox = SalesforceSandbox()
    for name in NAMES:
        sandbox.add_field("Opportunity", name)
    return sandbox


async def test_an_opportunity_says_which_invoices_and_subscriptions_came_of_it() -> None:
    sandbox = org()
    given = {"Stripe_Invoice__c": "in_1;in_2; no id ;", "Stripe_Subscription__c": "sub_1"}
    deal = deal_of(sandbox, sandbox.create("Account", Name="Blue Harbor"), **given)
    async with opened(sandbox, deal_documents=NAMES, **DAY) as ctx:
        record = await state_of(ctx, "deal", deal.id)
        assert isinstance(record, Deal)
        assert record.billed_as == ("invoice/stripe:in_1", "invoice/stripe:in_2", "subscription/stripe:sub_1")
    async with opened(sandbox, **DAY) as ctx:
        record = await state_of(ctx, "deal", deal.id)
        assert isinstance(record, Deal)
        assert record.billed_as == ()


@pytest.mark.parametrize(("field", "document"), [("A__c", "stripe"), ("A__c", "stripe/charge"), ("A__c", "/invoice"), ("A b", "a/invoice")])
def test_what_a_field_of_opportunities_holds_must_be_named_as_a_system_and_a_kind(field: str, document: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(org(), deal_documents={field: document})


async def test_a_field_of_opportunities_that_vanished_stops_their_list_and_names_the_setting() -> None:
    sandbox = org()
    del sandbox.world.types["Opportunity"].fields["Stripe_Invoice__c"]
    async with opened(sandbox, deal_documents=NAMES, **DAY) as ctx:
        with pytest.raises(SetupError, match=r"Opportunity has no field Stripe_Invoice__c.*deal_documents"):
            await polled(ctx)


async def test_an_event_of_a_field_that_names_what_was_billed_is_read_and_of_any_other_field_of_the_orgs_it_is_not() -> None:
    sandbox = org()
    sandbox.add_field("Opportunity", "Color__c")
    deal = deal_of(sandbox, sandbox.create("Account", Name="Blue Harbor"))
    async with opened(sandbox, deal_documents=NAMES) as plain:
        ctx = listening(plain, sandbox)
        _, page = await heard(ctx, count=0)
        sandbox.update(deal, Stripe_Invoice__c="in_1")
        sandbox.update(deal, Color__c="blue")
        await send(ctx, status_command(deal.id, 100, "deal"))
        told, _ = await heard(ctx, page.cursor, count=3)
        rules = [is_of_no_interest(one, ctx.settings) for one in told]
        assert rules == ["", "no_field_that_is_read_changed", "own_field_comes_back"]


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_an_account_and_its_opportunity_each_show_their_own_in_fields_that_each_type_has(load_from: int) -> None:
    sandbox = org()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = deal_of(sandbox, account)
    async with opened(sandbox, load_from=load_from) as ctx:
        outcomes = await send(ctx, status_command(deal.id, 1_500, "deal"), status_command(account.id, 5_000))
        assert [(one.status, one.external_id) for one in outcomes] == [
            (OutcomeStatus.DONE, f"deal/{deal.id}"), (OutcomeStatus.DONE, f"company/{account.id}"),
        ]  # fmt: skip
        assert (shown(deal)["Open"], shown(account)["Open"]) == (15.0, 50.0)
        assert sandbox.world.types["Opportunity"].fields.keys() >= {one.name for one in FIELDS}
        assert len(sandbox.world.all("PermissionSet")) == 1
        asked(sandbox)
        changed_at = deal.modified_ms
        sandbox.world.advance(5)
        [again] = await send(ctx, status_command(deal.id, 1_500, "deal"))
        assert (again.status, asked(sandbox), deal.modified_ms) == (
            OutcomeStatus.DONE, ["POST /composite/sobjects/Opportunity"], changed_at,
        )  # fmt: skip
        [seen, unseen] = await SHOW.resolve(ctx, (status_command(deal.id, 1_500, "deal"), status_command(account.id, 7, "company")), {})
        assert (seen.status, unseen.status) == (OutcomeStatus.DONE, OutcomeStatus.RETRY)


async def test_a_load_job_of_accounts_holds_up_no_opportunity() -> None:
    sandbox = org()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = deal_of(sandbox, account)
    async with opened(sandbox, load_from=1) as ctx:
        await send(ctx, status_command(account.id, 1), status_command(deal.id, 1, "deal"))
        [job] = [one for one in sandbox.bulk.jobs.values() if one.given["object"] == "Account"]
        job.state = "InProgress"
        sandbox.bulk.pace.is_held = True
        asked_of = (status_command(account.id, 2), status_command(deal.id, 2, "deal"))
        assert [one.status for one in await SHOW.resolve(ctx, asked_of, {})] == [OutcomeStatus.UNKNOWN, OutcomeStatus.RETRY]


async def test_an_opportunity_that_is_refused_is_told_as_one() -> None:
    sandbox = org()
    deal, gone = (deal_of(sandbox, sandbox.create("Account", Name=name)) for name in ("Blue Harbor", "Red Harbor"))
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(deal.id, 0, "deal"))
        sandbox.world.rules.append(Rule("Opportunity", "NextStep", "empty", 0, "Say what comes next"))
        sandbox.delete(gone)
        of_a_person = ShowStatus(ObjectRef("contact", f"salesforce:{ORG}.{deal.id}"))
        elsewhere = replace(status_command(deal.id, 2, "deal"), arguments=of_a_person)
        refused, lost, other = await send(ctx, status_command(deal.id, 1, "deal"), status_command(gone.id, 1, "deal"), elsewhere)
        assert (refused.code, lost.code, other.code) == ("salesforce.rule_refuses", "salesforce.record_gone", "salesforce.other_org")
        assert refused.message.startswith(f"opportunity {deal.id} does not keep to a validation rule")
        assert "Correct the opportunity as the rule says" in refused.remedy
        assert lost.message == f"opportunity {gone.id} is not there any more: it was deleted or merged"
        sandbox.world.rules.clear()
        sandbox.world.types["Opportunity"].fields["Counterfoil_Standing__c"].values = ("current",)
        [late] = await send(ctx, status_command(deal.id, 1, "deal", standing=Standing.OVERDUE))
        assert late.about == "picklist/Opportunity/INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        assert "picklist Billing standing of opportunities" in late.remedy


async def test_a_check_looks_at_the_fields_of_opportunities_where_they_show_something() -> None:
    sandbox = org()
    deal = deal_of(sandbox, sandbox.create("Account", Name="Blue Harbor"))
    async with opened(sandbox) as ctx:
        assert [one.message.split(" (")[0] for one in await all_checked(ctx)] == ["18 of 18 fields of accounts are still to be made"]
        await send(ctx, status_command(deal.id, 100, "deal"))
        assert [one.message.split(" (")[0] for one in await all_checked(ctx)] == [
            "18 of 18 fields of accounts are still to be made", "opportunities have the 18 fields that are written",
        ]  # fmt: skip
    async with opened(org(), deal_documents=NAMES) as ctx:
        assert [one.message.split(" (")[0] for one in await all_checked(ctx)] == [
            "18 of 18 fields of accounts are still to be made", "18 of 18 fields of opportunities are still to be made",
        ]  # fmt: skip
