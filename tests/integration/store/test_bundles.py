"""Bundles: what one transaction hands on to the next stage is one row for each partition, and each thing in it is done exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.store.blocking import is_blocked

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.commands import Lane
from counterfoil.store import agenda, agenda_deadlines, receipts, unarmed, views, work, workers
from counterfoil.store.agenda import AgendaItem, Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.receipts import Incoming, Receipt, ReceiptEnd, ReceiptState
from counterfoil.store.work import BULK, ORDINARY, SHARDS, decide_key, shard_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
ONE, OTHER = INVOICE.ref("stripe:in_1"), INVOICE.ref("stripe:in_2")
OF_BEFORE = "insert into worker (id, name, host, version, started_at, beat_at) values ('old#1', 'old', '', '1.0', now(), now())"
"""How a program before schema 42 joins the workers."""


async def receive(conn: Conn, cipher: Cipher, *names: str, now: datetime = NOW) -> list[int]:
    incoming = [Incoming("stripe", name, "cus_1", "invoice.paid", b"{}", now) for name in names]
    return [id for id in (await receipts.append(conn, cipher, incoming, now)).ids if id is not None]


async def claim(conn: Conn, cipher: Cipher, limit: int = 100) -> list[Receipt]:
    return await receipts.claim(conn, cipher, "stripe", range(SHARDS), LATER, limit)


async def rows(conn: Conn, statement: str) -> list[tuple[object, ...]]:
    return await (await conn.execute(statement.encode())).fetchall()


def read_well(*found: Receipt) -> list[ReceiptEnd]:
    return [ReceiptEnd(one.id, one.received_at, ReceiptState.NORMALIZED) for one in found]


async def test_a_receipt_that_is_read_well_is_written_once(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, "evt_1", "evt_2")
    before = await rows(conn, "select ctid::text, xmin::text from receipt order by id")
    found = await claim(conn, cipher)
    assert [(one.dedupe_key, one.state, one.normalized_at) for one in found] == [
        ("evt_1", ReceiptState.PENDING, None), ("evt_2", ReceiptState.PENDING, None),
    ]  # fmt: skip
    assert await receipts.settle(conn, read_well(*found), LATER) == 2
    assert await rows(conn, "select ctid::text, xmin::text from receipt order by id") == before
    assert await claim(conn, cipher) == []
    assert [(one.state, one.normalized_at) for one in await receipts.read(conn, cipher, [one.id for one in found])] == [
        (ReceiptState.NORMALIZED, LATER)
    ] * 2


async def test_of_a_bundle_that_is_read_in_part_the_rest_is_read_later_and_each_ends_its_own_way(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, "well", "ignored", "parked", "again", "rest")
    well, ignored, parked, again = await claim(conn, cipher, limit=4)
    ends = [
        *read_well(well), ReceiptEnd(ignored.id, NOW, ReceiptState.IGNORED, "r"), ReceiptEnd(parked.id, NOW, ReceiptState.PARKED, "x"),
        ReceiptEnd(again.id, NOW, ReceiptState.PENDING, next_try_at=LATER, is_attempt=True),
    ]  # fmt: skip
    assert await receipts.settle(conn, ends, NOW) == 4
    [line] = (await views.conservation(conn)).sources
    assert (line.received, line.normalized, line.ignored, line.parked, line.pending) == (5, 1, 1, 1, 2)
    assert [(one.dedupe_key, one.attempts) for one in await claim(conn, cipher)] == [("again", 1), ("rest", 0)]
    [partition] = (await receipts.append(conn, cipher, [Incoming("stripe", "next", "cus_1", "invoice.paid", b"{}", NOW)], NOW)).touched
    waiting = await receipts.claim(conn, cipher, "stripe", [int(partition[1].split("/")[1])], LATER, 1)
    assert [one.dedupe_key for one in waiting] == ["again"]  # nobody would look for it elsewhere
    assert await receipts.settle(conn, read_well(*await claim(conn, cipher)), LATER) == 3
    states = (await receipts.counts(conn))["stripe"]
    assert (states[ReceiptState.NORMALIZED], states[ReceiptState.PENDING]) == (4, 0)


async def test_of_two_that_read_the_same_bundle_the_second_changes_nothing(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as first, pool.connection() as second, pool.connection() as observer:
        await receive(first, cipher, "evt_1")
        await first.commit()
        [found] = await claim(first, cipher)
        assert await receipts.settle(first, read_well(found), NOW) == 1
        late = ReceiptEnd(found.id, NOW, ReceiptState.PARKED, "late zombie")
        settling = asyncio.create_task(receipts.settle(second, [late], LATER))
        await is_blocked(observer, by=first)
        await first.commit()
        assert await settling == 0
        assert (await receipts.counts(second))["stripe"][ReceiptState.NORMALIZED] == 1


async def test_what_is_put_back_leaves_its_bundle_whether_that_was_read_or_not(conn: Conn, cipher: Cipher) -> None:
    ids = await receive(conn, cipher, "evt_1", "evt_2")
    await receipts.settle(conn, read_well(*await claim(conn, cipher, limit=1)), NOW)
    await receipts.requeue(conn, ids, lane=Lane.REPLAY)
    assert [(one.dedupe_key, one.lane) for one in await claim(conn, cipher)] == [("evt_1", 40), ("evt_2", 40)]
    assert await rows(conn, "select count(*) from receipt_bundle where read_at is null") == [(0,)]


async def test_what_was_in_a_bundle_and_is_not_read_yet_has_no_time_at_which_it_was(conn: Conn, cipher: Cipher) -> None:
    ids = await receive(conn, cipher, "parked", "again", "well")
    parked, again, well = await claim(conn, cipher)
    ends = [
        ReceiptEnd(parked.id, NOW, ReceiptState.PARKED, "x"), ReceiptEnd(again.id, NOW, ReceiptState.PENDING, is_attempt=True),
        *read_well(well),
    ]  # fmt: skip
    assert await receipts.settle(conn, ends, LATER) == 3
    assert [one.normalized_at for one in await receipts.read(conn, cipher, ids)] == [None, None, LATER]
    await receipts.requeue(conn, [well.id])
    assert [one.normalized_at for one in await receipts.read(conn, cipher, [well.id])] == [None]


async def put(conn: Conn, *subjects: Subject) -> None:
    await agenda.hand_on(conn, subjects, NOW)


async def decidable(conn: Conn, lanes: range = ORDINARY, limit: int = 100) -> list[AgendaItem]:
    return await agenda.claim(conn, range(SHARDS), NOW, limit, lanes=lanes)


async def test_subjects_put_on_the_agenda_together_are_one_row_and_taken_off_one_by_one(conn: Conn) -> None:
    several = [INVOICE.ref(f"stripe:in_{number}") for number in range(200)]
    same = [ref for ref in several if shard_of(ref.key) == shard_of(several[0].key)]
    touched = await agenda.hand_on(conn, [Subject(ref) for ref in same], NOW)
    assert touched == [decide_key(shard_of(same[0].key))]
    assert await rows(conn, "select count(*) from agenda_bundle") == [(1,)]
    items = await decidable(conn, limit=2)
    assert await agenda.finish(conn, items) == 2
    assert await agenda.finish(conn, items) == 0
    assert await agenda.is_bundled(conn, range(SHARDS), lanes=ORDINARY)
    rest = await decidable(conn)
    assert {item.ref for item in (*items, *rest)} == set(same)
    assert await agenda.finish(conn, rest) == len(same) - 2
    assert not await agenda.is_bundled(conn, range(SHARDS), lanes=ORDINARY)


async def test_a_subject_is_decided_for_all_it_is_there_for_by_then_and_again_for_what_comes_later(conn: Conn) -> None:
    await put(conn, Subject(ONE), Subject(OTHER))
    await put(conn, Subject(ONE))
    await put(conn, Subject(ONE, Lane.BATCH))
    await agenda.add(conn, [Subject(ONE, Lane.REPLAY)], NOW)
    items = await decidable(conn)
    assert {item.ref for item in items} == {ONE, OTHER}
    [one] = [item for item in items if item.ref == ONE]
    assert (len(one.bundles), one.seq > 0) == (3, True)
    await put(conn, Subject(ONE))  # a newer reason
    assert set(await agenda.unmoved(conn, items)) == set(items)
    assert await agenda.finish(conn, items) == 2
    assert [item.ref for item in await decidable(conn)] == [ONE]
    assert await decidable(conn, BULK) == []


async def test_what_is_in_hand_in_bulk_is_lost_to_whoever_decides_it_in_real_time(conn: Conn) -> None:
    await put(conn, Subject(ONE, Lane.BATCH), Subject(OTHER, Lane.BATCH))
    in_bulk = await decidable(conn, BULK)
    await put(conn, Subject(ONE))
    assert await agenda.finish(conn, await decidable(conn)) == 1
    assert [item.ref for item in await agenda.unmoved(conn, in_bulk)] == [OTHER]
    assert await agenda.finish(conn, in_bulk) == 1  # fewer than given: nothing of it may stay


async def test_what_is_in_hand_in_real_time_is_lost_to_whoever_decides_it_in_bulk(conn: Conn) -> None:
    await put(conn, Subject(ONE), Subject(OTHER))
    in_hand = await decidable(conn)
    await put(conn, Subject(ONE, Lane.BATCH))
    assert await agenda.finish(conn, await decidable(conn, BULK)) == 1
    assert [item.ref for item in await agenda.unmoved(conn, in_hand)] == [OTHER]
    assert await agenda.finish(conn, in_hand) == 1


async def test_of_two_that_decide_the_same_bundle_at_once_the_second_finds_it_decided(pool: Pool) -> None:
    async with pool.connection() as first, pool.connection() as second, pool.connection() as observer:
        await put(first, Subject(ONE), Subject(OTHER))
        await first.commit()
        items, same = await decidable(first), await decidable(second)
        assert await agenda.finish(first, items) == 2
        finishing = asyncio.create_task(agenda.finish(second, same))
        await is_blocked(observer, by=first)
        await first.commit()
        assert await finishing == 0


async def test_a_subject_is_claimed_with_what_lies_behind_a_full_claim_too(conn: Conn) -> None:
    await put(conn, Subject(ONE, Lane.MICRO_BATCH))
    in_hand = await decidable(conn)
    await agenda.add(conn, [Subject(ONE)], NOW - timedelta(minutes=1))
    await put(conn, Subject(OTHER))  # before the first bundle by its lane: a claim of one ends there
    [again] = await decidable(conn, limit=1)
    assert (again.ref, again.bundles) == (ONE, in_hand[0].bundles)
    assert await agenda.finish(conn, [again]) == 1
    assert await agenda.finish(conn, in_hand) == 0


async def test_what_is_postponed_has_a_row_of_its_own(conn: Conn) -> None:
    await put(conn, Subject(ONE, not_before=LATER), Subject(OTHER))
    assert [item.ref for item in await decidable(conn)] == [OTHER]
    assert await agenda.next_due(conn, range(SHARDS)) == LATER


async def test_a_decision_ends_the_deadline_before_it_and_leaves_what_is_postponed(conn: Conn) -> None:
    await agenda_deadlines.put(conn, {ONE: LATER, OTHER: LATER})
    await put(conn, Subject(ONE, not_before=LATER))
    await put(conn, Subject(ONE))
    assert await agenda.finish(conn, await decidable(conn)) == 1
    assert await agenda_deadlines.of(conn, [ONE, OTHER]) == {OTHER: LATER}
    assert await agenda.next_due(conn, range(SHARDS)) == LATER


async def test_of_the_reasons_for_a_subject_that_come_together_the_most_urgent_counts(conn: Conn) -> None:
    await put(conn, Subject(ONE), Subject(ONE, Lane.BATCH), Subject(OTHER, Lane.BATCH), Subject(OTHER))
    assert {item.ref for item in await decidable(conn)} == {ONE, OTHER}
    assert await decidable(conn, BULK) == []


async def test_subjects_in_bundles_that_nobody_was_woken_for_are_found(conn: Conn) -> None:
    await put(conn, Subject(ONE), Subject(OTHER, Lane.BATCH))
    expected = [decide_key(shard_of(ONE.key)), decide_key(shard_of(OTHER.key), Lane.BATCH)]
    assert await unarmed.find(conn, [], LATER) == sorted(expected)
    assert await unarmed.find(conn, [], NOW - timedelta(seconds=1)) == []


async def test_beside_a_worker_that_knows_no_bundles_none_are_made(conn: Conn, cipher: Cipher) -> None:
    await workers.join(conn, "new", "host", "2")
    await conn.execute(OF_BEFORE)
    await receive(conn, cipher, "evt_1")
    await put(conn, Subject(ONE))
    assert await rows(conn, "select state::text from receipt") == [("pending",)]
    assert await rows(conn, "select kind, id from agenda") == [("invoice", ONE.id)]
    assert await rows(conn, "select count(*) from receipt_bundle union all select count(*) from agenda_bundle") == [(0,), (0,)]
    assert [one.dedupe_key for one in await claim(conn, cipher)] == ["evt_1"]
    assert [item.ref for item in await decidable(conn)] == [ONE]


async def test_a_worker_that_knows_no_bundles_finds_what_was_in_them_where_it_looks(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, "evt_1", "evt_2")
    await receipts.settle(conn, read_well(*await claim(conn, cipher, limit=1)), NOW)
    await put(conn, Subject(ONE), Subject(OTHER, Lane.BATCH))
    await put(conn, Subject(ONE))
    await conn.execute("update work set armed = false")
    await conn.execute(OF_BEFORE)
    assert await rows(conn, "select dedupe_key, state::text from receipt order by id") == [("evt_1", "normalized"), ("evt_2", "pending")]
    assert await rows(conn, "select id, lane from agenda order by id") == [(ONE.id, 10), (OTHER.id, 30)]
    expected = [work.normalize_key("stripe", shard_of("cus_1")), decide_key(shard_of(ONE.key)), decide_key(shard_of(OTHER.key), 30)]
    assert await work.armed(conn) == sorted(expected)
    assert (await views.conservation(conn)).is_balanced
    assert [one.dedupe_key for one in await claim(conn, cipher)] == ["evt_2"]


async def test_what_a_transaction_bundled_that_began_before_such_a_worker_came_is_put_there_with_its_next_beat(
    pool: Pool, cipher: Cipher
) -> None:
    async with pool.connection() as intake, pool.connection() as old:
        await receive(intake, cipher, "evt_1")
        await put(intake, Subject(ONE))
        await old.execute(OF_BEFORE)  # sees nothing of it
        await old.commit()
        await intake.commit()
        assert await rows(old, "select count(*) from receipt_bundle union all select count(*) from agenda_bundle") == [(1,), (1,)]
        await old.execute("update worker set beat_at = now()")
        assert await rows(old, "select state::text from receipt") == [("pending",)]
        assert await rows(old, "select id from agenda") == [(ONE.id,)]
        assert await rows(old, "select count(*) from receipt_bundle union all select count(*) from agenda_bundle") == [(0,), (0,)]


async def test_what_is_bundled_while_such_a_worker_comes_stays_where_newer_ones_look(pool: Pool, cipher: Cipher) -> None:
    partition = work.normalize_key("stripe", shard_of("cus_1"))
    async with pool.connection() as intake, pool.connection() as old, pool.connection() as observer:
        await receive(intake, cipher, "evt_1")
        await put(intake, Subject(ONE))
        await intake.commit()
        await receive(intake, cipher, "evt_2")
        await put(intake, Subject(OTHER))
        await work.arm(intake, [partition])
        joining = asyncio.create_task(old.execute(OF_BEFORE))
        await is_blocked(observer, by=intake)  # it arms what was in the first bundle, as the intake does with the second
        await intake.commit()
        await joining
        await old.commit()
        [line] = (await views.conservation(old)).sources
        assert (line.received, line.pending) == (2, 2)
        assert {one.dedupe_key for one in await claim(old, cipher)} == {"evt_1", "evt_2"}
        assert {item.ref for item in await decidable(old)} == {ONE, OTHER}


async def test_who_reads_a_bundle_and_such_a_worker_that_comes_do_not_wait_for_each_other(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as reader, pool.connection() as old, pool.connection() as observer:
        await receive(reader, cipher, "evt_1")
        await agenda.add(reader, [Subject(ONE)], NOW)
        await put(reader, Subject(ONE))
        await reader.commit()
        await receipts.settle(reader, read_well(*await claim(reader, cipher)), NOW)
        joining = asyncio.create_task(old.execute(OF_BEFORE))
        await is_blocked(observer, by=reader)
        await agenda.add(reader, [Subject(ONE)], NOW)  # as whoever reads does with what waited for it
        await reader.commit()
        await joining
        await old.commit()
        assert await rows(old, "select state::text from receipt") == [("normalized",)]
        assert [item.ref for item in await decidable(old)] == [ONE]
