"""Programs before schema 41 keep what was wished and how it stands in one row: they and newer ones work side by side."""

from __future__ import annotations

import asyncio

import pytest
from tests.claiming import claim_all
from tests.integration.store.before_41 import CUSTOMER, ITEM, LATER, NOW, OTHER, PARTITION, Old, wish
from tests.integration.store.blocking import is_blocked
from tests.integration.store.test_bundles import OF_BEFORE

from counterfoil.store import lacking, outbox, outbox_due, rotation, unarmed, work
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus
from counterfoil.store.pool import Conn, Pool


@pytest.fixture
def old(conn: Conn, cipher: Cipher) -> Old:
    """A program of before on the test's connection."""
    return Old(conn, cipher)


async def stands(conn: Conn, cipher: Cipher, number: int) -> CommandRow:
    [row] = await outbox.read(conn, cipher, [wish(number).id])
    return row


async def test_what_an_older_program_does_with_its_own_wishes_is_as_it_was(old: Old, conn: Conn, cipher: Cipher) -> None:
    assert await old.wish(wish(1), wish(2, needs=(CUSTOMER, ITEM))) == [(wish(1).id, "ready"), (wish(2).id, "waiting")]
    assert await old.wish(wish(1)) == []
    rows = await old.claim()
    assert rows == [(wish(1).id, 0, 0, "ready")]
    assert await old.mark_sent(rows) == [wish(1).id]
    assert await old.mark_sent(rows) == []  # as claimed: it was taken up since
    sent = await stands(conn, cipher, 1)
    assert (sent.state, sent.fence, sent.attempts, sent.in_doubt, sent.sent_at) == (CommandState.UNKNOWN, 1, 1, True, LATER)
    assert await old.settle(wish(1).id, "parked", fence=0) == []
    assert await old.settle(wish(1).id, "done", fence=1) == [wish(1).id]
    done = await stands(conn, cipher, 1)
    assert (done.state, done.external_id, done.done_at) == (CommandState.DONE, "account.move/1", LATER)
    assert await old.bind(CUSTOMER) == ["waiting"]
    assert await old.bind(ITEM) == ["ready"]
    assert await old.cancel(wish(2).id) == 1
    assert (await stands(conn, cipher, 2)).state is CommandState.CANCELED


