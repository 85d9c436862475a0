"""What kills its worker is parked as a case and nothing else is; a process about to end begins nothing new."""

from __future__ import annotations

from typing import Any

from tests.integration.normalize.conftest import NOW, SOURCE, Caution, incoming, keep

from counterfoil.normalize.stage import Normalizer
from counterfoil.store import bundles, case_work, cases, receipts
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import ReceiptState
from counterfoil.store.work import bundle_key, shard_of

_, KEY = bundle_key(SOURCE, shard_of("p1"))


async def states(pool: Pool) -> list[tuple[str, str]]:
    async with pool.connection() as conn:
        return await (await conn.execute(f"select {bundles.STATE}, rule from receipt r order by id")).fetchall()


async def test_a_poisoned_receipt_is_parked_as_a_case_and_its_neighbors_go_on(pool: Pool, cipher: Cipher, normalizer: Normalizer) -> None:
    first, poison, last = await keep(pool, cipher, *(incoming(f"evt_{n}", id="p1", sequence=n, name="x") for n in (1, 2, 3)))
    context = Caution(poisoned=frozenset({str(poison)}))
    await normalizer.turn(KEY, context)
    assert context.held == [str(first), str(poison), str(last)]
    assert await states(pool) == [("normalized", ""), ("parked", "normalize.poisoned"), ("normalized", "")]
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
    assert (case.code, case.case_class, case.count) == ("normalize.poisoned", "schema_drift", 1)
    assert "died or failed 5 times" in case.cause
    assert case.next_step


async def test_a_retried_poisoned_receipt_goes_through_and_its_case_is_resolved(pool: Pool, cipher: Cipher, normalizer: Normalizer) -> None:
    [poison] = await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x"))
    await normalizer.turn(KEY, Caution(poisoned=frozenset({str(poison)})))
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
        assert await case_work.retry(conn, case.id, "operator", NOW) == [("normalize", KEY)]
    await normalizer.turn(KEY, Caution())
    assert await states(pool) == [("normalized", "")]
    async with pool.connection() as conn:
        assert [one.state for one in await cases.list_cases(conn, state=None)] == [CaseState.RESOLVED]


async def test_a_turn_after_failures_takes_no_more_than_it_may(pool: Pool, cipher: Cipher, normalizer: Normalizer, source: Any) -> None:
    await keep(pool, cipher, *(incoming(f"evt_{n}", id="p1", sequence=n, name="x") for n in (1, 2, 3)))
    assert (await normalizer.turn(KEY, Caution(limit=1))).has_more
    assert source.read == ["evt_1"]


async def test_a_process_about_to_end_begins_nothing_and_hands_the_work_back(
    pool: Pool, cipher: Cipher, normalizer: Normalizer, source: Any
) -> None:
    await keep(pool, cipher, incoming("evt_1", id="p1", sequence=1, name="x"))
    context = Caution(is_ending=True)
    assert (await normalizer.turn(KEY, context)).has_more
    assert (await normalizer.bulk_turn(KEY, context)).has_more
    assert (source.read, context.held) == ([], [])
    async with pool.connection() as conn:
        assert (await receipts.counts(conn))[SOURCE][ReceiptState.PENDING] == 1
