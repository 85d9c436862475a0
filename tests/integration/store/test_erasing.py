"""What was told of an erased person goes at once, and nothing else: deliveries, events, also what is being written in that moment."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.store import bundles, cases, erasing, events, links, objects, receipts, receipts_fetched
from counterfoil.store.cipher import Cipher
from counterfoil.store.events import EventRow
from counterfoil.store.links import Relink
from counterfoil.store.objects import ObjectRow
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.receipts import Incoming, ReceiptEnd, ReceiptState
from counterfoil.store.receipts_fetched import FetchedFor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIRA, OLD_MIRA, BEN = CONTACT.ref("crm:20"), CONTACT.ref("crm:21"), CONTACT.ref("crm:30")
HARBOR = COMPANY.ref("crm:10")


async def told(
    conn: Conn,
    cipher: Cipher,
    name: str,
    refs: Iterable[ObjectRef],
    *,
    state: ReceiptState = ReceiptState.NORMALIZED,
    type: str = "updated",
) -> None:
    """Receive a delivery about things, and have it read; its kind begins with the first one's, its shard is that one's id."""
    first, *_ = listed = list(refs)
    one = Incoming("crm", name, first.id.partition(":")[2], f"{first.kind}.{type}", b'{"name": "Mira"}', NOW, headers={"sig": "1"})
    (id,) = (await receipts.append(conn, cipher, [one], NOW)).ids
    assert id is not None
    await receipts_fetched.put(conn, cipher, [FetchedFor(id, NOW, "crm", name, b'{"name": "Mira"}')])
    if state is ReceiptState.PARKED:
        await receipts.settle(conn, [ReceiptEnd(id, NOW, state, "odd")], NOW)
        one_case = opening(
            fingerprint=name,
            case_class=CaseClass.SCHEMA_DRIFT,
            code="odd",
            cause=name,
            next_step="-",
            stage="normalize",
            subject=str(id),
            now=NOW,
        )
        await cases.open_or_count(conn, [one_case], NOW)
        return
    if state is not ReceiptState.PENDING:
        await receipts.settle(conn, [ReceiptEnd(id, NOW, state, "")], NOW)
    rows = [
        EventRow(digest(name, ref.key), NOW, id, f"{ref.kind}.{type}", 1, "crm", ref.kind, ref.id, NOW, 1, b'{"name": "Mira"}')
        for ref in listed
    ]
    await events.append(conn, cipher, rows)


async def known_as(conn: Conn, cipher: Cipher, ref: ObjectRef, state: str, version: int = 1) -> None:
    data = state.encode()
    row = ObjectRow(ref, "crm", version, version, hashlib.blake2b(data, digest_size=16).digest(), NOW, NOW, data, state=state)
    assert await objects.upsert(conn, cipher, [row]) == {ref}


async def bodies(pool: Pool) -> dict[str, str]:
    """Return of each delivery its state, and a star where its body is still there."""
    async with pool.connection() as conn:
        rows = await (
            await conn.execute(
                f"select r.dedupe_key, {bundles.STATE}, r.key_id <> '', f.id is not null, r.headers from receipt r"
                " left join receipt_fetched f on f.received_at = r.received_at and f.id = r.id where r.fetched is null order by r.id"
            )
        ).fetchall()
    assert all(is_fetched is is_there and (is_there or headers == {}) for _, _, is_there, is_fetched, headers in rows)
    return {name: f"{state}{'*' if is_there else ''}" for name, state, is_there, _, _ in rows}


async def event_types(pool: Pool) -> list[tuple[str, str]]:
    async with pool.connection() as conn:
        return await (await conn.execute("select subject_id, type from event order by 1, 2")).fetchall()


async def test_all_that_was_told_of_a_person_goes_and_nothing_of_others(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, conn.transaction():
        await told(conn, cipher, "mira", [MIRA])
        await told(conn, cipher, "mira and harbor", [HARBOR, MIRA])
        await told(conn, cipher, "old mira", [OLD_MIRA])
        await told(conn, cipher, "mira again", [MIRA], state=ReceiptState.PENDING)
        await told(conn, cipher, "ben", [BEN])
        await told(conn, cipher, "odd of mira", [MIRA], state=ReceiptState.PARKED)
        await told(conn, cipher, "odd of ben", [BEN], state=ReceiptState.PARKED)
        await told(conn, cipher, "odd of harbor", [HARBOR], state=ReceiptState.PARKED)
        await told(conn, cipher, "erasure", [MIRA], type="erased")
        for ref, state in ((MIRA, "erased"), (OLD_MIRA, "merged"), (BEN, "present"), (HARBOR, "present")):
            await known_as(conn, cipher, ref, state)
        await links.relink(conn, [Relink(OLD_MIRA, MIRA.id, "crm", NOW)])
        assert len(await erasing.erase(conn, [MIRA, HARBOR], NOW)) == 1
    assert await bodies(pool) == {
        "mira": "normalized",
        "mira and harbor": "normalized",
        "old mira": "normalized",
        "mira again": "pending*",  # it is still to be read, and told of an erased person then
        "ben": "normalized*",
        "odd of mira": "ignored",
        "odd of ben": "parked*",
        "odd of harbor": "parked*",
        "erasure": "normalized*",
    }
    assert await event_types(pool) == [("crm:10", "company.updated"), ("crm:20", "contact.erased"), ("crm:30", "contact.updated")]


async def test_what_is_told_later_of_a_record_that_was_merged_into_an_erased_one_goes_too(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, conn.transaction():
        await known_as(conn, cipher, MIRA, "erased")
        await known_as(conn, cipher, OLD_MIRA, "merged")
        await links.relink(conn, [Relink(OLD_MIRA, MIRA.id, "crm", NOW)])
        await told(conn, cipher, "late", [OLD_MIRA])
        await erasing.erase(conn, [OLD_MIRA], NOW)
    assert await bodies(pool) == {"late": "normalized"}


async def test_of_a_person_who_was_not_erased_everything_stays(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, conn.transaction():
        await known_as(conn, cipher, BEN, "deleted")
        await told(conn, cipher, "ben", [BEN])
        assert await erasing.erase(conn, [BEN], NOW) == []
    assert await bodies(pool) == {"ben": "normalized*"}


async def test_what_is_being_written_while_the_person_is_erased_goes_whoever_is_first(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, conn.transaction():
        await known_as(conn, cipher, MIRA, "present")
        await known_as(conn, cipher, BEN, "present")

    async def erase(ref: ObjectRef) -> None:
        async with pool.connection() as other, other.transaction():
            await known_as(other, cipher, ref, "erased", version=2)
            await erasing.erase(other, [ref], NOW)

    async with pool.connection() as conn, conn.transaction():
        await told(conn, cipher, "mira", [MIRA])
        await erasing.erase(conn, [MIRA], NOW)  # not erased yet, and held until this is written
        task = asyncio.create_task(erase(MIRA))
        await asyncio.sleep(0.2)
        assert not task.done()
    await asyncio.wait_for(task, 20)
    async with pool.connection() as first, first.transaction():
        await known_as(first, cipher, BEN, "erased", version=2)
        await erasing.erase(first, [BEN], NOW)

        async def late() -> None:
            async with pool.connection() as other, other.transaction():
                await told(other, cipher, "ben", [BEN])
                await erasing.erase(other, [BEN], NOW)

        task = asyncio.create_task(late())
        await asyncio.sleep(0.2)
        assert not task.done()
    await asyncio.wait_for(task, 20)
    assert await bodies(pool) == {"mira": "normalized", "ben": "normalized"}
