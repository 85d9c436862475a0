"""Statuses onto companies: what is written, when nothing is, what is refused and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox.world import Record
from counterfoil.connectors.hubspot.shown import BY_NAME, PROPERTIES, WRITTEN_AT, differing, values_of
from counterfoil.core.commands.crm import Balance, CrmCommand, ShowStatus, Standing
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.deal import Deal
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.kinds.subscription import SubscriptionState
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Ignored
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import Outcome, OutcomeStatus

from .sandboxed import POLLS, SOURCE, facts_of, opened, settings_of, states, status_command, told, walk

SHOW = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]
REF = ObjectRef("company", "hubspot:4711.101")
UPDATES = r"^POST .*/batch/update"


async def send(ctx: Context, *commands: Command) -> tuple[Outcome, ...]:
    return await SHOW.send(ctx, commands, {})


def shown(record: Record) -> dict[str, str]:
    """Return what a record shows, without when that was written."""
    named = {name: value for name, value in record.properties.items() if name.startswith("counterfoil_") and name != WRITTEN_AT}
    return {name.removeprefix("counterfoil_"): value for name, value in named.items()}


def batches(sandbox: HubspotSandbox) -> list[str]:
    """Return the batches that come from now on, by what is done in them."""
    seen: list[str] = []
    plain = sandbox.crm.batch

    def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
        seen.append(what)
        return plain(name, what, body, query)

    sandbox.crm.batch = batch  # type: ignore[method-assign]
    return seen


def test_amounts_are_exact_in_every_currency_and_empty_is_no_value() -> None:
    # Yen have no decimals, Kuwaiti dinars three; what is in other currencies is told in words, and never added.
    yen = Balance(Money(1_200, "JPY"), Money(0, "JPY"), Money(1_200, "JPY"), Money(1_200, "JPY"), date(2026, 3, 31))
    dinars = Balance(Money(1_005, "KWD"), Money(1_000, "KWD"), Money(5, "KWD"), Money(0, "KWD"))
    paid, blocked = Money(1_000, "KWD"), (Block.ORDERS, Block.ACCESS)
    status = ShowStatus(REF, Standing.OVERDUE, (yen, dinars), "INV-7", date(2026, 3, 1), paid, date(2026, 2, 28), "suspended", blocked)
    status = replace(status, subscription=SubscriptionState.PAST_DUE, renews_on=date(2026, 4, 1), ends_on=date(2026, 12, 31))
    assert {name.removeprefix("counterfoil_"): value for name, value in values_of(status).items()} == {
        "standing": "overdue",
        "currency": "JPY",
        "invoiced": "1200",
        "paid": "0",
        "open": "1200",
        "overdue": "1200",
        "overdue_since": "2026-03-31",
        "last_invoice": "INV-7",
        "last_invoice_on": "2026-03-01",
        "last_payment": "1.000 KWD",
        "last_payment_on": "2026-02-28",
        "dunning_stage": "suspended",
        "blocked": "orders, access",
        "subscription": "past_due",
        "renews_on": "2026-04-01",
        "ends_on": "2026-12-31",
        "other_currencies": "KWD: invoiced 1.005, paid 1.000, open 0.005, overdue 0.000",
    }
    assert set(values_of(ShowStatus(REF)).values()) == {""}
    assert [*values_of(status), WRITTEN_AT] == [one.name for one in PROPERTIES]


def test_numbers_are_compared_as_numbers_and_all_else_as_it_is_written() -> None:
    wanted = {"counterfoil_open": "120.50", "counterfoil_last_invoice": "10"}
    assert differing(wanted, {"counterfoil_open": "120.5", "counterfoil_last_invoice": "10.0"}) == {"counterfoil_last_invoice": "10"}
    assert differing(wanted, {"counterfoil_open": "1.205E2", "counterfoil_last_invoice": "10"}) == {}
    assert differing(wanted, {"counterfoil_open": None}) == wanted
    assert differing({"counterfoil_open": ""}, {"counterfoil_open": "0"}) == {"counterfoil_open": ""}


def test_a_day_is_the_same_however_hubspot_tells_its_midnight() -> None:
    wanted = {"counterfoil_last_invoice_on": "2026-03-01"}
    for written in ("2026-03-01", "1772323200000", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z"):
        assert differing(wanted, {"counterfoil_last_invoice_on": written}) == {}
    for other in ("2026-02-28", "1772236800000", "1772326800000", "2026-03-01T05:00:00Z", "soon", "", None):
        assert differing(wanted, {"counterfoil_last_invoice_on": other}) == wanted


async def test_the_first_status_makes_the_properties_and_what_is_there_already_is_not_written_again() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    seen = batches(sandbox)
    async with opened(sandbox) as ctx:
        [finding] = await CONNECTOR.target_check(ctx)  # type: ignore[misc]
        assert (finding.severity, finding.code) == ("warning", "hubspot.properties_missing")
        [outcome] = await send(ctx, status_command(company.id, 5_000))
        assert (outcome.status, outcome.external_id) == (OutcomeStatus.DONE, f"company/{company.id}")
        assert {name: value for name, value in shown(company).items() if value} == {
            "standing": "current", "currency": "USD", "invoiced": "120.00", "paid": "70.00", "open": "50.00", "overdue": "0.00",
            "last_invoice": "INV-7", "last_invoice_on": "2026-01-31",
        }  # fmt: skip
        assert seen == ["read", "update", "read"]
        changed_at = company.updated_ms
        assert [one.status for one in await send(ctx, status_command(company.id, 5_000))] == [OutcomeStatus.DONE]
        assert (seen[3:], company.updated_ms) == (["read"], changed_at)
        [finding] = await CONNECTOR.target_check(ctx)  # type: ignore[misc]
        assert (finding.severity, finding.code) == ("ok", "hubspot.properties")
        # What is known no more is taken away.
        empty = ShowStatus(ObjectRef("company", f"hubspot:4711.{company.id}"))
        [outcome] = await send(ctx, replace(status_command(company.id, 0), arguments=empty))
        assert (outcome.status, set(shown(company).values())) == (OutcomeStatus.DONE, {""})


async def test_a_record_says_when_its_status_was_last_written_and_that_alone_writes_nothing() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(company.id, 5_000))
        assert isinstance(ctx.clock, SettableClock)
        first = ctx.clock.now()
        assert company.properties[WRITTEN_AT] == first.strftime("%Y-%m-%dT%H:%M:%SZ")
        ctx.clock.advance_to(first + timedelta(hours=1))
        await send(ctx, status_command(company.id, 5_000))
        assert company.properties[WRITTEN_AT] == first.strftime("%Y-%m-%dT%H:%M:%SZ")
        await send(ctx, status_command(company.id, 0))
        assert company.properties[WRITTEN_AT] == (first + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_hundred_companies_are_one_write() -> None:
    sandbox = HubspotSandbox()
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(100)]
    seen = batches(sandbox)
    async with opened(sandbox) as ctx:
        outcomes = await send(ctx, *(status_command(one.id, 100) for one in companies))
        assert ({one.status for one in outcomes}, seen) == ({OutcomeStatus.DONE}, ["read", "update", "read"])
        assert {shown(one)["open"] for one in companies} == {"1.00"}


async def test_a_company_that_is_gone_or_merged_is_refused_alone_and_its_survivor_left_as_it_is() -> None:
    sandbox = HubspotSandbox()
    first, second, third = (sandbox.create("companies", name=name) for name in ("A", "B", "C"))
    async with opened(sandbox) as ctx:
        survivor = sandbox.merge(first, second)
        outcomes = await send(ctx, *(status_command(id, 100) for id in (first.id, third.id, "99999")))
        assert [(one.status, one.code) for one in outcomes] == [
            (OutcomeStatus.REFUSED, "hubspot.record_gone"), (OutcomeStatus.DONE, ""), (OutcomeStatus.REFUSED, "hubspot.record_gone"),
        ]  # fmt: skip
        assert (shown(survivor), shown(third)["open"]) == ({}, "1.00")


@pytest.mark.parametrize("strike_at", ["update", "read"])
async def test_a_company_deleted_while_its_status_is_written_is_gone_and_nobody_is_sent_to_look_for_a_workflow(strike_at: str) -> None:
    sandbox = HubspotSandbox()
    first, second = (sandbox.create("companies", name=name) for name in ("A", "B"))
    async with opened(sandbox) as ctx:
        await send(ctx, *(status_command(one.id, 100) for one in (first, second)))
        plain, calls = sandbox.crm.batch, iter(["read", "update", "read"])

        def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
            if next(calls) == strike_at and (what == "update" or first.properties["counterfoil_open"] == "2.00"):
                sandbox.delete(first)
            return plain(name, what, body, query)

        sandbox.crm.batch = batch  # type: ignore[method-assign]
        outcomes = await send(ctx, *(status_command(one.id, 200) for one in (first, second)))
        assert [one.code for one in outcomes] == ["hubspot.record_gone", ""]
        assert shown(second)["open"] == "2.00"


async def test_a_status_of_another_account_is_refused_and_nothing_is_called_for_it() -> None:
    sandbox = HubspotSandbox()
    seen = batches(sandbox)
    async with opened(sandbox) as ctx:
        other = replace(status_command("101", 100), arguments=ShowStatus(ObjectRef("company", "hubspot:4712.101")))
        assert [one.code for one in await send(ctx, other)] == ["hubspot.other_account"]
        assert seen == []


async def test_a_property_of_its_name_and_another_type_stops_writing_and_is_named() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    own = {"name": "counterfoil_open", "label": "Open", "type": "string", "fieldType": "text", "groupName": "mine"}
    sandbox.world.properties.own["companies"] = {"counterfoil_open": own}
    async with opened(sandbox) as ctx:
        with pytest.raises(SetupError, match=r"counterfoil_open \(number\)"):
            await send(ctx, status_command(company.id, 100))
        assert [one.code for one in await CONNECTOR.target_check(ctx)] == ["hubspot.property_type"]  # type: ignore[misc]


async def test_without_the_right_to_write_nothing_is_written_and_the_connection_says_so() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    sandbox.scopes.discard("crm.objects.companies.write")
    async with opened(sandbox) as ctx:
        with pytest.raises(SetupError) as refused:
            await send(ctx, status_command(company.id, 100))
        assert (refused.value.code, shown(company)) == ("hubspot.scope_missing", {})


async def test_a_daily_limit_is_waited_for_and_nothing_is_taken_for_written() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(company.id, 100))
        ctx.http.retry = RetryPolicy(tries_max=1)
        sandbox.limits.is_enforced, sandbox.limits.daily = True, sandbox.limits.used_today + 1
        with pytest.raises(TransientError) as limited:  # one read is left
            await send(ctx, status_command(company.id, 200))
        assert (limited.value.retry_after_s, limited.value.is_outcome_unknown, shown(company)["open"]) == (900.0, False, "1.00")


@pytest.mark.parametrize(("fault", "open_after"), [("drop_before", "1.00"), ("drop_after", "2.00")])
async def test_an_unknown_outcome_is_resolved_by_what_the_company_shows(fault: str, open_after: str) -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(company.id, 100))
        ctx.http.retry = RetryPolicy(tries_max=1)
        sandbox.switch.faults.append(Fault(fault, path=UPDATES))
        with pytest.raises(TransientError) as lost:
            await send(ctx, status_command(company.id, 200))
        assert (lost.value.is_outcome_unknown, shown(company)["open"]) == (True, open_after)
        [seen] = await SHOW.resolve(ctx, (status_command(company.id, 200),), {})
        assert seen.status is (OutcomeStatus.DONE if open_after == "2.00" else OutcomeStatus.RETRY)
        assert shown(company)["open"] == open_after


async def test_a_status_of_a_company_that_is_gone_is_never_taken_for_done() -> None:
    async with opened(HubspotSandbox()) as ctx:
        [seen] = await SHOW.resolve(ctx, (status_command("99999", 100),), {})
        assert seen.status is OutcomeStatus.RETRY


async def test_a_property_somebody_took_away_is_made_again_once_hubspot_says_so() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(company.id, 100))
        del sandbox.world.properties.own["companies"]["counterfoil_open"]
        [refused] = await send(ctx, status_command(company.id, 200))
        assert (refused.status, refused.code) == (OutcomeStatus.RETRY, "hubspot.property_unknown")
        [retried] = await send(ctx, status_command(company.id, 200))
        assert (retried.status, shown(company)["open"]) == (OutcomeStatus.DONE, "2.00")


async def test_what_the_hub_wrote_and_hubspot_tells_back_is_no_news() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor", domain="x.example")
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        found, page = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        before = states(await facts_of(ctx, found))
        count = len(sandbox.events)
        await send(ctx, status_command(company.id, 5_000))
        echoes = sandbox.events[count:]
        assert {one["propertyName"] for one in echoes} == {name for name in BY_NAME if company.properties.get(name)}
        answers = [SOURCE.normalize(ctx.settings, one, {}) for one in told(ctx, sandbox, echoes)]
        assert set(answers) == {Ignored("own_property_comes_back")}
        assert [SOURCE.needs(one) for one in told(ctx, sandbox, echoes)] == [()] * len(echoes)
        # A poll lists the company as changed; what is read of it is what was known.
        listed, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor), page.cursor)
        assert [one.kind for one in listed] == ["company.listed"]
        assert states(await facts_of(ctx, listed)) == before


async def test_a_company_says_which_customers_of_other_systems_it_is() -> None:
    sandbox = HubspotSandbox()
    for name in ("stripe_customer_id", "shop_number"):
        sandbox.world.properties.own.setdefault("companies", {})[name] = {"name": name, "type": "string"}
    company = sandbox.create("companies", name="Blue Harbor", stripe_customer_id="cus_1; cus_2;;", shop_number="no 7")
    names = {"stripe_customer_id": "stripe", "shop_number": "shop"}
    async with opened(sandbox, first_poll_back_s=86_400, customer_ids=names) as ctx:
        found, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        record = states(await facts_of(ctx, found))[f"company/hubspot:4711.{company.id}"]
        assert isinstance(record, Company)
        assert record.customer_ids == ("stripe:cus_1", "stripe:cus_2")  # what holds spaces is no id


async def test_a_deal_says_which_invoices_and_subscriptions_came_of_it_and_shows_them_in_properties_of_its_own() -> None:
    sandbox = HubspotSandbox()
    for name in ("stripe_invoice", "stripe_subscription"):
        sandbox.world.properties.own.setdefault("deals", {})[name] = {"name": name, "type": "string"}
    deal = sandbox.create("deals", dealname="100 seats", stripe_invoice="in_1;in_2", stripe_subscription="sub_1")
    names = {"stripe_invoice": "stripe/invoice", "stripe_subscription": "stripe/subscription"}
    async with opened(sandbox, first_poll_back_s=86_400, deal_documents=names) as ctx:
        found, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        record = states(await facts_of(ctx, found))[f"deal/hubspot:4711.{deal.id}"]
        assert isinstance(record, Deal)
        assert record.billed_as == ("invoice/stripe:in_1", "invoice/stripe:in_2", "subscription/stripe:sub_1")
        company = sandbox.create("companies", name="Blue Harbor")
        outcomes = await send(ctx, status_command(deal.id, 1_500, "deal"), status_command(company.id, 5_000))
        assert [(one.status, one.external_id) for one in outcomes] == [
            (OutcomeStatus.DONE, f"deal/{deal.id}"),
            (OutcomeStatus.DONE, f"company/{company.id}"),
        ]
        assert (shown(deal)["open"], shown(company)["open"]) == ("15.00", "50.00")
        assert sandbox.world.properties.own["deals"].keys() >= {one.name for one in PROPERTIES}


@pytest.mark.parametrize("document", ["stripe", "stripe/charge", "/invoice", "stripe/invoice/x"])
def test_what_a_property_of_deals_holds_must_be_named_as_a_system_and_a_kind(document: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(HubspotSandbox(), deal_documents={"billed": document})


async def test_a_check_looks_at_the_properties_of_deals_where_they_show_something() -> None:
    assert CONNECTOR.target_check is not None
    sandbox = HubspotSandbox()
    sandbox.scopes.discard("crm.schemas.deals.read")
    async with opened(sandbox) as ctx:
        assert [one.code for one in await CONNECTOR.target_check(ctx)] == ["hubspot.properties_missing"]
    async with opened(sandbox, deal_documents={"billed": "stripe/invoice"}) as ctx:
        with pytest.raises(SetupError):
            await CONNECTOR.target_check(ctx)
