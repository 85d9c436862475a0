"""Migrations run once, in order, unchanged; month partitions are made without losing what came before them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from counterfoil.store import receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.errors import StoreError
from counterfoil.store.migrate import PARTITIONED, ensure_partitions, migrate, migrations
from counterfoil.store.pool import Conn, connect
from counterfoil.store.receipts import Incoming

DECEMBER = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


async def place_of_receipts(conn: Conn) -> dict[str, str]:
    rows = await (await conn.execute("select dedupe_key, tableoid::regclass::text from receipt order by 1")).fetchall()
    return dict(rows)


async def test_migrating_twice_changes_nothing(conn: Conn) -> None:
    assert await migrate(conn) == []


async def test_migrations_are_numbered_in_order_from_one() -> None:
    numbers = [migration.number for migration in migrations()]
    assert (numbers[0], numbers) == (1, sorted(set(numbers)))


async def test_a_migration_that_was_changed_after_it_ran_is_refused(conn: Conn) -> None:
    await conn.execute("update schema_migration set checksum = 'other' where number = 1")
    with pytest.raises(StoreError, match=r"0001_first_light\.sql differs") as caught:
        await migrate(conn)
    assert caught.value.code == "store.migration_changed"


async def test_a_database_of_a_newer_version_is_refused(conn: Conn) -> None:
    await conn.execute("insert into schema_migration (number, name, checksum) values (9999, 'x', 'x')")
    with pytest.raises(StoreError) as caught:
        await migrate(conn)
    assert caught.value.code == "store.schema_newer"


async def test_a_newer_database_that_says_this_program_may_run_beside_it_is_taken(conn: Conn) -> None:
    newest = max(migration.number for migration in migrations())
    await conn.execute(
        "insert into schema_migration (number, name, checksum, runs_beside) values (9998, 'x', 'x', %s), (9999, 'y', 'y', 1)", (newest,)
    )
    assert await migrate(conn) == []
    await conn.execute("update schema_migration set runs_beside = 9998 where number = 9999")
    with pytest.raises(StoreError, match="unknown to this version"):
        await migrate(conn)


def test_every_migration_says_beside_which_programs_it_runs() -> None:
    silent = [migration.name for migration in migrations()[1:] if "\n-- Runs beside: " not in migration.text]
    assert silent == []
    assert [migration.name for migration in migrations() if not 1 <= migration.runs_beside <= migration.number] == []


async def test_a_database_of_the_first_release_is_brought_up_to_date(conn: Conn) -> None:
    await conn.execute("alter table schema_migration drop column runs_beside")
    assert await migrate(conn) == []
    assert await migrate(conn) == []


async def test_several_that_start_at_once_migrate_once(empty_database: str) -> None:
    async def start() -> list[str]:
        async with await connect(empty_database) as conn, conn.transaction():
            return await migrate(conn)

    made = await asyncio.gather(*(start() for _ in range(4)))
    assert sorted(made) == [[], [], [], [migration.name for migration in migrations()]]


async def test_months_are_made_ahead_over_the_turn_of_the_year_and_only_once(conn: Conn) -> None:
    made = await ensure_partitions(conn, DECEMBER, months_ahead=1)
    names = [table.removesuffix("_body") for table in PARTITIONED]  # of commands they are called as they were
    assert made == [f"{name}_{month}" for name in names for month in ("2026_12", "2027_01")]
    assert await ensure_partitions(conn, DECEMBER, months_ahead=1) == []


async def test_rows_that_lie_in_the_default_partition_move_into_their_month(conn: Conn, cipher: Cipher) -> None:
    for name, received_at in (("evt_december", DECEMBER), ("evt_january", JANUARY)):
        await receipts.append(conn, cipher, [Incoming("stripe", name, "cus_1", "invoice.paid", b"{}", received_at)], received_at)
    await ensure_partitions(conn, DECEMBER, months_ahead=0)
    assert await place_of_receipts(conn) == {"evt_december": "receipt_2026_12", "evt_january": "receipt_default"}
    await ensure_partitions(conn, JANUARY, months_ahead=0)
    await receipts.append(conn, cipher, [Incoming("stripe", "evt_new", "cus_1", "invoice.paid", b"{}", JANUARY)], JANUARY)
    assert await place_of_receipts(conn) == {
        "evt_december": "receipt_2026_12",
        "evt_january": "receipt_2027_01",
        "evt_new": "receipt_2027_01",
    }


async def test_every_partition_numbers_its_rows_as_the_whole_table_does(conn: Conn) -> None:
    await ensure_partitions(conn, DECEMBER, months_ahead=0)
    for at in (DECEMBER, JANUARY, DECEMBER):
        await conn.execute("insert into audit (at, actor, action, subject) values (%s, 'a', 'b', 'c')", (at,))
    rows = await (await conn.execute("select id from audit order by id")).fetchall()
    assert len({row[0] for row in rows}) == 3


async def test_of_what_is_encrypted_nothing_is_counted_for_statistics_in_any_partition(conn: Conn) -> None:
    counted = """
    select c.relname::text, a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and a.atttypid = 'bytea'::regtype
        and a.attstattarget is distinct from 0 and a.attname in ('body', 'fetched', 'data', 'arguments') and a.attnum > 0
    """
    assert await (await conn.execute(counted)).fetchall() == []
