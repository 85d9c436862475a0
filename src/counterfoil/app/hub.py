"""The hub put together: database, cipher, connections, stages and engine, opened and closed as one."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from counterfoil.app import ruling
from counterfoil.app.changed_modes import refuse_changed_modes
from counterfoil.app.database import open_database
from counterfoil.app.health import database_answers
from counterfoil.app.rules import declared_rules, rules_source
from counterfoil.app.ruling import Ruling
from counterfoil.app.settings import PLAIN_HTTP, Connection, Settings
from counterfoil.app.stages import stages_of, standing_keys, watched_books
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.commands import Command
from counterfoil.core.language.keys import RULED_PREFIXES
from counterfoil.decide.rules_source import RulesSource
from counterfoil.engine import membership
from counterfoil.engine.engine import Engine
from counterfoil.engine.membership import Membership
from counterfoil.ingress import listening
from counterfoil.ingress.app import Door, Ready, create_app
from counterfoil.ingress.committer import Committer
from counterfoil.ingress.refusals import Refusals
from counterfoil.ingress.server import serving
from counterfoil.kit.calling import NoClient
from counterfoil.kit.clock import Clock, SharedClock, SystemClock
from counterfoil.kit.connector import Connector, Listens, Polls, Source
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.stage import Stage
from counterfoil.kit.windows import closed_until
from counterfoil.normalize.people import people_source
from counterfoil.store import agenda, outbox_due, reading, rechecks, standing, work
from counterfoil.store.budgets import open_budgets
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool

log = structlog.get_logger()


@dataclass(slots=True)
class Hub:
    """Everything one process needs to work. Made by :func:`open_hub`; ``engine`` is None where nothing is worked (read-only commands).

    ``settings``: those it decides by; once it works, all that shapes bookings in them is of the release in force. ``file``: those of its
    file. ``rules_notice``: what is to be said of the file beside that release, found at the start of work. ``shared``: the clock by which
    connectors say when they read something, set by the database's; None: they go by ``clock``.
    """

    settings: Settings
    clock: Clock
    dsn: str
    pool: Pool
    cipher: Cipher
    contexts: dict[str, Context]
    rules: RulesSource
    engine: Engine | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    member: Membership | None = None
    rules_notice: str = ""
    shared: SharedClock | None = None
    _stages: dict[str, Stage] = field(default_factory=dict)
    file: Settings = field(init=False)

    def __post_init__(self) -> None:
        """Keep the settings of the file."""
        self.file = self.settings

    def decide_by(self, settings: Settings, release: int) -> None:
        """Decide by a release from now on; turns under way end as they began."""
        self.settings, self.rules = settings, rules_source(settings, release)
        for name, connection in settings.connections.items():
            self.contexts[name] = replace(self.contexts[name], settings=connection.settings, state={})
        if self.member is not None:
            stages = stages_of(self, self.member)
            self._stages.clear()
            self._stages.update(stages)

    @property
    def sources(self) -> dict[str, tuple[Source, Context]]:
        """Every connection that can be read from."""
        return {
            name: (reader, self.contexts[name])
            for name, connection in self.settings.connections.items()
            if (reader := connection.connector.reader) is not None
        }

    @property
    def readers(self) -> dict[str, tuple[Source, Context]]:
        """Everything whose deliveries are read: every connection that can be, and people."""
        return {**self.sources, PEOPLE: (people_source(), Context(PEOPLE, None, _no_client(), self.clock))}

    @property
    def polled(self) -> dict[str, tuple[Mapping[str, Polls], Context]]:
        """Every connection whose changes can be listed, with the lists by name."""
        return {
            name: (connection.connector.lists_of_changes(connection.settings), self.contexts[name])
            for name, connection in self.settings.connections.items()
            if connection.connector.is_polled
        }

    @property
    def streamed(self) -> dict[str, tuple[Listens, Context]]:
        """Every connection that streams its changes."""
        return {
            name: (connection.connector.listens, self.contexts[name])
            for name, connection in self.settings.connections.items()
            if connection.connector.listens is not None and connection.connector.is_streamed(connection.settings)
        }

    @property
    def targets(self) -> dict[str, tuple[Connector, Context]]:
        """Every connection that can be written to."""
        return {
            name: (connection.connector, self.contexts[name])
            for name, connection in self.settings.connections.items()
            if connection.connector.deliver
        }

    @property
    def echoing(self) -> frozenset[str]:
        """The connections that tell of what is written to them."""
        return frozenset(name for name, (one, _) in self.targets.items() if any(writer.echoes for writer in one.deliver.values()))

    @property
    def written_to(self) -> dict[str, tuple[Connector, Context]]:
        """Every connection that something is written to by now: one that could be, and only tells, needs no right to be written to."""
        wanted = {one.target for one in self.rules.entities.values()} | {one.connection for one in self.rules.destinations}
        return {name: one for name, one in self.targets.items() if name in wanted}

    async def arm(self, conn: Conn, keys: Iterable[PartitionKey]) -> None:
        """Note work in the caller's transaction; whichever process has an engine does it."""
        await work.arm(conn, keys)

    async def wake(self, keys: Iterable[PartitionKey]) -> None:
        """Arm partitions in a transaction of its own."""
        async with self.pool.connection() as conn, conn.transaction():
            await self.arm(conn, keys)

    def batch_key(self, command: Command) -> str:
        """Return the partition a command is sent in, as its target's connector says."""
        connection = self.settings.connections[command.target]
        batch_key = connection.connector.batch_key
        return command.kind.value if batch_key is None else batch_key(connection.settings, command)

    @property
    def is_working(self) -> bool:
        """Whether this process is heard by the database and looks after its partitions."""
        return self.member is not None and self.member.is_valid and self.engine is not None and self.engine.is_ticking

    async def start_work(self, name: str = "local", *, is_numbered: bool = False) -> str:
        """Join the workers, start the engine with all stages, arm what runs by itself; return the name taken.

        ``is_numbered``: take ``name``, or the first free one of ``name-2``, ``name-3``, ...

        Raises:
            SetupError: another process works under this name, or the rules contradict what is booked (see :mod:`counterfoil.app.ruling`).
            ValueError: the settings are an intake's.
        """
        if self.settings.is_intake:
            raise ValueError("these settings are for taking deliveries alone; load all of them to work")
        self.rules_notice = await ruling.settle(self)
        declared = declared_rules(self.settings)
        self.member = member = await membership.join(self.dsn, name, is_numbered=is_numbered, declared=declared, is_released=True)
        member.allows, member.rulebook, member.shared = self._allows, Ruling(self), self.shared
        member.start()
        self._stages = stages_of(self, member)
        self.engine = Engine(self.pool, self.dsn, self._stages, member, knows=self.knows, clock=self.clock)
        await self.engine.start()
        async with self.pool.connection() as conn, conn.transaction():
            # Routes, entities and mappings may have been declared since: what waited for them is decided again.
            keys = await agenda.waited_keys(conn, RULED_PREFIXES)
            released = await agenda.release(conn, keys, self.clock.now())
            await standing.try_refused(conn, self.targets, self.clock.now())  # with the key or settings of now
            await reading.forget_others(conn, {*self.polled, *self.streamed}, self.clock.now())
            unsent = [*await outbox_due.partitions_open(conn), *await rechecks.partitions(conn)]
            await self.engine.arm(conn, [*self.standing_keys(), *unsent, *released])
        return member.worker.name

    async def stop_work(self) -> None:
        """Stop the engine in seconds; what is not finished by then is handed back, and other workers or the next start go on with it."""
        if self.engine is not None:
            await self.engine.stop(self.settings.hub.stop_wait_s)
            self.engine = None
        if self.member is not None:
            await self.member.leave()
            self.member = None

    def standing_keys(self) -> list[PartitionKey]:
        """Return the partitions that wake themselves, to be armed at start, and when a release names others."""
        return standing_keys(self)

    async def _allows(self, conn: Conn) -> bool:
        """Tell whether this process may begin to decide again: not in a mode that others have left meanwhile."""
        try:
            await refuse_changed_modes(conn, self.rules)
        except SetupError as error:
            log.warning("nothing is decided and sent here", code=error.code, reason=str(error))
            return False
        return True

    def knows(self, stage: str, key: str) -> bool:
        """Tell whether this process's configuration has what a partition is about; another worker's may be newer."""
        name = work.split_key(key)[0]
        if stage in (work.NORMALIZE, work.NORMALIZE_BULK):
            return name == PEOPLE or name in self.sources
        if stage == "poll":
            return name in self.settings.connections and self.settings.connections[name].connector.is_polled
        if stage == listening.STAGE:
            return name in self.streamed
        if stage == work.BOOKS:
            return name in watched_books(self)
        if stage in (work.DELIVER, "target"):
            return name in self.targets
        return stage != "close_day" or name in self.rules.entities


