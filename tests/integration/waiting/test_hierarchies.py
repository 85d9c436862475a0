"""Companies that belong to each other in a circle, over a real store: one case, opened and closed by whichever of them is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import ANN
from tests.integration.waiting.office import Office

from counterfoil.core.kinds.company import COMPANY, Company
from counterfoil.decide.decisions import load
from counterfoil.store import agenda
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.work import ORDINARY, SHARDS
from counterfoil.upkeep import watching
from counterfoil.upkeep.watching import Watcher

FIRST, SECOND, THIRD = (Company(f"crm:{n}", f"Company {n}", parent_id=f"crm:{n % 3 + 1}") for n in (1, 2, 3))


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher)


async def causes(office: Office) -> list[str]:
    return [one.cause for one in await office.cases()]


async def waiting(office: Office) -> list[str]:
    """Return who waits for a new word of a company."""
    async with office.pool.connection() as conn:
        rows = await (await conn.execute("select distinct subject_id from wait where key like 'company/%' order by 1")).fetchall()
        assert not await agenda.claim(conn, range(SHARDS), office.clock.now(), 1, lanes=ORDINARY)
    return [row[0] for row in rows]


async def test_a_circle_is_one_case_that_names_it_and_closes_when_one_of_its_companies_says_otherwise(office: Office) -> None:
    await office.tell(FIRST, SECOND, connection="crm")
    assert await causes(office) == []  # it is no circle yet: the third is not known
    await office.tell(THIRD, connection="crm")
    assert await waiting(office) == [
        "crm:3"
    ]  # for what is still to come: the others are known already, and it is not decided again for them
    await office.decide_again(FIRST, SECOND)
    assert await waiting(office) == ["crm:1", "crm:2", "crm:3"]  # for its companies, and none of them has come meanwhile
    [cause] = await causes(office)
    assert "crm:1 to crm:2 to crm:3 to crm:1" in cause
    await office.tell(replace(SECOND, parent_id=""), connection="crm")
    assert await causes(office) == []


async def test_that_the_companies_of_a_circle_are_looked_at_again_is_no_second_case(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MENDED_AFTER_S", "WHILE_S"):
        monkeypatch.setattr(watching, name, 0.0)
    await office.tell(FIRST, SECOND, THIRD, connection="crm")
    office.later(hours=2)
    for _ in range(2):  # the first look tries to mend, the second tells
        await Watcher(office.pool, office.clock, office.arm, timedelta(hours=1), lambda _stage, _key: True).turn("all")
        await office.decide()
    assert [(one.code, one.count) for one in await office.cases()] == [("decide.companies_in_a_circle", 1)]


async def test_of_a_parent_only_its_own_record_is_read_and_nothing_about_it(office: Office, pool: Pool, cipher: Cipher) -> None:
    top = Company("crm:9", "Group", customer_ids=(ANN.id,))
    middle = Company("crm:8", "Holding", parent_id=top.id)
    below = Company("crm:7", "Blue Harbor", parent_id=middle.id)
    await office.tell(ANN)
    await office.tell(top, middle, below, connection="crm")
    async with pool.connection() as conn:
        loaded = await load(conn, cipher, [COMPANY.ref(below.id)], office.rules)
        assert (sorted(ref.id for ref in loaded.records), [ref.id for ref in loaded.rows]) == (["crm:7", "crm:8", "crm:9"], ["crm:7"])
        # One that is decided itself is read whole, whoever belongs to it.
        both = await load(conn, cipher, [COMPANY.ref(below.id), COMPANY.ref(top.id)], office.rules)
        assert {ref.id for ref in both.rows} == {"crm:7", "crm:9", ANN.id}
