"""A worker of the hub that is struck where it is told to, as a process of its own (nursery.py): of PLAN and NAME.

PLAN is a file of JSON: ``values`` (the configuration), ``strikes`` and ``said`` (a file they are noted in before they fall). A strike falls
once, at a boundary (see matrix.py), when a command of its kind and of its story is in hand; what it does: ``kill`` or ``stop`` this
process, kill the database's ``server``, or ``terminate`` every connection to the database.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from tests.crash.labels import Doing, label_calls, labeled

from counterfoil.app.hub import open_hub
from counterfoil.app.logs import working
from counterfoil.app.settings import from_values
from counterfoil.connectors.stripe import CONNECTOR as STRIPE
from counterfoil.decide.stage import Decider
from counterfoil.delivery import ends
from counterfoil.delivery.stage import Deliverer
from counterfoil.engine import engine, membership
from counterfoil.engine.draining import Drains
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import cases, links, matches, objects, outbox, pool, retention, work
from counterfoil.upkeep import retaining
from counterfoil.upkeep.matching import Matcher
from counterfoil.upkeep.retaining import Retainer

BOOKS = "books"


@dataclass(slots=True)
class Strike:
    """What is to happen once, where, to a command of which kind, and of which story (ids in the external key; none: any).

    ``in_doubt``: the boundary that is the same where the command is in doubt already; empty: it is to be struck with its first try alone.
    """

    action: str
    boundary: str
    kind: str = ""
    in_doubt: str = ""
    ids: tuple[str, ...] = ()
    pid_file: str = ""
    has_fallen: bool = False

    def is_meant(self, boundary: str, kind: str, keys: Sequence[str]) -> bool:
        """Tell whether this is the moment."""
        if self.has_fallen or kind != self.kind or boundary not in (self.boundary, self.in_doubt or self.boundary):
            return False
        return not self.ids or not keys or any(id in key for key in keys for id in self.ids)


@dataclass(slots=True)
class Struck:
    """The process's strikes, what it has done so far (which the boundaries after a commit ask for), and where strikes are noted."""

    strikes: tuple[Strike, ...]
    said: Path
    dsn: str
    rows: dict[str, tuple[str, str]]  # command id -> kind, external key
    settled: dict[str, set[str]]  # kind -> external keys
    worked: set[str]  # stages that have written something
    erased: set[str]  # payload classes something was erased of

    def reach(self, boundary: str, kind: str = "", keys: Sequence[str] = ()) -> None:
        """Be at a boundary: strike if this is the moment."""
        for strike in self.strikes:
            if strike.is_meant(boundary, kind, keys):
                strike.has_fallen = True
                with self.said.open("a") as file:
                    file.write(json.dumps([strike.action, boundary, kind]) + "\n")
                self._strike(strike)

    def _strike(self, strike: Strike) -> None:
        if strike.action == "server":
            os.kill(int(Path(strike.pid_file).read_text().split("\n", 1)[0]), signal.SIGKILL)
        elif strike.action == "terminate":
            with psycopg.connect(self.dsn, autocommit=True) as conn:
                conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                )
        else:
            os.kill(os.getpid(), signal.SIGKILL if strike.action == "kill" else signal.SIGSTOP)

    async def ready(self, conn: Any, stages: Collection[str]) -> list[str]:
        """Return the stages that may be worked now: to be struck in a joint turn, deciding waits until all that came in is read."""
        if any(one.boundary == "joint" and one.kind == work.DECIDE and not one.has_fallen for one in self.strikes):
            row = await (await conn.execute("select exists (select from to_read)")).fetchone()
            return [stage for stage in stages if stage != work.DECIDE or not row[0]]
        return list(stages)

    def reach_settled(self) -> None:
        """Be at the end of a delivering turn, with what was settled in it committed."""
        for kind, keys in self.settled.items():
            self.reach("settled", kind, sorted(keys))

    def at(self, boundary: str, what: Doing) -> None:
        """Be told by a delivery where it is."""
        names = ("resolving", "resolved") if what.is_resolution else ("sent", "answered")
        if boundary in ("calling", "call"):
            self.reach(f"{'before' if boundary == 'calling' else 'after'} {what.name}", what.kind, what.keys)
        if boundary != "calling":
            named = {"begin": names[0], "end": names[1], "call": f"call {what.calls}"}
            self.reach(named[boundary], what.kind, what.keys)


