"""Receipts: every delivery once, in its state, counted."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.store import receipts, receipts_fetched
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.receipts import Incoming, Receipt, ReceiptEnd, ReceiptState, Selection
from counterfoil.store.receipts_fetched import FetchedFor
from counterfoil.store.work import SHARDS, bundle_key, shard_of

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def delivery(name: str, *, subject: str = "cus_1", parked: str = "", lane: int = 10, body: bytes = b"{}") -> Incoming:
    return Incoming("stripe", name, subject, "invoice.paid", body, NOW, account="acct_1", headers={"x": "1"}, parked=parked, lane=lane)


async def claim_all(conn: Conn, cipher: Cipher, now: datetime = NOW) -> list[Receipt]:
    return await receipts.claim(conn, cipher, "stripe", range(SHARDS), now, 100)


def ended(receipt: Receipt, state: ReceiptState, rule: str = "", next_try_at: datetime | None = None) -> ReceiptEnd:
    is_attempt = state is ReceiptState.PENDING
    return ReceiptEnd(receipt.id, receipt.received_at, state, rule, next_try_at=next_try_at, is_attempt=is_attempt)


async def test_a_delivery_comes_back_as_it_came(conn: Conn, cipher: Cipher) -> None:
    body = b'{"id": "evt_1", "filler": "' + b"x" * 2000 + b'"}'
    appended = await receipts.append(conn, cipher, [delivery("evt_1", body=body)], NOW)
    assert appended.touched == (bundle_key("stripe", shard_of("cus_1")),)
    [receipt] = await claim_all(conn, cipher)
    assert (receipt.body, receipt.dedupe_key, receipt.account, receipt.headers) == (body, "evt_1", "acct_1", {"x": "1"})
    assert (receipt.state, receipt.received_at, receipt.attempts) == (ReceiptState.PENDING, NOW, 0)


async def test_bodies_are_not_readable_in_the_table(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("evt_1", body=b'{"email":"a@example.com"}')], NOW)
    row = await (await conn.execute("select position('example'::bytea in body) from receipt")).fetchone()
    assert row == (0,)


async def test_the_same_delivery_again_is_a_duplicate_also_within_one_batch_and_after_a_month(conn: Conn, cipher: Cipher) -> None:
    first = await receipts.append(conn, cipher, [delivery("evt_1"), delivery("evt_1"), delivery("evt_2")], NOW)
    assert [id is None for id in first.ids] == [False, True, False]
    again = await receipts.append(conn, cipher, [delivery("evt_2"), delivery("evt_1")], NOW + timedelta(days=40))
    assert again.ids == (None, None)
    assert again.touched == ()


async def test_ids_rise_in_the_order_of_the_deliveries(conn: Conn, cipher: Cipher) -> None:
    appended = await receipts.append(conn, cipher, [delivery(f"evt_{number}") for number in range(50)], NOW)
    assert list(appended.ids) == sorted(id for id in appended.ids if id is not None)


async def test_another_connection_may_use_the_same_key(conn: Conn, cipher: Cipher) -> None:
    other = Incoming("stripe_us", "evt_1", "cus_1", "invoice.paid", b"{}", NOW)
    appended = await receipts.append(conn, cipher, [delivery("evt_1"), other], NOW)
    assert None not in appended.ids


async def test_a_parked_delivery_is_kept_but_arms_nothing(conn: Conn, cipher: Cipher) -> None:
    appended = await receipts.append(conn, cipher, [delivery("evt_1", parked="unknown account")], NOW)
    assert appended.touched == ()
    assert (await receipts.counts(conn))["stripe"][ReceiptState.PARKED] == 1
    assert await claim_all(conn, cipher) == []


async def test_claims_come_by_lane_then_by_arrival_and_wait_for_their_time(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("old", lane=40), delivery("a"), delivery("b")], NOW)
    claimed = await claim_all(conn, cipher)
    assert [receipt.dedupe_key for receipt in claimed] == ["a", "b", "old"]
    await receipts.settle(conn, [ended(claimed[0], ReceiptState.PENDING, next_try_at=LATER)], NOW)
    assert [receipt.dedupe_key for receipt in await claim_all(conn, cipher)] == ["b", "old"]
    assert await receipts.next_due(conn, "stripe", [int(bundle_key("stripe", shard_of("cus_1"))[1].partition("/")[2])]) == LATER
    [retried, *_] = await claim_all(conn, cipher, LATER)
    assert (retried.dedupe_key, retried.attempts) == ("a", 1)


async def test_a_second_settling_changes_nothing(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("evt_1")], NOW)
    [receipt] = await claim_all(conn, cipher)
    assert await receipts.settle(conn, [ended(receipt, ReceiptState.NORMALIZED)], NOW) == 1
    assert await receipts.settle(conn, [ended(receipt, ReceiptState.PARKED, "late zombie")], NOW) == 0
    assert (await receipts.counts(conn))["stripe"][ReceiptState.NORMALIZED] == 1


async def test_what_was_fetched_is_kept_encrypted_with_its_receipt(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("evt_1")], NOW)
    [receipt] = await claim_all(conn, cipher)
    await receipts.settle(conn, [ReceiptEnd(receipt.id, NOW, ReceiptState.PENDING, must_fetch=True)], NOW)
    assert (await claim_all(conn, cipher))[0].must_fetch
    await receipts_fetched.put(conn, cipher, [FetchedFor(receipt.id, NOW, "stripe", "evt_1", b"invoice as fetched")])
    [again] = await claim_all(conn, cipher)
    assert (again.fetched, again.must_fetch) == (b"invoice as fetched", False)


OLD_STORE = """
update receipt r set fetched = s.fetched, fetched_key_id = s.key_id, must_fetch = false
from unnest(%(id)s::int8[], %(received_at)s::timestamptz[], %(key_id)s::text[], %(envelope)s::bytea[])
    as s(id, received_at, key_id, fetched)
