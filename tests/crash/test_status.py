"""The crash matrix of ``show_status``: every fault of HubSpot at every call, workers gone at every boundary, an older write come late.

The real deliverer over a real store writes into HubSpot's simulator. A worker that dies is a turn that ends in the middle, with nothing of
it cleaned up but what the database does by itself; another worker goes on with what is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.waiting.office import NOW

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.authorizing import AppClient
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox.types import TYPES
from counterfoil.connectors.hubspot.shown import values_of
from counterfoil.connectors.hubspot.tests.sandboxed import settings_of, status_command
from counterfoil.core.commands.crm import CrmCommand, ShowStatus
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import digest
from counterfoil.decide.summaries import wish_of
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.sandbox import Fault
from counterfoil.kit.stage import PLAIN
from counterfoil.kit.writing import CommandWriter, Send
from counterfoil.store import outbox
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool

pytestmark = pytest.mark.crash

FAULTS: dict[str, dict[str, Any]] = {
    "never arrived": {"kind": "drop_before"},
    "answer dropped after commit": {"kind": "drop_after"},
    "answer cut after commit": {"kind": "truncate_after"},
    "429": {"kind": "status", "status": 429},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "502 after commit": {"kind": "status_after", "status": 502},
}
CALLS = ("GET .*/properties/", "POST .*/groups", "POST .*/properties/.*/batch/create", "POST .*/batch/read", "POST .*/batch/update")
TURNS_MAX = 40
FAR = timedelta(minutes=30)
"""Past every pause, and past the time a write that got no answer may still come."""


class KilledError(BaseException):
    """The worker is gone."""


@dataclass
class Desk:
    """One target with one company in it, and workers that come and go."""

    pool: Pool
    cipher: Cipher
    sandbox: HubspotSandbox
    ctx: Context
    clock: SettableClock

    async def arm(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        """Arm nothing: turns are taken by hand."""

    async def wish(self, *commands: Command) -> None:
        async with self.pool.connection() as conn, conn.transaction():
            wishes = [
                wish_of(replace(command, id=digest(command.id)), command.kind.value, order_key=command.order_key) for command in commands
            ]
            await outbox.wish(conn, self.cipher, wishes, self.clock.now())

    def worker(self, change: Callable[[Send], Send] = lambda send: send) -> Deliverer:
        """Return a new worker, with a cache of its own."""
        plain = CONNECTOR.deliver[CrmCommand.SHOW_STATUS]
        delivery = CommandWriter(change(plain.send), plain.resolve, plain.resolve_reason, plain.batch_size_max, overwrites=plain.overwrites)
        ctx = Context(self.ctx.connection, self.ctx.settings, self.ctx.http, self.clock)
        link = TargetLink(ctx, {CrmCommand.SHOW_STATUS: delivery}, CONNECTOR.probe)
        rest = Rest(self.pool, self.clock, self.arm, lambda: "")
        return Deliverer(self.pool, self.cipher, {"hubspot": link}, self.clock, self.arm, rest)

    async def work(self, pause: timedelta = FAR) -> None:
        """Take turns until everything that was wished has ended, or there is no hope; so much time passes between two of them."""
        deliverer = self.worker()
        for _ in range(TURNS_MAX):
            await deliverer.turn("hubspot/show_status", PLAIN)
            if {state for _, state in await self.states()} <= {"done", "canceled", "parked"}:
                return
            self.clock.advance_to(self.clock.now() + pause)

    async def states(self) -> list[tuple[str, str]]:
        async with self.pool.connection() as conn:
            rows = await (await conn.execute("select id, state::text from command order by seq")).fetchall()
        return [(row[0].hex, row[1]) for row in rows]

    def shown(self, id: str) -> str | None:
        return self.shown_on("companies", id)

    def shown_on(self, path: str, id: str) -> str | None:
        return self.sandbox.world.records[path, id].properties.get("counterfoil_open")


@dataclass
class Hurried:
    """The clock of a client's budget: what it waits for is over at once."""

    at_s: float = 0.0

    def now(self) -> float:
        return self.at_s

    async def sleep(self, wait_s: float) -> None:
        self.at_s += wait_s


