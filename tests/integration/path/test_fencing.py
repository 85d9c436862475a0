"""A decider that loaded an older state, its worker taken for dead or its subject in both lanes at once, writes nothing over a newer one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.normalize.conftest import Caution
from tests.integration.path.house import House, house

from counterfoil.app.demo.entities import US
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.decide import decisions
from counterfoil.decide import stage as deciding
from counterfoil.decide.stage import Decider
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import agenda, case_work, cases, outbox, work
from counterfoil.store.cases import CaseState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def idle(second_database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub nobody works in but the test."""
    async with house(second_database, tmp_path, entities=[US], is_working=False) as made:
        yield made


def decider(made: House) -> Decider:
    return Decider(made.hub.pool, made.hub.cipher, made.hub.rules, made.hub.batch_key, made.hub.clock, made.hub.arm)


async def read_news(made: House) -> None:
    """Have what happened normalized, not decided."""
    await made.deliver(made.news())
    normalizer = Normalizer(made.hub.pool, made.hub.cipher, made.hub.sources, made.hub.clock, made.hub.arm, made.hub.rules.purposes())
    for shard in range(work.SHARDS):
        while (await normalizer.turn(f"stripe_us/{shard}")).has_more:
            pass


async def decide_all(made: House) -> None:
    one = decider(made)
    for shard in range(work.SHARDS):
        while (await one.turn(str(shard))).has_more:
            pass


async def wished_names(made: House, customer: ObjectRef) -> list[tuple[str, str]]:
    """Return the names a customer was wished with, and the states of these wishes."""
    async with made.hub.pool.connection() as conn:
        rows = await outbox.of_subjects(conn, made.hub.cipher, [customer])
    return [("Second" if b"Second" in row.arguments else "First", row.state.value) for row in rows]


