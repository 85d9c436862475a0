"""Replaying receipts without an effect to make: receipts per second, and their ratio to the goal.

A hub's log is filled with realistic Stripe deliveries (a third each: customers, issued invoices, card charges that pay them), with what
was fetched for them, and normalized. Then one worker, this process with its engine, replays all of it: receipts are decrypted, normalized
and merged anew, and nothing is found to differ. PostgreSQL is the embedded one on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta

from benchmarks import stationery
from benchmarks.measuring import Timed, report, timed, until
from benchmarks.rig import append, settings_of, temporary_home
from benchmarks.stationery import CONNECTION, copy_of
from counterfoil.app.hub import Hub, open_hub
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import replays
from counterfoil.store.receipts import Selection
from counterfoil.store.replays import Replay, ReplayOrder, ReplayState
from counterfoil.store.work import SHARDS

KINDS = ("customer.created", "invoice.finalized", "charge.succeeded")
MASTERS = ("product.created", "price.created")
TAG = "bench"
FILL_AT_ONCE = 3000
GOAL_PER_S = 2000
TIMEOUT_S = 600.0


async def fill(hub: Hub, count: int) -> None:
    """Keep and normalize so many deliveries; what they call for is not decided."""
    templates = await stationery.templates()
    now = datetime.now(UTC)
    normalizer = Normalizer(hub.pool, hub.cipher, hub.sources, hub.clock, hub.arm, hub.rules.purposes())

    async def normalize(shard: int) -> None:
        while (await normalizer.turn(f"{CONNECTION}/{shard}")).has_more:
            pass

    await append(hub, [copy_of(templates[kind], TAG, 0, 0, now) for kind in MASTERS])
    copies = (copy_of(templates[kind], TAG, n, n, now) for n in range(count) for kind in KINDS)
    for first in range(0, count, FILL_AT_ONCE):
        await append(hub, [next(copies) for _ in range(min(FILL_AT_ONCE, count - first))])
        await asyncio.gather(*(normalize(shard) for shard in range(SHARDS)))
    async with hub.pool.connection() as conn:
        await conn.execute("delete from agenda; delete from agenda_bundle")
        await conn.execute("update work set armed = false, claimed_seq = work_seq")
        await conn.commit()
        await conn.set_autocommit(True)
        await conn.execute("vacuum analyze")
        await conn.execute("checkpoint")
        await conn.set_autocommit(False)


async def replay(hub: Hub, rate: int) -> tuple[Replay, Timed]:
    """Replay everything; return how it ended and what time it took."""
    now = hub.clock.now()
    everything = Selection(CONNECTION, now - timedelta(days=400), now + timedelta(days=1))
    async with hub.pool.connection() as conn, conn.transaction():
        id, keys = await replays.add(conn, ReplayOrder(selection=everything, rate=rate), 0, "benchmark", now)
        await hub.arm(conn, keys)
    ended: list[Replay] = []

    async def is_done() -> bool:
        async with hub.pool.connection() as conn:
            found = await replays.load(conn, id)
        if found is not None and found.state is ReplayState.DONE:
            ended.append(found)
        return bool(ended)

    with timed() as took:
        await until(is_done, "everything read again", timeout_s=TIMEOUT_S, every_s=0.2)
    return ended[0], took


async def measure(count: int, rounds: int, rate: int) -> tuple[list[float], list[float]]:
    """Return receipts per second, and per second of this process's processor time, of every round. Raises RuntimeError if any changed."""
    rates, core_rates = [], []
    with temporary_home() as home:
        async with open_hub(settings_of(home)) as hub:
            await fill(hub, count)
            await hub.start_work("benchmark")
            for _ in range(rounds):
                ended, took = await replay(hub, rate)
                async with hub.pool.connection() as conn:
                    row = await (await conn.execute("select (select count(*) from to_decide), (select count(*) from command)")).fetchone()
                if ended.changed_count or row != (0, 0) or ended.read_count < count:
                    raise RuntimeError(
                        f"{ended.read_count} receipts read, {ended.changed_count} objects changed, agenda and commands: {row}"
                    )
                rates.append(ended.read_count / took.wall_s)
                core_rates.append(ended.read_count / took.cpu_s)
    return rates, core_rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=30_000, help="at least 1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=0, help="replay at most so many a second; 0: as fast as it goes")
    given = parser.parse_args()
    rates, core_rates = map(sorted, asyncio.run(measure(given.receipts, given.rounds, given.rate)))
    per_s, per_core_s = rates[len(rates) // 2], core_rates[len(core_rates) // 2]
    ratio = per_s / GOAL_PER_S
    print(f"replay without effect: {per_s:.0f} receipts/s, {per_core_s:.0f}/s per core of the worker; {ratio:.2f} of the goal")
    values = {
        "per_s": round(per_s),
        "per_core_s": round(per_core_s),
        "min": round(rates[0]),
        "max": round(rates[-1]),
        "goal_per_s": GOAL_PER_S,
    }
    report("replay", "without_effect", receipts=given.receipts, ratio_to_goal=round(ratio, 2), **values)


if __name__ == "__main__":
    main()
