"""Re-encryption of stored payloads under the writing key, so that a former key can be retired."""

from __future__ import annotations

from dataclasses import dataclass

from .cipher import Cipher
from .objects import NUMBERED
from .pool import Conn


@dataclass(frozen=True, slots=True)
class _Payload:
    """An encrypted column: its key-id column, the primary key, and the SQL expression of what it is bound to (the modules' ``_aad``)."""

    table: str
    column: str
    key_column: str
    primary_key: tuple[str, ...]
    aad: str


_FETCHED_AAD = """
(select 'fetched/' || r.connection || '/' || r.dedupe_key from receipt r
    where r.received_at = receipt_fetched.received_at and r.id = receipt_fetched.id)
"""

_PAYLOADS = (
    _Payload("receipt", "body", "key_id", ("received_at", "id"), "'receipt/' || connection || '/' || dedupe_key"),
    _Payload("receipt", "fetched", "fetched_key_id", ("received_at", "id"), "'fetched/' || connection || '/' || dedupe_key"),
    _Payload("receipt_fetched", "data", "key_id", ("received_at", "id"), _FETCHED_AAD),
    _Payload("event", "data", "key_id", ("received_at", "id"), "'event/' || encode(uuid_send(id), 'hex')"),
    _Payload("object", "data", "key_id", ("kind", "id"), "'object/' || kind || '/' || id"),
    _Payload("claim", "data", "key_id", ("kind", "id", "connection"), "'claim/' || kind || '/' || id || '/' || connection"),
    _Payload("match_pair", "found", "key_id", ("one", "other"), "'match/' || one || ' ' || other"),
    _Payload("command_body", "arguments", "key_id", ("created_at", "id"), "'command/' || encode(uuid_send(id), 'hex')"),
)

_LOOKED_UP_AGAIN = f", looked_up = 0, lookup = case when kind in ({NUMBERED}) then '{{}}' else lookup end"
"""What objects are found by are digests by the writing key, too."""


async def reencrypt(conn: Conn, cipher: Cipher, limit: int = 500) -> int:
    """Re-encrypt up to ``limit`` payloads of every encrypted column that are under another key; return how many. 0: nothing is left.

    Commit after each call. Rows somebody else works on are left for the next call.
    """
    done = 0
    for payload in _PAYLOADS:
        done += await _reencrypt(conn, cipher, payload, limit)
    return done


async def _reencrypt(conn: Conn, cipher: Cipher, payload: _Payload, limit: int) -> int:
    keys = ", ".join(payload.primary_key)
    cursor = await conn.execute(
        f"select {keys}, {payload.key_column}, {payload.column}, {payload.aad} from {payload.table}"
        f" where {payload.key_column} not in ('', %s) and {payload.column} is not null limit %s for update skip locked",
        (cipher.key_id, limit),
    )
    width = len(payload.primary_key)
    rows = []
    for row in await cursor.fetchall():
        key_id, envelope, aad = row[width:]
        rows.append((*cipher.encrypt(cipher.decrypt(key_id, envelope, aad), aad), *row[:width]))
    condition = " and ".join(f"{name} = %s" for name in payload.primary_key)
    again = _LOOKED_UP_AGAIN if payload.table == "object" else ""
    statement = f"update {payload.table} set {payload.key_column} = %s, {payload.column} = %s{again} where {condition}"
    await conn.cursor().executemany(statement, rows)
    return len(rows)


async def sample_payloads(conn: Conn) -> list[tuple[str, bytes, str]]:
    """Return one payload of each encrypted column that holds any: its key's id, its envelope and what it is bound to."""
    found = []
    for one in _PAYLOADS:
        cursor = await conn.execute(
            f"select {one.key_column}, {one.column}, {one.aad} from {one.table}"
            f" where {one.column} is not null and {one.key_column} <> '' limit 1"
        )
        row = await cursor.fetchone()
        if row is not None:
            found.append((row[0], bytes(row[1]), row[2]))
    return found


async def payloads_by_key(conn: Conn) -> dict[str, int]:
    """Return how many payloads are under each key: a key that is not in the answer can be retired."""
    parts = [
        f"select {one.key_column} as key_id, count(*) as count from {one.table}"
        f" where {one.column} is not null and {one.key_column} <> '' group by 1"
        for one in _PAYLOADS
    ]
    cursor = await conn.execute(f"select key_id, sum(count)::int8 from ({' union all '.join(parts)}) p group by 1 order by 1")
    return dict(await cursor.fetchall())
