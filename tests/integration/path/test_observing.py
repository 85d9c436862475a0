"""Flows that are only observed: decided whole, nothing written, shown with journal lines; switched on, exactly that is written once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.claiming import TO_SEND
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import BOOKS, House, house

from counterfoil.app.adopting import Adopted, apply_plan, plan_of_adoption
from counterfoil.app.adoption_plan import Adoption
from counterfoil.app.hub import Hub, open_hub
from counterfoil.app.observing import Observation, observe
from counterfoil.app.queries import observed_now
from counterfoil.app.settings import from_values
from counterfoil.core.policies.lanes import LaneRule, Lanes
from counterfoil.core.policies.rules import ObservedFlows
from counterfoil.kit.errors import SetupError
from counterfoil.store import gauges, outbox_due, promises, pulse, unarmed, views


def observed(*entities: str) -> Any:
    def change(values: dict[str, Any]) -> None:
        for entity in entities:
            values["entities"][entity]["observe_only"] = True

    return change


@asynccontextmanager
async def hub_of(made: House, *entities: str) -> AsyncIterator[Hub]:
    """Open the hub of the same configuration, with other entities observed."""
    values = {**made.values, "entities": {name: {**one, "observe_only": name in entities} for name, one in made.values["entities"].items()}}
    async with open_hub(from_values(values), made.clock) as hub:
        yield hub


@asynccontextmanager
async def switched(made: House, *entities: str) -> AsyncIterator[None]:
    """Have the hub work with other entities observed, as after a restart with a changed file."""
    await made.hub.stop_work()
    before = made.hub
    async with hub_of(made, *entities) as hub:
        made.hub = hub
        await hub.start_work("switched")
        yield
        await hub.stop_work()
        made.hub = before


async def rest(made: House) -> None:
    """Wait until all is read and decided, and all that is sent is done."""
    await made.deliver(made.news())

    async def is_still() -> bool:
        async with made.hub.pool.connection() as conn:
            sql = (
                "select (select count(*) from to_read) + (select count(*) from to_decide)"
                f" + (select count(*) from ({TO_SEND}) s join command_body b on b.id = s.id where b.entity <> all(%s))"
                " + (select count(*) from work where armed and stage in ('deliver', 'decide', 'normalize'))"
            )
            held = [name for name, one in made.hub.settings.entities.items() if one.observe_only]
            return await (await conn.execute(sql, (held,))).fetchone() == (0,)

    await made.until(is_still)


async def seen(made: House, entity: str = "") -> Observation:
    return await observe(made.hub, entity)


@pytest_asyncio.fixture
async def made(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub at work that observes the American and the German entity."""
    async with house(database, Path(tmp_path / "home"), change=observed("US", "DE")) as made:
        yield made


async def done(made: House, keys: Iterable[str]) -> dict[str, int]:
    """Return how often what was shown was done."""
    async with made.hub.pool.connection() as conn:
        sql = "select external_key, count(*) from command where state = 'done' and external_key = any(%s) group by 1"
        return dict(await (await conn.execute(sql, (sorted(keys),))).fetchall())


def by_key(found: Observation) -> dict[str, Any]:
    return {one.posting.key: one for one in found.postings}


async def test_nothing_is_written_what_would_be_is_shown_and_switched_on_exactly_that_is_written_once(made: House) -> None:
    us, de = await made.bill(10000, is_paid=True), await made.bill(11900, "DE")
    await rest(made)
    assert [key for key in made.external_keys() if key.startswith(("invoice_", "payment_", "customer_"))] == []
    before = by_key(await seen(made))
    invoice = before[f"invoice_stripe.{us['id']}"]
    assert sum(line.minor for line in invoice.posting.lines) == 0
    assert {abs(line.minor) for line in invoice.posting.lines} == {10000}
    assert invoice.is_waiting  # for its customer, who would be made first
    assert {one.posting.entity for one in before.values()} == {"US", "DE"}
    assert {one.posting.entity for one in (await seen(made, "US")).postings} == {"US"}
    async with switched(made, "DE"):
        await rest(made)
        wished = {key for key, one in before.items() if one.posting.entity == "US"}
        assert await done(made, wished) == dict.fromkeys(wished, 1)
        assert made.has(f"invoice_stripe.{us['id']}")
        assert not made.has(f"invoice_stripe.{de['id']}")
        shown = {line.account: line.minor for line in invoice.posting.lines}
        booked = made.lines(f"invoice_stripe.{us['id']}")
        assert {code: minor for code, minor in booked.items() if code in shown} == {
            code: minor for code, minor in shown.items() if code in booked
        }
        assert set(shown.values()) == set(booked.values())
        assert by_key(await seen(made)).keys() == {key for key, one in before.items() if one.posting.entity == "DE"}
    async with switched(made):
        await made.settle()
        await assert_balanced(made)
        assert await done(made, before) == dict.fromkeys(before, 1)
        assert made.has(f"invoice_stripe.{de['id']}")
        assert (await seen(made)).postings == ()
    assert await made.cases() == []


