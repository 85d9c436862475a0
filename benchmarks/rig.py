"""A whole hub at work for a benchmark: Odoo (counting sandbox or a real one), a Stripe connection with nothing to tell, one entity.

Deliveries are appended as the intake does, together with what would have been fetched for them; everything after that is the hub's own way.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import counting_odoo, stationery
from benchmarks.measuring import until
from benchmarks.stationery import ACCOUNT, CONNECTION, Copy, Template
from counterfoil.app.demo.entities import US
from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.provision import Provisioned, ProvisionedCompany, provision
from counterfoil.app.hub import Hub, open_hub
from counterfoil.app.settings import Settings, from_values
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.webhooks import delivery_of
from counterfoil.core.language.commands import Lane
from counterfoil.ingress.keeping import incoming_of, keep
from counterfoil.normalize.fetching import pack
from counterfoil.store import receipts_fetched, views
from counterfoil.store.pool import PartitionKey

BOOKS = "books"
NOWHERE = "http://127.0.0.1:9"
APPEND_MAX = 200

_ANYTHING_LEFT = """
select exists (select from to_read) or exists (select from to_decide)
    or exists (select from command where state in ('waiting', 'ready', 'unknown'))
"""


@dataclass(frozen=True, slots=True)
class OdooAt:
    """Where Odoo is; an empty ``url`` stands for the sandbox."""

    url: str = ""
    db: str = ""
    key: str = ""
    login: str = "admin"


@dataclass(slots=True)
class Rig:
    """A hub and what stands around it. ``tag`` tells this run's ids from those of others; ``values``: the hub's configuration."""

    hub: Hub
    values: dict[str, Any]
    odoo: OdooPlain
    company: ProvisionedCompany
    templates: dict[str, Template]
    tag: str
    is_sandbox: bool
    stripe: StripeSandbox

    def copies(self, kind: str, numbers: Iterable[int], customers: int) -> list[Copy]:
        """Return copies of a template, the customers taking turns."""
        now = datetime.now(UTC)
        return [stationery.copy_of(self.templates[kind], self.tag, number, number % customers, now) for number in numbers]

    async def append(self, copies: Sequence[Copy], *, lane: int = Lane.REAL_TIME) -> None:
        """Keep deliveries; see :func:`append`."""
        await append(self.hub, copies, lane=lane)

    async def settled(self, timeout_s: float) -> None:
        """Wait until nothing is left to do. Raises TimeoutError, RuntimeError if something was refused."""

        await until(self.is_idle, "everything booked", timeout_s=timeout_s, every_s=0.1)
        async with self.hub.pool.connection() as conn:
            where = await views.conservation(conn)
        if any(line.parked for line in where.sources) or any(line.parked for line in where.targets):
            raise RuntimeError(f"something was refused: {where}")

    async def is_idle(self) -> bool:
        """Return whether nothing is left to do; see :func:`is_idle`."""
        return await is_idle(self.hub)

    async def done(self, kind: str) -> int:
        """Return how many commands of a kind are done."""
        async with self.hub.pool.connection() as conn:
            row = await (await conn.execute("select count(*) from command where kind = %s and state = 'done'", (kind,))).fetchone()
        return 0 if row is None else int(row[0])

    async def partners(self) -> list[int]:
        """Return the Odoo ids of this run's customers."""
        async with self.hub.pool.connection() as conn:
            given = (BOOKS, "customer/%")
            statement = "select external_id from binding where connection = %s and key like %s and until is null order by key"
            rows = await (await conn.execute(statement, given)).fetchall()
        return [int(row[0].partition("/")[2]) for row in rows]

    async def book_masters(self, customers: int) -> None:
        """Have so many customers and the product booked, while the sandbox takes no time; from then on it takes what a server does."""
        masters = [*self.copies("product.created", [0], customers), *self.copies("price.created", [0], customers)]
        await self.append(masters + self.copies("customer.created", range(customers), customers))
        await self.settled(120.0)
        if len(await self.partners()) != customers:
            raise RuntimeError(f"{ACCOUNT}: {len(await self.partners())} of {customers} customers were booked")
        if self.is_sandbox:
            await self.cost(record_ms=counting_odoo.RECORD_MS, call_ms=counting_odoo.CALL_MS)
            await self.counts()

    async def counts(self) -> dict[str, Any]:
        """Return what the sandbox counted since the last time."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.odoo.url}/_counts") as response:
            return dict(await response.json())

    async def cost(self, *, record_ms: int, call_ms: int) -> None:
        """Let the sandbox's calls take time."""
        body = {"record_ms": record_ms, "call_ms": call_ms}
        async with aiohttp.ClientSession() as session, session.post(f"{self.odoo.url}/_control/settings", json=body) as response:
            response.raise_for_status()


