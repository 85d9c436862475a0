"""The crash matrix of ``show_status`` in Salesforce: every fault at every call, by collections and by jobs; workers gone; a late write.

The desk is that of the matrix beside it; only the other side is another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.crash.matrix import IS_FULL
from tests.crash.test_status import FAR, FAULTS, TURNS_MAX, Desk, KilledError, gone_after, gone_before
from tests.integration.waiting.office import NOW

from counterfoil.connectors.salesforce import CONNECTOR, client, deliver, loading
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.tests.sandboxed import deal_of, settings_of, status_command
from counterfoil.core.commands.crm import CrmCommand
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.stage import PLAIN
from counterfoil.kit.writing import CommandWriter, Send
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

pytestmark = pytest.mark.crash

MAKING = (
    "GET .*/describe",
    "POST .*/tooling/",
    "POST .*/sobjects/PermissionSet$",
    "POST .*/composite/sobjects$",
    "POST .*/PermissionSetAssignment",
)
COLLECTIONS = ("POST .*/oauth2/token", *MAKING, "POST .*/composite/sobjects/(Account|Opportunity)", "PATCH .*/composite/sobjects")
LOADS = ("POST .*/jobs/ingest$", "PUT .*/batches", "PATCH .*/jobs/ingest/", "GET .*/jobs/ingest/[^/]+$", "GET .*/failedResults")
WAYS = [(call, 1_000) for call in COLLECTIONS] + [(call, 1) for call in LOADS]
SOME = ("POST .*/tooling/", "PATCH .*/composite/sobjects", "PUT .*/batches", "PATCH .*/jobs/ingest/")
"""The calls that write; without the full matrix these alone are struck."""
USED_UP = '[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]'
ENDED = '[{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]'
ALL_FAULTS: dict[str, dict[str, Any]] = {
    **FAULTS,
    "session ended": {"kind": "status", "status": 401, "body": ENDED},
    "calls used up": {"kind": "status", "status": 403, "body": USED_UP},
}


@pytest.fixture(autouse=True)
def waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LIMIT_WAIT_S", 0.0)
    monkeypatch.setattr(deliver, "LOCK_S", 0.0)
    monkeypatch.setattr(loading, "WAIT_S", 0.0)


@dataclass
class Org(Desk):
    """The desk, with an org on the other side."""

    sandbox: Any

    def worker(self, change: Callable[[Send], Send] = lambda send: send) -> Deliverer:
        plain = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]
        writer = CommandWriter(change(plain.send), plain.resolve, plain.resolve_reason, plain.batch_size_max, overwrites=plain.overwrites)
        link = TargetLink(
            Context(self.ctx.connection, self.ctx.settings, self.ctx.http, self.clock), {CrmCommand.SHOW_STATUS: writer}, CONNECTOR.probe
        )
        rest = Rest(self.pool, self.clock, self.arm, lambda: "")
        return Deliverer(self.pool, self.cipher, {"salesforce": link}, self.clock, self.arm, rest)

    async def work(self, pause: timedelta = FAR) -> None:
        deliverer = self.worker()
        for _ in range(TURNS_MAX):
            await deliverer.turn("salesforce/show_status", PLAIN)
            if {state for _, state in await self.states()} <= {"done", "canceled"}:
                return
            self.clock.advance_to(self.clock.now() + pause)

    def shown(self, id: str) -> Any:
        return self.sandbox.world.records[id].values.get("Counterfoil_Open__c")


@asynccontextmanager
async def opened(pool: Pool, cipher: Cipher, load_from: int = 1_000, kind: str = "company") -> AsyncIterator[tuple[Org, str]]:
    sandbox = SalesforceSandbox()
    record = sandbox.create("Account", Name="Blue Harbor")
    if kind == "deal":
        record = deal_of(sandbox, record)
    await sandbox.start()
    settings = settings_of(sandbox, load_from=load_from)
    assert CONNECTOR.client is not None
    http: Any = CONNECTOR.client(settings)
    http.retry = http.login.retry = RetryPolicy(tries_max=1)
    clock = SettableClock(NOW)
    try:
        async with http:
            yield Org(pool, cipher, sandbox, Context("salesforce", settings, http, clock), clock), record.id
    finally:
        await sandbox.stop()


@pytest.mark.parametrize(("call", "load_from"), WAYS if IS_FULL else [way for way in WAYS if way[0] in SOME])
@pytest.mark.parametrize("name", ALL_FAULTS)
@pytest.mark.parametrize("kind", ["company", "deal"])
async def test_every_fault_at_every_call_ends_with_the_status_shown(
    pool: Pool, cipher: Cipher, kind: str, name: str, call: str, load_from: int
) -> None:
    async with opened(pool, cipher, load_from, kind) as (desk, id):
        desk.sandbox.switch.faults.append(Fault(path=call, times=2, **ALL_FAULTS[name]))
        await desk.wish(status_command(id, 5_000, kind))
        await desk.work()
        assert desk.sandbox.switch.struck, "the call was not made"
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done"], 50.0)


@pytest.mark.parametrize("load_from", [1_000, 1])
@pytest.mark.parametrize("kind", ["company", "deal"])
@pytest.mark.parametrize(("change", "is_shown"), [(gone_before, False), (gone_after, True)])
async def test_what_a_worker_had_in_hand_when_it_died_is_done_by_another(
    pool: Pool, cipher: Cipher, change: Callable[[Send], Send], is_shown: bool, kind: str, load_from: int
) -> None:
    async with opened(pool, cipher, load_from, kind) as (desk, id):
        await desk.wish(status_command(id, 5_000, kind))
        with pytest.raises(BaseExceptionGroup) as died:
            await desk.worker(change).turn("salesforce/show_status", PLAIN)
        assert died.value.subgroup(KilledError) is not None
        assert ([state for _, state in await desk.states()] == ["done"], desk.shown(id)) == (False, 50.0 if is_shown else None)
        desk.clock.advance_to(desk.clock.now() + FAR)
        await desk.work()
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done"], 50.0)


async def test_a_load_job_left_by_a_dead_worker_is_waited_for_and_never_doubled(pool: Pool, cipher: Cipher) -> None:
    async with opened(pool, cipher, 1) as (desk, id):
        desk.sandbox.bulk.pace.is_held = True
        desk.sandbox.switch.faults.append(Fault("drop_after", path="PATCH .*/jobs/ingest/"))
        await desk.wish(status_command(id, 5_000))
        for _ in range(3):
            await desk.worker().turn("salesforce/show_status", PLAIN)
            desk.clock.advance_to(desk.clock.now() + FAR)
        assert ([state for _, state in await desk.states()], len(desk.sandbox.bulk.jobs)) == (["unknown"], 1)
        desk.sandbox.bulk.pace.is_held = False
        await desk.work()
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done"], 50.0)


async def test_an_older_load_job_that_is_done_late_is_put_right(pool: Pool, cipher: Cipher) -> None:
    """The write of 50.00 gets no answer and is done again; 1.00 follows; then the first one is done after all."""
    async with opened(pool, cipher) as (desk, id):
        desk.sandbox.switch.faults.append(Fault("drop_before", path="PATCH .*/composite/sobjects", times=1))
        await desk.wish(status_command(id, 5_000))
        await desk.work(timedelta(seconds=15))
        await desk.wish(status_command(id, 100))
        await desk.work(timedelta(seconds=15))
        assert desk.shown(id) == 1.0
        desk.sandbox.world.update("Account", id, {"Counterfoil_Open__c": 50.0})
        desk.clock.advance_to(desk.clock.now() + FAR)
        await desk.worker().turn("salesforce/show_status", PLAIN)
        assert desk.shown(id) == 1.0


async def test_of_an_account_and_an_opportunity_what_is_lost_of_one_holds_up_the_other_for_no_longer(pool: Pool, cipher: Cipher) -> None:
    async with opened(pool, cipher, kind="deal") as (desk, id):
        account = desk.sandbox.world.records[id].values["AccountId"]
        await desk.wish(status_command(id, 5_000, "deal"), status_command(account, 100))
        desk.sandbox.switch.faults.append(Fault("drop_after", path="PATCH .*/composite/sobjects", times=1))
        await desk.work(timedelta(seconds=15))
        assert ([state for _, state in await desk.states()], desk.shown(id), desk.shown(account)) == (["done", "done"], 50.0, 1.0)
