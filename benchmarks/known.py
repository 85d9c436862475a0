"""A customer that comes, compared with a million that are known: how long it takes, what is found, how large the index is.

The customers are made up (`benchmarks/company_lists.py`), written by the hub's own statements, encrypted as ever. Then as many as are
asked for come, one after the other, and are compared by the stage itself: its whole turn is measured, from the list of those to be
compared to the case. Half of them are companies that are known, as another system keeps them; the share of those that is found is told.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.company_lists import Company, companies
from benchmarks.measuring import percentile, report, timed
from benchmarks.processes import server_cpu_s, server_pid
from counterfoil.core.identity.compared import details_of
from counterfoil.core.identity.matching.among_known import counted_keys, finding_keys
from counterfoil.core.identity.matching.profiles import profile_of
from counterfoil.core.kinds.customer import CUSTOMER, Address, Customer, TaxId
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.codec import encode
from counterfoil.store import matches, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.embedded import embedded
from counterfoil.store.matches import KeyedCustomer
from counterfoil.store.migrate import ensure_partitions, migrate
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, PartitionKey, Pool, connect, open_pool
from counterfoil.store.work import arm
from counterfoil.upkeep.matching import Matcher

GOAL_P95_MS = 20
SIDE = 25_000
"""Companies of each side made of one seed."""
PER_SEED = 32_000
"""About how many of them are known: one side, and those of the other that are on no other."""
WRITTEN_AT_ONCE = 1000
KEY = bytes(range(32))
SETTINGS = {"shared_buffers": "512MB", "maintenance_work_mem": "1GB", "max_wal_size": "8GB"}
_INDEX = "create index match_key_by_key on match_key using gin (keys) with (fastupdate = off)"
_SIZES = """
select pg_table_size('match_key'), pg_relation_size('match_key_by_key'), pg_total_relation_size('match_key'),
    pg_total_relation_size('object')
"""


def customer_of(one: Company, id: str) -> Customer:
    """Return a made-up company as a customer."""
    address = Address(one.street, "", one.city, "", one.postal_code, one.country)
    tax_ids = (TaxId("vat", one.vat_id),) if one.vat_id else ()
    return Customer(id, f"{one.stem} {one.form}".strip(), one.email, one.phone, address, tax_ids=tax_ids)


def row_of(customer: Customer) -> ObjectRow:
    """Return a customer's row, as the first fact of it makes one."""
    now, data = datetime.now(UTC), encode(customer)
    names = (customer.name, customer.email) if customer.email else (customer.name,)
    return ObjectRow(CUSTOMER.ref(customer.id), "made_up", 1, 1, b"", now, now, data, names=names)


async def write_known(dsn: str, seed: int) -> None:
    """Write the known customers of a seed with their keys."""
    cipher, (known, others) = Cipher({"k": KEY}), companies(seed, SIDE)
    known = [*known, *(one for one in others if one.truth >= 4 * SIDE)]
    async with await connect(dsn) as conn:
        for start in range(0, len(known), WRITTEN_AT_ONCE):
            several = [customer_of(one, f"known:{seed}_{one.truth}") for one in known[start : start + WRITTEN_AT_ONCE]]
            profiles = [profile_of(details_of(one)) for one in several]
            keyed = [KeyedCustomer(one.id, 1, frozenset(finding_keys(one)), frozenset(counted_keys(one))) for one in profiles]
            async with conn.transaction():
                await objects.upsert(conn, cipher, [row_of(one) for one in several])
                await matches.put(conn, cipher, keyed)


def run_known(dsn: str, seed: int) -> None:
    """Write the known customers of a seed, in a process of its own."""
    asyncio.run(write_known(dsn, seed))


