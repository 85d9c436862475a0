"""Workers killed while they compare a customer with those that are known: he is asked of or linked once, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.crash.books import put_between
from tests.crash.conftest import Note
from tests.crash.judging import Verdict, assert_whole
from tests.crash.matrix import Kill, matching_kills
from tests.crash.proxy import Proxy
from tests.crash.test_worker_killed import go_on, kill_at
from tests.crash.workers import worker
from tests.integration.path.house import House, house

from counterfoil.store import links, matches

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

NAMES = ("Borkenfeld", "Quandtner", "Zwickelmann", "Harbolink", "Vexomir", "Lundquary", "Tarnowell")


@dataclass
class Twins:
    """Two customers of one name and domain, the second told when a worker is to be killed; each with an invoice."""

    first: str
    second: str = ""
    billed: str = ""
    ids: list[str] = field(default_factory=list)

    @property
    def pair(self) -> tuple[str, str]:
        """Both ids as the hub has them, in order."""
        return matches.pair_of(f"stripe:{self.first}", f"stripe:{self.second}")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["asked", "linked"])
async def told(
    request: pytest.FixtureRequest, database_template: Any, tmp_path_factory: pytest.TempPathFactory, between: Proxy
) -> AsyncIterator[tuple[str, House]]:
    """Yield a hub that does no work itself, by what becomes of customers that certainly are one."""

    def declare(values: dict[str, Any]) -> None:
        put_between(between, values)
        values["matching"] = [{"links": "certain" if request.param == "linked" else "never"}]

    home = Path(tmp_path_factory.mktemp("home"))
    with database_template.database(f"crash_matching_{request.param}", opened_at=datetime.now(UTC)) as url:
        async with house(url, home, start=datetime.now(UTC), is_working=False, change=declare) as made:
            await made.deliver(made.news())
            yield request.param, made


async def customer(made: House, name: str, mailbox: str) -> str:
    email = f"{mailbox}@{name.lower()}.com"
    return str((await made.apis["US"].post("/v1/customers", name=f"{name} Optics", email=email))["id"])


async def bill(made: House, twins: Twins) -> None:
    """Bill the second, and have it told."""
    story = made.story()
    await story.item(twins.second, "Consulting", 50_00)
    twins.billed = (await story.bill(twins.second))["id"]
    await made.deliver(made.news())


async def verdict_on(made: House, how: str, twins: Twins) -> Verdict:
    """Return what of two that may be one is lost, doubled or stuck."""
    verdict = Verdict()
    async with made.hub.pool.connection() as conn:
        pairs = {pair.ids: pair for pair in await matches.pairs_of(conn, made.hub.cipher, twins.pair)}
        named = [one for one in await links.newest(conn, 1000) if {one.ref.id, one.golden} == {*twins.pair}]
        left = await (await conn.execute("select count(*) from match_due where id = any(%s)", ([*twins.pair],))).fetchone()
        keyed = await (await conn.execute("select count(*) from match_key where id = any(%s)", ([*twins.pair],))).fetchone()
    asked = [one for one in await made.cases() if one.fingerprint == "identity.may_be_one|" + "|".join(twins.pair)]
    key, is_linked = f"invoice_stripe.{twins.billed}", how == "linked"
    partner = made.odoo.env().ref(f"counterfoil.customer_stripe.{twins.first if is_linked else twins.second}")
    is_right = twins.pair in pairs and pairs[twins.pair].answer == (matches.LINKED if is_linked else "")
    is_right &= keyed == (2,) and made.has(key) and made.document(key)["partner_id"] == partner
    verdict.lost += [] if is_right and (named if is_linked else asked) else [twins.second]
    verdict.doubled += len(named) + len(asked) - 1 if len(named) + len(asked) > 1 else 0
    verdict.stuck += left[0] if left else 1
    return verdict


async def test_whoever_is_compared_is_asked_of_or_linked_once_whenever_a_worker_is_killed(told: tuple[str, House], note: Note) -> None:
    how, made = told
    cells = [kill for kill in matching_kills() if kill.boundary != "linking" or how == "linked"]
    stories: list[tuple[Kill, Twins]] = []
    for seed, (kill, name) in enumerate(zip(cells, NAMES[: len(cells)], strict=True)):
        twins = Twins(await customer(made, name, "office"))
        await made.deliver(made.news())
        async with worker(made):
            await made.settle()
            await made.until(lambda: is_compared(made))
        twins.second = await customer(made, name, "billing")
        await made.deliver(made.news())
        await kill_at(made, kill, twins)
        await go_on(made, seed)
        stories.append((kill, twins))
    async with worker(made):
        await made.settle()
        await made.until(lambda: is_compared(made))
        for _, twins in stories:
            await bill(made, twins)
        await made.settle()
    wrong = []
    for kill, twins in stories:
        verdict = await verdict_on(made, how, twins)
        note(f"match, {how}", f"killed: {kill.boundary} {kill.kind}".rstrip(), verdict)
        if not verdict.is_right:
            wrong.append((kill, twins, verdict))
    assert wrong == [], await made.where()
    await assert_whole(made)


async def is_compared(made: House) -> bool:
    async with made.hub.pool.connection() as conn:
        return await matches.due(conn, 1) == []
