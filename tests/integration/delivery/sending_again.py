"""What is sent again: made due, taken, sent, answered as a test says, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.integration.delivery.late import LATE_S, delay_next, newer_was_undone, until_done, update
from tests.integration.delivery.scripted import Desk

from counterfoil.core.language.commands import Command
from counterfoil.delivery.rechecking import Batch
from counterfoil.kit.context import Context
from counterfoil.kit.stage import PLAIN, TurnContext
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

OLD, NEW = f"{1:032x}", f"{2:032x}"


AGAIN = "sent again: an older write may have been done late"


async def due_now(desk: Desk) -> None:
    """An older write came over a newer one, and can no longer come again."""
    await newer_was_undone(desk)
    desk.later(LATE_S)


async def take(desk: Desk, context: TurnContext = PLAIN, **changes: Any) -> Batch | None:
    one = desk.deliverer(**changes)
    return await one.rechecker.take("books", "all", one.targets["books"], context)


async def taken(desk: Desk) -> Batch:
    batch = await take(desk)
    assert batch is not None
    return batch


async def send(desk: Desk, batch: Batch, *, is_yielding: bool = False) -> Sequence[Outcome]:
    one = desk.deliverer()
    return await one.rechecker.send(one.targets["books"], batch, is_yielding=is_yielding)


def answer(desk: Desk, *outcomes: Outcome, after_s: float = 0.0) -> None:
    """Have every sending answered so, in the order of its commands, after some time."""

    async def answering(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx, commands, bound
        desk.later(after_s)
        return outcomes

    desk.books.send = answering  # type: ignore[method-assign]


async def kept(desk: Desk) -> list[tuple[float | None, int]]:
    """Return of every recheck in how many seconds it is due (None: when its case is retried) and how often it was tried."""
    async with desk.pool.connection() as conn:
        rows = await (await conn.execute("select due_at, tries from recheck order by command_id")).fetchall()
    return [(None if due is None else (due - desk.clock.now()).total_seconds(), tries) for due, tries in rows]


def said(status: OutcomeStatus, **more: Any) -> Outcome:
    return Outcome(NEW, status, code="books.x", message="words", **more)


async def overwrite_two(desk: Desk) -> None:
    """Have two records overwritten by older versions, which can no longer come again."""
    for number, key in ((1, "a"), (3, "b")):
        await update(desk, number, "old", key)
        delay_next(desk)
        await until_done(desk, number)
        await update(desk, number + 1, "new", key)
        await until_done(desk, number + 1)
    desk.later(LATE_S)


async def two_things_due(desk: Desk) -> Batch:
    """Two records were overwritten by older versions; both are taken."""
    await overwrite_two(desk)
    return await taken(desk)


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher, overwrites=True, late_s=LATE_S)
