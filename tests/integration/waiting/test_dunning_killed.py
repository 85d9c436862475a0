"""Dunning whose worker dies after any of its steps."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import Server
from tests.core.builders import ANN, PRO
from tests.integration.waiting.weeks import BILL, DUNNED, KEY, START, Weeks, paid

from counterfoil.app import people
from counterfoil.app import processes as seen
from counterfoil.decide import processes
from counterfoil.kit.clock import SettableClock
from counterfoil.store import agenda, agenda_deadlines, case_subjects, cases, events, objects, outbox, receipts, views
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool, open_pool

STEPS: tuple[tuple[Any, str], ...] = (
    (processes, "write"),
    (objects, "upsert"),
    (events, "append"),
    (agenda, "replace_waits"),
    (outbox, "wish"),
    (cases, "open_or_count"),
    (case_subjects, "move_on"),
    (agenda, "finish"),
    (agenda_deadlines, "put"),
    (agenda, "add"),
    (agenda_deadlines, "take"),
    (receipts, "append"),
    (people, "note"),
)


class KilledError(Exception):
    """The worker dies here."""


async def story(office: Weeks, attempt: Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]) -> None:
    """Play some weeks; each move is tried by ``attempt``, again after a death."""
    await office.tell(ANN, PRO, BILL)
    await attempt(lambda: office.until("03-30"))
    await attempt(lambda: office.until("04-15"))
    await attempt(lambda: office.say("approve"))
    await attempt(lambda: office.decide_again(paid(30_00)))
    await attempt(lambda: office.until("05-01"))


async def whole(office: Weeks) -> tuple[Any, ...]:
    """Return what is left of the story: the state, its history, the cases, the deadlines."""
    found = await seen.show_process(office.database(), KEY)
    assert found is not None
    async with office.pool.connection() as conn:
        closed = [(case.code, case.state) for case in await cases.list_cases(conn, state=None)]
        due = await (await conn.execute("select kind, id from deadline")).fetchall()
        left = await views.undecided(conn)
    return replace(found.seen, changed_at=START, version=0), sorted(closed), due, left, len({step.event for step in found.steps})


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Weeks:
    return Weeks(pool, cipher, DUNNED, SettableClock(START))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(database_template: Server, cipher: Cipher) -> tuple[Any, ...]:
    """Return what is left of the story where nobody dies: the same every time."""

    async def plainly(move: Callable[[], Awaitable[Any]]) -> None:
        await move()

    with database_template.database(f"undisturbed_{os.getpid()}") as url:
        async with open_pool(url, size_min=1, size_max=4) as pool:
            office = Weeks(pool, cipher, DUNNED, SettableClock(START))
            await story(office, plainly)
            return await whole(office)


@pytest.mark.parametrize(("module", "name"), STEPS, ids=[f"{module.__name__.rpartition('.')[2]}.{name}" for module, name in STEPS])
async def test_a_death_after_any_step_ends_as_without_it(
    office: Weeks, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, undisturbed: tuple[Any, ...]
) -> None:
    deaths = 0

    async def dying(move: Callable[[], Awaitable[Any]]) -> None:
        nonlocal deaths
        done = getattr(module, name)

        async def killed(*args: Any, **kwargs: Any) -> Any:
            nonlocal deaths
            await done(*args, **kwargs)
            deaths += 1
            raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(module, name, killed)
            try:
                await move()
            except KilledError:
                patched.undo()
                await move()

    await story(office, dying)
    assert deaths
    assert await whole(office) == undisturbed