@asynccontextmanager
async def open_hub(settings: Settings, clock: Clock | None = None, *, does_share: bool = True) -> AsyncIterator[Hub]:
    """Open the database (embedded unless a URL is configured), migrate it, and open every connection's client.

    With an intake's settings no client is opened: such a process calls nobody. ``does_share`` False: clients call although the workers
    leave a system alone for a while, each with what its connector declares as budget: for a few calls that try something.

    Raises:
        StoreError: the database or its keys have to be set right first.
        SetupError: a connection is configured wrongly.
    """
    async with AsyncExitStack() as stack:
        opening = open_database(settings.hub.home, settings.database_url, clock, does_migrate=settings.hub.does_migrate)
        database = await stack.enter_async_context(opening)
        rules = rules_source(settings)
        shared = SharedClock() if clock is None else None
        async with database.pool.connection() as conn:
            await membership.set_clock(conn, shared)
        hub = Hub(settings, clock or SystemClock(), database.dsn, database.pool, database.cipher, {}, rules, _stack=stack, shared=shared)
        if settings.is_intake:
            hub.contexts = {name: Context(name, one.settings, _no_client(), hub.clock) for name, one in settings.connections.items()}
        else:
            await _open_clients(stack, hub, does_share=does_share)
        try:
            yield hub
        finally:
            await hub.stop_work()


