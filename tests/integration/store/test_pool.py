"""Connections of the pool come back as they were lent."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from counterfoil.store.pool import Conn, Pool, single_statements, together


async def asked(conn: Conn, statement: str) -> list[Any]:
    return await (await conn.execute(statement.encode())).fetchall()


async def status(pool: Pool) -> list[bool]:
    async with pool.connection() as conn:
        return [conn.autocommit, conn.closed]


async def test_single_statements_are_transactions_of_their_own_and_the_next_taker_gets_blocks_again(pool: Pool) -> None:
    async with single_statements(pool) as conn:
        await conn.execute("create table kept (id int)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            await conn.execute("select from nothing")
        await conn.execute("insert into kept values (1)")  # the failed one ended nothing but itself
    assert await status(pool) == [False, False]
    async with pool.connection() as conn:
        assert await (await conn.execute("select id from kept")).fetchall() == [(1,)]


async def test_a_connection_that_was_lost_while_lent_is_not_lent_again(pool: Pool) -> None:
    with pytest.raises(psycopg.OperationalError):
        async with single_statements(pool) as conn:
            await conn.execute("select pg_terminate_backend(pg_backend_pid())")
    assert await status(pool) == [False, False]


async def test_what_is_asked_together_is_asked_in_its_order_and_seen_by_the_second(pool: Pool) -> None:
    async with pool.connection() as conn, conn.pipeline(), conn.transaction():
        await conn.execute("create table kept (id int)")
        first, second = await together(
            asked(conn, "insert into kept values (1) returning id"), asked(conn, "insert into kept select id + 1 from kept returning id")
        )
        assert (first, second) == ([(1,)], [(2,)])


@pytest.mark.parametrize("place", [0, 1])
async def test_what_is_asked_together_and_goes_wrong_says_what_went_wrong_and_leaves_the_connection_whole(pool: Pool, place: int) -> None:
    statements = ["select 1", "select from nothing"] if place else ["select from nothing", "select 1"]
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with pool.connection() as conn, conn.pipeline(), conn.transaction():
            await together(asked(conn, statements[0]), asked(conn, statements[1]))
    assert await status(pool) == [False, False]
    async with pool.connection() as conn:
        assert await asked(conn, "select 1") == [(1,)]
