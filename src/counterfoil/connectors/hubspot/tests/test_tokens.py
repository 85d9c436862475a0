"""Tokens: one that stands still, and that of an installed app, renewed once however many calls find it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.authorizing import AppClient
from counterfoil.connectors.hubspot.client import Api, client
from counterfoil.connectors.hubspot.pull import JOURNAL
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.core.commands.crm import CrmCommand
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, RetryPolicy
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import POLLS, opened, settings_of, status_command, walk

SHOW = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]


def app_of(sandbox: HubspotSandbox) -> dict[str, Any]:
    """Return the settings of an app that is installed by OAuth."""
    return {"access_token": None, "refresh_token": sandbox.refresh_token, "client_id": sandbox.client_id, "concurrency_max": 20}


@asynccontextmanager
async def installed(sandbox: HubspotSandbox, **changes: Any) -> AsyncIterator[Context]:
    async with opened(sandbox, **app_of(sandbox) | changes) as ctx:
        yield ctx


async def test_an_app_gets_its_token_once_and_twenty_calls_that_find_it_ended_renew_it_once() -> None:
    sandbox = HubspotSandbox()
    async with installed(sandbox) as ctx:
        api = Api(ctx)
        await asyncio.gather(*(api.rows("company") for _ in range(20)))
        assert sandbox.renewed == 1
        sandbox.end_tokens()
        await asyncio.gather(*(api.rows("company") for _ in range(20)))
        assert sandbox.renewed == 2


async def test_a_token_is_renewed_before_it_ends_by_the_end_that_was_told() -> None:
    sandbox = HubspotSandbox()
    await sandbox.start()
    clock = [0.0]
    http = client(settings_of(sandbox, **app_of(sandbox)), lambda: clock[0])
    async with http:
        found: list[int] = []
        for clock[0] in (0.0, 1_739.0, 1_740.0, 1_741.0, 3_480.0):  # thirty minutes, less one
            await http.request("GET", "/crm/objects/2026-03/companies", is_write=False)
            found.append(sandbox.renewed)
    await sandbox.stop()
    assert found == [1, 1, 2, 2, 3]
    assert sandbox.limits.used_today == 5  # none was refused, and made again


async def test_a_token_that_ends_in_the_middle_of_a_batch_is_renewed_and_every_record_is_written_once() -> None:
    sandbox = HubspotSandbox()
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(3)]
    async with installed(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(companies[0].id, 0)], {})
        plain = sandbox.crm.batch

        def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
            if what == "read":
                sandbox.end_tokens()  # whatever comes next finds it ended
            return plain(name, what, body, query)

        sandbox.crm.batch = batch  # type: ignore[method-assign]
        outcomes = await SHOW.send(ctx, [status_command(one.id, 500) for one in companies], {})
    assert [one.status for one in outcomes] == [OutcomeStatus.DONE] * 3
    assert [one.properties["counterfoil_open"] for one in companies] == ["5.00"] * 3


async def test_an_app_that_is_uninstalled_in_the_middle_of_a_batch_stops_with_what_to_do_and_goes_on_once_it_is_back() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with installed(sandbox) as ctx:
        await SHOW.send(ctx, [status_command(company.id, 0)], {})
        plain = sandbox.crm.batch

        def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
            if what == "read":
                sandbox.uninstall()
            return plain(name, what, body, query)

        sandbox.crm.batch = batch  # type: ignore[method-assign]
        with pytest.raises(SetupError, match="install the app again") as refused:
            await SHOW.send(ctx, [status_command(company.id, 500)], {})
        assert (refused.value.code, refused.value.is_outcome_unknown) == ("hubspot.app_refused", False)
        assert sandbox.refresh_token not in str(refused.value)
        asked = sandbox.token_calls
        refusals = await asyncio.gather(*(Api(ctx).rows("company") for _ in range(4)), return_exceptions=True)
        assert ([type(one) for one in refusals], sandbox.token_calls - asked) == ([SetupError] * 4, 1)  # one asks for all who wait
        sandbox.crm.batch, sandbox.is_installed = plain, True  # type: ignore[method-assign]
        [done] = await SHOW.send(ctx, [status_command(company.id, 500)], {})
    assert (done.status, company.properties["counterfoil_open"]) == (OutcomeStatus.DONE, "5.00")


@pytest.mark.parametrize(("is_installed", "code"), [(True, "hubspot.scope_missing"), (False, "hubspot.app_refused")])
async def test_what_was_in_doubt_before_its_token_was_refused_stays_so(
    is_installed: bool, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = HubspotSandbox()
    async with installed(sandbox) as ctx:
        await Api(ctx).rows("company")
        sandbox.is_installed = is_installed
        ended, refused = SetupError("refused", code="hubspot.token_refused"), SetupError("no scope", code="hubspot.scope_missing")
        ended.is_outcome_unknown = True  # a try before it got no answer
        errors, sent = iter([ended, refused]), HttpClient.request

        async def request(self: HttpClient, method: str, path: str, **options: Any) -> Response:
            if self is ctx.http:
                raise next(errors)
            return await sent(self, method, path, **options)

        monkeypatch.setattr(HttpClient, "request", request)
        with pytest.raises(SetupError) as caught:
            await Api(ctx).write("/crm/objects/2026-03/companies/batch/update", {})
    assert (caught.value.code, caught.value.is_outcome_unknown) == (code, True)


async def test_a_token_that_is_refused_again_is_the_owners_to_mend_and_asks_no_third_time() -> None:
    sandbox = HubspotSandbox()
    async with installed(sandbox) as ctx:
        sandbox.switch.faults.append(Fault("status", path="^GET .*/companies", status=401, times=-1))
        with pytest.raises(SetupError) as refused:
            await Api(ctx).rows("company")
    assert (refused.value.code, sandbox.renewed) == ("hubspot.token_refused", 2)


async def test_a_renewal_that_gets_no_answer_is_tried_again_later() -> None:
    sandbox = HubspotSandbox()
    async with installed(sandbox) as ctx:
        sandbox.switch.faults.append(Fault("status", path="^POST .*/oauth/", status=503, times=-1))
        assert isinstance(ctx.http, AppClient)
        ctx.http.login.retry = RetryPolicy(tries_max=1)
        with pytest.raises(TransientError) as away:
            await Api(ctx).rows("company")
        assert away.value.is_unavailable
        sandbox.switch.faults.clear()
        assert (await Api(ctx).rows("company")).results == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secrets": ["another"]}, "hubspot.app_refused"),
        ({"client_id": "another"}, "hubspot.app_refused"),
        ({"refresh_token": "another"}, "hubspot.app_refused"),
        ({"portal_id": 815}, "hubspot.account_mismatch"),
    ],
)
async def test_an_app_of_another_account_or_with_other_keys_reads_nothing(change: dict[str, Any], code: str) -> None:
    sandbox = HubspotSandbox()
    async with installed(sandbox, **change) as ctx:
        with pytest.raises(SetupError) as refused:
            await Api(ctx).rows("company")
    assert (refused.value.code, sandbox.limits.used_today) == (code, 0)


async def test_an_app_reads_the_journal_where_that_is_said_and_a_token_of_it_that_ended_is_asked_for_anew() -> None:
    sandbox = HubspotSandbox()
    assert CONNECTOR.streams is not None
    assert JOURNAL not in CONNECTOR.streams(settings_of(sandbox, **app_of(sandbox)))
    async with installed(sandbox, reads_journal=True) as ctx:
        journal = CONNECTOR.streams(ctx.settings)[JOURNAL]
        await journal.poll(ctx, "")
        sandbox.end_tokens()
        with pytest.raises(SetupError):
            await journal.poll(ctx, "")
        await journal.poll(ctx, "")
    assert sandbox.token_calls == 2


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"refresh_token": "r", "client_id": "app"},
        {"access_token": None, "refresh_token": "r"},
        {"access_token": None, "refresh_token": "r", "client_id": "app", "client_secrets": [], "webhook_url": ""},
        {"reads_journal": True},
    ],
)
def test_settings_that_cannot_call_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_of(HubspotSandbox(), **change)


async def test_an_app_without_webhooks_polls_alone() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with installed(sandbox, webhook_url="", first_poll_back_s=86_400) as ctx:
        found, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    assert [one.shard_key for one in found] == [company.id]
