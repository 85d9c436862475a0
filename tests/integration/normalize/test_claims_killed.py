"""A worker killed while claims and links are written leaves nothing half-done, and what it had in hand is done once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.core.builders import ANN, PRO, invoice, usd
from tests.integration.waiting.office import Office

from counterfoil.core.kinds.customer import Customer
from counterfoil.store import agenda, bundles, links, objects, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool

BOB = Customer("stripe:cus_B", "Bob")
BILL = invoice(usd(100), customer_id=BOB.id)
KILLS = {
    "before the claims": (objects, "upsert"),
    "before the link": (links, "relink"),
    "before the names": (links, "name"),
    "before the agenda": (agenda, "release"),
    "before the receipt is settled": (receipts, "settle"),
}


def killing(do: Callable[..., Any], kills: list[int]) -> Callable[..., Any]:
    """Return what does the same, but loses its connection right afterwards as many times as ``kills`` says."""

    async def killed(conn: Conn, *args: Any, **more: Any) -> Any:
        done = await do(conn, *args, **more)
        if kills and kills.pop():
            await conn.close()
        return done

    return killed


async def rows(pool: Pool) -> list[Any]:
    """Return all that claims, links and objects hold, but for the ciphertext."""
    statements = (
        "select kind, id, connection, version, claimed, sequence from object order by 1, 2",
        "select kind, id, connection, sequence from claim order by 1, 2, 3",
        "select kind, id, golden, why, until is null from link order by 1, 2, 3",
        f"select {bundles.STATE}, count(*) from receipt r group by 1",
    )
    async with pool.connection() as conn:
        return [await (await conn.execute(statement)).fetchall() for statement in statements]


@pytest.mark.parametrize("place", KILLS)
async def test_a_worker_killed_between_two_writes_leaves_none_of_them(
    pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, PRO, BILL)
    before = await rows(pool)
    module, name = KILLS[place]
    kills = [1]
    monkeypatch.setattr(module, name, killing(getattr(module, name), kills))
    merged = replace(BOB, name="Bob & Co", merged_into=ANN.id)  # a second source: claims, a merge, and a name of a third one's
    with pytest.raises(psycopg.OperationalError):
        await office.tell(merged, connection="crm", same_as="acme:9")
    assert kills == []
    assert (await rows(pool))[:3] == before[:3]
    await office.tell(merged, connection="crm", same_as="acme:9")
    states, claimed, linked, read = await rows(pool)
    assert [row[1:5] for row in states if row[1] == BOB.id] == [(BOB.id, "stripe", 2, 2)]
    assert [row[1:3] for row in claimed] == [(BOB.id, "crm"), (BOB.id, "stripe")]
    assert [row[1:] for row in linked] == [(BOB.id, "acme:9", "same_fact", True), (BOB.id, ANN.id, "merged", True)]
    assert read == [("normalized", 6)]
