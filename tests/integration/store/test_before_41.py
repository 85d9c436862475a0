"""Programs before schema 41 keep what was wished and how it stands in one row: they and newer ones work side by side, and what they left is
taken over as it stood."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.claiming import claim_all
from tests.integration.store import before_41 as before
from tests.integration.store.blocking import is_blocked
from tests.integration.store.test_bundles import OF_BEFORE

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.keys import NeedKey
from counterfoil.store import agenda, bindings, dump, migrate, outbox, outbox_due, rotation, unarmed, views, work
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, CommandState, End, EndStatus, NewCommand
from counterfoil.store.pool import Conn, Pool, connect

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SUBJECT = INVOICE.ref("stripe:in_1")
CUSTOMER, ITEM, OTHER = NeedKey("customer/stripe:cus_1"), NeedKey("product/stripe:prod_1"), NeedKey("customer/stripe:cus_2")
PARTITION = ("deliver", "odoo/DE01")
OURS = (41, 42)
"""The schemas this is about."""


def wish(number: int, **changes: object) -> NewCommand:
    plain = NewCommand(f"{number:032x}", "post_invoice", "odoo", "DE01", "DE01", SUBJECT, f"invoice_{number}", b"arguments")
    return replace(plain, **changes)  # type: ignore[arg-type]


class Old:
    """A program before schema 41."""

    def __init__(self, conn: Conn, cipher: Cipher) -> None:
        self.conn, self.cipher = conn, cipher

    async def wish(self, *wishes: NewCommand) -> list[tuple[str, str]]:
        """Wish; return the ids of those that are new, with the state they begin in."""
        names = (
            "id", "kind", "target", "entity", "batch_key", "order_key", "lane", "external_key", "produces", "not_before", "rules_version",
            "causation_id", "content",
        )  # fmt: skip
        sealed = [self.cipher.encrypt(one.arguments, f"command/{one.id}") for one in wishes]
        given = {name: [getattr(one, name) for one in wishes] for name in names} | {
            "subject_kind": [one.subject.kind for one in wishes],
            "subject_id": [one.subject.id for one in wishes],
            "needs": ["\n".join(one.needs) for one in wishes],
            "key_id": [key for key, _ in sealed],
            "envelope": [envelope for _, envelope in sealed],
            "now": NOW,
        }
        rows = await (await self.conn.execute(before.WISH, given)).fetchall()
        return [(id.hex, state) for id, _, _, state in rows]

    async def claim(self) -> list[tuple[str, int, int, str]]:
        """Return what may be tried: id, fence, attempts and state."""
        given = {"target": "odoo", "batch_key": "DE01", "now": NOW, "without": [], "without_keys": [], "from": 0, "below": 100}
        return [(id.hex, *rest) for id, *rest in await (await self.conn.execute(before.CLAIM, given)).fetchall()]

    async def mark_sent(self, rows: Sequence[tuple[str, int, int, str]]) -> list[str]:
        """Note the intent to send; return the ids noted."""
        given = {
            "id": [row[0] for row in rows], "created_at": [NOW for _ in rows], "fence": [row[1] for row in rows],
            "attempts": [row[2] for row in rows], "now": LATER,
        }  # fmt: skip
        return [id.hex for (id,) in await (await self.conn.execute(before.MARK_SENT, given)).fetchall()]

    async def settle(self, id: str, state: str, fence: int) -> list[str]:
        """Write down how a try ended; return the ids that changed."""
        given = {
            "id": [id], "created_at": [NOW], "state": [state], "in_doubt": [state == "unknown"], "next_try_at": [None],
            "external_id": ["account.move/1" if state == "done" else ""], "external_name": [""], "code": ["x"], "reason": ["y"],
            "fence": [fence], "is_counted": [True], "now": LATER,
        }  # fmt: skip
        return [row[0].hex for row in await (await self.conn.execute(before.SETTLE, given)).fetchall()]

    async def bind(self, *keys: NeedKey) -> list[str]:
        """Bind keys; return the states of the commands released by that."""
        await bindings.bind(self.conn, [Binding("odoo", key, f"id/{key}") for key in keys], NOW)
        rows = await self.conn.execute(before.RELEASE, {"connection": ["odoo" for _ in keys], "key": list(keys)})
        return [state for _, _, state in await rows.fetchall()]

    async def cancel(self, id: str) -> int:
        """Cancel; return how many were."""
        return (await self.conn.execute(before.CANCEL, {"ids": [id], "reason": "moot"})).rowcount


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
    assert await outbox.missing_needs(conn, [wish(1).id]) == {wish(1).id: (ITEM,)}
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
    monkeypatch.setattr(outbox, "_WISH", outbox._WISH.replace(str(outbox.LOOKED_AT_MAX), "1"))
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
        assert await outbox.missing_needs(conn, [wish(4).id]) == {wish(4).id: (ITEM,)}
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
