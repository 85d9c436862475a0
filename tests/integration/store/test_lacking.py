"""What commands lack is told from the bindings: who looks last sees it, and behind many that wait the next are set aside."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.store.blocking import is_blocked
from tests.integration.store.wished import NOW, PARTITION, claim, look_further, states, wish

from counterfoil.core.language.keys import NeedKey
from counterfoil.store import lacking, outbox, outbox_due
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandState, End, EndStatus
from counterfoil.store.outbox_due import Released
from counterfoil.store.pool import Conn, Pool


async def test_whoever_looks_further_sees_what_is_just_being_bound(pool: Pool, cipher: Cipher) -> None:
    first, second = NeedKey("customer/x:1"), NeedKey("product/x:1")
    async with pool.connection() as binder, pool.connection() as looker, pool.connection() as observer:
        await outbox.wish(looker, cipher, [wish(1, needs=(first, second))], NOW)
        await outbox.bind_and_release(looker, [Binding("odoo", first, "res.partner/1")], NOW)
        await looker.commit()
        # The binder looked who waits for the second key before anybody was written down to wait for it.
        assert await outbox.bind_and_release(binder, [Binding("odoo", second, "product/1")], NOW) == []
        looking = asyncio.create_task(outbox_due.look_further(looker, [wish(1).id]))
        await is_blocked(observer, by=binder)
        await binder.commit()
        assert await looking
        assert [row.id for row in await claim(looker, cipher)] == [wish(1).id]


async def test_what_came_to_lack_nothing_while_nobody_was_told_of_it_is_found_by_whoever_looks_last(conn: Conn, cipher: Cipher) -> None:
    one, other = NeedKey("customer/x:1"), NeedKey("customer/x:2")
    await outbox.wish(conn, cipher, [wish(1, needs=(one, other))], NOW)
    assert await outbox_due.released(conn, "odoo", "DE01") == Released((), is_any_whole=False)
    assert await outbox.bind_and_release(conn, [Binding("odoo", one, "res.partner/1")], NOW) == [PARTITION]
    assert await outbox.bind_and_release(conn, [Binding("odoo", other, "res.partner/2")], NOW) == []  # it waits for the first, in its row
    assert await outbox_due.released(conn, "odoo", "DE01") == Released((), is_any_whole=True)
    assert await outbox_due.is_free(conn, "odoo", "DE01", NOW)
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    done = End(wish(1).id, NOW, EndStatus.DONE, "account.move/1", fence=1)
    assert (await outbox.settle(conn, [done], NOW)).changed == {wish(1).id}
    assert not await outbox_due.is_free(conn, "odoo", "DE01", NOW)


async def test_behind_many_that_wait_the_next_are_set_aside_until_what_they_need_is_bound(
    conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_WISH", outbox._WISH.replace(str(lacking.LOOKED_AT_MAX), "2"))
    one, other = NeedKey("customer/x:1"), NeedKey("customer/x:2")
    await outbox.wish(conn, cipher, [wish(1, needs=(one,)), wish(2, needs=(one,))], NOW)
    await outbox.wish(conn, cipher, [wish(3, needs=(other,)), wish(4), wish(5, needs=(one,), batch_key="other")], NOW)
    aside = "select id from command_standing where is_aside order by seq"
    assert [row[0].hex for row in await (await conn.execute(aside)).fetchall()] == [wish(3).id]
    assert [row.id for row in await claim(conn, cipher)] == [wish(4).id]
    assert await states(conn, cipher, wish(3)) == [CommandState.WAITING]
    assert await outbox.bind_and_release(conn, [Binding("odoo", other, "res.partner/2")], NOW) == [PARTITION]
    assert [row.id for row in await claim(conn, cipher)] == [wish(3).id, wish(4).id]
    assert await (await conn.execute(aside)).fetchall() == []


async def test_behind_many_that_wait_what_came_back_and_lacks_another_key_is_set_aside_anew(
    conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((outbox, "_WISH"), (outbox_due, "_LOOK_FURTHER")):
        monkeypatch.setattr(module, name, getattr(module, name).replace(str(lacking.LOOKED_AT_MAX), "2"))
    customers, item = [NeedKey(f"customer/x:{number}") for number in range(4)], NeedKey("product/x:1")
    await outbox.wish(conn, cipher, [wish(number, needs=(one, item)) for number, one in enumerate(customers[:2])], NOW)
    await outbox.wish(conn, cipher, [wish(number + 2, needs=(one, item)) for number, one in enumerate(customers[2:])], NOW)
    await outbox.bind_and_release(conn, [Binding("odoo", one, one) for one in customers], NOW)
    await look_further(conn)
    looked_at = "select count(*) filter (where not is_aside), count(distinct waits_for) from command_standing"
    [[count, keys]] = await (await conn.execute(looked_at)).fetchall()
    assert (count <= 2, keys) == (True, 1)
    assert await outbox.bind_and_release(conn, [Binding("odoo", item, "product/1")], NOW) == [PARTITION]
    assert len(await claim(conn, cipher)) == 4
