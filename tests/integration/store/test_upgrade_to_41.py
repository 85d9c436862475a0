"""What programs before schema 41 left is taken over as it stood, row by row, also what they commit meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from tests.claiming import claim_all
from tests.integration.store.before_41 import CUSTOMER, ITEM, LATER, NOW, PARTITION, Old, wish
from tests.integration.store.blocking import is_blocked

from counterfoil.store import agenda, dump, lacking, migrate, outbox, outbox_due, views
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandState
from counterfoil.store.pool import Conn, connect

OURS = (41, 42, 56)
"""The schemas this is about, and what was changed of them since."""


async def hub_of_before(conn: Conn) -> None:
    for one in migrate.migrations():
        if one.number not in OURS:
            await conn.execute(one.text.encode())


async def upgrade(conn: Conn) -> None:
    for one in migrate.migrations():
        if one.number in OURS:
            await conn.execute(one.text.encode())


async def test_commands_of_before_stand_as_they_stood(empty_database: str, cipher: Cipher) -> None:
    async with await connect(empty_database) as conn:
        await hub_of_before(conn)
        old = Old(conn, cipher)
        await old.wish(wish(1), wish(2), wish(3), wish(4, needs=(CUSTOMER, ITEM), lane=20), wish(5, not_before=LATER))
        rows = await old.claim()
        await old.mark_sent([row for row in rows if row[0] in (wish(1).id, wish(2).id)])
        await old.settle(wish(1).id, "done", fence=1)
        await old.settle(wish(3).id, "parked", fence=0)
        await old.bind(CUSTOMER)
        await upgrade(conn)
        found = {row.id: row for row in await outbox.read(conn, cipher, [wish(number).id for number in range(1, 6)])}
        states = [found[wish(number).id].state.value for number in range(1, 6)]
        assert states == ["done", "unknown", "parked", "waiting", "ready"]
        assert (found[wish(2).id].fence, found[wish(2).id].attempts, found[wish(2).id].in_doubt) == (1, 1, True)
        assert (found[wish(4).id].needs, found[wish(4).id].lane, found[wish(5).id].next_try_at) == ((CUSTOMER, ITEM), 20, LATER)
        assert await lacking.missing_needs(conn, [wish(4).id]) == {wish(4).id: (ITEM,)}
        assert [row.seq for row in found.values()] == sorted(row.seq for row in found.values())
        assert await outbox.bind_and_release(conn, [Binding("odoo", ITEM, "product/1")], NOW) == [PARTITION]
        assert await outbox_due.next_due(conn, "odoo", "DE01") == LATER
        assert (await outbox.wish(conn, cipher, [wish(number) for number in range(1, 7)], LATER)).new == {wish(6).id}


async def test_of_many_that_wait_since_before_those_behind_the_first_thousand_are_set_aside(empty_database: str, cipher: Cipher) -> None:
    async with await connect(empty_database) as conn:
        await hub_of_before(conn)
        await Old(conn, cipher).wish(*[wish(number, needs=(CUSTOMER,)) for number in range(1, 1003)], wish(1003, batch_key="other"))
        await upgrade(conn)
        aside = await (await conn.execute("select id from command_standing where is_aside order by seq")).fetchall()
        assert [id.hex for (id,) in aside] == [wish(1001).id, wish(1002).id]
        assert await outbox.bind_and_release(conn, [Binding("odoo", CUSTOMER, "res.partner/1")], NOW) == [PARTITION]
        assert len(await claim_all(conn, cipher, "odoo", "DE01", NOW)) == 1002


_RECEIPTS = """
with received as (
    insert into receipt (id, received_at, connection, kind, dedupe_key, shard, shard_key, state, rule, occurred_at, attempts, must_fetch,
        next_try_at, normalized_at, key_id, body)
    select n, %(now)s, 'stripe', 'invoice.paid', 'evt_' || n, 1, 'cus_1', state::receipt_state, rule, %(now)s, tries, tries > 0, next,
        read, '', ''
    from (values (1, 'pending', '', 0, null, null), (2, 'pending', '', 1, %(later)s::timestamptz, null),
        (3, 'normalized', '', 0, null, %(later)s::timestamptz), (4, 'ignored', 'test_clock', 0, null, %(later)s),
        (5, 'parked', 'stripe.x', 3, null, null)) as t(n, state, rule, tries, next, read)
    returning connection, dedupe_key, id
)
insert into receipt_key (connection, key_hash, receipt_id, received_at) select connection, dedupe_key::bytea, id, %(now)s from received
"""
"""One receipt in each state, and one that is to be fetched anew at its next try."""
_AGENDA = """
insert into agenda (kind, id, shard, lane, added_at, not_before)
values ('invoice', 'stripe:in_1', 1, 10, %(now)s, null), ('invoice', 'stripe:in_2', 2, 30, %(now)s, null),
    ('invoice', 'stripe:in_3', 3, 10, %(now)s, %(later)s)
