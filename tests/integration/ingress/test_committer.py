"""Group commit: nobody is told before the commit, everybody is told, and one bad delivery harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from counterfoil.ingress.committer import CommitResult, Committer, IntakeBusy
from counterfoil.ingress.keeping import incoming_of
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import TransientError
from counterfoil.store import bundles, cases, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, PartitionKey, Pool, open_pool
from counterfoil.store.receipts import Incoming, ReceiptState

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def incoming(*names: str, kind: str = "invoice.paid") -> tuple[Incoming, ...]:
    return incoming_of("stripe", [Delivery(name, name, kind, b"{}", NOW) for name in names], 10)


async def until(is_so: Callable[[], bool]) -> None:
    """Let other tasks run until something is so."""
    for _ in range(100_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became so")


async def pending(pool: Pool) -> int:
    async with pool.connection() as conn:
        return (await receipts.counts(conn)).get("stripe", {}).get(ReceiptState.PENDING, 0)


async def test_deliveries_that_wait_together_share_a_transaction(pool: Pool, committer: Committer) -> None:
    await committer.start()
    kept = await asyncio.gather(*(committer.put(incoming(f"evt_{number % 100}")) for number in range(150)))
    assert sum(one.duplicates for one in kept) == 50
    async with pool.connection() as conn:
        row = await (await conn.execute("select count(*), count(distinct xmin::text) from receipt")).fetchone()
    assert row is not None
    assert row[0] == 100
    assert row[1] < 10
    await committer.stop()


async def test_partitions_are_armed_in_the_transaction_of_their_receipts(committer: Committer, arming: Any) -> None:
    await committer.start()
    await committer.put(incoming("evt_1"))
    await committer.put(incoming("evt_1"))
    await committer.stop()
    assert len(arming.armed) == 1


async def test_one_bad_delivery_fails_alone(pool: Pool, committer: Committer) -> None:
    await committer.start()
    bad = committer.put([replace(incoming("evt_bad")[0], headers={"a text PostgreSQL cannot hold": "\x00"})])
    results = await asyncio.gather(committer.put(incoming("evt_1")), bad, committer.put(incoming("evt_2")), return_exceptions=True)
    assert [type(result) for result in results] == [CommitResult, TransientError, CommitResult]
    assert await pending(pool) == 2
    await committer.stop()


async def test_what_the_database_cannot_hold_or_nobody_could_read_is_kept_made_fit_and_parked(pool: Pool, committer: Committer) -> None:
    await committer.start()
    long = "x" * 100_000
    await committer.put((*incoming("evt_\0", "evt_good", "evt_\ud800"), *incoming(f"{long}1", f"{long}2", kind=long)))
    async with pool.connection() as conn:
        rows = await (await conn.execute(f"select dedupe_key, length(kind), {bundles.STATE} from receipt r order by id")).fetchall()
        [case] = await cases.list_cases(conn)
    await committer.stop()
    assert [(key[:9], length, state) for key, length, state in rows] == [
        ("evt_\\u000", 12, "parked"),
        ("evt_good", 12, "pending"),
        ("evt_\\ud80", 12, "parked"),
        ("x" * 9, 120, "parked"),
        ("x" * 9, 120, "parked"),
    ]
    assert len({key for key, _, _ in rows}) == 5
    assert (case.count, len(case.cause) < 300) == (4, True)


async def test_deliveries_without_a_key_are_kept_each_for_itself_and_parked(pool: Pool, committer: Committer) -> None:
    await committer.start()
    one, two = (Delivery("", "o", "invoice.paid", body, NOW) for body in (b"1", b"2"))
    blank = Delivery("  ", "o", "invoice.paid", b"3", NOW)
    kept = await committer.put(incoming_of("shop", (one, two, one, blank), 10))
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
    await committer.stop()
    assert (kept.received, kept.duplicates, case.count) == (4, 1, 3)
    assert case.cause.endswith("it has no id, by which a second delivery of it could be told")


async def test_a_full_queue_refuses_at_once_and_keeps_what_it_has(pool: Pool, cipher: Cipher, clock: SettableClock) -> None:
    gate = asyncio.Event()

    async def slow(conn: Conn, keys: Sequence[PartitionKey]) -> None:
        await gate.wait()

    committer = Committer(pool, cipher, clock, slow, waiting_max=3)
    await committer.start()
    first = asyncio.create_task(committer.put(incoming("evt_0")))
    await until(lambda: committer.is_busy and not committer.waiting)
    waiting = [asyncio.create_task(committer.put(incoming(f"evt_{number}"))) for number in (1, 2, 3)]
    await until(lambda: committer.waiting == 3)
    with pytest.raises(IntakeBusy) as caught:
        await committer.put(incoming("evt_4"))
    assert (caught.value.code, caught.value.retry_after_s) == ("intake.full", 1)
    gate.set()
    assert await asyncio.gather(first, *waiting) == [CommitResult(1, 0)] * 4
    await committer.stop()
    assert await pending(pool) == 4


async def test_stopping_answers_everybody(pool: Pool, cipher: Cipher, clock: SettableClock) -> None:
    async def never(conn: Conn, keys: Sequence[PartitionKey]) -> None:
        await asyncio.Event().wait()

    committer = Committer(pool, cipher, clock, never)
    await committer.start()
    puts = [asyncio.create_task(committer.put(incoming(f"evt_{number}"))) for number in range(5)]
    await until(lambda: committer.is_busy)
    await committer.stop(wait_s=0.01)
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in results] == [IntakeBusy] * 5
    assert await pending(pool) == 0
    with pytest.raises(IntakeBusy):
        await committer.put(incoming("evt_9"))


async def test_an_error_of_the_arming_is_an_answer_and_not_the_end(pool: Pool, cipher: Cipher, clock: SettableClock) -> None:
    calls = 0

    async def arm(conn: Conn, keys: Sequence[PartitionKey]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the engine is not there")

    committer = Committer(pool, cipher, clock, arm)
    await committer.start()
    with pytest.raises(TransientError):
        await committer.put(incoming("evt_1"))
    assert await committer.put(incoming("evt_1")) == CommitResult(1, 0)
    await committer.stop()


async def test_without_a_database_senders_are_told_to_come_again(database: str, cipher: Cipher, clock: SettableClock, arming: Any) -> None:
    async with open_pool(database, size_min=1, size_max=1) as closed:
        committer = Committer(closed, cipher, clock, arming)
        await committer.start()
    with pytest.raises(TransientError) as caught:
        await committer.put(incoming("evt_1"))
    assert caught.value.code == "intake.database"
    await committer.stop()
