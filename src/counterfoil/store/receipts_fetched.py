"""Table ``receipt_fetched``: what was fetched for receipts, beside them, so that a replay is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .cipher import Cipher
from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class FetchedFor:
    """What was fetched for a receipt, kept so that a replay is exact."""

    id: int
    received_at: datetime
    connection: str
    dedupe_key: str
    fetched: bytes


def aad(connection: str, dedupe_key: str) -> str:
    """Return what the payload fetched for a receipt is bound to as it is encrypted."""
    return f"fetched/{connection}/{dedupe_key}"


_PUT = """
with kept as (
    insert into receipt_fetched (received_at, id, key_id, data)
    select received_at, id, key_id, data
    from unnest(%(id)s::int8[], %(received_at)s::timestamptz[], %(key_id)s::text[], %(envelope)b::bytea[])
        as s(id, received_at, key_id, data) order by received_at, id
    on conflict (received_at, id) do update set key_id = excluded.key_id, data = excluded.data
)
update receipt r set must_fetch = false from unnest(%(id)s::int8[], %(received_at)s::timestamptz[]) as s(id, received_at)
where r.received_at = s.received_at and r.id = s.id and r.must_fetch
"""
"""Keeps what was fetched beside the receipts; only one that was to be fetched anew is written itself."""


async def put(conn: Conn, cipher: Cipher, fetched: Sequence[FetchedFor]) -> None:
    """Keep what was fetched for receipts; a later fetch replaces an earlier one. Clears must_fetch."""
    if not fetched:
        return
    sealed = [cipher.encrypt(one.fetched, aad(one.connection, one.dedupe_key)) for one in fetched]
    given = columns(fetched, ("id", "received_at"))
    await conn.execute(_PUT, given | {"key_id": [key for key, _ in sealed], "envelope": [envelope for _, envelope in sealed]})
