"""Statuses onto accounts: what is written, when nothing is, what is refused and in which words, what is tried again and left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from counterfoil.connectors.salesforce import deliver
from counterfoil.connectors.salesforce.client import RefusedError
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.checking import Rule
from counterfoil.connectors.salesforce.sandbox.schema import Field
from counterfoil.connectors.salesforce.sandbox.world import Record
from counterfoil.connectors.salesforce.shown import FIELDS, WRITTEN_AT, as_json, differing, values_of
from counterfoil.core.commands.crm import Balance, ShowStatus, Standing
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.kinds.subscription import SubscriptionState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import Response, RetryPolicy
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import (
    COLLECTIONS,
    ORG,
    SHOW,
    asked,
    checked,
    facts_of,
    made,
    opened,
    polled,
    send,
    shown,
    states,
    status_command,
    waits_for_nothing,
)

__all__ = ["waits_for_nothing"]

REF = ObjectRef("company", f"salesforce:{ORG}.0015000000Gv7qJAAR")


def test_amounts_have_two_decimals_and_finer_ones_stand_exactly_in_words() -> None:
    # 1.005 dinars are halfway between 1.00 and 1.01: to the even one. Yen have no decimals.
    dinars = Balance(Money(1_005, "KWD"), Money(1_000, "KWD"), Money(5, "KWD"), Money(0, "KWD"), date(2026, 3, 31))
    yen = Balance(Money(1_200, "JPY"), Money(0, "JPY"), Money(1_200, "JPY"), Money(0, "JPY"))
    status = ShowStatus(REF, Standing.OVERDUE, (dinars, yen), "INV-7", date(2026, 3, 1), Money(1_000, "KWD"), date(2026, 2, 28))
    status = replace(status, dunning_stage="second reminder", blocked=(Block.RENEWALS, Block.ACCESS))
    status = replace(status, subscription=SubscriptionState.TRIALING, renews_on=date(2026, 4, 1), ends_on=date(2026, 12, 31))
    assert {name.removeprefix("Counterfoil_").removesuffix("__c"): value for name, value in values_of(status).items()} == {
        "Standing": "overdue",
        "Currency": "KWD",
        "Invoiced": "1.00",
        "Paid": "1.00",
        "Open": "0.00",
        "Overdue": "0.00",
        "Overdue_Since": "2026-03-31",
        "Last_Invoice": "INV-7",
        "Last_Invoice_On": "2026-03-01",
        "Last_Payment": "1.000 KWD",
        "Last_Payment_On": "2026-02-28",
        "Dunning_Stage": "second reminder",
        "Blocked": "renewals, access",
        "Subscription": "trialing",
        "Renews_On": "2026-04-01",
        "Ends_On": "2026-12-31",
        "Other_Currencies": "KWD: invoiced 1.005, paid 1.000, open 0.005, overdue 0.000 since 2026-03-31; "
        "JPY: invoiced 1200, paid 0, open 1200, overdue 0",
    }
    assert values_of(replace(status, balances=(yen,)))["Counterfoil_Other_Currencies__c"] == ""
    assert values_of(replace(status, last_invoice=f"INV {'7' * 250} x"))["Counterfoil_Last_Invoice__c"] == f"INV {'7' * 250}"
    assert set(values_of(ShowStatus(REF)).values()) == {""}
    assert [*values_of(status), WRITTEN_AT] == [one.name for one in FIELDS]


def test_what_is_empty_is_null_in_a_body_and_a_number_its_digits() -> None:
    # An empty text for a date is an error there; a number of a float would lose its cents.
    values = {"Counterfoil_Renews_On__c": "", "Counterfoil_Last_Invoice__c": "", "Counterfoil_Open__c": "90071992547409.93"}
    body = msgspec.json.encode(as_json(values | {"Counterfoil_Ends_On__c": "2026-12-31"}))
    assert body == (
        b'{"Counterfoil_Renews_On__c":null,"Counterfoil_Last_Invoice__c":null,"Counterfoil_Open__c":90071992547409.93,'
        b'"Counterfoil_Ends_On__c":"2026-12-31"}'
    )


def test_numbers_are_compared_as_numbers_and_all_else_as_it_is_written() -> None:
    wanted = {"Counterfoil_Open__c": "120.00", "Counterfoil_Currency__c": "USD"}
    assert differing(wanted, {"Counterfoil_Open__c": "120.0", "Counterfoil_Currency__c": "USD"}) == {}
    assert differing(wanted, {"Counterfoil_Open__c": "1.2E2", "Counterfoil_Currency__c": "usd"}) == {"Counterfoil_Currency__c": "USD"}
    assert differing(wanted, {}) == wanted
    assert differing({"Counterfoil_Open__c": ""}, {"Counterfoil_Open__c": "0.0"}) == {"Counterfoil_Open__c": ""}
    assert differing({"Counterfoil_Open__c": "0.00"}, {"Counterfoil_Open__c": "none"}) == {"Counterfoil_Open__c": "0.00"}


async def test_the_first_status_makes_the_fields_and_what_is_there_already_is_not_written_again() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        finding = await checked(ctx)
        assert (finding.severity, finding.code) == (Severity.WARNING, "salesforce.fields_missing")
        [outcome] = await send(ctx, status_command(account.id, 5_000))
        assert (outcome.status, outcome.external_id) == (OutcomeStatus.DONE, f"company/{account.id}")
        assert shown(account) == {
            "Standing": "current", "Currency": "USD", "Invoiced": 120.0, "Paid": 70.0, "Open": 50.0, "Overdue": 0.0,
            "Last_Invoice": "INV-7", "Last_Invoice_On": "2026-01-31",
        }  # fmt: skip
        finding = await checked(ctx)
        assert (finding.severity, finding.code) == (Severity.OK, "salesforce.fields_written")
        sandbox.asked.clear()
        changed_at = account.modified_ms
        sandbox.world.advance(5)
        assert [one.status for one in await send(ctx, status_command(account.id, 5_000))] == [OutcomeStatus.DONE]
        assert (asked(sandbox), account.modified_ms) == (["POST /composite/sobjects/Account"], changed_at)
        # What is known no more is taken away.
        empty = ShowStatus(ObjectRef("company", f"salesforce:{ORG}.{account.id}"))
        [outcome] = await send(ctx, replace(status_command(account.id, 0), arguments=empty))
        assert (outcome.status, shown(account)) == (OutcomeStatus.DONE, {})
        assert asked(sandbox) == ["POST /composite/sobjects/Account", "PATCH /composite/sobjects", "POST /composite/sobjects/Account"]


async def test_two_workers_that_make_the_fields_at_once_do_not_stumble_over_each_other() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await send(ctx, status_command(account.id, 100))
        sandbox.world.hidden |= {("Account", one.name) for one in FIELDS}  # another hub user, who sees none of them yet
        for one in sandbox.world.all("PermissionSetAssignment"):
            sandbox.world.purge(one.id)
        other = Context(ctx.connection, ctx.settings, ctx.client, ctx.clock)
        assert [one.status for one in await send(other, status_command(account.id, 200))] == [OutcomeStatus.DONE]
        assert len(sandbox.world.all("PermissionSet")) == 1


async def test_without_the_right_to_make_fields_their_names_are_told_and_those_somebody_made_are_used() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    sandbox.world.can_customize = False
    async with opened(sandbox) as ctx:
        with pytest.raises(SetupError, match=r"accounts lack fields .*Counterfoil_Open__c.*make them by hand") as refused:
            await send(ctx, status_command(account.id, 100))
        assert refused.value.code == "salesforce.fields_missing"
        for one in FIELDS:
            given: dict[str, Any] = one.definition("Account")["Metadata"]
            kind = {
                "Picklist": "picklist",
                "Number": "double",
                "Date": "date",
                "DateTime": "datetime",
                "Text": "string",
                "LongTextArea": "textarea",
            }[given["type"]]
            values = ("current", "overdue", "disputed", "written_off") if kind == "picklist" else ()
            sandbox.world.types["Account"].fields[one.name] = Field(one.name, kind, length=4_000, values=values)
        assert [one.status for one in await send(ctx, status_command(account.id, 100))] == [OutcomeStatus.DONE]


async def test_a_call_that_is_refused_as_a_whole_stops_the_account_it_is_refused_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(5)]
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, accounts[0])
        sent = ctx.http.request

        async def request(method: str, path: str, **options: Any) -> Response:
            if method == "PATCH" and accounts[3].id in [one["id"] for one in options["json"]["records"]]:
                raise RefusedError("status 400. JSON_PARSER_ERROR", code="salesforce.values_refused", codes=("JSON_PARSER_ERROR",))
            return await sent(method, path, **options)

        monkeypatch.setattr(ctx.http, "request", request)
        outcomes = await send(ctx, *(status_command(one.id, 200) for one in accounts))
        assert [one.status is OutcomeStatus.DONE for one in outcomes] == [True, True, True, False, True]
        assert (outcomes[3].status, outcomes[3].code) == (OutcomeStatus.REFUSED, "salesforce.values_refused")


async def test_a_rule_that_warns_of_duplicates_is_told_to_save_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        sent, headers = ctx.http.request, []

        async def request(method: str, path: str, **options: Any) -> Response:
            headers.extend([options.get("headers")] if method == "PATCH" else [])
            return await sent(method, path, **options)

        monkeypatch.setattr(ctx.http, "request", request)
        await send(ctx, status_command(account.id, 200))
        assert headers == [{"Sforce-Duplicate-Rule-Header": "allowSave=true"}]


async def test_two_hundred_accounts_are_one_write_and_a_thousand_one_job() -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(1_000)]
    read = "POST /composite/sobjects/Account"
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, accounts[0])
        outcomes = await send(ctx, *(status_command(one.id, 100) for one in accounts[:200]))
        assert ({one.status for one in outcomes}, asked(sandbox)) == ({OutcomeStatus.DONE}, [read, "PATCH /composite/sobjects", read])
        outcomes = await send(ctx, *(status_command(one.id, 200) for one in accounts))
        [job] = sandbox.bulk.jobs
        assert ({one.status for one in outcomes}, asked(sandbox)) == (
            {OutcomeStatus.DONE},
            [
                read, "POST /jobs/ingest", f"PUT /jobs/ingest/{job}/batches", f"PATCH /jobs/ingest/{job}", f"GET /jobs/ingest/{job}",
                f"GET /jobs/ingest/{job}/failedResults", read,
            ],
        )  # fmt: skip
        assert {shown(one)["Open"] for one in accounts} == {2.0}


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_an_account_says_when_its_status_was_last_written_and_that_alone_writes_nothing(load_from: int) -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=load_from) as ctx:
        assert isinstance(ctx.clock, SettableClock)
        first = ctx.clock.now()
        await send(ctx, status_command(account.id, 5_000))
        assert account.values[WRITTEN_AT] == int(first.timestamp()) * 1000
        ctx.clock.advance_to(first + timedelta(hours=1))
        await send(ctx, status_command(account.id, 5_000))
        assert account.values[WRITTEN_AT] == int(first.timestamp()) * 1000
        await send(ctx, status_command(account.id, 0))
        assert account.values[WRITTEN_AT] == (int(first.timestamp()) + 3600) * 1000


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_an_account_that_is_gone_or_merged_is_refused_alone_and_its_survivor_left_as_it_is(load_from: int) -> None:
    sandbox = SalesforceSandbox()
    first, second, third = (sandbox.create("Account", Name=name) for name in ("A", "B", "C"))
    async with opened(sandbox, load_from=load_from) as ctx:
        survivor = sandbox.merge(first, second)
        outcomes = await send(ctx, *(status_command(id, 100) for id in (second.id, third.id, "001xx0000000000AAA")))
        assert [(one.status, one.code) for one in outcomes] == [
            (OutcomeStatus.REFUSED, "salesforce.record_gone"), (OutcomeStatus.DONE, ""), (OutcomeStatus.REFUSED, "salesforce.record_gone"),
        ]  # fmt: skip
        assert (shown(survivor), shown(third)["Open"]) == ({}, 1.0)


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_a_validation_rule_stops_its_own_account_only_and_is_told_in_its_own_words(load_from: int) -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}", Industry="Ports") for number in range(3)]
    async with opened(sandbox, load_from=load_from) as ctx:
        await made(ctx, sandbox, accounts[0])
        accounts[1].values["Industry"] = None
        sandbox.world.rules.append(Rule("Account", "Industry", "empty", 0, "Say which industry it is of"))
        outcomes = await send(ctx, *(status_command(one.id, 100) for one in accounts))
        assert [one.code for one in outcomes] == ["", "salesforce.rule_refuses", ""]
        assert outcomes[1].message == (
            f"account {accounts[1].id} does not keep to a validation rule of Salesforce's: "
            "FIELD_CUSTOM_VALIDATION_EXCEPTION" + (" Industry" if load_from > 1 else "") + " «Say which industry it is of»"
        )
        assert "Correct the account as the rule says" in outcomes[1].remedy
        assert [shown(one).get("Open") for one in accounts] == [1.0, None, 1.0]


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_a_picklist_without_the_value_is_one_case_for_all_that_stand_so(load_from: int) -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(3)]
    async with opened(sandbox, load_from=load_from) as ctx:
        await made(ctx, sandbox, accounts[0])
        field = sandbox.world.types["Account"].fields["Counterfoil_Standing__c"]
        field.values = ("current", "disputed", "written_off")
        late = {"standing": Standing.OVERDUE}
        outcomes = await send(ctx, status_command(accounts[0].id, 1, **late), status_command(accounts[1].id, 1, **late),
                              status_command(accounts[2].id, 1))  # fmt: skip
        assert [(one.code, one.about) for one in outcomes] == [
            ("salesforce.picklist_value_missing", "picklist/Account/INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ("salesforce.picklist_value_missing", "picklist/Account/INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ("", ""),
        ]
        assert "picklist Billing standing of accounts" in outcomes[0].remedy
        # Whoever looks before the next start is told the same.
        other = Context(ctx.connection, ctx.settings, ctx.client, ctx.clock)
        with pytest.raises(SetupError, match="lacks overdue"):
            await send(other, status_command(accounts[0].id, 1, **late))
        assert (await checked(ctx)).code == "salesforce.picklist_value_missing"


async def test_a_locked_row_is_tried_again_and_after_three_times_left_for_later() -> None:
    sandbox = SalesforceSandbox()
    parent = sandbox.create("Account", Name="Group")
    first, second = (sandbox.create("Account", Name=name, ParentId=parent.id) for name in ("A", "B"))
    other = sandbox.create("Account", Name="C")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, other)
        sandbox.world.locks[parent.id] = 3  # both children once, and one of them twice
        outcomes = await send(ctx, *(status_command(one.id, 100) for one in (first, other, second)))
        assert {one.status for one in outcomes} == {OutcomeStatus.DONE}
        assert [line for line in asked(sandbox) if line.startswith("PATCH")] == ["PATCH /composite/sobjects"] * 3
        sandbox.world.locks[second.id] = 100
        outcomes = await send(ctx, *(status_command(one.id, 200) for one in (first, second)))
        assert [(one.status, one.code) for one in outcomes] == [(OutcomeStatus.DONE, ""), (OutcomeStatus.RETRY, "salesforce.row_locked")]
        assert [line for line in asked(sandbox) if line.startswith("PATCH")] == ["PATCH /composite/sobjects"] * 4


async def test_rows_are_written_in_the_order_of_their_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "COLLECTION_MAX", 2)
    sandbox = SalesforceSandbox()
    parents = [sandbox.create("Account", Name=name) for name in ("P", "Q")]
    children = [sandbox.create("Account", Name=f"Child {number}", ParentId=parents[number % 2].id) for number in range(4)]
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, parents[0])
        order: list[str] = []
        plain = sandbox.world.update

        def update(type_name: str, id: str, values: Any) -> Record:
            order.append(id)
            return plain(type_name, id, values)

        monkeypatch.setattr(sandbox.world, "update", update)
        await send(ctx, *(status_command(one.id, 100) for one in children))
        assert order == [children[0].id, children[2].id, children[1].id, children[3].id]


@pytest.mark.parametrize("load_from", [1_000, 1])
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_an_unknown_outcome_is_resolved_by_what_the_account_shows(fault: str, load_from: int) -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=load_from) as ctx:
        await made(ctx, sandbox, account)
        ctx.http.retry = RetryPolicy(tries_max=1)
        sandbox.switch.faults.append(Fault(fault, path=COLLECTIONS if load_from > 1 else r"^PATCH .*/jobs/ingest/"))
        with pytest.raises(TransientError) as lost:
            await send(ctx, status_command(account.id, 200))
        assert lost.value.is_outcome_unknown
        ctx = Context(ctx.connection, ctx.settings, ctx.client, SettableClock(ctx.clock.now() + timedelta(minutes=2)))
        [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
        is_shown = fault == "drop_after"
        assert (seen.status, shown(account)["Open"]) == (
            OutcomeStatus.DONE if is_shown else OutcomeStatus.RETRY, 2.0 if is_shown else 0.0
        )  # fmt: skip


async def test_what_the_hub_wrote_is_read_again_and_is_no_news() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor", Website="blueharbor.example")
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        found, page = await polled(ctx)
        before = states(await facts_of(ctx, found))
        sandbox.world.advance(5)
        await send(ctx, status_command(account.id, 5_000))
        listed, _ = await polled(ctx, page.cursor)
        assert [one.kind for one in listed] == ["company.row"]
        assert states(await facts_of(ctx, listed)) == before
