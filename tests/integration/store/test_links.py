"""Links between things: those that stand are followed, and those that ended are not."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.waiting.office import NOW

from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.store import links
from counterfoil.store.links import Naming, Relink
from counterfoil.store.pool import Pool

A, B, C = (CUSTOMER.ref(f"stripe:cus_{name}") for name in "ABC")


async def test_what_was_merged_into_a_thing_is_found_along_all_merges_and_no_more_once_one_has_ended(pool: Pool) -> None:
    async with pool.connection() as conn:
        await links.relink(conn, [Relink(A, B.id, "stripe", NOW), Relink(B, C.id, "stripe", NOW)])
        assert set(await links.merged_into(conn, [C])) == {A, B, C}
        await links.relink(conn, [Relink(A, "", "stripe", NOW)])
        assert set(await links.merged_into(conn, [C])) == {B, C}


P, Q, R = (PAYMENT.ref(f"acme:py_{name}") for name in "PQR")


def said(connection: str, named: str, sequence: int) -> Naming:
    """Return that a connection says that P is the same as another payment; empty: as none."""
    return Naming(P, P.id, named, connection, NOW + timedelta(seconds=sequence), sequence)


async def test_of_two_words_of_one_place_in_a_sources_order_the_last_one_told_counts(pool: Pool) -> None:
    async with pool.connection() as conn:
        assert await links.name(conn, [said("acme", Q.id, 5)]) == [P, Q]
        assert await links.name(conn, [said("acme", R.id, 5)]) == [P, Q, R]
        assert await links.same_facts(conn, [P]) == {P: R}
        assert await links.name(conn, [said("acme", Q.id, 4)]) == []


async def test_what_people_say_counts_whatever_sources_say_before_or_after(pool: Pool) -> None:
    async with pool.connection() as conn:
        await links.name(conn, [said("acme", Q.id, 5)])
        await links.name(conn, [said(PEOPLE, R.id, 3)])
        assert await links.same_facts(conn, [P]) == {P: R}
        assert await links.name(conn, [said("acme", Q.id, 7)]) == []
        assert await links.name(conn, [said(PEOPLE, "", 9), said("acme", Q.id, 8)]) == [P, R]
        assert await links.same_facts(conn, [P]) == {}
