"""Adopting struck at every boundary: before and after records are named in the books, within and after what is written here."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.adopter import BOUNDARIES, OF_DOCUMENTS, Killed, die
from tests.crash.conftest import Note
from tests.crash.judging import Verdict
from tests.crash.matrix import IS_FULL
from tests.integration.path.house import BOOKS, House, house
from tests.integration.path.test_adopting import applied, closed, customer, opened, partner, partners, plan_of, told
from tests.integration.path.test_adopting_documents import billed
from tests.nursery import fork

from counterfoil.app import adopting
from counterfoil.app.adopting import Adopted
from counterfoil.app.adoption_file import write_plan
from counterfoil.app.adoption_plan import AdoptionPlan

pytestmark = pytest.mark.crash

NAMES = ("Ada Birk", "Bo Lind", "Cy Moor")


@pytest_asyncio.fixture
async def made(database: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house(database, Path(tmp_path / "home"), change=closed) as made:
        yield made


CELLS = [(boundary, at, again) for boundary in BOUNDARIES for at in (0, 1) for again in (True, False)]
QUICK = [*((boundary, 1, True) for boundary in BOUNDARIES), ("named, not bound", 1, False)]
"""Those of an ordinary run: each boundary once, and the one at which only the books know."""


@pytest.mark.parametrize(("boundary", "at", "is_applied_again"), CELLS if IS_FULL else QUICK)
async def test_adopting_that_dies_doubles_nothing_and_goes_on(
    made: House, note: Note, boundary: str, at: int, is_applied_again: bool
) -> None:
    there, ids = {}, {}
    for name in NAMES:
        mail = f"{name.split()[0].lower()}@adopted.example"
        there[name], ids[name] = await partner(made, name, email=mail), await customer(made, name, email=mail)
    await told(made)
    plan = await plan_of(made)
    assert [row.verdict.value for row in plan.rows] == ["certain"] * 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adopting, "NAMED_AT_A_TIME", 1)
        BOUNDARIES[boundary](patch, at, die)
        with pytest.raises(Killed):
            await applied(made, plan.rows)
    named = {name for name in NAMES if made.has(f"customer_stripe.{ids[name]}")}
    if is_applied_again:
        done = await applied(made, plan.rows)
        assert done.bound + done.already == len(NAMES)
        named = set(NAMES)
    await opened(made)
    async with made.hub.pool.connection() as conn:
        rows = await (await conn.execute("select key, external_id from binding where until is null and key like 'customer/%%'")).fetchall()
        lines = await (await conn.execute("select subject, count(*) from audit where action = 'adopted' group by 1")).fetchall()
    bound = dict(rows)
    wrong = [name for name in named if partners(made, name) != [there[name]]]
    wrong += [name for name in named if bound[f"customer/stripe:{ids[name]}"] != f"res.partner/{there[name]}"]
    wrong += [name for name in NAMES if len(partners(made, name)) != (1 if name in named else 2)]
    note("adopt", f"{boundary}, {'applied again' if is_applied_again else 'left to the workers'}", Verdict(lost=wrong))
    assert wrong == []
    assert {count for _, count in lines} <= {1}
    if is_applied_again:
        assert {subject for subject, _ in lines} == {f"customer/stripe:{id}" for id in ids.values()}


BILL_CELLS = [(boundary, again) for boundary in OF_DOCUMENTS for again in (True, False)]
BILL_QUICK = [("named, not done", True), ("named, not done", False), ("done, not committed", True)]


@pytest.mark.parametrize(("boundary", "is_applied_again"), BILL_CELLS if IS_FULL else BILL_QUICK)
async def test_adopting_a_document_that_dies_posts_nothing_twice(made: House, note: Note, boundary: str, is_applied_again: bool) -> None:
    bill = await billed(made)
    there = await bill.enter(100.0)
    await told(made)
    plan = await plan_of(made)
    assert [(row.kind, row.verdict.value) for row in plan.rows] == [("customer", "certain"), ("invoice", "certain")]
    with pytest.MonkeyPatch.context() as patch:
        OF_DOCUMENTS[boundary](patch, 1, die)  # the customer's is the first
        with pytest.raises(Killed):
            await applied(made, plan.rows)
    is_named = made.has(bill.key)
    if is_applied_again:
        done = await applied(made, plan.rows)
        assert (done.bound + done.already, done.others) == (2, ())
    await opened(made)
    is_right = bill.documents() == [there] if is_named or is_applied_again else len(bill.documents()) == 2
    note(
        "adopt a document",
        f"{boundary}, {'applied again' if is_applied_again else 'left to the workers'}",
        Verdict(lost=[] if is_right else ["invoice"]),
    )
    assert is_right, bill.documents()
    if is_named and await made.cases():  # a worker found what was named, entered otherwise than it would: applied again, that is no case
        assert await applied(made, plan.rows) == Adopted(1, 1)
    assert await made.cases() == []
    assert bill.documents() == [there] or not is_named


async def killed(made: House, plan: AdoptionPlan, of: str, boundary: str, at: int, folder: Path) -> None:
    """Have a process of its own apply a plan, and be killed at a boundary."""
    write_plan(folder / "adopt.csv", plan)
    order = folder / "order.json"
    told = {"of": of, "boundary": boundary, "at": at, "plan": str(folder / "adopt.csv"), "connection": BOOKS}
    told |= {"now": made.clock.now().isoformat(), "values": dict(made.values)}
    order.write_text(json.dumps(told, default=str), "utf-8")
    assert await (await fork("tests.crash.adopter", str(order))).wait() == -signal.SIGKILL


KILLS = [*(("customers", boundary) for boundary in BOUNDARIES), *(("documents", boundary) for boundary in OF_DOCUMENTS)]
QUICK_KILLS = [("customers", "binding, not committed"), ("customers", "written there, not answered"), ("documents", "done, not committed")]


@pytest.mark.parametrize(("of", "boundary"), KILLS if IS_FULL else QUICK_KILLS)
async def test_a_process_that_is_killed_while_it_adopts_leaves_nothing_half_done(
    made: House, note: Note, tmp_path: Path, of: str, boundary: str
) -> None:
    bill = await billed(made)
    there = await bill.enter(100.0)
    other, id = await partner(made, "Bo Lind", email="bo@adopted.example"), await customer(made, "Bo Lind", email="bo@adopted.example")
    await told(made)
    plan = await plan_of(made)
    assert [(row.kind, row.verdict.value) for row in plan.rows] == [("customer", "certain")] * 2 + [("invoice", "certain")]
    await killed(made, plan, of, boundary, 1 if of == "customers" else 2, tmp_path)
    done = await applied(made, plan.rows)
    assert (done.bound + done.already, done.others) == (3, ())
    await opened(made)
    async with made.hub.pool.connection() as conn:
        lines = await (await conn.execute("select subject, count(*) from audit where action = 'adopted' group by 1")).fetchall()
        rows = await (await conn.execute("select key, external_id from binding where until is null")).fetchall()
    bound = dict(rows)
    wrong = [] if bill.documents() == [there] and partners(made, "Bo Lind") == [other] else ["doubled"]
    wrong += [] if bound[f"customer/stripe:{id}"] == f"res.partner/{other}" else ["bound to another"]
    note(f"adopt {of}", f"killed: {boundary}", Verdict(lost=wrong))
    assert wrong == []
    assert dict(lines) == {row.key: 1 for row in plan.rows}
    assert await made.cases() == []