async def test_what_is_only_observed_is_told_apart_is_never_late_and_wakes_nobody(made: House) -> None:
    us, jp = await made.bill(10000), await made.bill(20000, "JP")
    await rest(made)
    held = {BOOKS: made.hub.rules.observed(BOOKS)}
    async with made.hub.pool.connection() as conn:
        (line,) = (await views.conservation(conn, held)).targets
        (plain,) = (await views.conservation(conn)).targets
        assert line.observed > 0
        assert (line.ready, line.waiting, line.total) == (0, 0, plain.total)
        assert line.observed == plain.ready + plain.waiting
        places = {one.place: one.count for one in await views.backlog(conn, held) if one.stage == "deliver"}
        assert places == {f"{BOOKS}/observed": line.observed}
        later = made.clock.now() + timedelta(days=30)
        kept = await promises.measured(conn, Lanes((LaneRule("invoices", within_s=60),)), [], later, held)
        assert [one.entity for one in kept if one.entity in ("US", "DE")] == []
        late = await promises.measured(conn, Lanes((LaneRule("invoices", within_s=60),)), [], later)
        assert {one.entity for one in late} >= {"US"}
        assert {one.stage for one in await pulse.queues(conn, held)} == {"observed"}
        assert {one.stage for one in (await gauges.read(conn, later, held)).depths} == {"observed"}
        assert await unarmed.find(conn, [], later, held) == []
        rows = await conn.execute("select key from work where stage = 'deliver' and key like %s", (f"{BOOKS}/US/%",))
        assert await rows.fetchall() == []  # nobody was woken for what is held
        assert await observed_now(conn, made.clock.now()) == {BOOKS: ObservedFlows(frozenset({"US", "DE"}))}
    assert made.has(f"invoice_stripe.{jp['id']}")
    assert not made.has(f"invoice_stripe.{us['id']}")


async def test_what_entities_share_is_sent_once_one_of_them_is_not_observed(made: House) -> None:
    routes = [{"entity": "US", "connection": "stripe_us", "currency": "USD"}, {"entity": "DE", "connection": "stripe_us"}]
    connection = made.accounts["US"].entity.connection
    made.values["routes"][:] = [{**one, "connection": connection} for one in routes]
    async with switched(made, "US", "DE"):
        invoice = await made.bill(10000, currency="EUR")
        await rest(made)
        assert not made.has(f"customer_stripe.{invoice['customer']}")
    async with switched(made, "US"):
        await rest(made)
        assert made.has(f"customer_stripe.{invoice['customer']}")
        assert made.has(f"invoice_stripe.{invoice['id']}")
        env = made.odoo.env()
        assert len([row for row in env.rows("res.partner").values() if row["ref"] == invoice["customer"]]) == 1


async def test_a_flow_that_is_observed_again_ends_what_was_sent_and_begins_nothing_new(made: House) -> None:
    async with switched(made):
        first = await made.bill(10000)
        await made.tell()
        assert made.has(f"invoice_stripe.{first['id']}")
    async with switched(made, "US"):
        second = await made.bill(20000)
        await rest(made)
        assert not made.has(f"invoice_stripe.{second['id']}")
        assert f"invoice_stripe.{second['id']}" in by_key(await seen(made))
        async with made.hub.pool.connection() as conn:
            assert await outbox_due.next_due(conn, BOOKS, "US/sales", made.hub.rules.observed(BOOKS)) is None


async def test_an_entity_nobody_declared_is_refused(made: House) -> None:
    with pytest.raises(SetupError, match="there is no entity 'FR'") as caught:
        await seen(made, "FR")
    assert caught.value.code == "observe.entity"


async def test_what_is_there_is_adopted_while_its_flow_is_observed_and_switched_on_none_is_made_twice(made: House) -> None:
    there = await made.plain.create("res.partner", {"name": "Ada Birk", "email": "ada@birk.example"})
    await made.apis["US"].post("/v1/customers", name="Ada Birk", email="ada@birk.example", phone="+49 30 7")
    await rest(made)
    plan = await plan_of_adoption(made.hub, BOOKS)
    assert plan.written == ("JP",)
    assert [(row.verdict.value, row.external_id) for row in plan.rows] == [("certain", f"res.partner/{there}")]
    assert await apply_plan(made.hub, BOOKS, plan.rows, Adoption("mira", "start", plan.digest)) == Adopted(1, 0)
    assert not made.odoo.env().row("res.partner", there)["phone"]
    async with switched(made):
        await made.settle()
        named = [row for row in made.odoo.env().rows("res.partner").values() if row["email"] == "ada@birk.example"]
        assert [(row["id"], row["phone"]) for row in named] == [(there, "+49 30 7")]
