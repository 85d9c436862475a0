"""What is kept of what was written to a connection: each command once, those that took no effect not at all, the last five."""

from __future__ import annotations

from dataclasses import replace

from counterfoil.core.identity.echoes import CONTENTS_MAX, Content, EchoMatch, Written
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.store import written
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.written import Place

PLACE = Place("crm", CUSTOMER.ref("stripe:cus_1"))
FIRST, SECOND = Content("c1", {"name": "digest of A"}, 5), Content("c2", {"name": "digest of B", "email": "digest of b"}, 9)


async def kept(conn: Conn) -> Written:
    return (await written.load(conn, [PLACE]))[PLACE]


async def test_a_command_that_is_sent_again_is_one_content_noted_when_it_was_sent_first(pool: Pool) -> None:
    async with pool.connection() as conn:
        await written.sent(conn, {PLACE: [FIRST]})
        await written.sent(conn, {PLACE: [replace(FIRST, sent_at=7), SECOND]})
        assert await kept(conn) == Written((FIRST, SECOND))


async def test_what_is_done_keeps_its_place_and_what_took_no_effect_is_forgotten(pool: Pool) -> None:
    async with pool.connection() as conn:
        await written.sent(conn, {PLACE: [FIRST, SECOND]})
        done = replace(FIRST, done_at=8)
        await written.ended(conn, {PLACE: [done]}, {PLACE: ["c2"]})
        assert await kept(conn) == Written((done,))
        await written.ended(conn, {PLACE: [replace(done, done_at=20)]}, {})  # told a second time
        assert await kept(conn) == Written((done,))


async def test_a_field_others_have_set_since_is_gone_and_stays_so_when_the_writing_is_told_again(pool: Pool) -> None:
    async with pool.connection() as conn:
        done = replace(SECOND, done_at=10)
        await written.ended(conn, {PLACE: [done]}, {})
        await written.heard(conn, {PLACE: [EchoMatch(12, has_come_back=True, gone=frozenset({"name"}))]})
        left = Written((replace(done, fields={"email": "digest of b"}),), 12)
        assert await kept(conn) == left
        await written.ended(conn, {PLACE: [done]}, {})
        assert await kept(conn) == left


async def test_the_last_contents_are_kept(pool: Pool) -> None:
    async with pool.connection() as conn:
        for number in range(CONTENTS_MAX + 2):
            await written.sent(conn, {PLACE: [replace(FIRST, command=f"c{number}", sent_at=number)]})
        assert [one.sent_at for one in (await kept(conn)).contents] == [2, 3, 4, 5, 6]
