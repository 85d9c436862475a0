"""Writes that got no answer and are done in the target later, over newer ones: how tests bring them about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.integration.delivery.scripted import Desk

from counterfoil.core.commands.books import UpsertProduct
from counterfoil.core.language.commands import Command
from counterfoil.kit.codec import encode
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.writing import Outcome, OutcomeStatus

LATE_S = 130.0
NO_ANSWER = TransientError("no answer within the time limit", code="http.timeout", is_outcome_unknown=True)


def delay_next(desk: Desk) -> None:
    """Have the next sending get no answer, and be done only when it lands."""
    left = [NO_ANSWER]
    desk.books.delaying = lambda _call, _commands: left.pop() if left else None


async def update(desk: Desk, number: int, name: str, key: str = "plan") -> None:
    """Wish the next version of a record."""
    await desk.wish(number, external_key=key, order_key=key, arguments=encode(UpsertProduct("p", name)))


async def until_done(desk: Desk, *numbers: int) -> None:
    """Take turns until commands are done, a second for each."""
    for _ in range(20):
        await desk.turn()
        if set(await desk.states(*numbers)) == {"done"}:
            return
        desk.later(1)
    raise AssertionError(await desk.states(*numbers))


async def noted(desk: Desk) -> int:
    """Return how many commands may be done late."""
    async with desk.pool.connection() as conn:
        row = await (await conn.execute("select count(*) from recheck")).fetchone()
    return 0 if row is None else int(row[0])


async def refusing(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Refuse everything."""
    del ctx, bound
    words = "the record is locked"
    return tuple(Outcome(one.id, OutcomeStatus.REFUSED, code="books.locked", message=words) for one in commands)


async def newer_was_undone(desk: Desk) -> None:
    """The first version got no answer, the second one is done, and then the first one comes."""
    await update(desk, 1, "old")
    delay_next(desk)
    await until_done(desk, 1)
    await update(desk, 2, "new")
    await until_done(desk, 2)
    assert desk.books.held == {"plan": "new"}
    desk.books.land()
    assert desk.books.held == {"plan": "old"}