async def _open_clients(stack: AsyncExitStack, hub: Hub, *, does_share: bool) -> None:
    """Open every connection's client, each with the budget it shares with all workers, or one of its own."""
    budgets = await stack.enter_async_context(open_budgets(hub.dsn, f"{socket.gethostname()}/{uuid.uuid4().hex}"))
    for name, connection in hub.settings.connections.items():
        client = connection.connector.client(connection.settings) if connection.connector.client else _no_client()
        if not connection.allow_plain_http and client.is_plain_abroad:  # an address that no setting holds as it is
            raise SetupError(f"connection {name}: {PLAIN_HTTP}", code="settings.plain_http")
        if does_share and isinstance(client.budget, LocalBudget):  # what the connector declares is shared by all workers
            client.use_budget(budgets.of(name, client.budget.limits, _closed_s(connection, hub.clock)))
        await stack.enter_async_context(client)
        hub.contexts[name] = Context(name, connection.settings, client, hub.shared or hub.clock)


def _closed_s(connection: Connection, clock: Clock) -> Callable[[], float]:
    """Return what tells the seconds until a declared maintenance window of a connection ends, 0 outside of one."""

    def closed_s() -> float:
        now = clock.now()
        until = closed_until(connection.maintenance, now)
        return 0.0 if until is None else (until - now).total_seconds()

    return closed_s


def _no_client() -> NoClient:
    """A connector that calls nobody, and every connection of an intake, gets a client that reaches nothing."""
    return NoClient(budget=LocalBudget())


async def wait_until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float, every_s: float = 0.1) -> bool:
    """Wait until a condition holds; return whether it did before the time was up."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(every_s)
    return True


@asynccontextmanager
async def serve_intake(hub: Hub, host: str, port: int, clock: Clock | None = None, ready: Ready | None = None) -> AsyncIterator[str]:
    """Take deliveries at ``host:port`` (0: a free one) and yield the address.

    ``clock``: what signatures are checked against. ``ready``: what /health/ready asks; whether the database answers otherwise.
    """
    doors = {
        name: Door(name, one.connector.webhooks, one.settings, one.lane)
        for name, one in hub.settings.connections.items()
        if one.connector.webhooks is not None
    }
    committer = Committer(hub.pool, hub.cipher, hub.clock, hub.arm)
    refusals = Refusals(hub.pool, hub.clock)
    app = create_app(doors, committer, clock or hub.clock, ready or database_answers(hub.pool), refusals=refusals)
    async with serving(app, host, port) as address:
        yield address
