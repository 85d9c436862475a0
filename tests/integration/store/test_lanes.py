"""Lanes: what came in bulk is worked by partitions of its own, and what becomes urgent moves to the ordinary ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.keys import WaitKey
from counterfoil.decide.decisions import poisoned_case
from counterfoil.store import agenda, case_work, cases, receipts
from counterfoil.store.agenda import Subject, Wait
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Incoming, ReceiptEnd, ReceiptState
from counterfoil.store.work import BULK, BUNDLED, ORDINARY, shard_of

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
PAYMENT = PAYMENT_KIND.ref("stripe:py_1")
SHARD = shard_of(PAYMENT.key)
RECEIPTS = shard_of("cus_1")
BUNDLES = RECEIPTS // BUNDLED * BUNDLED


def delivery(name: str, lane: Lane) -> Incoming:
    return Incoming("stripe", name, "cus_1", "invoice.paid", b"{}", NOW, lane=lane)


@pytest.mark.parametrize(
    ("lane", "stage"),
    [(Lane.REAL_TIME, "normalize"), (Lane.MICRO_BATCH, "normalize"), (Lane.BATCH, "normalize_bulk"), (Lane.REPLAY, "normalize_bulk")],
)
async def test_a_delivery_arms_the_partition_of_its_lane(conn: Conn, cipher: Cipher, lane: Lane, stage: str) -> None:
    appended = await receipts.append(conn, cipher, [delivery("evt_1", lane)], NOW)
    assert appended.touched == ((stage, f"stripe/{BUNDLES}"),)


async def test_each_partition_claims_its_own_lanes_only(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [delivery("replayed", Lane.REPLAY), delivery("new", Lane.REAL_TIME)], NOW)

    async def claimed(lanes: range) -> list[str]:
        return [one.dedupe_key for one in await receipts.claim(conn, cipher, "stripe", [RECEIPTS, BUNDLES], NOW, 10, lanes=lanes)]

    assert (await claimed(ORDINARY), await claimed(BULK)) == (["new"], ["replayed"])
    [bulk] = await receipts.claim(conn, cipher, "stripe", [RECEIPTS, BUNDLES], NOW, 10, lanes=BULK)
    await receipts.settle(conn, [ReceiptEnd(bulk.id, NOW, ReceiptState.PENDING, next_try_at=NOW)], NOW)
    assert await receipts.next_due(conn, "stripe", [BUNDLES], lanes=ORDINARY) is None
    assert await receipts.next_due(conn, "stripe", [BUNDLES], lanes=BULK) == NOW


async def test_receipts_taken_up_again_keep_to_their_lane_or_get_the_one_they_are_given(conn: Conn, cipher: Cipher) -> None:
    appended = await receipts.append(conn, cipher, [delivery("a", Lane.REPLAY), delivery("b", Lane.REAL_TIME)], NOW)
    ids = [id for id in appended.ids if id is not None]
    assert await receipts.requeue(conn, ids) == [("normalize", f"stripe/{RECEIPTS}"), ("normalize_bulk", f"stripe/{RECEIPTS}")]
    assert await receipts.requeue(conn, ids, lane=Lane.REPLAY) == [("normalize_bulk", f"stripe/{RECEIPTS}")]


async def test_a_subject_that_lies_there_in_bulk_and_gets_a_reason_in_real_time_moves_over(conn: Conn) -> None:
    assert await agenda.add(conn, [Subject(PAYMENT, Lane.REPLAY)], NOW) == [("decide_bulk", str(SHARD))]
    assert await agenda.claim(conn, [SHARD], NOW, 10, lanes=ORDINARY) == []
    assert await agenda.add(conn, [Subject(PAYMENT, Lane.REAL_TIME)], NOW) == [("decide", str(SHARD))]
    [item] = await agenda.claim(conn, [SHARD], NOW, 10, lanes=ORDINARY)
    assert (item.ref, item.lane) == (PAYMENT, Lane.REAL_TIME)
    assert await agenda.claim(conn, [SHARD], NOW, 10, lanes=BULK) == []


async def test_a_reason_in_bulk_does_not_move_an_urgent_subject(conn: Conn) -> None:
    await agenda.add(conn, [Subject(PAYMENT, Lane.REAL_TIME)], NOW)
    assert await agenda.add(conn, [Subject(PAYMENT, Lane.REPLAY)], NOW) == [("decide", str(SHARD))]


async def test_who_waits_keeps_its_lane_whatever_brings_what_it_waits_for(conn: Conn) -> None:
    backfilled = INVOICE.ref("stripe:in_old")
    waits = [
        Wait(WaitKey("customer/stripe:cus_1"), PAYMENT, lane=Lane.REAL_TIME),
        Wait(WaitKey("customer/stripe:cus_1"), backfilled, lane=Lane.REPLAY),
    ]
    await agenda.set_waits(conn, [PAYMENT, backfilled], waits, NOW)
    touched = await agenda.release(conn, [WaitKey("customer/stripe:cus_1")], NOW)
    assert touched == sorted([("decide", str(SHARD)), ("decide_bulk", str(shard_of(backfilled.key)))])


async def test_what_a_person_retries_is_urgent(conn: Conn) -> None:
    held = poisoned_case(PAYMENT, NOW)
    case_id = (await cases.open_or_count(conn, [held], NOW))[held.fingerprint]
    assert await case_work.retry(conn, case_id, "operator", NOW) == [("decide", str(SHARD))]


async def test_a_subject_decided_by_somebody_else_or_with_a_newer_reason_is_told_apart(conn: Conn) -> None:
    others = [INVOICE.ref(f"stripe:in_{number}") for number in range(2)]
    await agenda.add(conn, [Subject(ref) for ref in (PAYMENT, *others)], NOW)
    items = [item for shard in range(16) for item in await agenda.claim(conn, [shard], NOW, 10)]
    by_ref = {item.ref: item for item in items}
    assert set(await agenda.unmoved(conn, items)) == set(items)
    await agenda.add(conn, [Subject(others[0])], NOW)  # a newer reason
    await agenda.finish(conn, [by_ref[others[1]]])  # decided by somebody else
    assert await agenda.unmoved(conn, items) == [by_ref[PAYMENT]]
    assert await agenda.finish(conn, items) == 1