@asynccontextmanager
async def opened(pool: Pool, cipher: Cipher, path: str = "companies", *, is_app: bool = False) -> AsyncIterator[tuple[Desk, str]]:
    """Serve HubSpot with one record of a type in it, and give its number."""
    sandbox = HubspotSandbox()
    record = sandbox.create(path, **{"companies": {"name": "Blue Harbor"}, "deals": {"dealname": "100 seats"}}[path])
    await sandbox.start()
    app = {"access_token": None, "refresh_token": sandbox.refresh_token, "client_id": sandbox.client_id}
    settings = settings_of(sandbox, **(app if is_app else {}))
    assert CONNECTOR.client is not None
    http = CONNECTOR.client(settings)
    if isinstance(http, AppClient):
        http.login.retry = RetryPolicy(tries_max=1)
    http.retry, hurried = RetryPolicy(tries_max=1), Hurried()
    http.use_budget(LocalBudget(rate_per_s=settings.requests_per_s, now=hurried.now, sleep=hurried.sleep))
    clock = SettableClock(NOW)
    try:
        async with http:
            yield Desk(pool, cipher, sandbox, Context("hubspot", settings, http, clock), clock), record.id
    finally:
        await sandbox.stop()


@pytest.mark.parametrize("kind", ["company", "deal"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_at_every_call_ends_with_the_status_shown(pool: Pool, cipher: Cipher, name: str, call: str, kind: str) -> None:
    path = {"company": "companies", "deal": "deals"}[kind]
    async with opened(pool, cipher, path) as (desk, id):
        desk.sandbox.switch.faults.append(Fault(path=call, times=2, **FAULTS[name]))
        await desk.wish(status_command(id, 5_000, kind))
        await desk.work()
        assert desk.sandbox.switch.struck, "the call was not made"
        assert ([state for _, state in await desk.states()], desk.shown_on(path, id)) == (["done"], "50.00")


@pytest.mark.parametrize("is_split", [True, False])
@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_batch_of_which_a_rule_refuses_one_ends_record_by_record_whatever_call_is_struck(
    pool: Pool, cipher: Cipher, name: str, skip: int, is_split: bool
) -> None:
    async with opened(pool, cipher) as (desk, first):
        ids = [first, *(desk.sandbox.create("companies", name=f"Company {number}").id for number in range(2))]
        await desk.wish(*(status_command(id, 0) for id in ids))
        await desk.work()
        desk.sandbox.crm.is_split_by_trace = is_split
        desk.sandbox.rule("companies", "counterfoil_open", r"\d{1,2}\.\d\d")
        desk.sandbox.switch.faults.append(Fault(path="POST .*/batch/update", times=2, skip=skip, **FAULTS[name]))
        await desk.wish(*(status_command(id, 12_000 if id == ids[1] else 5_000) for id in ids))
        await desk.work()
        assert [state for _, state in await desk.states()][3:] == ["done", "parked", "done"]
        assert [desk.shown(id) for id in ids] == ["50.00", "0.00", "50.00"]


async def test_of_a_company_and_a_deal_of_one_number_each_shows_its_own_and_what_is_lost_of_one_holds_up_the_other_for_no_longer(
    pool: Pool, cipher: Cipher
) -> None:
    async with opened(pool, cipher) as (desk, id):
        world = desk.sandbox.world
        deal = desk.sandbox.create("deals", dealname="100 seats")
        world.records["deals", id] = world.records.pop(("deals", deal.id))
        world.records["deals", id].id = id
        desk.sandbox.switch.faults.append(Fault("drop_after", path="POST .*/deals/batch/update", times=1))
        await desk.wish(status_command(id, 5_000), status_command(id, 700, "deal"))
        await desk.work()
        assert [state for _, state in await desk.states()] == ["done", "done"]
        assert (desk.shown(id), desk.shown_on("deals", id)) == ("50.00", "7.00")


@pytest.mark.parametrize("name", FAULTS)
async def test_an_app_whose_token_ends_before_every_call_ends_with_the_status_shown_whatever_its_renewal_meets(
    pool: Pool, cipher: Cipher, name: str
) -> None:
    async with opened(pool, cipher, is_app=True) as (desk, id):
        plain = desk.sandbox.crm.batch

        def batch(name: str, what: str, body: Any, query: Any) -> tuple[int, Any]:
            desk.sandbox.end_tokens()  # whatever comes next finds it ended
            return plain(name, what, body, query)

        desk.sandbox.crm.batch = batch  # type: ignore[method-assign]
        desk.sandbox.switch.faults.append(Fault(path="POST .*/oauth/", times=2, skip=1, **FAULTS[name]))
        await desk.wish(status_command(id, 5_000))
        await desk.work()
        assert desk.sandbox.switch.struck, "nothing was renewed"
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done"], "50.00")


def gone_before(_send: Send) -> Send:
    async def send(*_given: Any) -> Any:
        raise KilledError

    return send


def gone_after(plain: Send) -> Send:
    async def send(*given: Any) -> Any:
        await plain(*given)
        raise KilledError

    return send


@pytest.mark.parametrize(("boundary", "is_shown"), [("claimed", False), ("sent", False), ("answered", True), ("settling", True)])
async def test_what_a_worker_had_in_hand_when_it_died_is_done_by_another(
    pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch, boundary: str, is_shown: bool
) -> None:
    async with opened(pool, cipher) as (desk, id):
        await desk.wish(status_command(id, 5_000))
        with monkeypatch.context() as patch:
            patched = {"claimed": "mark_sent", "settling": "settle"}.get(boundary)
            if patched is not None:
                patch.setattr(outbox, patched, _dying(getattr(outbox, patched)))
            change = {"sent": gone_before, "answered": gone_after}.get(boundary, lambda send: send)
            with pytest.raises(BaseExceptionGroup) as died:
                await desk.worker(change).turn("hubspot/show_status", PLAIN)
        assert died.value.subgroup(KilledError) is not None
        assert ([state for _, state in await desk.states()] == ["done"], desk.shown(id)) == (False, "50.00" if is_shown else None)
        desk.clock.advance_to(desk.clock.now() + FAR)
        await desk.work()
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done"], "50.00")


def _dying(plain: Callable[..., Any]) -> Callable[..., Any]:
    async def die(*given: Any, **named: Any) -> Any:
        await plain(*given, **named)
        raise KilledError

    return die


async def test_statuses_of_one_company_are_shown_in_the_order_they_were_wished_in(pool: Pool, cipher: Cipher) -> None:
    async with opened(pool, cipher) as (desk, id):
        desk.sandbox.switch.faults.append(Fault("drop_before", path="POST .*/batch/update", times=1))
        await desk.wish(status_command(id, 5_000))
        await desk.wish(status_command(id, 100))
        await desk.work()
        assert ([state for _, state in await desk.states()], desk.shown(id)) == (["done", "done"], "1.00")


async def test_an_older_write_that_comes_late_is_put_right(pool: Pool, cipher: Cipher) -> None:
    """The write of 50.00 gets no answer and is done again; 1.00 follows; then the first one arrives after all."""
    async with opened(pool, cipher) as (desk, id):
        desk.sandbox.switch.faults.append(Fault("drop_before", path="POST .*/batch/update", times=1))
        await desk.wish(status_command(id, 5_000))
        await desk.work(timedelta(seconds=15))
        await desk.wish(status_command(id, 100))
        await desk.work(timedelta(seconds=15))
        assert desk.shown(id) == "1.00"
        late = status_command(id, 5_000).arguments
        assert isinstance(late, ShowStatus)
        desk.sandbox.world.update(TYPES["companies"], id, values_of(late))
        desk.clock.advance_to(desk.clock.now() + FAR)
        await desk.worker().turn("hubspot/show_status", PLAIN)
        assert desk.shown(id) == "1.00"