def coming(seeds: Sequence[int], count: int) -> list[Customer]:
    """Return customers that come, half of them known by another system's spelling; the id says which."""
    found = []
    for seed in seeds:
        known, others = companies(seed, SIDE)
        truths = {one.truth for one in known}
        named = [(place, one, one.truth if one.truth in truths else "new") for place, one in enumerate(others) if one.truth < 4 * SIDE]
        found += [customer_of(one, f"coming:{seed}_{truth}_{place}") for place, one, truth in named]
    chance = random.Random(7)
    twins, strangers = [one for one in found if "_new_" not in one.id], [one for one in found if "_new_" in one.id]
    half = min(count // 2, len(strangers))
    chosen = chance.sample(twins, count - half) + chance.sample(strangers, half)
    chance.shuffle(chosen)
    return chosen


async def build(dsn: str, records: int) -> None:
    """Write the known customers by two processes, and the index over all of them."""
    began = time.monotonic()
    async with await connect(dsn) as conn:
        await conn.execute("drop index match_key_by_key")
        await conn.commit()
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as workers:
        await asyncio.gather(*(loop.run_in_executor(workers, run_known, dsn, seed) for seed in range(1, 2 + records // PER_SEED)))
    written_s = time.monotonic() - began
    async with await connect(dsn) as conn:
        await conn.execute(_INDEX)
        await conn.commit()
        indexed_s = time.monotonic() - began - written_s
        began = time.monotonic()
        async with conn.transaction():
            await matches.count_again(conn, datetime.now(UTC))
        counted_s = time.monotonic() - began
        await conn.execute("analyze object, match_key, match_often")
        await conn.commit()
        sizes = await (await conn.execute(_SIZES)).fetchone()
        count = (await matches.sweep(conn)).records
        await conn.commit()
    assert sizes is not None
    table, index, total, known = (round(size / 1e6) for size in sizes)
    report("known", "index", customers=count, written_s=round(written_s), indexed_s=round(indexed_s), counted_s=round(counted_s, 1))
    report("known", "size_mb", keys=table, index=index, keys_with_indexes=total, customers_themselves=known)


async def armed(conn: Conn, keys: Sequence[PartitionKey]) -> None:
    """Note what is to be done, as the engine does."""
    await arm(conn, keys)


async def ask(pool: Pool, customers: Sequence[Customer]) -> tuple[list[float], float, int]:
    """Have customers come one by one; return the milliseconds of each turn, the seconds of this process's processor that all turns took,
    and of how many of those known the known one was found.
    """
    cipher = Cipher({"k": KEY})
    stage = Matcher(pool, cipher, RulesSource({}, (), {}), SystemClock(), armed)
    spent, used, right = [], 0.0, 0
    for one in customers:
        async with pool.connection() as conn, conn.transaction():
            await objects.upsert(conn, cipher, [row_of(one)])
            await matches.note(conn, [one.id])
        with timed() as turn:
            await stage.turn("all")
        spent.append(turn.wall_s * 1000)
        used += turn.cpu_s
        async with pool.connection() as conn:
            found = {id for pair in await matches.pairs_of(conn, cipher, [one.id]) for id in pair.ids}
        seed, truth, *_ = one.id.removeprefix("coming:").split("_")
        right += f"known:{seed}_{truth}" in found
    return spent, used, right


async def forget_who_came(dsn: str) -> None:
    """Leave those who are known alone, as before anybody came."""
    async with await connect(dsn) as conn:
        for table, column in (("object", "id"), ("match_key", "id"), ("match_pair", "one"), ("match_pair", "other")):
            await conn.execute(f"delete from {table} where starts_with({column}, 'coming:')".encode())
        await conn.commit()


async def measure(home: Path, records: int, count: int) -> None:
    """Build what is not there yet, ask and report."""
    async with embedded(home, SETTINGS) as dsn:
        async with await connect(dsn) as conn:
            await migrate(conn)
            await ensure_partitions(conn, datetime.now(UTC))
            await conn.commit()
            is_built = (await matches.sweep(conn)).records > 0
        if not is_built:
            await build(dsn, records)
        await forget_who_came(dsn)
        run = time.time_ns()
        made = [replace(one, id=f"{one.id}_{run}") for one in coming([1, 2], 2 * count)]
        async with open_pool(dsn) as pool:
            await ask(pool, made[count:][: count // 5])
            server = server_pid(home)
            before = server_cpu_s(server)
            spent, used, right = await ask(pool, made[:count])
            of_server = server_cpu_s(server) - before
        twins = sum("_new_" not in one.id for one in made[:count])
    told = {name: round(percentile(spent, share), 1) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    report("known", "milliseconds", customers=count, **told, max=round(max(spent), 1), goal_p95=GOAL_P95_MS)
    report("known", "processor_ms", worker=round(used * 1000 / count, 1), database_with_writing_them=round(of_server * 1000 / count, 1))
    report("known", "found", of_known=twins, found=right, share=round(right / max(1, twins), 4))
    report("known", "memory_mb", peak=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="known", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="customers that are known, about")
    parser.add_argument("--asked", type=int, default=1000, help="customers that come")
    parser.add_argument("--home", type=Path, help="keep what is built here, and ask again of what was")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-known-") as folder:
        asyncio.run(measure(given.home or Path(folder), given.records, given.asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
