"""Companies that belong to each other in a circle, over a real store: one case, opened and closed by whichever of them is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN
from tests.integration.waiting.office import Office

from counterfoil.core.kinds.company import COMPANY, Company
from counterfoil.decide.decisions import load
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

FIRST, SECOND, THIRD = (Company(f"crm:{n}", f"Company {n}", parent_id=f"crm:{n % 3 + 1}") for n in (1, 2, 3))


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher)


async def causes(office: Office) -> list[str]:
    return [one.cause for one in await office.cases()]


async def test_a_circle_is_one_case_that_names_it_and_closes_when_one_of_its_companies_says_otherwise(office: Office) -> None:
    await office.tell(FIRST, SECOND, connection="crm")
    assert await causes(office) == []  # it is no circle yet: the third is not known
    await office.tell(THIRD, connection="crm")
    await office.decide_again(FIRST, SECOND)
    [cause] = await causes(office)
    assert "crm:1 to crm:2 to crm:3 to crm:1" in cause
    await office.tell(replace(SECOND, parent_id=""), connection="crm")
    assert await causes(office) == []


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
