"""Statuses that cannot be written: rights, orgs, fields of another type or gone, flows, tokens, the day's calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from counterfoil.connectors.salesforce import deliver
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.world import Record
from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import COLLECTIONS, SHOW, asked, checked, made, opened, send, shown, status_command, waits_for_nothing

__all__ = ["waits_for_nothing"]


async def test_an_account_the_user_may_not_edit_is_told_with_what_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        body = '[{"success": false, "errors": [{"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "m", "fields": []}]}]'
        sandbox.switch.faults.append(Fault("status", path=COLLECTIONS, status=200, body=body))
        [outcome] = await send(ctx, status_command(account.id, 100))
        assert (outcome.code, outcome.message) == (
            "salesforce.account_closed",
            f"account {account.id} may not be edited by the hub's integration user: INSUFFICIENT_ACCESS_OR_READONLY",
        )
        assert "sharing rule" in outcome.remedy


async def test_a_status_of_another_org_is_refused_and_nothing_is_called_for_it() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        other = replace(
            status_command(account.id, 100), arguments=ShowStatus(ObjectRef("company", f"salesforce:00Dxx0000000009EAA.{account.id}"))
        )
        assert [one.code for one in await send(ctx, other)] == ["salesforce.other_org"]
        assert asked(sandbox) == []


async def test_a_field_of_its_name_and_another_type_stops_writing_and_is_named() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    sandbox.add_field("Account", "Counterfoil_Open__c", type="string")
    async with opened(sandbox) as ctx:
        with pytest.raises(SetupError, match=r"Counterfoil_Open__c \(Number\)"):
            await send(ctx, status_command(account.id, 100))
        assert (await checked(ctx)).code == "salesforce.field_type"


async def test_a_field_somebody_took_away_is_made_again_with_the_next_try() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        del sandbox.world.types["Account"].fields["Counterfoil_Open__c"]
        for one in sandbox.world.all("FieldPermissions"):
            if one.values["Field"] == "Account.Counterfoil_Open__c":
                sandbox.world.purge(one.id)  # goes with its field
        with pytest.raises(SetupError, match="Account has no field Counterfoil_Open__c"):
            await send(ctx, status_command(account.id, 200))
        [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
        assert seen.status is OutcomeStatus.RETRY  # what cannot be shown is not shown
        [retried] = await send(ctx, status_command(account.id, 200))
        assert (retried.status, shown(account)["Open"]) == (OutcomeStatus.DONE, 2.0)


@pytest.mark.parametrize("load_from", [1_000, 1])
async def test_a_field_somebody_closed_to_the_user_is_named_with_the_next_try(load_from: int) -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=load_from) as ctx:
        await made(ctx, sandbox, account)
        sandbox.world.closed.add(("Account", "Counterfoil_Open__c"))
        [first] = await send(ctx, status_command(account.id, 200))
        assert (first.status, first.code) == (OutcomeStatus.RETRY, "salesforce.field_unknown")
        with pytest.raises(SetupError, match="Counterfoil_Open__c") as named:
            await send(ctx, status_command(account.id, 200))
        assert named.value.code == "salesforce.fields_missing"


async def test_a_flow_that_takes_the_status_away_again_is_told() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        plain = sandbox.world.update

        def update(type_name: str, id: str, values: Mapping[str, Any]) -> Record:
            return plain(type_name, id, {**values, "Counterfoil_Open__c": 7})

        sandbox.world.update = update  # type: ignore[method-assign]
        [outcome] = await send(ctx, status_command(account.id, 200))
        assert (outcome.code, outcome.message) == ("salesforce.not_kept", f"account {account.id} does not show what was written: Open")


async def test_a_token_revoked_in_the_middle_of_a_batch_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "COLLECTION_MAX", 2)
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(6)]
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, accounts[0])
        plain = sandbox.world.update
        written: list[str] = []

        def update(type_name: str, id: str, values: Any) -> Record:
            written.append(id)
            if len(written) == 3:
                sandbox.sessions.end_all()
            return plain(type_name, id, values)

        monkeypatch.setattr(sandbox.world, "update", update)
        outcomes = await send(ctx, *(status_command(one.id, 100) for one in accounts))
        assert ({one.status for one in outcomes}, written) == ({OutcomeStatus.DONE}, [one.id for one in accounts])
        # The app's access is revoked as well: the rest waits, and what was written is seen when it is back.
        written.clear()
        sandbox.sessions.is_blocked = True
        with pytest.raises(SetupError):
            await send(ctx, *(status_command(one.id, 200) for one in accounts))
        assert [shown(one)["Open"] for one in accounts] == [2.0, 2.0, 2.0, 2.0, 1.0, 1.0]
        sandbox.sessions.is_blocked = False
        outcomes = await send(ctx, *(status_command(one.id, 200) for one in accounts))
        assert {one.status for one in outcomes} == {OutcomeStatus.DONE}
        assert written == [one.id for one in accounts]


async def test_a_days_calls_used_up_are_waited_for_and_nothing_is_taken_for_written() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        await made(ctx, sandbox, account)
        sandbox.limits.is_enforced, sandbox.limits.daily = True, sandbox.limits.used + 1
        with pytest.raises(TransientError) as limited:  # one read is left
            await send(ctx, status_command(account.id, 200))
        assert (limited.value.is_outcome_unknown, limited.value.is_unavailable, shown(account)["Open"]) == (False, True, 0.0)
