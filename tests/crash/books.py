"""A hub at work whose every call to the books goes through the fault proxy: in front of the sandbox, or of a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.claiming import TO_SEND
from tests.crash.labels import label_calls, labeled
from tests.crash.places import Place
from tests.crash.proxy import Proxy
from tests.integration.path.house import BOOKS, House, house

from counterfoil.app.hub import wait_until
from counterfoil.kit.http import RetryPolicy
from counterfoil.store import outbox_due, rechecks

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class RealOdoo:
    """A server that is there already, in the place of the sandbox."""

    url: str
    db_name: str
    login: str
    api_key: str

    async def start(self) -> None:
        """Do nothing: it runs."""

    async def stop(self) -> None:
        """Do nothing: it goes on."""

    def set_today(self, day: date) -> None:
        """Do nothing: it has a clock of its own."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The hub, and the proxy between it and the books. ``places``: where in the connector writing calls were made."""

    house: House
    proxy: Proxy
    places: set[Place]

    async def hurry(self, *, deadline_s: float = 300.0) -> None:
        """Wait until nothing moves any more, without sitting out the hub's waits: its clock jumps to whatever is due next."""
        assert await wait_until(self._is_at_rest, timeout_s=deadline_s, every_s=0.1), await self.house.where()
        await self.house.settle()

    async def _is_at_rest(self) -> bool:
        made = self.house
        async with made.hub.pool.connection() as conn:
            busy = await (await conn.execute(_BUSY)).fetchone()
            due = await (await conn.execute(_DUE, {"now": made.clock.now()})).fetchone()
            waiting = [*await outbox_due.partitions_open(conn), *await rechecks.partitions(conn)]
        if busy == (0,):
            return await self.proxy.is_idle()
        if not await self.proxy.is_idle():
            return False  # what is on its way takes real time, and the clock must not run ahead of it
        if due is not None and due[0] is not None and due[0] > made.clock.now():
            made.clock.follow(due[0])
            await made.hub.wake(waiting)
        return False


_BUSY = f"""
select (select count(*) from to_read) + (select count(*) from to_decide)
    + (select count(*) from ({TO_SEND}) c) + (select count(*) from recheck where due_at is not null)
"""
_DUE = f"""
select coalesce(
    (select min(next_try_at) from standing where down_since is not null),
    (select min(next_try_at) from ({TO_SEND}) c where next_try_at > %(now)s),
    (select min(due_at) from recheck where due_at > %(now)s
        and not exists (select from to_read) and not exists (select from to_decide)
        and not exists ({TO_SEND})))
"""


def put_between(proxy: Proxy, values: dict[str, Any], **more: Any) -> None:
    """Change a configuration so that calls to the books go through a proxy; ``more``: settings of the books' connection."""
    books = values["connections"][BOOKS]
    proxy.upstream = books["url"]
    books |= {"url": proxy.url, **more}


@asynccontextmanager
async def ground(database_url: str, home: Path, *, timeout_s: float, odoo: RealOdoo | None = None) -> AsyncIterator[Ground]:
    """Put the hub together, let it wait for the books no longer than ``timeout_s``, and have it work."""
    proxy = Proxy("")
    await proxy.start()

    start, change = datetime.now(UTC), partial(put_between, proxy, timeout_s=timeout_s)
    seed = 1 if odoo is None else int(start.timestamp())  # a real server remembers: every run tells it of other customers
    try:
        with labeled():
            async with house(database_url, home, start=start, is_working=False, seed=seed, change=change, odoo=odoo) as made:
                places = label_calls(made.hub, BOOKS)
                made.hub.contexts[BOOKS].http.retry = RetryPolicy(tries_max=2, base_s=0.05)
                await made.hub.start_work(f"ground-{next(_numbers)}")
                await made.deliver(made.news())
                found = Ground(made, proxy, places)
                await found.hurry()
                yield found
                await wait_until(proxy.is_idle, timeout_s=30.0)
    finally:
        await proxy.stop()
