"""Deadlines of subjects that are decided from bundles: whoever takes one and whoever sets another at the same time, none is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.store.blocking import is_blocked

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.store import agenda, agenda_deadlines
from counterfoil.store.agenda import AgendaItem, Subject
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.work import ORDINARY, SHARDS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NEXT = NOW + timedelta(weeks=3)
ONE = INVOICE.ref("stripe:in_1")


async def in_hand(pool: Pool) -> list[AgendaItem]:
    """Have a subject with a deadline that is due handed on in a bundle and claimed; it has no row of its own."""
    async with pool.connection() as conn, conn.transaction():
        await agenda.hand_on(conn, [Subject(ONE)], NOW)
        await agenda_deadlines.put(conn, {ONE: NOW})
    found = await claimed(pool)
    assert [(item.ref, item.seq, len(item.bundles)) for item in found] == [(ONE, 0, 1)]
    return found


async def claimed(pool: Pool) -> list[AgendaItem]:
    async with pool.connection() as conn:
        return await agenda.claim(conn, range(SHARDS), NOW, 100, lanes=ORDINARY)


async def write(conn: Conn, items: list[AgendaItem], due_at: datetime) -> None:
    """Write what a decision comes to: it is decided, and again then."""
    assert await agenda.finish(conn, items) == 1
    await agenda_deadlines.put(conn, {ONE: due_at})


async def take(conn: Conn) -> None:
    """Put what is due on the agenda, in a transaction of its own."""
    async with conn.transaction():
        await agenda_deadlines.take(conn, NOW, 10)


async def deadline(pool: Pool) -> datetime | None:
    async with pool.connection() as conn:
        return (await agenda_deadlines.of(conn, [ONE])).get(ONE)


async def test_a_deadline_set_while_the_former_one_is_being_taken_stays(pool: Pool) -> None:
    items = await in_hand(pool)
    async with pool.connection() as deciding, pool.connection() as taking, pool.connection() as observer:
        async with deciding.transaction():
            await write(deciding, items, NEXT)
            task = asyncio.create_task(take(taking))
            await is_blocked(observer, by=deciding)  # by the former one, which is being cleared
        await task
    assert await deadline(pool) == NEXT


async def test_a_deadline_taken_while_its_subject_is_decided_has_it_decided_again_and_the_one_it_sets_stays(pool: Pool) -> None:
    items = await in_hand(pool)
    async with pool.connection() as deciding, pool.connection() as taking, pool.connection() as observer:
        async with taking.transaction():
            await agenda_deadlines.take(taking, NOW, 10)
            task = asyncio.create_task(write_all(deciding, items))
            await is_blocked(observer, by=taking)
        await task
    assert await deadline(pool) == NEXT
    [again] = await claimed(pool)
    assert (again.ref, again.bundles) == (ONE, ())
    assert again.seq > 0


async def write_all(conn: Conn, items: list[AgendaItem]) -> None:
    """Write what a decision comes to, in a transaction of its own."""
    async with conn.transaction():
        await write(conn, items, NEXT)


async def test_a_deadline_a_decision_sets_that_is_past_already_is_taken_with_the_next_look(pool: Pool) -> None:
    # Decided by the clock of before, written after another look took the former one.
    items = await in_hand(pool)
    async with pool.connection() as conn:
        await take(conn)
        async with conn.transaction():
            await write(conn, items, NOW - timedelta(seconds=1))
        assert await agenda_deadlines.next_due(conn) == NOW - timedelta(seconds=1)
        await take(conn)
        assert await agenda_deadlines.next_due(conn) is None
    assert [item.ref for item in await claimed(pool)] == [ONE]


async def test_a_turn_that_is_cut_leaves_the_deadline_and_the_reason_it_had_in_hand(pool: Pool) -> None:
    items = await in_hand(pool)
    async with pool.connection() as conn:
        async with conn.transaction(force_rollback=True):
            await write(conn, items, NEXT)
        assert await agenda.unmoved(conn, items) == items
    assert await deadline(pool) == NOW
    assert await claimed(pool) == items
