"""Making an entry of the schedule happen, and ending it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterfoil.app.demo import chart
from counterfoil.app.demo.chaos import ODOO_CALLS, STRIPE_READS
from counterfoil.app.demo.control import SandboxControl
from counterfoil.app.demo.world import World
from counterfoil.core.commands.books import AccountRole

from .processes import FIRST, SECOND, Processes
from .schedule import FaultKind, ScheduledFault

MAINTENANCE = "maintenance"
FELT = 6
"""Refused calls after which an outage has been felt, and may end."""
FELT_WAIT_S = 2.0
DRAFTED = "account.move/load"
"""The call after which drafts lie in the books."""
_ACCOUNTS = {account.role: account.code for account in chart.CHART}

DELIVERIES = {"lose": 0.01, "duplicate": 0.04, "shuffle": 0.25, "late": 0.04}
"""Of a hundred events one is never delivered, four come twice, four come hours or days late, twenty-five are overtaken by others."""
RETRIES_S = [3_600, 10_800, 43_200, 86_400, 86_400]
"""When a delivery nobody took is made again, by the source's clock: for about three days (https://docs.stripe.com/webhooks#retries)."""


@dataclass(slots=True)
class FaultInjector:
    """Whoever makes things go wrong. ``pid_file``: where the hub's PostgreSQL writes its number; ``struck``: how often each kind did.

    ``locked``: the last locked day, by entity.
    """

    world: World
    books: SandboxControl
    processes: Processes
    pid_file: Path
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    locked: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Have deliveries made by plan, and what is written to sales systems struck now and then, from now on."""
        plan = {**DELIVERIES, "seed": self.seed}
        await self.world.stripe.deliveries(retry_delays_s=RETRIES_S, concurrency=8, timeout_s=10.0, plan=plan)
        for system in self.world.sales_systems:
            await system.spoil()

    async def begin(self, entry: ScheduledFault) -> None:
        """Let an entry happen."""
        acts: dict[FaultKind, Callable[[ScheduledFault], Awaitable[None]]] = {
            FaultKind.SOURCE_CALLS: self._spoil_source,
            FaultKind.TARGET_CALLS: self._spoil_target,
            FaultKind.TARGET_MAINTENANCE: self._shut,
            FaultKind.CREDENTIAL_EXPIRED: self._expire,
            FaultKind.PERIOD_LOCKED: self._lock,
            FaultKind.DRAFT_EDITED: self._edit,
            FaultKind.DRAFT_DELETED: self._delete,
            FaultKind.ENTERED_BY_HAND: self._enter,
            FaultKind.WORKER_KILLED: self._kill,
            FaultKind.SECOND_WORKER: self._join,
            FaultKind.DATABASE_KILLED: self._kill_database,
            FaultKind.HUB_STOPPED: self._stop,
        }
        self.struck[entry.kind.value] += 1
        await acts[entry.kind](entry)

    async def end(self, entry: ScheduledFault) -> None:
        """End an entry that lasts."""
        acts: dict[FaultKind, Callable[[], Awaitable[None]]] = {
            FaultKind.TARGET_MAINTENANCE: self._open,
            FaultKind.CREDENTIAL_EXPIRED: self._renew,
            FaultKind.WORKER_KILLED: self._start,
            FaultKind.HUB_STOPPED: self._start,
            FaultKind.SECOND_WORKER: self._leave,
        }
        await acts[entry.kind]()

    async def calm(self) -> None:
        """Take everything away that may still go wrong, and have the hub at work."""
        await self.world.stripe.disarm()
        await self.books.disarm()
        for system in self.world.sales_systems:
            await system.control.disarm()
        await self._human(action="leave")
        await self.books.call("POST", "/keys", expired=False)
        await self.processes.start(FIRST)
        self.outages = 0

    async def _spoil_source(self, entry: ScheduledFault) -> None:
        await self._spoil(self.world.stripe, STRIPE_READS, entry)

    async def _spoil_target(self, entry: ScheduledFault) -> None:
        await self._spoil(self.books, ODOO_CALLS, entry)

    async def _spoil(self, control: SandboxControl, requests: str, entry: ScheduledFault) -> None:
        given = {name: value for name, value in entry.detail.items() if name != "fault"}
        retry = {"retry_after_s": 0} if given.get("status") == 429 else {}
        await control.call("POST", "/faults", kind=entry.detail["fault"], path=requests, **given, **retry)

    async def _shut(self, _entry: ScheduledFault) -> None:
        await self.books.call("POST", "/faults", kind="status", path=ODOO_CALLS, status=503, times=-1, name=MAINTENANCE)
        self.outages += 1

    async def _open(self) -> None:
        await self._feel()
        await self.books.call("DELETE", f"/faults?name={MAINTENANCE}")
        self.outages -= 1

    async def _expire(self, _entry: ScheduledFault) -> None:
        await self.books.call("POST", "/keys", expired=True)
        self.outages += 1

    async def _renew(self) -> None:
        await asyncio.sleep(FELT_WAIT_S / 2)
        await self.books.call("POST", "/keys", expired=False)
        self.outages -= 1

    async def _feel(self) -> None:
        """Let the clock stand until the hub has met the outage, or a moment has passed: it may have nothing to send just then."""
        deadline = time.monotonic() + FELT_WAIT_S
        while time.monotonic() < deadline:
            if len((await self.books.call("GET", "/faults"))["struck"]) >= FELT:
                return
            await asyncio.sleep(0.2)

    async def _lock(self, entry: ScheduledFault) -> None:
        """Lock; a lock is never taken back to an earlier day."""
        entity, day = entry.detail["entity"], entry.detail["date"]
        if self.locked.get(entity, "") < day:
            self.locked[entity] = day
            company = self.world.provisioned.companies[entity].company_id
            await self._human(action="close_period", company_id=company, date=day)

    async def _edit(self, entry: ScheduledFault) -> None:
        await self._human(action="edit_lines", newest="draft", after=DRAFTED, times=entry.detail["calls"], price_unit=1)

    async def _delete(self, entry: ScheduledFault) -> None:
        await self._human(action="delete", newest="draft", after=DRAFTED, times=entry.detail["calls"])

    async def _enter(self, entry: ScheduledFault) -> None:
        company = self.world.provisioned.companies[entry.detail["entity"]].company_id
        sides = {"debit": _ACCOUNTS[AccountRole.ROUNDING], "credit": _ACCOUNTS[AccountRole.EXCHANGE_DIFFERENCE]}
        await self._human(action="enter", company_id=company, journal=chart.GENERAL_JOURNAL, amount=entry.detail["amount"], **sides)

    async def _human(self, **wish: Any) -> None:
        await self.books.call("POST", "/human", **wish)

    async def _kill(self, _entry: ScheduledFault) -> None:
        await self.processes.kill(FIRST)

    async def _start(self) -> None:
        await self.processes.start(FIRST)

    async def _join(self, _entry: ScheduledFault) -> None:
        await self.processes.start(SECOND)

    async def _leave(self) -> None:
        await self.processes.end(SECOND)

    async def _stop(self, _entry: ScheduledFault) -> None:
        await self.processes.end(SECOND)
        await self.processes.end(FIRST)

    async def _kill_database(self, _entry: ScheduledFault) -> None:
        os.kill(int(self.pid_file.read_text().split("\n", 1)[0]), signal.SIGKILL)
