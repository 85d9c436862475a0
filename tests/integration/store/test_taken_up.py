"""The outbox, what is taken up: by one at a time, as it stands by then, and never as new what may have taken effect."""

from __future__ import annotations

import asyncio

from tests.claiming import SIZES
from tests.integration.store.blocking import is_blocked
from tests.integration.store.wished import LATER, NOW, PARTITION, claim, states, wish

from counterfoil.core.language.keys import NeedKey
from counterfoil.store import bindings, outbox, outbox_cancel, outbox_due, outbox_refresh, posted
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandState, End, EndStatus
from counterfoil.store.outbox_refresh import Refresh
from counterfoil.store.pool import Conn, Pool


async def test_who_claimed_before_a_try_that_was_not_counted_or_a_fresh_count_sends_nothing(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    stale = await claim(conn, cipher)
    assert await outbox.mark_sent(conn, await claim(conn, cipher), NOW) == {wish(1).id}
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.RETRY, fence=1, is_counted=False)], NOW)
    [again] = await claim(conn, cipher)
    assert (again.state, again.attempts, again.fence) == (CommandState.READY, 0, 1)
    assert await outbox.mark_sent(conn, stale, NOW) == frozenset()
    await outbox.mark_sent(conn, [again], NOW)
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.RETRY, fence=2)], NOW)
    [counted] = await claim(conn, cipher)
    await outbox_refresh.refresh(conn, cipher, [Refresh(wish(1).id, NOW, b"newer")])
    assert await outbox.mark_sent(conn, [counted], NOW) == frozenset()  # it has the arguments of before
    assert [row.arguments for row in await claim(conn, cipher)] == [b"newer"]


async def test_what_went_with_a_batch_that_is_taken_up_in_part_is_in_doubt_in_its_own_row(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2)], NOW)
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    first, second = await claim(conn, cipher)
    assert await outbox.mark_sent(conn, [first], LATER) == {wish(1).id}
    rows = await outbox.read(conn, cipher, [wish(1).id, wish(2).id])
    assert [(row.state, row.in_doubt, row.sent_at, row.fence, row.attempts) for row in rows] == [
        (CommandState.UNKNOWN, True, LATER, 2, 2), (CommandState.UNKNOWN, True, NOW, 1, 1),
    ]  # fmt: skip
    assert (await outbox_cancel.cancel(conn, [wish(2).id], "moot"))[0] == frozenset()
    parked = End(wish(2).id, NOW, EndStatus.GIVEN_UP, fence=second.fence)
    assert (await outbox.settle(conn, [parked], LATER)).changed == {wish(2).id}
    await outbox.retry(conn, [wish(2).id])
    assert await states(conn, cipher, wish(2)) == [CommandState.UNKNOWN]


async def test_what_a_target_says_to_wait_for_is_ready_if_that_is_being_bound_meanwhile(pool: Pool, cipher: Cipher) -> None:
    key = NeedKey("customer/x:1")
    async with pool.connection() as conn, pool.connection() as binder, pool.connection() as observer:
        await outbox.wish(conn, cipher, [wish(1, needs=(key,))], NOW)
        await outbox.bind_and_release(conn, [Binding("odoo", key, "res.partner/1")], NOW)
        await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
        await bindings.end(conn, "odoo", [key], NOW)
        await conn.commit()
        await outbox.bind_and_release(binder, [Binding("odoo", key, "res.partner/2")], LATER)
        settling = asyncio.create_task(outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.WAITING, fence=1)], LATER))
        await is_blocked(observer, by=binder)
        await binder.commit()
        assert (await settling).touched == (PARTITION,)  # nobody else would wake it


async def test_what_somebody_left_under_way_goes_in_no_batch_with_what_is_to_be_sent(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2), wish(3)], NOW)
    _, second, _ = await claim(conn, cipher)
    await outbox.mark_sent(conn, [second], NOW)
    batch = await outbox_due.claim(conn, cipher, "odoo", "DE01", NOW, SIZES)
    assert [(row.id, row.state) for row in batch] == [(wish(1).id, CommandState.READY), (wish(3).id, CommandState.READY)]
    await outbox.mark_sent(conn, batch, NOW)
    await outbox.settle(conn, [End(row.id, NOW, EndStatus.DONE, fence=1) for row in batch], NOW)
    batch = await outbox_due.claim(conn, cipher, "odoo", "DE01", NOW, SIZES)
    assert [(row.id, row.state) for row in batch] == [(wish(2).id, CommandState.UNKNOWN)]


async def test_what_is_in_doubt_and_waits_for_nothing_any_more_is_not_canceled(conn: Conn, cipher: Cipher) -> None:
    key = NeedKey("customer/x:1")
    await conn.execute("insert into target_known (target, external_key, external_id) values ('odoo', 'invoice_1', 'account.move/1')")
    await outbox.wish(conn, cipher, [wish(1, needs=(key,)), wish(2, needs=(key,))], NOW)
    await outbox.bind_and_release(conn, [Binding("odoo", key, "res.partner/1")], NOW)
    assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.UNKNOWN, CommandState.READY]
    assert (await outbox_cancel.cancel(conn, [wish(1).id, wish(2).id], "moot"))[0] == {wish(2).id}


async def test_what_is_under_way_counts_as_booked(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    assert (await posted.newest_of(conn, "DE01"), await posted.latest(conn, cipher, "DE01", 9)) == ("", [])
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    assert await posted.newest_of(conn, "DE01") == "invoice_1"
    assert [row.id for row in await posted.latest(conn, cipher, "DE01", 9)] == [wish(1).id]


async def test_nothing_overtakes_what_waits_ahead_of_it_in_its_order(conn: Conn, cipher: Cipher) -> None:
    key = NeedKey("customer/x:1")
    await outbox.wish(conn, cipher, [wish(1, order_key="in_1", needs=(key,)), wish(2, order_key="in_1"), wish(3)], NOW)
    assert [row.id for row in await claim(conn, cipher)] == [wish(3).id]
    await conn.execute("update command_standing set is_aside = true where state = 'waiting'")
    assert [row.id for row in await claim(conn, cipher)] == [wish(3).id]
    await outbox.bind_and_release(conn, [Binding("odoo", key, "res.partner/1")], NOW)
    assert [row.id for row in await claim(conn, cipher)] == [wish(1).id, wish(3).id]
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    assert {row.id for row in await claim(conn, cipher)} == {wish(1).id, wish(3).id}  # to be resolved; the second stays behind
