"""Throughput with 1,000,000 receipts in the log already, divided by that of an empty log.

Two hubs' databases, each with its own embedded server: one empty, one filled by SQL with receipts that were normalized long ago
(bodies of 800 random bytes, spread over the same partition of the month that new receipts go to: the worst case). Both take turns:
receipts are appended in groups as the intake commits them, then claimed and settled partition by partition as the normalizing stage
does. The figures are the medians of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from benchmarks import stationery
from benchmarks.measuring import report, spread, timed
from benchmarks.rig import append, settings_of, temporary_home
from benchmarks.stationery import ACCOUNT, CONNECTION, copy_of
from counterfoil.app.hub import Hub, open_hub
from counterfoil.store import receipts
from counterfoil.store.receipts import ReceiptEnd, ReceiptState
from counterfoil.store.work import SHARDS

CLAIM_MAX = 400
FILL_AT_ONCE = 100_000
PAIRS = 7
GOAL = 0.9

_FILL = """
with made as (
    select nextval('receipt_id_seq') as id, n,
        now() - random() * (now() - greatest(now() - interval '20 days', date_trunc('month', now()))) as at
    from generate_series(%(first)s::int, %(last)s::int) n
), known as (
    insert into receipt_key (connection, key_hash, receipt_id, received_at)
    select %(connection)s, decode(md5('old/' || n), 'hex'), id, at from made
)
insert into receipt (id, received_at, connection, account, kind, dedupe_key, shard, shard_key, state, occurred_at, normalized_at,
    key_id, body)
select id, at, %(connection)s, %(account)s, 'invoice.paid', %(account)s || '/evt_old' || n, n %% 16, 'cus_' || n %% 50000,
    'normalized', at, at, 'k1', decode(repeat(md5(n::text || random()), 50), 'hex')
from made
"""


async def fill(hub: Hub, count: int) -> None:
    """Put old receipts into the log."""
    async with hub.pool.connection() as conn:
        for first in range(1, count + 1, FILL_AT_ONCE):
            given = {"first": first, "last": min(count, first + FILL_AT_ONCE - 1), "connection": CONNECTION, "account": ACCOUNT}
            await conn.execute(_FILL, given)
            await conn.commit()
        await conn.execute("analyze receipt")
        await conn.execute("analyze receipt_key")
        await conn.commit()
        await conn.set_autocommit(True)
        await conn.execute("checkpoint")
        await conn.set_autocommit(False)


async def settle_all(hub: Hub) -> int:
    """Claim and settle every pending receipt; return how many."""
    count = 0
    for shard in range(SHARDS):
        while True:
            now = hub.clock.now()
            async with hub.pool.connection() as conn, conn.transaction():
                batch = await receipts.claim(conn, hub.cipher, CONNECTION, [shard], now, CLAIM_MAX)
                await receipts.settle(conn, [ReceiptEnd(one.id, one.received_at, ReceiptState.NORMALIZED) for one in batch], now)
            if not batch:
                break
            count += len(batch)
    return count


async def one_round(hub: Hub, template: stationery.Template, numbers: Sequence[int]) -> tuple[float, float]:
    """Return receipts appended, and claimed and settled, per second."""
    now = datetime.now(UTC)
    copies = [copy_of(template, "bench", n, n % 500, now) for n in numbers]
    with timed() as appending:
        await append(hub, copies)
    with timed() as settling:
        settled = await settle_all(hub)
    if settled != len(copies):
        raise RuntimeError(f"{len(copies)} receipts were appended, {settled} settled")
    return len(copies) / appending.wall_s, len(copies) / settling.wall_s


async def measure(count: int, batch: int) -> dict[str, list[float]]:
    """Return the rates of both logs, by step, and their ratios."""
    template = (await stationery.templates())["invoice.finalized"]
    found: dict[str, list[float]] = {"append_empty": [], "append_full": [], "settle_empty": [], "settle_full": []}
    numbers = itertools.count()
    with temporary_home() as empty_home, temporary_home() as full_home:
        async with open_hub(settings_of(empty_home)) as empty, open_hub(settings_of(full_home)) as full:
            await fill(full, count)
            for hub in (empty, full):
                await one_round(hub, template, list(itertools.islice(numbers, batch)))  # warm up
            for pair in range(PAIRS):
                for name, hub in (("empty", empty), ("full", full)) if pair % 2 else (("full", full), ("empty", empty)):
                    appended, settled = await one_round(hub, template, list(itertools.islice(numbers, batch)))
                    found[f"append_{name}"].append(appended)
                    found[f"settle_{name}"].append(settled)
    for step in ("append", "settle"):
        found[f"{step}_ratio"] = [full / empty for full, empty in zip(found[f"{step}_full"], found[f"{step}_empty"], strict=True)]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=3000)
    given = parser.parse_args()
    found = asyncio.run(measure(given.receipts, given.batch))
    for step, words in (("append", "appended"), ("settle", "claimed and settled")):
        full, empty = median(found[f"{step}_full"]), median(found[f"{step}_empty"])
        ratio = median(found[f"{step}_ratio"])
        print(f"{words}: {full:.0f}/s upon {given.receipts} receipts, {empty:.0f}/s upon none: ratio {ratio:.2f}")
        rates = {"full_per_s": round(full), "empty_per_s": round(empty)}
        report("history", step, receipts=given.receipts, ratio=spread(found[f"{step}_ratio"]), **rates, goal=GOAL)


if __name__ == "__main__":
    main()