def arm(struck: Struck) -> None:
    """Have everything that passes a boundary say so."""
    _around_fetching(struck)
    _after(objects, "upsert", lambda given: bool(given[2]), lambda: struck.worked.add("normalize"), lambda: struck.reach("normalize"))
    _after(outbox, "wish", lambda given: bool(given[2]), lambda: struck.worked.add("decide"), lambda: struck.reach("decide"))
    _around_intent(struck)
    _after_turn(Normalizer, lambda: "normalize" in struck.worked, lambda: struck.reach("normalized"))
    _after_turn(Decider, lambda: "decide" in struck.worked, lambda: struck.reach("decided"))
    _after_turn(Deliverer, lambda: True, struck.reach_settled)
    _around_claims(struck)
    _around_erasing(struck)
    _around_comparing(struck)


def _after(module: Any, name: str, is_something: Callable[[Sequence[Any]], bool], *then: Callable[[], Any]) -> None:
    original = getattr(module, name)

    async def wrapped(*given: Any, **named: Any) -> Any:
        answer = await original(*given, **named)
        if is_something(given):
            for one in then:
                one()
        return answer

    setattr(module, name, wrapped)


def _around_fetching(struck: Struck) -> None:
    source: Any = type(STRIPE.source)
    fetch = source.fetch

    async def wrapped(self: Any, ctx: Any, refs: Sequence[str]) -> Any:
        if refs:
            struck.reach("fetching")
        answer = await fetch(self, ctx, refs)
        if refs:
            struck.reach("fetched")
        return answer

    source.fetch = wrapped


def _around_intent(struck: Struck) -> None:
    store: Any = outbox
    mark_sent, settle = store.mark_sent, store.settle

    async def marked(conn: Any, commands: Any, *more: Any, **named: Any) -> Any:
        answer = await mark_sent(conn, commands, *more, **named)
        for row in commands:
            struck.rows[row.id] = (row.kind, row.external_key)
        for kind in {row.kind for row in commands}:
            struck.reach("claimed", kind, [row.external_key for row in commands])
            if all(row.state is outbox.CommandState.UNKNOWN for row in commands):
                struck.reach("taking up", kind, [row.external_key for row in commands])
        return answer

    async def settled(conn: Any, ends: Any, *more: Any, **named: Any) -> Any:
        answer = await settle(conn, ends, *more, **named)
        known = [struck.rows[end.id] for end in ends if end.id in struck.rows]
        for kind, key in known:
            struck.settled.setdefault(kind, set()).add(key)
        if known:
            struck.worked.add("deliver")
        for kind in {kind for kind, _ in known}:
            struck.reach("settling", kind, [key for _, key in known])
        return answer

    store.mark_sent, store.settle = marked, settled


def _around_comparing(struck: Struck) -> None:
    """Say where a turn that compares customers is, each time with all before it done in the database, and not committed."""
    comparing: set[str] = set()
    compared, places = Matcher._compare, ((matches, "bearers", "keyed"), (cases, "open_or_count", "asking"), (links, "name", "linking"))

    async def wrapped(*given: Any, **named: Any) -> Any:
        comparing.add(matches.STAGE)
        struck.worked.add(matches.STAGE)
        try:
            return await compared(*given, **named)
        finally:
            comparing.discard(matches.STAGE)

    def reach(boundary: str) -> None:
        if comparing:
            struck.reach(boundary, matches.STAGE)

    matcher: Any = Matcher
    matcher._compare = wrapped
    for module, name, boundary in places:
        _after(module, name, lambda given: True, partial(reach, boundary))
    _after_turn(Matcher, lambda: matches.STAGE in struck.worked, lambda: struck.reach("compared", matches.STAGE))


