"""Two normalizers on the same receipts at once, as after a worker was taken for dead: the same objects, every event once."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.normalize.conftest import drain, incoming, keep

from counterfoil.core.kinds.product import PRODUCT
from counterfoil.kit.codec import decode_record
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import bundles, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

_runs = itertools.count()


@contextmanager
def a_moment_after_loading(chance: random.Random) -> Iterator[None]:
    """Let others in between loading objects and writing them."""
    load = objects.load

    async def slowly(*given: Any) -> Any:
        found = await load(*given)
        await asyncio.sleep(chance.random() * 0.01)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "load", slowly)
        yield


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=4, max_size=30), seed=st.integers(0, 1000))
async def test_law_two_normalizers_at_once_leave_what_one_leaves(
    pool: Pool, cipher: Cipher, make_normalizer: Callable[[], Normalizer], told: list[tuple[int, int]], seed: int
) -> None:
    run = next(_runs)
    chance = random.Random(seed)
    deliveries = [
        incoming(f"{run}/{n}", chance.choice((10, 40)), id=f"p{run}x{product}", sequence=sequence, name=f"at {sequence}")
        for n, (product, sequence) in enumerate(told)
    ]
    chance.shuffle(deliveries)
    ids = await keep(pool, cipher, *deliveries)
    with a_moment_after_loading(chance):
        await asyncio.gather(drain(make_normalizer(), limit=chance.randint(1, 5)), drain(make_normalizer(), bulk_first=True))
    expected = {f"p{run}x{product}": f"at {max(s for p, s in told if p == product)}" for product, _ in told}
    async with pool.connection() as conn:
        rows = await objects.load(conn, cipher, [PRODUCT.ref(id) for id in expected])
        events = await (
            await conn.execute("select receipt_id, count(*) from event where receipt_id = any(%s) group by 1", (ids,))
        ).fetchall()
        pending = await (await conn.execute(f"select count(*) from receipt r where {bundles.STATE} <> 'normalized'")).fetchone()
    assert {ref.id: getattr(decode_record(ref.kind, row.data), "name", "") for ref, row in rows.items()} == expected
    assert sorted(events) == [(id, 1) for id in sorted(ids)]
    assert pending == (0,)


async def test_a_batch_that_ended_in_a_deadlock_is_written_again(
    pool: Pool, cipher: Cipher, make_normalizer: Callable[[], Normalizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert, tries = objects.upsert, 0

    async def ended_once(*given: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise psycopg.errors.DeadlockDetected("another was let through")
        return await upsert(*given)

    monkeypatch.setattr(objects, "upsert", ended_once)
    await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x"))
    await drain(make_normalizer())
    async with pool.connection() as conn:
        row = await (await conn.execute(f"select count(*) from receipt r where {bundles.STATE} = 'normalized'")).fetchone()
    assert (tries, row) == (2, (1,))