class Held:
    """Holds one decider between loading and writing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_loaded, self.may_go_on = asyncio.Event(), asyncio.Event()
        self._is_first = True
        monkeypatch.setattr(deciding, "load", self)

    async def __call__(self, *given: Any) -> Any:
        loaded = await decisions.load(*given)
        if self._is_first:
            self._is_first = False
            self.has_loaded.set()
            await self.may_go_on.wait()
        return loaded


async def rename(made: House, customer: str, name: str) -> None:
    await made.apis["US"].post(f"/v1/customers/{customer}", name=name)
    await made.later(seconds=2)
    await read_news(made)


@pytest.mark.parametrize("lane", [Lane.REAL_TIME, Lane.REPLAY])
async def test_a_stale_decision_is_dropped_and_the_newer_one_stands(idle: House, monkeypatch: pytest.MonkeyPatch, lane: Lane) -> None:
    await read_news(idle)
    await decide_all(idle)
    stage = idle.story()
    customer = await stage.customer()
    await rename(idle, customer, "First")
    ref = CUSTOMER.ref(f"stripe:{customer}")
    async with idle.hub.pool.connection() as conn:
        await conn.execute("update agenda_bundle set lane = %s", (lane,))
    held = Held(monkeypatch)
    shard = str(work.shard_of(ref.key))
    stale = decider(idle)
    late = asyncio.create_task(stale.turn(shard) if lane is Lane.REAL_TIME else stale.bulk_turn(shard))
    await held.has_loaded.wait()
    await rename(idle, customer, "Second")
    await decide_all(idle)
    assert await wished_names(idle, ref) == [("Second", "ready")]
    held.may_go_on.set()
    await late
    assert await wished_names(idle, ref) == [("Second", "ready")]


async def test_a_reason_that_comes_while_a_decision_is_being_written_is_decided_after_it(
    idle: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read_news(idle)
    await decide_all(idle)
    stage = idle.story()
    customer = await stage.customer()
    await rename(idle, customer, "First")
    ref = CUSTOMER.ref(f"stripe:{customer}")
    wish, is_first = outbox.wish, True

    async def wish_slowly(*given: Any) -> Any:
        nonlocal is_first
        answer = await wish(*given)
        if is_first:
            is_first = False
            await rename(idle, customer, "Second")
        return answer

    monkeypatch.setattr(outbox, "wish", wish_slowly)
    await decider(idle).turn(str(work.shard_of(ref.key)))
    assert await wished_names(idle, ref) == [("First", "ready")]  # as if the reason had come a moment later
    await decide_all(idle)
    assert await wished_names(idle, ref) == [("First", "canceled"), ("Second", "ready")]


async def test_a_reason_of_its_own_row_that_comes_while_a_decision_is_being_written_is_not_overtaken(
    idle: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read_news(idle)
    await decide_all(idle)
    stage = idle.story()
    customer = await stage.customer()
    await rename(idle, customer, "First")
    ref = CUSTOMER.ref(f"stripe:{customer}")
    shard = str(work.shard_of(ref.key))
    wish = outbox.wish
    async with idle.hub.pool.connection() as conn:
        await agenda.add(conn, [agenda.Subject(ref)], idle.clock.now())

    async def wish_slowly(*given: Any) -> Any:
        monkeypatch.setattr(outbox, "wish", wish)
        async with idle.hub.pool.connection() as other:
            await agenda.add(other, [agenda.Subject(ref)], idle.clock.now())
        return await wish(*given)

    monkeypatch.setattr(outbox, "wish", wish_slowly)
    await decider(idle).turn(shard)
    assert await wished_names(idle, ref) == []  # rolled back
    await decide_all(idle)
    assert await wished_names(idle, ref) == [("First", "ready")]


async def test_a_poisoned_subject_is_parked_as_a_case_and_decided_when_it_is_retried(idle: House) -> None:
    await read_news(idle)
    await decide_all(idle)
    stage = idle.story()
    customer = await stage.customer()
    await rename(idle, customer, "First")
    ref = CUSTOMER.ref(f"stripe:{customer}")
    shard = str(work.shard_of(ref.key))
    context = Caution(poisoned=frozenset({ref.key}))
    await decider(idle).turn(shard, context)
    assert ref.key in context.held
    assert await wished_names(idle, ref) == []
    async with idle.hub.pool.connection() as conn:
        [case] = await cases.list_cases(conn)
        assert (case.code, case.case_class) == ("decide.poisoned", "schema_drift")
        assert await agenda.claim(conn, [int(shard)], idle.clock.now(), 10) == []
        await idle.hub.arm(conn, await case_work.retry(conn, case.id, "operator", idle.clock.now()))
    await decide_all(idle)
    assert await wished_names(idle, ref) == [("First", "ready")]
    async with idle.hub.pool.connection() as conn:
        assert [one.state for one in await cases.list_cases(conn, state=None)] == [CaseState.RESOLVED]


async def test_a_decider_about_to_end_decides_nothing(idle: House) -> None:
    await read_news(idle)
    one, context = decider(idle), Caution(is_ending=True)
    assert [(await one.turn("0", context)).has_more, (await one.bulk_turn("0", context)).has_more, context.held] == [True, True, []]


async def test_a_turn_that_found_one_thing_in_many_bundles_says_that_there_is_more(idle: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "BATCH_MAX", 2)
    one, other = [ref for ref in map(CUSTOMER.ref, (f"stripe:cus_{n}" for n in range(400))) if work.shard_of(ref.key) == 3][:2]
    async with idle.hub.pool.connection() as conn:
        for ref in (one, one, other):
            await agenda.hand_on(conn, [agenda.Subject(ref)], idle.hub.clock.now())
    deciders = decider(idle)
    assert (await deciders.turn("3")).has_more  # the second is in a bundle behind those two
    assert not (await deciders.turn("3")).has_more
    async with idle.hub.pool.connection() as conn:
        assert not await agenda.is_bundled(conn, [3])
