"""Membership: this process among the workers of the database, by a name it holds, an incarnation, and beats that must be heard.

A worker that could not beat for LEASE_S begins nothing: by then others are about to declare it dead (DEAD_AFTER_S) and to take over what
it had. One that finds itself declared dead goes on under a new incarnation; what it began under the former one is not its own any more.

A worker whose rules are older than another's decides and sends nothing until they agree (see store/rulesets.py). When another release of
the rules takes effect, it ends what it has in hand, takes that one up and waits until nobody decides by the former any more.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

import psycopg
import structlog

from counterfoil import __version__
from counterfoil.kit.clock import SharedClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import rulesets, workers
from counterfoil.store.pool import Conn, connect
from counterfoil.store.workers import Worker

log = structlog.get_logger()

BEAT_EVERY_S = 5.0
BEAT_WITHIN_S = 4.0
"""A beat that takes longer is given up and tried again on a new connection."""
WAITING_BEAT_EVERY_S = 1.0
"""A worker that waits because rules differ asks more often."""
LEASE_S = 15.0
"""So long after the start of its last heard beat a worker may still begin something."""
DEAD_AFTER_S = 20.0
"""A worker not heard of for so long is declared dead by the others; longer than the lease by what clocks and waits may differ."""
NAMES_MAX = 99

_ACTING: ContextVar[str] = ContextVar("acting", default="")


class Rulebook(Protocol):
    """Where a worker's rules come from."""

    async def is_outdated(self, conn: Conn) -> bool:
        """Tell whether others than those the worker decides by are in force."""
        ...

    async def renew(self, conn: Conn) -> str:
        """Decide by the rules in force from now on; return their digest, empty if this worker cannot."""
        ...


def now_s() -> float:
    """Return seconds of a clock that only goes forward, and that goes on while the machine sleeps where the system has such a one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def host_name() -> str:
    """Return this machine's name, by which its workers are known unless they are given another."""
    return socket.gethostname() or "local"


async def set_clock(conn: Conn, shared: SharedClock | None) -> None:
    """Set a shared clock by the database's."""
    if shared is not None:
        asked_at = shared.machine()
        shared.set_by(await workers.instant(conn), asked_at)


def _no_drains() -> int:
    return 0