where r.received_at = s.received_at and r.id = s.id
"""
"""How programs before schema 32 keep what was fetched: in the receipt's own row."""


async def test_what_programs_of_before_fetched_is_read_and_replaced_whichever_program_fetched_last(conn: Conn, cipher: Cipher) -> None:
    [id] = (await receipts.append(conn, cipher, [delivery("evt_1")], NOW)).ids
    assert id is not None

    async def store_as_before(body: bytes) -> None:
        key_id, envelope = cipher.encrypt(body, "fetched/stripe/evt_1")
        await conn.execute(OLD_STORE, {"id": [id], "received_at": [NOW], "key_id": [key_id], "envelope": [envelope]})

    async def seen() -> tuple[bytes | None, bool]:
        [receipt] = await receipts.read(conn, cipher, [id])
        return receipt.fetched, receipt.must_fetch

    await conn.execute("alter table receipt disable trigger receipt_fetched_apart")  # as it was before the migration
    await store_as_before(b"before")
    await conn.execute("alter table receipt enable trigger receipt_fetched_apart")
    assert await seen() == (b"before", False)
    await receipts_fetched.put(conn, cipher, [FetchedFor(id, NOW, "stripe", "evt_1", b"now")])
    assert await seen() == (b"now", False)
    await conn.execute("update receipt set must_fetch = true")
    await store_as_before(b"by a program of before, beside")
    assert await seen() == (b"by a program of before, beside", False)


async def test_keeping_what_was_fetched_does_not_write_the_receipt_again(conn: Conn, cipher: Cipher) -> None:
    [id] = (await receipts.append(conn, cipher, [delivery("evt_1")], NOW)).ids
    assert id is not None
    place = "select ctid::text, xmin::text from receipt"
    before = await (await conn.execute(place)).fetchall()
    await receipts_fetched.put(conn, cipher, [FetchedFor(id, NOW, "stripe", "evt_1", b"fetched")])
    assert await (await conn.execute(place)).fetchall() == before


async def test_a_selection_is_read_in_pages_and_can_be_put_back_in_another_lane(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("evt_1"), delivery("evt_2")], NOW)
    await receipts.settle(conn, [ended(receipt, ReceiptState.NORMALIZED) for receipt in await claim_all(conn, cipher)], NOW)
    selection = Selection("stripe", NOW, LATER, kinds=("invoice.paid",), states=(ReceiptState.NORMALIZED,))
    found = await receipts.select(conn, cipher, selection, limit=1)
    found += await receipts.select(conn, cipher, selection, after_id=found[-1].id)
    ids = [receipt.id for receipt in found]
    assert [receipt.dedupe_key for receipt in found] == ["evt_1", "evt_2"]
    assert await receipts.count(conn, selection) == {ReceiptState.NORMALIZED: 2}
    assert await receipts.requeue(conn, ids, lane=40) == [("normalize_bulk", f"stripe/{shard_of('cus_1')}")]
    assert [receipt.lane for receipt in await claim_all(conn, cipher)] == [40, 40]


async def test_of_equal_deliveries_at_once_exactly_one_is_new(pool: Pool, cipher: Cipher) -> None:
    names = [f"evt_{number}" for number in range(60)]

    async def sender(seed: int) -> list[int]:
        shuffled = random.Random(seed).sample(names, len(names))
        new: list[int] = []
        for start in range(0, len(names), 7):
            async with pool.connection() as conn:
                appended = await receipts.append(conn, cipher, [delivery(name) for name in shuffled[start : start + 7]], NOW)
            new += [id for id in appended.ids if id is not None]
        return new

    new = [id for ids in await asyncio.gather(*(sender(seed) for seed in range(6))) for id in ids]
    assert len(new) == len(set(new)) == 60
    async with pool.connection() as conn:
        assert (await receipts.counts(conn))["stripe"][ReceiptState.PENDING] == 60


_connections = itertools.count()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=6))
async def test_law_a_key_is_new_once_however_deliveries_are_batched(conn: Conn, cipher: Cipher, batches: list[list[int]]) -> None:
    connection = f"stripe{next(_connections)}"
    new = 0
    for batch in batches:
        incoming = [replace(delivery(f"evt_{number}"), connection=connection) for number in batch]
        new += sum(id is not None for id in (await receipts.append(conn, cipher, incoming, NOW)).ids)
    assert new == len({number for batch in batches for number in batch})
    assert (await receipts.counts(conn)).get(connection, {}).get(ReceiptState.PENDING, 0) == new
