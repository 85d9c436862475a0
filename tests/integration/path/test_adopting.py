"""Customers that are in the books already: planned, answered, bound, and from then on updated; none is made twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import BOOKS, START, House, house

from counterfoil.app import identities
from counterfoil.app.adopting import Adopted, apply_plan, plan_of_adoption
from counterfoil.app.adoption_plan import Adoption, AdoptionPlan, PlanRow, digest_of
from counterfoil.app.database import Database
from counterfoil.app.hub import Hub, open_hub
from counterfoil.app.identities import IdentityAct, IdentityVerb
from counterfoil.app.settings import from_values
from counterfoil.connectors.odoo.existing import OdooExisting
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.money import Money
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.store import outbox_due

CLOSED_UNTIL = START + timedelta(hours=6)
VAT = "DE136695976"


def closed(values: dict[str, Any]) -> None:
    """Have nothing sent to the books yet: what is wished waits."""
    window = {"starts_at": START - timedelta(days=1), "ends_at": CLOSED_UNTIL}
    values["connections"][BOOKS]["maintenance"] = [window]


@pytest_asyncio.fixture
async def made(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub that reads its sources and leaves the books alone until six hours have passed."""
    async with house(database, Path(tmp_path / "home"), change=closed) as made:
        yield made


async def told(made: House) -> None:
    """Deliver all that is new, and wait until it is read and decided; nothing is sent."""
    await made.deliver(made.news())

    async def is_decided() -> bool:
        async with made.hub.pool.connection() as conn:
            sql = "select (select count(*) from to_read) + (select count(*) from to_decide)"
            return await (await conn.execute(sql)).fetchone() == (0,)

    await made.until(is_decided)


async def opened(made: House) -> None:
    """Let the books be written to."""
    await made.later(hours=7)
    async with made.hub.pool.connection() as conn:
        waiting = await outbox_due.partitions_open(conn)
    await made.hub.wake([("target", BOOKS), *waiting])
    await made.settle()
    await assert_balanced(made)


@asynccontextmanager
async def desk_of(made: House) -> AsyncIterator[Hub]:
    """Open the hub as the command does."""
    async with open_hub(from_values(made.values), made.clock, does_share=False) as hub:
        yield hub


async def plan_of(made: House) -> AdoptionPlan:
    async with desk_of(made) as hub:
        return await plan_of_adoption(hub)


async def applied(made: House, rows: tuple[PlanRow, ...]) -> Adopted:
    async with desk_of(made) as hub:
        return await apply_plan(hub, BOOKS, rows, Adoption("mira", "taken over", digest_of(rows)))


async def customer(made: House, name: str, **fields: Any) -> str:
    return str((await made.apis["US"].post("/v1/customers", name=name, **fields))["id"])


async def partner(made: House, name: str, **fields: Any) -> int:
    return await made.plain.create("res.partner", {"name": name, **fields})


def partners(made: House, name: str) -> list[int]:
    return sorted(row["id"] for row in made.odoo.env().rows("res.partner").values() if name in str(row["name"]))


def shown(plan: AdoptionPlan) -> dict[str, tuple[str, str]]:
    return {row.name: (row.verdict.value, row.external_id) for row in plan.rows}


async def audit_of(made: House, subject: str) -> list[tuple[str, str, Any]]:
    async with made.hub.pool.connection() as conn:
        found = await conn.execute("select actor, action, detail from audit where subject = %s", (subject,))
        return await found.fetchall()


