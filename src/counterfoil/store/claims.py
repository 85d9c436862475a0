"""Table ``claim``: what each source says of a thing that several tell of. What one source tells of is its own claim, in its ``object`` row.

Claims are written only together with a new version of their object's row, which two writers cannot both write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.ids import ObjectRef

from .cipher import Cipher
from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What a connection says of a thing; ``data`` is the encoded record. The rest as in ``ObjectRow``."""

    ref: ObjectRef
    connection: str
    account: str
    sequence: int
    merge_said: int | None
    last_event: str
    occurred_at: datetime
    updated_at: datetime
    data: bytes


_PLAIN = ("connection", "account", "sequence", "merge_said", "occurred_at", "updated_at")

_UPSERT = """
insert into claim (kind, id, last_event, connection, account, sequence, merge_said, occurred_at, updated_at, key_id, data)
select kind, id, nullif(last_event, '')::uuid, connection, account, sequence, merge_said, occurred_at, updated_at, key_id, data
from unnest(%(kind)s::text[], %(id)s::text[], %(last_event)s::text[], %(connection)s::text[], %(account)s::text[], %(sequence)s::int8[],
    %(merge_said)s::int8[], %(occurred_at)s::timestamptz[], %(updated_at)s::timestamptz[], %(key_id)s::text[], %(envelope)b::bytea[])
    as t(kind, id, last_event, connection, account, sequence, merge_said, occurred_at, updated_at, key_id, data)
order by kind, id, connection
on conflict (kind, id, connection) do update set
    last_event = excluded.last_event, account = excluded.account, sequence = excluded.sequence, merge_said = excluded.merge_said,
    occurred_at = excluded.occurred_at, updated_at = excluded.updated_at, key_id = excluded.key_id, data = excluded.data
"""
"""The newest word of each source replaces its former one. In the order of the key, so that two writers do not wait for each other."""


async def load(conn: Conn, cipher: Cipher, refs: Iterable[ObjectRef]) -> dict[ObjectRef, list[ClaimRow]]:
    """Return the claims on things that several sources tell of, by thing, in order of connection."""
    wanted = list(set(refs))
    if not wanted:
        return {}
    cursor = await conn.execute(
        f"select kind, id, last_event, key_id, data, {', '.join(_PLAIN)} from claim"
        " where (kind, id) in (select * from unnest(%s::text[], %s::text[])) order by connection",
        ([ref.kind for ref in wanted], [ref.id for ref in wanted]),
        binary=True,
    )
    found: dict[ObjectRef, list[ClaimRow]] = {}
    for kind, id, last_event, key_id, data, *plain in await cursor.fetchall():
        ref = ObjectRef(kind, id)
        values = dict(zip(_PLAIN, plain, strict=True))
        event = "" if last_event is None else last_event.hex
        row = ClaimRow(ref=ref, last_event=event, data=cipher.decrypt(key_id, data, _aad(ref, values["connection"])), **values)
        found.setdefault(ref, []).append(row)
    return found


async def upsert(conn: Conn, cipher: Cipher, rows: Sequence[ClaimRow]) -> None:
    """Write claims, each in the place of what the same source said before."""
    if not rows:
        return
    sealed = [cipher.encrypt(row.data, _aad(row.ref, row.connection)) for row in rows]
    given = columns(rows, ("last_event", *_PLAIN)) | {
        "kind": [row.ref.kind for row in rows],
        "id": [row.ref.id for row in rows],
        "key_id": [key for key, _ in sealed],
        "envelope": [envelope for _, envelope in sealed],
    }
    await conn.execute(_UPSERT, given)


def _aad(ref: ObjectRef, connection: str) -> str:
    return f"claim/{ref.key}/{connection}"
