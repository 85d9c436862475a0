"""Links between things: those that stand are followed, and those that ended are not."""

from __future__ import annotations

from tests.integration.waiting.office import NOW

from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.store import links
from counterfoil.store.links import Relink
from counterfoil.store.pool import Pool

A, B, C = (CUSTOMER.ref(f"stripe:cus_{name}") for name in "ABC")


async def test_what_was_merged_into_a_thing_is_found_along_all_merges_and_no_more_once_one_has_ended(pool: Pool) -> None:
    async with pool.connection() as conn:
        await links.relink(conn, [Relink(A, B.id, "stripe", NOW), Relink(B, C.id, "stripe", NOW)])
        assert set(await links.merged_into(conn, [C])) == {A, B, C}
        await links.relink(conn, [Relink(A, "", "stripe", NOW)])
        assert set(await links.merged_into(conn, [C])) == {B, C}
