"""Work that is ready and that nobody was told of is found; what somebody is going to do is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.claiming import wake_later

from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.language.commands import Lane
from counterfoil.store import agenda, outbox, receipts, rechecks, unarmed, work
from counterfoil.store.agenda import Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import End, EndStatus, NewCommand
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Incoming
from counterfoil.store.work import bundle_key, shard_of

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
PAYMENT = PAYMENT_KIND.ref("stripe:py_1")
DECIDED_IN, READ_IN = str(shard_of(PAYMENT.key)), bundle_key("stripe", shard_of("cus_1"))[1]


async def found(conn: Conn, now: datetime = NOW) -> list[tuple[str, str]]:
    return await unarmed.find(conn, ["stripe"], now)


async def receive(conn: Conn, cipher: Cipher, lane: Lane) -> None:
    await receipts.append(conn, cipher, [Incoming("stripe", f"evt_{lane}", "cus_1", "invoice.paid", b"{}", NOW, lane=lane)], NOW)


async def test_receipts_are_found_in_the_partition_of_their_lane_until_it_is_armed(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, Lane.REAL_TIME)
    await receive(conn, cipher, Lane.REPLAY)
    assert await found(conn) == [("normalize", READ_IN), ("normalize_bulk", READ_IN)]
    await work.arm(conn, [("normalize", READ_IN)])
    assert await found(conn) == [("normalize_bulk", READ_IN)]


async def test_what_is_armed_or_has_a_time_to_wake_is_not_found(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, Lane.REAL_TIME)
    await work.arm(conn, [("normalize", READ_IN)])
    taken = await work.take(conn, "normalize", READ_IN)
    assert taken is not None
    await work.finish(conn, "normalize", READ_IN, taken)
    assert await found(conn) == [("normalize", READ_IN)]
    await wake_later(conn, "normalize", READ_IN, 5.0)
    assert await found(conn) == []


async def test_what_came_later_is_left_to_those_who_were_just_told(conn: Conn, cipher: Cipher) -> None:
    await receive(conn, cipher, Lane.REAL_TIME)
    assert await found(conn, NOW - timedelta(seconds=1)) == []


async def test_a_subject_is_found_when_it_is_due(conn: Conn) -> None:
    await agenda.add(conn, [Subject(PAYMENT, Lane.BATCH, NOW + timedelta(hours=1))], NOW)
    assert await found(conn) == []
    assert await found(conn, NOW + timedelta(hours=1)) == [("decide_bulk", DECIDED_IN)]


async def test_a_command_that_is_ready_is_found_in_a_partition_that_rests(conn: Conn, cipher: Cipher) -> None:
    wish = NewCommand("0" * 32, "post_payment", "books", "US", "payments", PAYMENT, "payment_1", b"{}")
    wished = await outbox.wish(conn, cipher, [wish], NOW)
    [place] = wished.touched
    assert place == ("deliver", "books/payments")
    await work.arm(conn, [place])
    taken = await work.take(conn, *place)
    assert taken is not None
    assert await found(conn) == []
    await work.finish(conn, *place, taken)
    assert await found(conn) == [place]


async def test_what_is_to_be_sent_again_is_found_when_it_is_due(conn: Conn, cipher: Cipher) -> None:
    wish = NewCommand("0" * 32, "upsert_customer", "books", "US", "customers", PAYMENT, "customer_1", b"{}")
    await outbox.wish(conn, cipher, [wish], NOW)
    rows = await outbox.read(conn, cipher, [wish.id])
    await outbox.settle(conn, [End(wish.id, NOW, EndStatus.DONE, "partner/1")], NOW)
    [place] = await rechecks.note(conn, rows, NOW, NOW + timedelta(seconds=130))
    assert await found(conn, NOW + timedelta(seconds=129)) == []
    assert await found(conn, NOW + timedelta(seconds=130)) == [place]
