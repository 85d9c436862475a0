"""Sets of rules in the order they were declared or released in."""

from __future__ import annotations

from counterfoil.store import rulesets
from counterfoil.store.pool import Pool


async def test_rules_that_are_released_again_are_the_newest_of_all(pool: Pool) -> None:
    async with pool.connection() as conn:
        first = await rulesets.lead(conn, {"a": "1"})
        second = await rulesets.lead(conn, {"a": "2"})
        again = await rulesets.lead(conn, {"a": "1"})
        rows = await (await conn.execute("select digest from ruleset order by seq")).fetchall()
    assert again == first
    assert [row[0] for row in rows] == [second, first]
