"""Load jobs: what is written by them, who is waited for, and what of them is in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.sandbox.checking import Rule
from counterfoil.connectors.salesforce.sandbox.world import Record
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.writing import OutcomeStatus

from .sandboxed import SHOW, made, opened, send, shown, status_command, waits_for_nothing

__all__ = ["waits_for_nothing"]


async def begin_unanswered(ctx: Context, sandbox: SalesforceSandbox, account: Record) -> None:
    """Begin a load job that is held, and whose beginning got no answer."""
    await made(ctx, sandbox, account)
    sandbox.bulk.pace.is_held = True
    sandbox.switch.faults.append(Fault("drop_after", path=r"^PATCH .*/jobs/ingest/"))
    ctx.http.retry = RetryPolicy(tries_max=1)
    with pytest.raises(TransientError):
        await send(ctx, status_command(account.id, 200))


async def test_while_a_load_job_is_under_way_nothing_is_sent_again_and_then_what_it_wrote_is_seen() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await begin_unanswered(ctx, sandbox, account)
        for _ in range(2):
            [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
            assert (seen.status, seen.code) == (OutcomeStatus.UNKNOWN, "salesforce.job_under_way")
        sandbox.bulk.pace.is_held = False
        [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
        assert (seen.status, shown(account)["Open"]) == (OutcomeStatus.DONE, 2.0)


async def test_a_load_job_of_somebody_else_holds_up_nothing() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await begin_unanswered(ctx, sandbox, account)
        [*_, job] = sandbox.bulk.jobs.values()
        job.by = sandbox.world.person_id
        [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
        assert seen.status is OutcomeStatus.RETRY


async def test_a_load_job_whose_refusals_cannot_be_read_is_in_doubt() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await made(ctx, sandbox, account)
        sandbox.world.rules.append(Rule("Account", "Counterfoil_Open__c", ">", 1, "no more than a dollar"))
        sandbox.switch.faults.append(Fault("status", status=404, path=r"^GET .*/failedResults"))
        with pytest.raises(TransientError) as gone:
            await send(ctx, status_command(account.id, 200))
        assert (gone.value.is_outcome_unknown, gone.value.code) == (True, "salesforce.job_under_way")


async def test_a_job_that_was_never_closed_is_aborted_and_writes_nothing() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await made(ctx, sandbox, account)
        ctx.http.retry = RetryPolicy(tries_max=1)
        sandbox.switch.faults.append(Fault("drop_after", path=r"^PUT .*/batches"))
        with pytest.raises(TransientError):
            await send(ctx, status_command(account.id, 200))
        [seen] = await SHOW.resolve(ctx, (status_command(account.id, 200),), {})
        assert seen.status is OutcomeStatus.UNKNOWN  # somebody may be about to close it
        later = Context(ctx.connection, ctx.settings, ctx.client, SettableClock(ctx.clock.now() + timedelta(minutes=2)))
        [seen] = await SHOW.resolve(later, (status_command(account.id, 200),), {})
        assert (seen.status, [one.state for one in sandbox.bulk.jobs.values()]) == (OutcomeStatus.RETRY, ["JobComplete", "Aborted"])


async def test_what_a_load_job_did_not_come_to_is_sent_again() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await made(ctx, sandbox, account)
        sandbox.bulk.pace.fails = 1
        [failed] = await send(ctx, status_command(account.id, 200))
        assert (failed.status, shown(account)["Open"]) == (OutcomeStatus.RETRY, 0.0)
        [done] = await send(ctx, status_command(account.id, 200))
        assert (done.status, shown(account)["Open"]) == (OutcomeStatus.DONE, 2.0)


async def test_a_load_job_empties_what_is_known_no_more_and_leaves_what_stays_as_it_is() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, load_from=1) as ctx:
        await send(ctx, status_command(account.id, 5_000))
        [done] = await send(ctx, status_command(account.id, 5_000, last_invoice="", last_invoice_on=None))
        assert (done.status, shown(account)) == (
            OutcomeStatus.DONE,
            {"Standing": "current", "Currency": "USD", "Invoiced": 120.0, "Paid": 70.0, "Open": 50.0, "Overdue": 0.0},
        )
