"""Normalize and decide: events per second and core, the pure functions alone and with the store.

Realistic Stripe events (a third each: customers, issued invoices, card charges that pay them), what has to be fetched for them kept
with the receipts already. *Pure*: the connector's normalizer over bytes; the policies over loaded objects. *With the store*: whole
turns of the stages, four partitions at a time, from encrypted receipts to written events and objects, and from the agenda to wished
commands. A core is a core of the worker: events per second of this process's processor time. Events per second of time passed are
printed too; they hold what the database did meanwhile on another core, or on the same one where there are few.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks import stationery
from benchmarks.measuring import Timed, report, timed
from benchmarks.rig import append, settings_of, temporary_home
from benchmarks.stationery import CONNECTION, Copy, copy_of
from counterfoil.app.hub import Hub, open_hub
from counterfoil.connectors.stripe.webhooks import delivery_of
from counterfoil.decide.decisions import decide_batch, load
from counterfoil.decide.stage import BATCH_MAX, Decider
from counterfoil.kit.connector import Delivery, Fetched
from counterfoil.kit.stage import Turn
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import agenda
from counterfoil.store.work import SHARDS

KINDS = ("customer.created", "invoice.finalized", "charge.succeeded")
MASTERS = ("product.created", "price.created")
TAG = "bench"
AT_ONCE = 4
ROUNDS = 3
GOAL_PER_S = 2000


def deliveries(templates: dict[str, stationery.Template], count: int) -> dict[str, list[Copy]]:
    """Return so many copies of each kind; charge n pays invoice n of customer n."""
    now = datetime.now(UTC)
    return {kind: [copy_of(templates[kind], TAG, n, n, now) for n in range(count)] for kind in KINDS}


def pure_normalize(hub: Hub, copies: list[Copy]) -> Timed:
    """Time the connector's normalizer alone."""
    source, ctx = hub.sources[CONNECTION]
    given: list[tuple[Delivery, dict[str, Fetched]]] = [
        (delivery_of(ctx.settings, copy.body), {answer.ref: answer for answer in copy.fetched}) for copy in copies
    ]
    with timed() as took:
        for delivery, fetched in given:
            source.normalize(ctx.settings, delivery, fetched)
    return took


async def drain(turn: Callable[[str], Awaitable[Turn]], keys: list[str]) -> Timed:
    """Run turns until every partition is empty, a few partitions at once."""
    waiting = list(keys)

    async def work() -> None:
        while waiting:
            key = waiting.pop()
            while (await turn(key)).has_more:
                pass

    with timed() as took:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return took


async def pure_decide(hub: Hub, decider: Decider) -> tuple[int, Timed]:
    """Time the policies alone over everything on the agenda; nothing is written."""
    now = hub.clock.now()
    given: list[Any] = []
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        for shard in range(SHARDS):
            items = await agenda.claim(conn, [shard], now, BATCH_MAX)
            given.append((items, await load(conn, hub.cipher, [item.ref for item in items], rules)))
    with timed() as took:
        for items, loaded in given:
            decide_batch(items, loaded, rules, now)
    return sum(len(items) for items, _ in given), took


async def measure(count: int) -> dict[str, list[float]]:
    """Return the rates of every round by what was measured."""
    found: dict[str, list[float]] = {}
    templates = await stationery.templates()

    def note(name: str, events: int, took: Timed) -> None:
        found.setdefault(f"{name}_per_core_s", []).append(events / took.cpu_s)
        found.setdefault(f"{name}_per_s", []).append(events / took.wall_s)

    for _ in range(ROUNDS):
        with temporary_home() as home:
            async with open_hub(settings_of(home)) as hub:
                normalizer = Normalizer(hub.pool, hub.cipher, hub.sources, hub.clock, hub.arm, hub.rules.purposes())
                decider = Decider(hub.pool, hub.cipher, hub.rules, hub.batch_key, hub.clock, hub.arm)
                normalize_keys = [f"{CONNECTION}/{shard}" for shard in range(SHARDS)]
                decide_keys = [str(shard) for shard in range(SHARDS)]
                now = datetime.now(UTC)
                await append(hub, [copy_of(templates[kind], TAG, 0, 0, now) for kind in MASTERS])
                await drain(normalizer.turn, normalize_keys)
                await drain(decider.turn, decide_keys)
                by_kind = deliveries(templates, count)
                copies = [copy for kind in KINDS for copy in by_kind[kind]]
                gc.collect()
                note("normalize_pure", len(copies), pure_normalize(hub, copies))
                await append(hub, copies)
                note("normalize_store", len(copies), await drain(normalizer.turn, normalize_keys))
                subjects, took = await pure_decide(hub, decider)
                note("decide_pure", subjects, took)
                async with hub.pool.connection() as conn:
                    row = await (await conn.execute("select count(*) from to_decide")).fetchone()
                note("decide_store", 0 if row is None else int(row[0]), await drain(decider.turn, decide_keys))
                await check(hub, count)
    return found


async def check(hub: Hub, count: int) -> None:
    """Raise RuntimeError unless every invoice, payment and match was wished, and nothing opened a case."""
    async with hub.pool.connection() as conn:
        rows = await (await conn.execute("select kind, count(*) from command group by 1")).fetchall()
        cases = await (await conn.execute('select count(*) from "case"')).fetchone()
    wished = dict(rows)
    if any(wished.get(kind) != count for kind in ("post_invoice", "post_payment", "allocate")) or cases != (0,):
        raise RuntimeError(f"not everything was decided: {wished}, {cases} cases")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1500, help="of each of the three kinds")
    given = parser.parse_args()
    found = asyncio.run(measure(given.events))
    for name in ("normalize_pure", "normalize_store", "decide_pure", "decide_store"):
        cores, walls = sorted(found[f"{name}_per_core_s"]), sorted(found[f"{name}_per_s"])
        core, wall = cores[len(cores) // 2], walls[len(walls) // 2]
        print(f"{name.replace('_', ', ')}: {core:.0f} events/s per core, {wall:.0f}/s of time passed; {core / GOAL_PER_S:.2f} of the goal")
        report(
            "stages", name, per_core_s=round(core), per_s=round(wall), ratio_to_goal=round(core / GOAL_PER_S, 2), goal_per_core_s=GOAL_PER_S
        )


if __name__ == "__main__":
    main()