async def test_neither_wishes_again_what_the_other_wished(old: Old, conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    assert await old.wish(wish(1), wish(2)) == [(wish(2).id, "ready")]
    assert (await outbox.wish(conn, cipher, [wish(1), wish(2), wish(3)], LATER)).new == {wish(3).id}
    assert await (await conn.execute("select count(*) from command_body")).fetchone() == (3,)


async def test_what_a_newer_program_is_sending_an_older_one_puts_in_doubt_and_never_sends_as_new(
    old: Old, conn: Conn, cipher: Cipher
) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    rows = await old.claim()
    await outbox.mark_sent(conn, await claim_all(conn, cipher, "odoo", "DE01", NOW), NOW)
    assert await old.cancel(wish(1).id) == 0
    assert await old.mark_sent(rows) == []
    again = await old.claim()
    assert again == [(wish(1).id, 1, 1, "unknown")]
    assert await old.mark_sent(again) == [wish(1).id]
    late = End(wish(1).id, NOW, EndStatus.RETRY, fence=1)
    assert (await outbox.settle(conn, [late], LATER)).changed == frozenset()
    done = End(wish(1).id, NOW, EndStatus.DONE, "account.move/1", fence=1)
    assert (await outbox.settle(conn, [done], LATER)).changed == {wish(1).id}


async def test_of_a_newer_and_an_older_program_that_take_up_the_same_at_once_one_sends_it(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, pool.connection() as other, pool.connection() as observer:
        old = Old(other, cipher)
        await outbox.wish(conn, cipher, [wish(1)], NOW)
        await conn.commit()
        claimed, rows = await claim_all(conn, cipher, "odoo", "DE01", NOW), await old.claim()
        assert await outbox.mark_sent(conn, claimed, NOW) == {wish(1).id}
        marking = asyncio.create_task(old.mark_sent(rows))
        await is_blocked(observer, by=conn)
        await conn.commit()
        assert await marking == []


async def test_who_waits_is_found_whoever_wished_it_and_whoever_bound_what_it_needs(old: Old, conn: Conn, cipher: Cipher) -> None:
    await old.wish(wish(1, needs=(CUSTOMER,)))
    await outbox.wish(conn, cipher, [wish(2, needs=(ITEM,))], NOW)
    assert await outbox.bind_and_release(conn, [Binding("odoo", CUSTOMER, "res.partner/1")], NOW) == [PARTITION]
    await work.arm(conn, [PARTITION])
    await conn.execute("update work set armed = false")  # an older program that drained it and saw nothing of the other one
    assert await old.bind(ITEM) == []
    assert [row.id for row in await claim_all(conn, cipher, "odoo", "DE01", NOW)] == [wish(1).id, wish(2).id]
    assert await unarmed.find(conn, [], LATER) == [PARTITION]


async def test_what_an_older_program_reports_done_is_under_way_no_longer(old: Old, conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    await outbox.mark_sent(conn, await claim_all(conn, cipher, "odoo", "DE01", NOW), NOW)
    assert await old.settle(wish(1).id, "done", fence=0) == [wish(1).id]
    late = End(wish(1).id, NOW, EndStatus.RETRY, fence=1)
    assert (await outbox.settle(conn, [late], LATER)).changed == frozenset()
    assert await (await conn.execute("select count(*) from sending")).fetchone() == (0,)


async def test_an_older_program_gives_no_new_arguments_to_what_a_newer_one_is_sending(old: Old, conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    await outbox.mark_sent(conn, await claim_all(conn, cipher, "odoo", "DE01", NOW), NOW)
    key_id, envelope = cipher.encrypt(b"other", f"command/{wish(1).id}")
    refresh = "update command set key_id = %s, arguments = %s, attempts = 0 where id = %s and not in_doubt and state = 'ready'"
    assert (await conn.execute(refresh, (key_id, envelope, wish(1).id))).rowcount == 0
    sent = await stands(conn, cipher, 1)
    assert (sent.arguments, sent.state) == (b"arguments", CommandState.UNKNOWN)


async def test_what_lacks_two_keys_of_which_each_program_binds_one_is_sent(old: Old, conn: Conn, cipher: Cipher) -> None:
    await old.wish(wish(1, needs=(CUSTOMER, ITEM)))
    await work.arm(conn, await outbox.bind_and_release(conn, [Binding("odoo", CUSTOMER, "res.partner/1")], NOW))
    await outbox_due.look_further(conn, (await outbox_due.released(conn, "odoo", "DE01")).lacking)
    assert await lacking.missing_needs(conn, [wish(1).id]) == {wish(1).id: (ITEM,)}
    await old.bind(ITEM)  # it does not know that the other one is bound
    await conn.execute("update work set armed = false")
    assert [row.id for row in await claim_all(conn, cipher, "odoo", "DE01", NOW)] == [wish(1).id]
    assert await unarmed.find(conn, [], LATER) == [PARTITION]


async def test_while_an_older_worker_is_there_what_lacks_nothing_any_more_is_ready_where_it_looks(
    old: Old, conn: Conn, cipher: Cipher
) -> None:
    # It takes partitions like any other, finds nothing ready in them, and leaves them to nobody.
    await conn.execute(OF_BEFORE)
    await outbox.wish(conn, cipher, [wish(1, needs=(CUSTOMER,)), wish(3, needs=(CUSTOMER, ITEM)), wish(4, needs=(OTHER, ITEM))], NOW)
    await old.wish(wish(2, needs=(ITEM,)))
    assert await old.bind(CUSTOMER) == []
    await conn.execute("set constraints all immediate")
    assert [row[0] for row in await old.claim()] == [wish(1).id]
    assert await work.armed(conn) == [PARTITION]
    await outbox.bind_and_release(conn, [Binding("odoo", ITEM, "product/1")], NOW)
    assert sorted(row[0] for row in await old.claim()) == [wish(number).id for number in (1, 2, 3)]
    assert await (await conn.execute("select count(*) from command_need")).fetchone() == (0,)
    assert (await stands(conn, cipher, 4)).state is CommandState.WAITING


async def test_when_an_older_worker_comes_what_lacks_nothing_is_ready_where_it_looks(old: Old, conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, needs=(CUSTOMER,)), wish(2, needs=(ITEM,))], NOW)
    await outbox.bind_and_release(conn, [Binding("odoo", CUSTOMER, "res.partner/1")], NOW)
    await conn.execute("set constraints all immediate")
    assert await old.claim() == []
    await conn.execute(OF_BEFORE)
    assert [row[0] for row in await old.claim()] == [wish(1).id]
    assert await work.armed(conn) == [PARTITION]


async def test_what_was_set_aside_is_found_too_when_an_older_program_binds_what_it_needs(
    old: Old, conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_WISH", outbox._WISH.replace(str(lacking.LOOKED_AT_MAX), "1"))
    for number in (1, 2):
        await outbox.wish(conn, cipher, [wish(number, needs=(CUSTOMER,))], NOW)
    await work.arm(conn, [PARTITION])
    await conn.execute("update work set armed = false")
    assert await old.bind(CUSTOMER) == []
    assert [row.id for row in await claim_all(conn, cipher, "odoo", "DE01", NOW)] == [wish(1).id]
    assert await unarmed.find(conn, [], LATER) == [PARTITION]
    assert [row.id for row in await claim_all(conn, cipher, "odoo", "DE01", NOW)] == [wish(1).id, wish(2).id]


async def test_new_arguments_of_an_older_program_are_kept_with_the_command(old: Old, conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    key_id, envelope = cipher.encrypt(b"other", f"command/{wish(1).id}")
    await conn.execute("update command set key_id = %s, arguments = %s where id = %s", (key_id, envelope, wish(1).id))
    assert (await stands(conn, cipher, 1)).arguments == b"other"
    assert (await rotation.payloads_by_key(conn)) == {key_id: 1}
