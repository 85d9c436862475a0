"""The agenda: every reason to decide a subject is seen by a decision, and nothing waits for what has arrived."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.store.blocking import is_blocked

from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import WaitKey, wait_for, wait_for_mapping
from counterfoil.store import agenda, mappings, objects, waits
from counterfoil.store.agenda import Subject, Wait
from counterfoil.store.cipher import Cipher
from counterfoil.store.mappings import Mapping
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.work import shard_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
PAYMENT = PAYMENT_KIND.ref("stripe:py_1")
INVOICE = INVOICE_KIND.ref("stripe:in_1")
SHARD = shard_of(PAYMENT.key)


def state_of(ref: ObjectRef, version: int = 1) -> ObjectRow:
    return ObjectRow(ref, "stripe", version, version, b"digest", NOW, NOW, b"state")


async def on_agenda(conn: Conn, now: datetime = NOW) -> list[ObjectRef]:
    return [item.ref for item in await agenda.claim(conn, [SHARD], now, 10)]


async def test_a_reason_that_comes_while_a_subject_is_decided_keeps_it_on_the_agenda(conn: Conn) -> None:
    await agenda.add(conn, [Subject(PAYMENT)], NOW)
    claimed = await agenda.claim(conn, [SHARD], NOW, 10)
    assert await agenda.add(conn, [Subject(PAYMENT, lane=40)], NOW) == [("decide", str(SHARD))]
    assert await agenda.finish(conn, claimed) == 0
    [again] = await agenda.claim(conn, [SHARD], NOW, 10)
    assert again.lane == 10  # the more urgent of both
    assert await agenda.finish(conn, [again]) == 1
    assert await on_agenda(conn) == []


async def test_a_subject_may_be_postponed_but_a_new_reason_brings_it_back(conn: Conn) -> None:
    await agenda.add(conn, [Subject(PAYMENT, not_before=LATER)], NOW)
    assert await on_agenda(conn) == []
    assert await agenda.next_due(conn, [SHARD]) == LATER
    assert await on_agenda(conn, LATER) == [PAYMENT]
    await agenda.add(conn, [Subject(PAYMENT)], NOW)
    assert await on_agenda(conn) == [PAYMENT]


async def test_an_arrival_puts_those_who_wait_on_the_agenda_once(conn: Conn) -> None:
    await agenda.set_waits(conn, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT), Wait(WaitKey("customer/stripe:cus_1"), PAYMENT)], NOW)
    assert await agenda.release(conn, [wait_for(INVOICE)], LATER) == [("decide", str(SHARD))]
    assert await agenda.release(conn, [wait_for(INVOICE)], LATER) == []
    assert await on_agenda(conn) == [PAYMENT]
    assert [waiting.key for waiting in await agenda.waits_of(conn, PAYMENT)] == ["customer/stripe:cus_1"]


async def test_a_new_decision_replaces_the_waits_of_the_former(conn: Conn) -> None:
    await agenda.set_waits(conn, [PAYMENT], [Wait(WaitKey("customer/stripe:cus_1"), PAYMENT), Wait(wait_for(INVOICE), PAYMENT)], NOW)
    await agenda.set_waits(conn, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT)], LATER)
    [waiting] = await agenda.waits_of(conn, PAYMENT)
    assert (waiting.key, waiting.since) == (INVOICE.key, NOW)
    await agenda.set_waits(conn, [PAYMENT], [], LATER)
    assert await agenda.waits_of(conn, PAYMENT) == []


async def test_what_has_arrived_since_it_was_looked_at_is_not_waited_for(conn: Conn, cipher: Cipher) -> None:
    await objects.upsert(conn, cipher, [state_of(INVOICE)])
    assert await agenda.set_waits(conn, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT)], NOW) == [("decide", str(SHARD))]
    assert await agenda.waits_of(conn, PAYMENT) == []
    assert await on_agenda(conn) == [PAYMENT]


async def test_a_version_that_was_seen_and_not_enough_is_waited_for(conn: Conn, cipher: Cipher) -> None:
    await objects.upsert(conn, cipher, [state_of(INVOICE)])
    assert await agenda.set_waits(conn, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT, seen_version=1)], NOW) == []
    assert len(await agenda.waits_of(conn, PAYMENT)) == 1


async def test_a_mapping_set_releases_what_waited_for_it(conn: Conn) -> None:
    key = wait_for_mapping("tax", "DE01", "txr_1|exclusive")
    await agenda.set_waits(conn, [PAYMENT], [Wait(key, PAYMENT)], NOW)
    result = await mappings.set_mappings(conn, [Mapping("tax", "DE01", "txr_1|exclusive", "19% VAT")], "finance", NOW)
    assert (result.changed, result.touched) == (1, (("decide", str(SHARD)),))
    assert await on_agenda(conn) == [PAYMENT]
    # it is there now: waiting for it once more with the former rules does not wait
    assert await agenda.set_waits(conn, [PAYMENT], [Wait(key, PAYMENT, seen_version=0)], NOW) == [("decide", str(SHARD))]


async def test_mappings_that_say_the_same_make_no_new_version_and_an_empty_value_unmaps(conn: Conn) -> None:
    mapping = Mapping("tax", "DE01", "txr_1", "19% VAT")
    first = await mappings.set_mappings(conn, [mapping], "finance", NOW)
    again = await mappings.set_mappings(conn, [mapping], "finance", NOW)
    assert (again.version, again.changed) == (first.version, 0)
    assert (await mappings.load(conn)).entries == (mapping,)
    gone = await mappings.set_mappings(conn, [Mapping("tax", "DE01", "txr_1", "")], "finance", NOW)
    assert (gone.version, gone.changed) == (first.version + 1, 1)
    assert (await mappings.load(conn)).entries == ()


async def test_an_object_is_asked_for_once(conn: Conn, cipher: Cipher) -> None:
    await objects.upsert(conn, cipher, [state_of(PAYMENT)])
    await agenda.set_waits(conn, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT), Wait(wait_for_mapping("tax", "DE01", "x"), PAYMENT)], NOW)
    [wanted] = await agenda.to_fetch(conn, NOW)
    assert (wanted.key, wanted.connections) == (INVOICE.key, ("stripe",))
    await agenda.mark_fetch_asked(conn, [wait_for(INVOICE)])
    assert await agenda.to_fetch(conn, NOW) == []
    late = timedelta(minutes=30)
    overdue = await waits.overdue(conn, LATER, late, {}, 0)
    assert [one.key for one in overdue] == [INVOICE.key]  # a mapping's wait has a case of its own
    assert await waits.overdue(conn, LATER, late, {"payment": timedelta(days=30)}, 0) == []
    assert await waits.overdue(conn, LATER, late, {}, 60) == []  # the clock was moved: in the world it has waited for no time


async def test_an_arrival_that_is_just_being_committed_is_not_missed_by_who_starts_to_wait(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as writer, pool.connection() as waiter, pool.connection() as observer:
        await objects.upsert(writer, cipher, [state_of(INVOICE)])
        assert await agenda.release(writer, [wait_for(INVOICE)], NOW) == []  # nobody waits yet
        starting = asyncio.create_task(agenda.set_waits(waiter, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT)], NOW))
        await is_blocked(observer, by=writer)
        await writer.commit()
        assert await starting == [("decide", str(SHARD))]


async def test_one_who_is_just_starting_to_wait_is_not_missed_by_an_arrival(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as writer, pool.connection() as waiter, pool.connection() as observer:

        async def arrive() -> list[tuple[str, str]]:
            await objects.upsert(writer, cipher, [state_of(INVOICE)])
            return await agenda.release(writer, [wait_for(INVOICE)], NOW)

        assert await agenda.set_waits(waiter, [PAYMENT], [Wait(wait_for(INVOICE), PAYMENT)], NOW) == []
        arriving = asyncio.create_task(arrive())
        await is_blocked(observer, by=waiter)
        await waiter.commit()
        assert await arriving == [("decide", str(SHARD))]