def _after_turn(stage: Any, is_something: Callable[[], bool], then: Callable[[], Any]) -> None:
    turn = stage.turn

    async def wrapped(self: Any, *given: Any, **named: Any) -> Any:
        answer = await turn(self, *given, **named)
        if is_something():
            then()
        return answer

    stage.turn = wrapped


def _around_claims(struck: Struck) -> None:
    """A claim, a turn's end and a drain's are each a transaction of their own: what is struck is before or after it."""
    store: Any = work
    drains: Any = Drains
    claim, finish_all, drain = store.claim, store.finish_all, drains.work

    async def claimed(conn: Any, worker: str, holder: int, stages: Collection[str], *more: Any) -> Any:
        answer = await claim(conn, worker, holder, await struck.ready(conn, stages), *more)
        for stage in sorted({stage for stage, _, _ in answer}):
            struck.reach("taken", stage)
        return answer

    async def finishing(conn: Any, stage: str, taken: Any, *more: Any, **named: Any) -> Any:
        if stage in struck.worked:
            if len(taken) > 1:
                struck.reach("joint", stage)
            struck.reach("finishing", stage)
        return await finish_all(conn, stage, taken, *more, **named)

    async def drained(self: Any, stage: str, *more: Any, **named: Any) -> Any:
        answer = await drain(self, stage, *more, **named)
        if stage in struck.worked:
            struck.reach("finished", stage)
        return answer

    store.claim, store.finish_all, drains.work = claimed, finishing, drained


def _around_erasing(struck: Struck) -> None:
    store: Any = retention
    erase = store.erase

    async def erased(conn: Any, payload: str, *more: Any) -> Any:
        count = await erase(conn, payload, *more)
        if count:
            struck.erased.add(payload)
            struck.reach("erasing", payload)
        return count

    def over() -> None:
        for payload in sorted(struck.erased):
            struck.reach("erased", payload)

    store.erase = erased
    _after_turn(Retainer, lambda: bool(struck.erased), over)


def shorten_lease(dead_after_s: float) -> None:
    """Have workers be declared dead so soon, so that a test need not wait for it."""
    modules: Any = (membership, engine, pool)
    modules[0].BEAT_EVERY_S = dead_after_s / 8
    modules[0].LEASE_S = dead_after_s * 3 / 4
    modules[1].DEAD_AFTER_S = dead_after_s
    modules[2].IDLE_MAX_S = dead_after_s


def shorten_backoff(wait_s: float) -> None:
    """Have commands be tried again so soon, where a test would only wait for it."""
    module: Any = ends
    module.backoff_s = lambda *_given, **_named: wait_s


def shorten_steps(step: int) -> None:
    """Have so few records erased in one transaction, and one turn take several of them."""
    module: Any = retaining
    module.STEP, module.GO_ON_S = step, 0.1


async def work_until_struck(values: dict[str, Any], name: str, struck: Struck) -> None:
    """Work until the process is ended."""
    async with open_hub(from_values(values)) as hub:
        label_calls(hub, BOOKS, struck.at)
        with labeled(struck.at):
            await hub.start_work(name)
            print("working", flush=True)
            await asyncio.Event().wait()


def main(path: str, name: str) -> None:
    """Run."""
    working()
    plan = json.loads(Path(path).read_text())
    strikes = tuple(Strike(**{**one, "ids": tuple(one.get("ids", ()))}) for one in plan["strikes"])
    struck = Struck(strikes, Path(plan["said"]), plan["values"]["hub"]["database_url"], {}, {}, set(), set())
    arm(struck)
    if plan.get("dead_after_s"):
        shorten_lease(plan["dead_after_s"])
    if plan.get("backoff_s"):
        shorten_backoff(plan["backoff_s"])
    if plan.get("erase_step"):
        shorten_steps(int(plan["erase_step"]))
    asyncio.run(work_until_struck(plan["values"], name, struck))
