"""By what objects are found from those they name: written by every program that knows of it, and here for what older ones wrote."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import RejectedError
from counterfoil.store import objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow, links_of
from counterfoil.store.pool import Conn, Pool

_WAIT_S = 0.5
"""Between two looks while another worker writes them."""


async def link_all(pool: Pool, cipher: Cipher) -> None:
    """Write all links that older programs left out, or wait until another worker has: for whoever decides outside of the stage."""
    while True:
        async with pool.connection() as conn, conn.transaction():
            if not await objects.has_to_link(conn):
                return
            is_linking = await link_some(conn, cipher)
        if not is_linking:
            await asyncio.sleep(_WAIT_S)


async def link_some(conn: Conn, cipher: Cipher) -> bool:
    """Write the links of some objects that have none yet; False if there are none, or another worker does just now."""
    async with conn.transaction():
        rows = await objects.to_link(conn, cipher)
        await objects.set_links(conn, [replace(row, links=_links_of(row)) for row in rows])
    return bool(rows)


def _links_of(row: ObjectRow) -> tuple[str, ...]:
    """Return an object's links: none of one that cannot be read, which must not hold up all others; whatever needs it has its case."""
    try:
        return links_of(decode_record(row.ref.kind, row.data))
    except RejectedError:
        return ()