@dataclass(slots=True)
class Membership:
    """A worker's place among the others. Made by :func:`join`, ended by ``leave``; all of it in one event loop.

    ``drains``: says how many drains are under way, ``ruled``: how many of them depend on the rules. ``rules``: the digest of what it
    decides by; empty: it is not compared. ``allows``: whether it may begin by them, as what others booked meanwhile stands. ``rulebook``:
    where others come from while it works; None: they stay.
    ``is_agreed``: whether it may decide and send by them.
    ``shared``: the clock that is set by the database's with every beat; None: none is.
    """

    dsn: str
    worker: Worker
    drains: Callable[[], int] = _no_drains
    ruled: Callable[[], int] = _no_drains
    clock: Callable[[], float] = now_s
    rules: str = ""
    allows: rulesets.Allows | None = None
    rulebook: Rulebook | None = None
    is_agreed: bool = True
    shared: SharedClock | None = None
    _conn: Conn | None = None
    _heard_at: float = 0.0
    _task: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_leaving: bool = False
    _is_renewing: bool = False
    _others: int = 0
    _their_drains: int = 0

    @property
    def id(self) -> str:
        """Name and incarnation."""
        return self.worker.id

    @property
    def is_valid(self) -> bool:
        """Whether the last beat was heard lately enough to begin something."""
        return not self._is_leaving and self.clock() - self._heard_at < LEASE_S

    def may_act(self) -> bool:
        """Tell whether the caller may begin something that must not be done by two: also no, if its turn began in a former incarnation."""
        return self.is_valid and _ACTING.get() in ("", self.worker.id)

    def act(self) -> str:
        """Mark what runs in this context from now on as begun by this incarnation; return its id."""
        _ACTING.set(self.worker.id)
        return self.worker.id

    @property
    def has_others(self) -> bool:
        """Whether other workers were there when it last beat."""
        return self._others > 0

    @property
    def has_too_much(self) -> bool:
        """Whether this worker has more drains under way than the others had on average when it last beat."""
        return self._others * self.drains() > self._their_drains

    async def until_valid(self, id: str, is_ending: Callable[[], bool]) -> bool:
        """Wait until this worker may begin something; False: it is another incarnation by now, or ending (say so with ``wake``)."""
        while self.worker.id == id and not is_ending():
            if self.is_valid:
                return True
            self._changed.clear()
            await self._changed.wait()
        return False

    async def beat(self) -> None:
        """Be heard once; a worker that was declared dead begins a new incarnation.

        Raises:
            psycopg.Error, OSError, TimeoutError: the database did not hear it.
            SetupError: the connection was lost, and another process took the name meanwhile.
        """
        sent_at = self.clock()
        if self._conn is None or self._conn.closed:
            self._conn = await _holding(self.dsn, self.worker.name)
            if self._conn is None:
                raise _name_taken(self.worker.name)
        if not await workers.beat(self._conn, self.worker.id, self.drains()):
            former = self.worker
            self.is_agreed = not self.rules
            self.worker = await workers.join(self._conn, former.name, former.host, former.version, self.rules)
            log.warning("declared dead, going on as another", former=former.id, worker=self.worker.id)
        await set_clock(self._conn, self.shared)
        await self._agree(self._conn)
        self._others, self._their_drains = await workers.others(self._conn, self.worker.id)
        self._heard_at = sent_at
        self._changed.set()

    async def _agree(self, conn: Conn) -> None:
        """Find out whether this worker may decide by its rules."""
        if not self.rules:
            return
        was_agreed = self.is_agreed
        if self.rulebook is None or not (self._is_renewing or await self.rulebook.is_outdated(conn)):
            self.is_agreed = await self._may_work(conn)
        else:
            self.is_agreed = False  # first: no turn begins any more
            self.is_agreed = await self._renew(conn, self.rulebook)
        if was_agreed and not self.is_agreed:
            log.warning("rules changed: nothing is decided and sent here until all agree", worker=self.worker.id)
        elif self.is_agreed and not was_agreed:
            log.info("decides and sends", worker=self.worker.id)

    async def _may_work(self, conn: Conn) -> bool:
        return await rulesets.may_work(conn, self.worker.id, is_idle=not self.ruled(), allows=self.allows)

    async def _renew(self, conn: Conn, rulebook: Rulebook) -> bool:
        """Take up the rules in force once no turn by the former ones is under way; return whether this worker may work by them."""
        if self.ruled():
            return False
        self._is_renewing = True  # until its row says so: cut off between the two, it would wait for ever for what it already has
        rules = await rulebook.renew(conn)
        if not rules:
            await workers.wait(conn, self.worker.id)
            return False
        self.rules = rules
        await workers.change_rules(conn, self.worker.id, rules)
        self._is_renewing = False
        return await self._may_work(conn)

    def start(self) -> None:
        """Beat from now on."""
        self._task = asyncio.create_task(self._beat_forever(), name="heart")

    async def _beat_forever(self) -> None:
        wait_s = BEAT_EVERY_S
        while not self._is_leaving:  # up to Python 3.11 wait_for may swallow a cancellation that comes as the beat ends
            await asyncio.sleep(wait_s)
            try:
                await asyncio.wait_for(self.beat(), BEAT_WITHIN_S)
                wait_s = BEAT_EVERY_S if self.is_agreed else WAITING_BEAT_EVERY_S
            except (psycopg.Error, OSError, TimeoutError, SetupError) as error:  # it is told again soon
                log.warning("not heard", error=type(error).__name__, worker=self.worker.id)
                await self._hang_up()
                wait_s = 1.0

    def wake(self) -> None:
        """Have everybody who waits look again."""
        self._changed.set()

    async def leave(self) -> None:
        """Begin nothing more, stop beating, give row and name back; what cannot be told the database, others find out."""
        self._is_leaving = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            if self._conn is not None and not self._conn.closed:
                await asyncio.wait_for(workers.leave(self._conn, self.worker.id), BEAT_WITHIN_S)
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.warning("left without a word", error=type(error).__name__, worker=self.worker.id)
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Close the connection, and with it the name's lock; another one is opened for the next beat."""
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()


async def join(
    dsn: str,
    name: str,
    *,
    is_numbered: bool = False,
    declared: Mapping[str, str] | None = None,
    is_released: bool = False,
) -> Membership:
    """Become a worker of this name in a new incarnation, whose predecessors' work is free for all at once.

    ``is_numbered``: take ``name``, or the first free one of ``name-2``, ``name-3``, ... ``declared``: the rules it decides by (path of a
    setting -> its value), which must agree with the other workers'; None: they are not compared. ``is_released``: they are a release, which
    goes before what workers without releases declare.

    Raises:
        SetupError: another process holds the name.
    """
    names = [name, *(f"{name}-{number}" for number in range(2, NAMES_MAX + 1))] if is_numbered else [name]
    for one in names:
        sent_at = now_s()
        conn = await _holding(dsn, one)
        if conn is not None:
            keep = rulesets.lead if is_released else rulesets.declare
            rules = "" if declared is None else await keep(conn, declared)
            worker = await workers.join(conn, one, host_name(), __version__, rules)
            member = Membership(dsn, worker, rules=rules, _conn=conn, _heard_at=sent_at)
            await member._agree(conn)
            return member
    raise _name_taken(name)


async def _holding(dsn: str, name: str) -> Conn | None:
    """Return a connection that holds the name; None: another process does."""
    conn = await connect(dsn)
    try:
        await conn.set_autocommit(True)
        if await workers.hold_name(conn, name):
            return conn
    except BaseException:
        await conn.close()
        raise
    await conn.close()
    return None


def _name_taken(name: str) -> SetupError:
    return SetupError(
        f"a worker named {name!r} is running on this database; stop it, or give this one another name with --worker",
        code="worker.name_taken",
    )
