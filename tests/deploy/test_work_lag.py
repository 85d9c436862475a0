"""The view workers are scaled by: how long the oldest ready work waits, by stage and lane, found without reading the backlog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.store import agenda, outbox, receipts, work
from counterfoil.store.agenda import Subject
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn, PartitionKey
from counterfoil.store.receipts import Incoming, ReceiptEnd, ReceiptState

INVOICE = INVOICE_KIND.ref("stripe:in_1")


async def now_of(conn: Conn) -> datetime:
    row = await (await conn.execute("select clock_timestamp()")).fetchone()
    assert row is not None
    found = row[0]
    assert isinstance(found, datetime)
    return found


async def lag(conn: Conn) -> dict[tuple[str, int], int]:
    """Return the view in whole minutes: the test's own seconds do not count."""
    rows = await (await conn.execute("select stage, lane, seconds from work_lag")).fetchall()
    return {(stage, lane): int(seconds // 60) for stage, lane, seconds in rows}


async def arm(conn: Conn, keys: list[PartitionKey], ago: timedelta) -> None:
    await work.arm(conn, keys)
    for stage, key in keys:
        await conn.execute("update work set armed_at = clock_timestamp() - %s::interval where stage = %s and key = %s", (ago, stage, key))


async def receive(conn: Conn, cipher: Cipher, name: str, ago: timedelta, lane: int = 10) -> tuple[int, PartitionKey]:
    """Keep a delivery that came so long ago; return the receipt and its partition."""
    incoming = Incoming("stripe", name, "cus_1", "invoice.paid", b"{}", datetime.now(UTC), lane=lane)
    appended = await receipts.append(conn, cipher, [incoming], await now_of(conn) - ago)
    (id,), (key,) = appended.ids, appended.touched
    assert id is not None
    return id, key


async def test_without_work_there_is_no_lag(conn: Conn) -> None:
    assert await lag(conn) == {}


async def test_the_oldest_ready_work_of_each_stage_and_lane_counts(conn: Conn, cipher: Cipher) -> None:
    _, key = await receive(conn, cipher, "evt_1", timedelta(minutes=9))
    await receive(conn, cipher, "evt_2", timedelta(minutes=3))
    await receive(conn, cipher, "evt_3", timedelta(minutes=5), lane=40)
    decide = await agenda.add(conn, [Subject(INVOICE)], await now_of(conn) - timedelta(minutes=4))
    wish = NewCommand("c" * 32, "post_invoice", "odoo", "DE01", "DE01/sales", INVOICE, "invoice_1", b"x", lane=20)
    wished = await outbox.wish(conn, cipher, [wish], await now_of(conn) - timedelta(minutes=2))
    assert wished.touched == (("deliver", "odoo/DE01/sales"),)
    await arm(conn, [key, ("normalize_bulk", key[1]), *decide, *wished.touched], timedelta(minutes=60))
    assert await lag(conn) == {("normalize", 10): 9, ("normalize", 40): 5, ("decide", 10): 4, ("deliver", 20): 2}


async def test_work_to_be_tried_later_is_no_lag_until_then(conn: Conn, cipher: Cipher) -> None:
    id, key = await receive(conn, cipher, "evt_1", timedelta(minutes=9))
    await arm(conn, [key], timedelta(minutes=60))
    now = await now_of(conn)
    received_at = (await receipts.read(conn, cipher, [id]))[0].received_at
    await receipts.settle(conn, [ReceiptEnd(id, received_at, ReceiptState.PENDING, next_try_at=now + timedelta(hours=1))], now)
    assert await lag(conn) == {}
    await receipts.settle(conn, [ReceiptEnd(id, received_at, ReceiptState.PENDING, next_try_at=now - timedelta(minutes=2))], now)
    assert await lag(conn) == {("normalize", 10): 2}, "it is ready since its next try was due"


async def test_what_is_put_back_counts_from_then_and_not_from_when_it_first_came(conn: Conn, cipher: Cipher) -> None:
    id, _ = await receive(conn, cipher, "evt_1", timedelta(days=30))
    received_at = (await receipts.read(conn, cipher, [id]))[0].received_at
    await receipts.settle(conn, [ReceiptEnd(id, received_at, ReceiptState.NORMALIZED)], await now_of(conn))
    await arm(conn, await receipts.requeue(conn, [id], lane=40), timedelta(minutes=7))
    assert await lag(conn) == {("normalize", 40): 7}


async def test_a_long_backlog_is_probed_by_index_and_never_read_through(conn: Conn) -> None:
    # 20,000 pending receipts, as much on the agenda and as many commands, in a few partitions each.
    await conn.execute(
        "insert into receipt (id, received_at, connection, kind, dedupe_key, shard, shard_key, occurred_at, key_id, body)"
        " select n, now() - interval '1 day', 'stripe', 'x', n::text, n % 16, '', now(), 'k', '' from generate_series(1, 20000) n"
    )
    await conn.execute(
        "insert into agenda (kind, id, shard, added_at) select 'invoice', n::text, n % 16, now() from generate_series(1, 20000) n"
    )
    await conn.execute(
        "insert into command (id, created_at, kind, target, entity, batch_key, lane, subject_kind, subject_id, external_key, state, key_id,"
        " arguments) select gen_random_uuid(), now(), 'x', 'odoo', 'DE', 'b' || n % 4, 10, 'invoice', n::text, '', 'ready', 'k', ''"
        " from generate_series(1, 20000) n"
    )
    await conn.execute(
        "insert into binding (connection, key, external_id, since) select 'odoo', 'k' || n, n::text, now() from generate_series(1, 20000) n"
    )
    keys = [("normalize", f"stripe/{shard}") for shard in range(16)] + [("decide", str(shard)) for shard in range(16)]
    await work.arm(conn, [*keys, *(("deliver", f"odoo/b{number}") for number in range(4))])
    await conn.execute("analyze receipt, agenda, command_standing, binding, work")
    plan = "\n".join(row[0] for row in await (await conn.execute("explain select * from work_lag")).fetchall())
    read_through = [line for line in plan.splitlines() if "Seq Scan" in line and "_default" not in line and "on work" not in line]
    assert read_through == []
    assert plan.count("Index") >= 3
    assert set(await lag(conn)) == {("normalize", 10), ("decide", 10), ("deliver", 10)}
