"""How customers are worked off that are to be compared: in which order, how many, and what happens to those that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from tests.core.builders import RULES
from tests.integration.waiting.clerks import ACME, ALIKE, OTHER, SAME, Clerks

from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.policies.rules import MatchingPolicy, Route
from counterfoil.kit.stage import PlainContext
from counterfoil.store import links, matches, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.upkeep.matching import BATCH_MAX, QUIET_PAUSE_S


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Clerks:
    return Clerks(pool, cipher, replace(RULES, routes=(*RULES.routes, Route("US", "files"))))


async def test_what_is_only_likely_is_asked_of_also_where_certain_ones_are_linked(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(ACME, ALIKE)
    assert await office.asked() == [f"{ALIKE.id} {ACME.id}"]
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 10) == []


async def test_who_is_noted_twice_is_asked_of_if_he_is_once(office: Clerks) -> None:
    await office.report(ACME)
    await office.tell(SAME, connection="files")
    async with office.pool.connection() as conn:
        await matches.note(conn, [SAME.id], asks=False)  # by the daily look, too
    await office.compare()
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]


async def test_who_cannot_be_compared_is_left_out_and_stops_nobody(office: Clerks) -> None:
    await office.report(ACME)
    for one in (SAME, ALIKE):
        await office.tell(one, connection="files")
    await office.matcher().turn("all", Suspicious(parked=frozenset({SAME.id})))
    assert await office.asked() == [f"{ALIKE.id} {ACME.id}"]
    async with office.pool.connection() as conn:
        assert await matches.due(conn, 5) == []
        cursor = await conn.execute("select id from match_key order by id")
        assert await cursor.fetchall() == [(ALIKE.id,), (ACME.id,)]


@dataclass(frozen=True)
class Suspicious(PlainContext):
    """What the engine says of customers whose workers died time and again."""

    parked: frozenset[str] = frozenset()

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        assert set(items) >= self.parked
        return self.parked


async def test_customers_nobody_is_asked_of_leave_room_for_the_hubs_work(office: Clerks) -> None:
    async with office.pool.connection() as conn:
        await matches.note(conn, [ACME.id], asks=False)
    turn = await office.matcher().turn("all")
    assert (turn.has_more, turn.wake_in_s) == (False, QUIET_PAUSE_S)
    await office.tell(ACME)
    assert (await office.matcher().turn("all")).has_more


async def test_how_many_are_known_is_counted_again_once_a_fifth_has_come(office: Clerks) -> None:
    await office.report(OTHER)
    async with office.pool.connection() as conn:
        before = await matches.sweep(conn)
    many = [Customer(f"files:many_{n}", f"Windmill {n}", f"office@windmill-{n}.com") for n in range(2 * BATCH_MAX + 1)]
    await office.tell(*many, connection="files")
    await office.compare()
    await office.report(ACME)
    async with office.pool.connection() as conn:
        after = await matches.sweep(conn)
    assert (before.counted, before.records) == (0, 1)
    assert (after.counted, after.records) == (2 * BATCH_MAX + 2, 2 * BATCH_MAX + 3)


async def test_who_cannot_be_read_has_no_keys_and_stops_nobody(office: Clerks) -> None:
    await office.report(ACME, SAME)
    async with office.pool.connection() as conn, conn.transaction():
        row = (await objects.load(conn, office.cipher, [CUSTOMER.ref(ACME.id)]))[CUSTOMER.ref(ACME.id)]
        await objects.upsert(conn, office.cipher, [replace(row, data=b"{}", version=row.version + 1)])
        await matches.note(conn, [ACME.id, SAME.id])
    await office.matcher().turn("all")
    assert await office.asked() == []
    async with office.pool.connection() as conn:
        cursor = await conn.execute("select id from match_key where keys <> '{}'")
        assert await cursor.fetchall() == [(SAME.id,)]


async def test_a_look_for_those_without_keys_goes_on_where_it_was(office: Clerks) -> None:
    for one in (ACME, SAME, OTHER):
        await office.tell(one, connection=one.id.partition(":")[0])
    async with office.pool.connection() as conn:
        await conn.execute("delete from match_due")
        now, places = office.clock.now(), []
        while await matches.look_on(conn, office.cipher, (await matches.sweep(conn)).place, 1, now):
            places.append((await matches.sweep(conn)).place)
        assert places == sorted([ACME.id, SAME.id, OTHER.id])
        assert ((await matches.sweep(conn)).place, (await matches.sweep(conn)).swept_at) == ("", now)
        assert {one.id for one in await matches.due(conn, 9)} == {ACME.id, SAME.id, OTHER.id}
