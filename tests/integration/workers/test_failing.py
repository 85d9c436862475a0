"""A partition whose turns fail before anything is in hand: one case with the true cause, other partitions go on, closed when it works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from counterfoil.engine import membership
from counterfoil.engine.draining import TOLD_AFTER, Drains
from counterfoil.engine.failing import cause_of
from counterfoil.engine.membership import Membership
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.stage import Stage, Turn, TurnContext
from counterfoil.store import cases, work
from counterfoil.store.cases import CaseState
from counterfoil.store.pool import Pool


@pytest.fixture
async def member(database: str) -> AsyncIterator[Membership]:
    joined = await membership.join(database, "w")
    await joined.beat()
    yield joined
    await joined.leave()


def stages(*names: str, turn: Callable[[str, TurnContext], Awaitable[Turn]]) -> dict[str, Stage]:
    return dict.fromkeys(names, turn)


async def run(pool: Pool, drains: Drains, stage: str, key: str) -> None:
    async with pool.connection() as conn, conn.transaction():
        await work.arm(conn, [(stage, key)])
        taken = await work.take(conn, stage, key)
    assert taken is not None
    await drains.work(stage, {key: taken})


@pytest.mark.parametrize("stage", ["normalize", "decide", "deliver", "close_day", "poll"])
async def test_a_stage_whose_turns_fail_is_a_case_until_one_ends_well(pool: Pool, member: Membership, stage: str) -> None:
    is_broken = True

    async def turn(key: str, context: TurnContext) -> Turn:
        if key == "files/bad" and is_broken:
            raise KeyError("post_invoice")
        return Turn(has_more=False)

    drains = Drains(pool, stages(stage, turn=turn), member, lambda _stage, _key: True)

    async def standing() -> list[cases.Case]:
        async with pool.connection() as conn:
            return await cases.list_cases(conn)

    for _ in range(TOLD_AFTER - 1):
        await run(pool, drains, stage, "files/bad")
    assert await standing() == []
    for _ in range(2):
        await run(pool, drains, stage, "files/bad")
        await run(pool, drains, stage, "files/good")
    [case] = await standing()
    assert (case.code, case.case_class, case.count) == ("work.turn_fails", "schema_drift", 1)
    assert "KeyError: 'post_invoice'" in case.cause
    is_broken = False
    await run(pool, drains, stage, "files/bad")
    assert await standing() == []
    async with pool.connection() as conn:
        assert [one.closed_by for one in await cases.list_cases(conn, state=CaseState.RESOLVED)] == ["hub"]


async def test_a_turn_of_several_shards_that_fails_sets_each_of_them_back_and_counts_for_each(pool: Pool, member: Membership) -> None:
    async def turn(key: str, context: TurnContext) -> Turn:
        raise KeyError(key)

    drains = Drains(pool, stages("decide", turn=turn), member, lambda _stage, _key: True)
    async with pool.connection() as conn, conn.transaction():
        await work.arm(conn, [("decide", "3"), ("decide", "11")])
        claimed = await work.claim(conn, member.id, member.worker.incarnation, ["decide"], 9, 9)
    await drains.work("decide", {key: taken for _, key, taken in claimed})
    async with pool.connection() as conn:
        rows = await (await conn.execute("select key, armed, begun, claimed_by, pause_until is not null from work order by 1")).fetchall()
    assert rows == [("11", True, 1, None, True), ("3", True, 1, None, True)]


def test_a_cause_tells_nothing_of_the_data() -> None:
    assert cause_of(ValueError("Ann Ltd, ann@example.com")) == "ValueError"
    assert cause_of(ExceptionGroup("", [RejectedError("no such tax", code="x.y")])) == "RejectedError: no such tax"