async def is_idle(hub: Hub) -> bool:
    """Return whether nothing is pending, undecided or to be sent; cheap, by partial indexes."""
    async with hub.pool.connection() as conn:
        row = await (await conn.execute(_ANYTHING_LEFT)).fetchone()
    return row is not None and not row[0]


async def append(hub: Hub, copies: Sequence[Copy], *, lane: int = Lane.REAL_TIME, is_armed: bool = True) -> list[PartitionKey]:
    """Keep deliveries, with what was fetched for them, in groups as the intake commits them; return the partitions they wait in.

    ``is_armed`` False: no worker is told; the caller wakes the partitions once it wants them worked.
    """
    touched: set[PartitionKey] = set()
    settings = hub.contexts[CONNECTION].settings
    for start in range(0, len(copies), APPEND_MAX):
        group = copies[start : start + APPEND_MAX]
        incoming = incoming_of(CONNECTION, [delivery_of(settings, copy.body) for copy in group], lane)
        now = hub.clock.now()
        async with hub.pool.connection() as conn, conn.transaction():
            kept = await keep(conn, hub.cipher, _arm_nothing, incoming, now)
            fetched = [
                receipts_fetched.FetchedFor(receipt_id, now, CONNECTION, one.dedupe_key, pack(copy.fetched))
                for receipt_id, one, copy in zip(kept.ids, incoming, group, strict=True)
                if receipt_id is not None and copy.fetched
            ]
            await receipts_fetched.put(conn, hub.cipher, fetched)
            if is_armed:
                await hub.arm(conn, kept.touched)
        touched.update(kept.touched)
    return sorted(touched)


async def _arm_nothing(_conn: Any, _keys: Any) -> None:
    """What was fetched has to be kept first; the partitions are armed after it."""


@contextmanager
def temporary_home() -> Iterator[str]:
    """Give a directory for a hub's database; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        yield home


@asynccontextmanager
async def rig(at: OdooAt, customers: int) -> AsyncIterator[Rig]:
    """Open everything, with so many customers and the product booked in Odoo already; close and delete everything at the end."""
    async with idle_rig(at) as made:
        await made.hub.start_work("benchmark")
        await made.book_masters(customers)
        yield made


@asynccontextmanager
async def idle_rig(at: OdooAt) -> AsyncIterator[Rig]:
    """Open everything without anybody at work, nothing booked yet: for workers that are processes of their own."""
    templates = await stationery.templates()
    stripe = stationery.new_sandbox()
    url = await stripe.start()
    try:
        async with _odoo(at) as odoo:
            company = (await provision(odoo, [US])).companies[US.key]
            with temporary_home() as home:
                values = values_of(home, url, {"url": odoo.url, "database": odoo.db, "login": odoo.login, "api_key": odoo.key})
                async with open_hub(from_values(values)) as hub:
                    yield Rig(hub, values, odoo, company, templates, f"b{secrets.token_hex(3)}", not at.url, stripe)
    finally:
        await stripe.stop()


@asynccontextmanager
async def _odoo(at: OdooAt) -> AsyncIterator[OdooPlain]:
    if at.url:
        async with OdooPlain(at.url, at.db, at.key, at.login) as odoo:
            yield odoo
        return
    async with counting_odoo.running() as given, OdooPlain(given["url"], given["db"], given["api_key"], given["login"]) as odoo:
        yield odoo


def settings_of(home: str, stripe: str = NOWHERE, books: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a hub; without addresses, of one that never speaks to anybody."""
    return from_values(values_of(home, stripe, books))


def values_of(home: str, stripe: str = NOWHERE, books: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the same settings as values, for a process of its own."""
    known = Provisioned({US.key: ProvisionedCompany(US, 0)})
    nowhere = {"url": NOWHERE, "database": "none", "login": "none", "api_key": "none"}
    return {
        "hub": {"home": home},
        "connections": {
            CONNECTION: {"connector": "stripe", **stationery.stripe_settings(stripe)},
            BOOKS: {"connector": "odoo", **(books or nowhere), **known.configuration()},
        },
        "entities": known.entities(BOOKS),
        "routes": known.routes(),
        "mappings": known.mappings(),
    }
