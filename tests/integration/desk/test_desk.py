"""What people decide at the desk: done whole or not at all, and always with a line in the audit that says who did what."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from counterfoil.app import desk
from counterfoil.app.database import Database
from counterfoil.app.desk import MappingRequest
from counterfoil.app.hub import wait_until
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.rules import MappingKind
from counterfoil.store import audit, cases
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import open_pool

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
async def opened(database: str, cipher: Cipher) -> AsyncIterator[Database]:
    """Yield an open database of a hub."""
    async with open_pool(database, size_min=1, size_max=3) as pool:
        yield Database(database, pool, cipher)


async def case_of(opened: Database, name: str) -> int:
    """Open a case in which the decision on an invoice stands still; return its number."""
    case = opening(
        fingerprint=name,
        case_class=CaseClass.UNMAPPED_TAX,
        code="decide.tax_unmapped",
        cause=f"invoice {name} has a tax that is mapped to none",
        next_step="Map it.",
        stage="decide",
        subject=INVOICE.ref(f"stripe:{name}").key,
        now=NOW,
    )
    async with opened.pool.connection() as conn:
        return (await cases.open_or_count(conn, [case], NOW))[name]


async def states(opened: Database) -> list[CaseState]:
    async with opened.pool.connection() as conn:
        return [one.state for one in sorted(await cases.list_cases(conn, state=None), key=lambda one: one.id)]


async def lines(opened: Database) -> list[tuple[str, str, str]]:
    async with opened.pool.connection() as conn:
        return [(one.actor, one.action, one.subject) for one in reversed(await audit.recent(conn))]


async def test_what_is_decided_about_cases_is_audited_with_who_decided(opened: Database) -> None:
    one, two = await case_of(opened, "in_1"), await case_of(opened, "in_2")
    assert await desk.retry_cases(opened, [one], "", "controller", NOW) == [one]
    assert await desk.assign_case(opened, two, "tax team", "operator", NOW)
    await desk.waive_cases(opened, [two], "approver", "a test invoice", NOW)
    assert await lines(opened) == [
        ("controller", "retried", f"case/{one}"),
        ("operator", "assigned", f"case/{two}"),
        ("approver", "waived", f"case/{two}"),
    ]


async def test_of_several_cases_each_is_retried_by_itself_and_waits_for_nobody_with_another_in_hand(opened: Database) -> None:
    one, two = await case_of(opened, "in_1"), await case_of(opened, "in_2")
    async with opened.pool.connection() as worker, worker.transaction():
        await worker.execute('select from "case" where id = %s for update', (two,))
        retrying = asyncio.create_task(desk.retry_cases(opened, [one, two], "", "controller", NOW))
        assert await wait_until(partial(has_lines, opened, 1), timeout_s=30)
        assert await lines(opened) == [("controller", "retried", f"case/{one}")]
        assert not retrying.done()
    assert await retrying == [one, two]


async def has_lines(opened: Database, count: int) -> bool:
    return len(await lines(opened)) == count


async def test_cases_are_waived_together_or_not_at_all(opened: Database) -> None:
    one, two = await case_of(opened, "in_1"), await case_of(opened, "in_2")
    await desk.waive_cases(opened, [two], "approver", "a test invoice", NOW)
    with pytest.raises(LookupError, match=f"case {two} is closed already"):
        await desk.waive_cases(opened, [one, two], "approver", "again", NOW)
    with pytest.raises(LookupError, match="there is no case 999"):
        await desk.waive_cases(opened, [one, 999], "approver", "again", NOW)
    assert await states(opened) == [CaseState.OPEN, CaseState.WAIVED]
    assert len(await lines(opened)) == 1


async def test_waiving_without_a_reason_is_refused(opened: Database) -> None:
    one = await case_of(opened, "in_1")
    with pytest.raises(ValueError, match="say why"):
        await desk.waive_cases(opened, [one], "approver", "  ", NOW)
    assert await states(opened) == [CaseState.OPEN]


async def test_the_plan_of_waiving_names_what_stands_still_and_changes_nothing(opened: Database) -> None:
    one = await case_of(opened, "in_1")
    plan = await desk.plan_of_waiving(opened, [one])
    assert [(id, [subject.subject for subject in standing]) for id, (_, standing) in plan.items()] == [(one, ["invoice/stripe:in_1"])]
    assert await states(opened) == [CaseState.OPEN]
    assert await lines(opened) == []


async def test_nothing_is_audited_that_was_not_done(opened: Database) -> None:
    assert not await desk.assign_case(opened, 7, "tax team", "operator", NOW)
    assert await desk.retry_cases(opened, [7], "", "operator", NOW) == []
    assert not await desk.stop_replay(opened, 7, "operator", NOW)
    assert not await desk.resume_replay(opened, 7, "operator", NOW)
    assert await lines(opened) == []


async def test_a_mapping_is_audited_when_it_changes_something_or_is_confirmed(opened: Database) -> None:
    wanted = MappingRequest(MappingKind.TAX, "de", "19|exclusive", "19 %")
    assert (await desk.set_mapping(opened, wanted, "controller", NOW)).changed
    assert not (await desk.set_mapping(opened, wanted, "controller", NOW + timedelta(minutes=1))).changed
    assert await lines(opened) == [("controller", "mapped", "mapping/tax/de/19|exclusive")]


def test_every_intent_takes_who_acts_and_when() -> None:
    looks_only = {"ask_of_mapping", "plan_of_replay", "plan_of_waiving"}
    intents = [name for name in desk.__all__ if inspect.isroutine(getattr(desk, name)) and name not in looks_only]
    assert len(intents) >= 8
    lacking = [name for name in intents if not {"actor", "now"} <= set(inspect.signature(getattr(desk, name)).parameters)]
    assert lacking == []