async def test_what_is_certain_is_bound_and_updated_what_is_missing_is_made_and_nothing_twice(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example", ref="K-10023", phone="+49 30 7")
    known = await customer(made, "Ada Birk", email="ada@birk.example")
    missing = await customer(made, "Nobody Yet", email="nobody@yet.example")
    await told(made)
    before = len(made.odoo.env().rows("res.partner"))
    plan = await plan_of(made)
    assert shown(plan) == {"Ada Birk": ("certain", f"res.partner/{there}"), "Nobody Yet": ("missing", "")}
    assert plan.written == ("DE", "JP", "US")
    assert await plan_of(made) == plan
    assert len(made.odoo.env().rows("res.partner")) == before
    assert await applied(made, plan.rows) == Adopted(1, 0)
    assert await applied(made, plan.rows) == Adopted(0, 1)
    (line,) = await audit_of(made, f"customer/stripe:{known}")
    assert line[:2] == ("mira", "adopted")
    assert line[2] == {
        "record": f"res.partner/{there}", "connection": BOOKS, "plan": plan.digest, "reason": "taken over", "by": "certain",
    }  # fmt: skip
    await opened(made)
    assert len(made.odoo.env().rows("res.partner")) == before + 1
    assert partners(made, "Ada Birk") == [there]
    assert made.has(f"customer_stripe.{missing}")
    await made.apis["US"].post(f"/v1/customers/{known}", name="Ada Birk-Adler")
    await made.tell()
    row = made.odoo.env().row("res.partner", there)
    assert (row["name"], row["ref"], row["phone"], row["email"]) == ("Ada Birk-Adler", "K-10023", "+49 30 7", "ada@birk.example")
    assert partners(made, "Ada Birk") == [there]
    after = await plan_of(made)
    assert (after.rows, after.bound) == ((), 2)


async def test_documents_of_an_adopted_customer_are_booked_on_his_partner(made: House) -> None:
    story = made.story()
    id = await story.customer()
    name = (await made.apis["US"].get(f"/v1/customers/{id}"))["name"]
    email = (await made.apis["US"].get(f"/v1/customers/{id}"))["email"]
    there = await partner(made, name, email=email)
    await story.item(id, "Consulting", 10000)
    invoice = await story.bill(id)
    await told(made)
    (row,) = (one for one in (await plan_of(made)).rows if one.kind == CUSTOMER.name)
    assert (row.verdict.value, row.at_source) == ("certain", (Money(10000, "USD"),))
    await applied(made, (row,))
    await opened(made)
    assert made.document(f"invoice_stripe.{invoice['id']}")["partner_id"] == there
    assert partners(made, name) == [there]


async def test_what_is_doubtful_is_bound_only_as_people_answer(made: House) -> None:
    first = await partner(made, "Nordwind GmbH", email="post@nordwind.example")
    second = await partner(made, "Nordwind GmbH", email="post@nordwind.example")
    await customer(made, "Nordwind GmbH", email="post@nordwind.example")
    await told(made)
    plan = await plan_of(made)
    assert sorted((row.verdict.value, row.external_id) for row in plan.rows) == [
        ("doubtful", f"res.partner/{first}"),
        ("doubtful", f"res.partner/{second}"),
    ]
    assert await applied(made, plan.rows) == Adopted(0, 0, unanswered=(plan.rows[0].key,))
    both = tuple(replace(row, answer="yes") for row in plan.rows)
    with pytest.raises(SetupError, match=f"is to be res.partner/{first} and res.partner/{second}: answer no to one of them"):
        await applied(made, both)
    one = tuple(replace(row, answer="Yes" if row.external_id == f"res.partner/{second}" else "no") for row in plan.rows)
    assert await applied(made, one) == Adopted(1, 0)
    await opened(made)
    assert partners(made, "Nordwind GmbH") == [first, second]


async def test_a_missing_customer_is_bound_to_the_record_a_person_names(made: House) -> None:
    there = await partner(made, "SW Holding")
    id = await customer(made, "Sahara Travel Ltd")
    await told(made)
    (row,) = (await plan_of(made)).rows
    with pytest.raises(SetupError, match="yes is no answer where there is no record"):
        await applied(made, (replace(row, answer="yes"),))
    with pytest.raises(SetupError, match=r"res\.partner/999999: changed, or is gone"):
        await applied(made, (replace(row, answer="res.partner/999999"),))
    assert await applied(made, (replace(row, answer=f"res.partner/{there}"),)) == Adopted(1, 0)
    (line,) = await audit_of(made, f"customer/stripe:{id}")
    assert line[2]["by"] == "answer"
    await opened(made)
    assert partners(made, "Sahara") == [there]


async def test_a_name_that_people_gave_stays_where_the_source_tells_none(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    id = await customer(made, "", email="ada@birk.example")
    await told(made)
    (row,) = (await plan_of(made)).rows
    assert (row.external_id, row.changes) == (f"res.partner/{there}", ())
    assert (await applied(made, (replace(row, answer="yes"),))).bound == 1
    await opened(made)
    assert made.odoo.env().row("res.partner", there)["name"] == "Ada Birk"
    await made.apis["US"].post(f"/v1/customers/{id}", email="ada@elsewhere.example")
    await made.tell()
    found = made.odoo.env().row("res.partner", there)
    assert (found["name"], found["email"]) == ("Ada Birk", "ada@elsewhere.example")


async def test_a_plan_is_refused_as_a_whole_when_what_it_rests_on_has_changed(made: House) -> None:
    ada = await partner(made, "Ada Birk", email="ada@birk.example")
    bo = await partner(made, "Bo Lind", email="bo@lind.example")
    await customer(made, "Ada Birk", email="ada@birk.example")
    id = await customer(made, "Bo Lind", email="bo@lind.example")
    await told(made)
    plan = await plan_of(made)
    await made.plain.write("res.partner", [ada], {"email": "other@birk.example"})
    with pytest.raises(SetupError, match=f"^res.partner/{ada}: changed, or is gone, since the plan was made") as caught:
        await applied(made, plan.rows)
    assert caught.value.code == "adopt.stale"
    await made.plain.write("res.partner", [ada], {"email": "ada@birk.example"})
    await made.apis["US"].post(f"/v1/customers/{id}", email="bo.lind@lind.example")
    await told(made)
    with pytest.raises(SetupError, match=f"customer/stripe:{id}: changed"):
        await applied(made, plan.rows)
    async with made.hub.pool.connection() as conn:
        assert await (await conn.execute("select count(*) from binding")).fetchone() == (0,)
    assert [key for key in made.external_keys() if key.startswith("customer_")] == []
    assert {ada, bo} <= made.odoo.env().rows("res.partner").keys()


async def test_a_plan_applied_twice_at_once_binds_each_customer_once_and_says_once_who_did(made: House) -> None:
    ids = []
    for name in ("Ada Birk", "Bo Lind"):
        mail = f"{name.split()[0].lower()}@adopted.example"
        await partner(made, name, email=mail)
        ids.append(await customer(made, name, email=mail))
    await told(made)
    plan = await plan_of(made)
    both = await asyncio.gather(applied(made, plan.rows), applied(made, plan.rows))
    assert sum(one.bound for one in both) == 2
    assert [(one.bound + one.already, one.others) for one in both] == [(2, ()), (2, ())]
    assert [len(await audit_of(made, f"customer/stripe:{id}")) for id in ids] == [1, 1]
    await opened(made)
    assert [len(partners(made, name)) for name in ("Ada Birk", "Bo Lind")] == [1, 1]


async def test_what_a_worker_made_at_the_same_moment_is_not_said_to_be_adopted(made: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await partner(made, "Ada Birk", email="ada@birk.example")
    id = await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    plan = await plan_of(made)
    inner = OdooExisting.adopt

    async def late(self: OdooExisting, ctx: Context, names: Mapping[str, str]) -> Mapping[str, str]:
        await opened(made)  # between the look and the giving of keys
        return await inner(self, ctx, names)

    monkeypatch.setattr(OdooExisting, "adopt", late)
    done = await applied(made, plan.rows)
    own = made.odoo.env().ref(f"counterfoil.customer_stripe.{id}")
    assert done == Adopted(0, 0, ((f"customer/stripe:{id}", f"res.partner/{own}"),))
    assert await audit_of(made, f"customer/stripe:{id}") == []


@pytest.mark.parametrize("answer", ["res.partner/²", "res.partner/99999999999999999999", "res.partner/", "/", "x/y"])
async def test_an_answer_that_names_no_record_is_refused(made: House, answer: str) -> None:
    await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    (row,) = (await plan_of(made)).rows
    with pytest.raises(SetupError, match="changed, or is gone") as caught:
        await applied(made, (replace(row, answer=answer),))
    assert caught.value.code == "adopt.stale"


async def test_one_record_for_two_customers_is_refused_with_both(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    one = await customer(made, "Ada Birk", email="ada@birk.example")
    other = await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    plan = await plan_of(made)
    assert {row.verdict.value for row in plan.rows} == {"doubtful"}
    first, second = sorted((one, other))
    with pytest.raises(SetupError, match=f"res.partner/{there} is to be customer/stripe:{first} and customer/stripe:{second}"):
        await applied(made, tuple(replace(row, answer="yes") for row in plan.rows))


async def test_a_row_that_was_changed_by_hand_is_refused(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    await customer(made, "Ada Birk", email="ada@birk.example")
    other = await partner(made, "Somebody Else")
    await told(made)
    (row,) = (await plan_of(made)).rows
    assert row.external_id == f"res.partner/{there}"
    with pytest.raises(SetupError, match="is not as it was planned") as caught:
        await applied(made, (replace(row, external_id=f"res.partner/{other}"),))
    assert caught.value.code == "adopt.file"


async def test_a_partner_of_another_company_is_bound_whatever_anybody_says_to_nobody(made: House) -> None:
    aside = await made.plain.create("res.company", {"name": "Aside Ltd"})
    there = await partner(made, "Ada Birk", email="ada@birk.example", company_id=aside)
    await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    (row,) = (await plan_of(made)).rows
    assert row.verdict.value == "doubtful"
    with pytest.raises(SetupError, match=f"res.partner/{there}: only the company 'Aside Ltd' may use it") as caught:
        await applied(made, (replace(row, answer="yes"),))
    assert caught.value.code == "adopt.barred"


async def test_a_customer_the_hub_made_since_the_plan_keeps_its_own_record(made: House) -> None:
    await partner(made, "Ada Birk", email="ada@birk.example")
    id = await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    plan = await plan_of(made)
    await opened(made)  # nobody applied the plan: the hub makes a partner of its own
    own = made.odoo.env().ref(f"counterfoil.customer_stripe.{id}")
    assert await applied(made, plan.rows) == Adopted(0, 0, ((f"customer/stripe:{id}", f"res.partner/{own}"),))


async def test_a_hub_that_lost_its_bindings_finds_an_adopted_partner_by_its_key(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    await customer(made, "Ada Birk", email="ada@birk.example")
    await told(made)
    await applied(made, (await plan_of(made)).rows)
    async with made.hub.pool.connection() as conn, conn.transaction():
        await conn.execute("delete from binding")
    (row,) = (await plan_of(made)).rows
    assert (row.verdict.value, row.external_id, row.reasons) == (
        "certain", f"res.partner/{there}", ("it bears the customer's key already",),
    )  # fmt: skip
    await opened(made)
    assert partners(made, "Ada Birk") == [there]


async def test_who_is_another_customer_by_people_s_word_is_none_to_be_adopted(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    one, other, third = [await customer(made, name, email="ada@birk.example") for name in ("Ada Birk", "A. Birk", "Birk, Ada")]
    await told(made)
    assert len((await plan_of(made)).rows) == 3
    database = Database(made.hub.dsn, made.hub.pool, made.hub.cipher)
    for verb, id in ((IdentityVerb.MERGE, other), (IdentityVerb.SAME_AS, third)):
        act = IdentityAct(verb, f"customer/stripe:{id}", f"customer/stripe:{one}")
        await identities.decide(database, act, "mira", "one person", made.clock.now())
    await told(made)
    assert [(row.id, row.verdict.value, row.external_id) for row in (await plan_of(made)).rows] == [
        (f"stripe:{one}", "certain", f"res.partner/{there}")
    ]


async def test_a_record_that_became_another_customer_s_since_the_plan_is_refused(made: House) -> None:
    there = await partner(made, "Ada Birk", email="ada@birk.example")
    await customer(made, "Ada Birk", email="ada@birk.example")
    late = await customer(made, "Somebody Else", email="else@birk.example")
    await told(made)
    plan = await plan_of(made)
    (mine,) = (row for row in plan.rows if row.id == f"stripe:{late}")
    await applied(made, tuple(row for row in plan.rows if row is not mine))
    with pytest.raises(SetupError, match=rf"res.partner/{there}, which is customer/stripe:\w+ already") as caught:
        await applied(made, (replace(mine, answer=f"res.partner/{there}"),))
    assert caught.value.code == "adopt.twice"
    async with made.hub.pool.connection() as conn, conn.transaction():
        await conn.execute("delete from binding")  # as a hub that was restored knows nothing of it
    with pytest.raises(SetupError, match=rf"res.partner/{there}, which bears customer_stripe\.\w+ already"):
        await applied(made, (replace(mine, answer=f"res.partner/{there}"),))


async def test_no_reason_and_no_target_are_refused(made: House) -> None:
    async with desk_of(made) as hub:
        with pytest.raises(SetupError, match="the reason must say why"):
            await apply_plan(hub, BOOKS, (), Adoption("mira", " ", ""))
        with pytest.raises(SetupError, match="there are: books") as caught:
            await plan_of_adoption(hub, "stripe_us")
        assert caught.value.code == "adopt.target"