"""
_OBJECT = """
insert into object (kind, id, connection, sequence, version, digest, state, total_minor, currency, occurred_at, updated_at, key_id, data)
values ('invoice', 'stripe:in_1', 'stripe', 1, 1, 'x', 'open', 123456789, 'EUR', %(now)s, %(now)s, '', '')
"""


_ATTEMPT = """
insert into attempt (started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried, command_ids)
values (%(now)s, %(later)s, 'odoo', 'DE01', 'post_invoice', 1, '', 1, 0, 0, 0, %(ids)s::uuid[])
"""


async def filled(old: Old) -> None:
    """What an older program leaves in every state there is: of receipts, agenda and commands."""
    given = {"now": NOW, "later": LATER}
    for statement in (_RECEIPTS, _AGENDA, _OBJECT):
        await old.conn.execute(statement, given)
    await old.wish(
        wish(1, produces=CUSTOMER), wish(2), wish(3), wish(4, needs=(CUSTOMER, ITEM), lane=20), wish(5, not_before=LATER), wish(6),
        wish(7, order_key="in_1"), wish(8, order_key="in_1"), wish(9), wish(10, needs=(ITEM,)),
    )  # fmt: skip
    rows = {row[0]: row for row in await old.claim()}
    await old.mark_sent([rows[wish(number).id] for number in (1, 2, 3, 6)])
    await old.settle(wish(1).id, "done", fence=1)
    await old.bind(CUSTOMER)
    await old.settle(wish(3).id, "parked", fence=1)
    await old.settle(wish(6).id, "ready", fence=1)
    await old.cancel(wish(9).id)
    await old.conn.execute(_ATTEMPT, given | {"ids": [wish(1).id]})


async def all_rows(conn: Conn, of: Mapping[str, Iterable[str]]) -> dict[str, list[Any]]:
    """Every row of some tables, of each the columns named: as text, in order."""
    found = {}
    for table, names in of.items():
        listed = ", ".join(f'"{name}"::text' for name in names)
        rows = await (await conn.execute(f'select {listed} from "{table}"'.encode())).fetchall() if listed else []
        found[table] = sorted(rows, key=repr)
    return found


async def columns_of(conn: Conn, table: str) -> dict[str, str]:
    rows = await conn.execute("select column_name::text, udt_name::text from information_schema.columns where table_name = %s", (table,))
    return dict(await rows.fetchall())


async def test_every_row_of_before_is_there_afterwards_as_it_was_and_goes_on(empty_database: str, cipher: Cipher) -> None:
    async with await connect(empty_database) as conn:
        await hub_of_before(conn)
        await filled(Old(conn, cipher))
        kinds = await columns_of(conn, "command")
        tables = await dump.tables(conn)
        of = {table: [*await columns_of(conn, table)] for table in tables}
        before = await all_rows(conn, of)
        assert sorted(row[of["command"].index("state")] for row in before["command"]) == [
            "canceled", "done", "parked", "ready", "ready", "ready", "ready", "unknown", "waiting", "waiting",
        ]  # fmt: skip
        await upgrade(conn)
        assert await all_rows(conn, of) == before  # command and command_key are views now
        assert kinds.items() <= (await columns_of(conn, "command")).items()
        await migrate.ensure_partitions(conn, NOW)
        assert await all_rows(conn, of) == before
        where = await views.conservation(conn)
        [source], [target] = where.sources, where.targets
        assert (source.received, source.pending, source.normalized, source.ignored, source.parked) == (5, 2, 1, 1, 1)
        assert (target.done, target.ready, target.waiting, target.unknown, target.parked, target.canceled) == (1, 4, 2, 1, 1, 1)
        assert where.is_balanced
        assert sorted(item.ref.id for item in await agenda.claim(conn, range(16), NOW, 9)) == ["stripe:in_1", "stripe:in_2"]
        assert await agenda.next_due(conn, range(16)) == LATER
        # 7 before 8 by their order, 5 later, 3 parked; what is in doubt is to be resolved, not sent
        assert [(row.id, row.state.value) for row in await claim_all(conn, cipher, "odoo", "DE01", NOW)] == [
            (wish(2).id, "unknown"), (wish(6).id, "ready"), (wish(7).id, "ready"),
        ]  # fmt: skip
        assert await outbox.bind_and_release(conn, [Binding("odoo", ITEM, "product/1")], NOW) == [PARTITION]
        ready = [row.id for row in await claim_all(conn, cipher, "odoo", "DE01", LATER) if row.state is CommandState.READY]
        assert sorted(ready) == [wish(number).id for number in (4, 5, 6, 7, 10)]


async def test_what_an_older_program_commits_while_the_tables_are_changed_is_kept(empty_database: str, cipher: Cipher) -> None:
    async with await connect(empty_database) as conn, await connect(empty_database) as other, await connect(empty_database) as observer:
        await hub_of_before(conn)
        old = Old(conn, cipher)
        await old.wish(wish(1))
        await conn.commit()
        [row] = await old.claim()
        await old.mark_sent([row])
        await old.settle(wish(1).id, "done", fence=1)
        await old.wish(wish(2))
        async with asyncio.TaskGroup() as group:
            upgrading = group.create_task(upgrade(other))
            await is_blocked(observer, by=conn)
            await conn.commit()
            await upgrading
        await other.commit()
        found = await outbox.read(conn, cipher, [wish(1).id, wish(2).id])
        assert [(row.id, row.state.value) for row in found] == [(wish(1).id, "done"), (wish(2).id, "ready")]
