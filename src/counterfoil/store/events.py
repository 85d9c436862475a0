"""Table ``event``: the log of canonical facts. An event's id derives from its receipt, so writing it twice writes it once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .cipher import Cipher
from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; ``id`` is 32 hexadecimal characters, ``data`` the encoded canonical record, ``merged`` applied, unchanged or stale."""

    id: str
    received_at: datetime
    receipt_id: int | None
    type: str
    version: int
    connection: str
    subject_kind: str
    subject_id: str
    occurred_at: datetime
    sequence: int
    data: bytes
    account: str = ""
    entity: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    merged: str = ""


_PLAIN = (
    "received_at", "receipt_id", "type", "version", "connection", "subject_kind", "subject_id", "occurred_at", "sequence", "account",
    "entity", "correlation_id", "causation_id", "merged",
)  # fmt: skip

_APPEND = """
insert into event (id, received_at, receipt_id, type, version, connection, subject_kind, subject_id, occurred_at, sequence, account, entity,
    correlation_id, causation_id, merged, key_id, data)
select * from unnest(%(id)s::uuid[], %(received_at)s::timestamptz[], %(receipt_id)s::int8[], %(type)s::text[], %(version)s::int2[],
    %(connection)s::text[], %(subject_kind)s::text[], %(subject_id)s::text[], %(occurred_at)s::timestamptz[], %(sequence)s::int8[],
    %(account)s::text[], %(entity)s::text[], %(correlation_id)s::text[], %(causation_id)s::text[], %(merged)s::text[], %(key_id)s::text[],
    %(envelope)b::bytea[])
order by 2, 1
on conflict (received_at, id) do nothing
returning id
"""
"""Ids derive from the receipt, so that normalizing again writes nothing. In the order of the primary key: two writers of the same events
do not wait for each other."""


async def append(conn: Conn, cipher: Cipher, events: Sequence[EventRow]) -> set[str]:
    """Write events that are not in the log yet; return the ids of those that are new."""
    if not events:
        return set()
    sealed = [cipher.encrypt(one.data, _aad(one.id)) for one in events]
    given = columns(events, ("id", *_PLAIN)) | {"key_id": [key for key, _ in sealed], "envelope": [envelope for _, envelope in sealed]}
    return {row[0].hex for row in await (await conn.execute(_APPEND, given)).fetchall()}


async def known(conn: Conn, ids: Iterable[tuple[datetime, str]]) -> dict[str, str]:
    """Return how the events that are in the log were merged, by id; ``ids``: when the receipt was received, and the event's id."""
    wanted = list(ids)
    cursor = await conn.execute(
        "select e.id, e.merged from event e join unnest(%s::timestamptz[], %s::uuid[]) as s(received_at, id)"
        " on e.received_at = s.received_at and e.id = s.id",
        ([received_at for received_at, _ in wanted], [id for _, id in wanted]),
        binary=True,
    )
    return {_hex(id): merged for id, merged in await cursor.fetchall()}


async def by_subject(conn: Conn, cipher: Cipher, kind: str, id: str, *, limit: int = 1000) -> list[EventRow]:
    """Return a subject's events, oldest sequence first; the newest ``limit`` of them."""
    condition = "where subject_kind = %s and subject_id = %s order by sequence desc, id desc limit %s"
    found = await _read(conn, cipher, condition, (kind, id, limit))
    return found[::-1]


async def read(conn: Conn, cipher: Cipher, ids: Sequence[str]) -> list[EventRow]:
    """Return events by id; unknown ones are left out. Looks through all months: meant for people, not for stages."""
    return await _read(conn, cipher, "where id = any(%s::uuid[]) order by sequence, id", (list(ids),))


async def _read(conn: Conn, cipher: Cipher, condition: str, arguments: tuple[object, ...]) -> list[EventRow]:
    cursor = await conn.execute(f"select id, {', '.join(_PLAIN)}, key_id, data from event {condition}", arguments, binary=True)
    rows = []
    for id, *plain, key_id, data in await cursor.fetchall():
        hexadecimal = _hex(id)
        values = dict(zip(_PLAIN, plain, strict=True))
        rows.append(EventRow(id=hexadecimal, data=cipher.decrypt(key_id, data, _aad(hexadecimal)), **values))
    return rows


def _hex(id: UUID) -> str:
    return id.hex


def _aad(id: str) -> str:
    return f"event/{id}"
