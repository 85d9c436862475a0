"""Connections of the pool come back as they were lent."""

from __future__ import annotations

import psycopg
import pytest

from counterfoil.store.pool import Pool, single_statements


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
