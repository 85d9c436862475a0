"""Table ``claim``: what each source says of a thing that several tell of. What one source tells of is its own claim, in its ``object`` row.

Claims are written only together with a new version of their object's row, which two writers cannot both write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.kinds.intent import PEOPLE
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


async def drop(conn: Conn, several: Sequence[tuple[ObjectRef, str]]) -> None:
    """Forget what connections say of things; only with a new version of each thing's row, as in ``upsert``."""
    if several:
        await conn.execute(
            "delete from claim where (kind, id, connection) in (select * from unnest(%s::text[], %s::text[], %s::text[]))",
            ([ref.kind for ref, _ in several], [ref.id for ref, _ in several], [connection for _, connection in several]),
        )


# What people alone say something of beside a connection has no other system's word: it is told by that connection alone.
_BESIDE = """
exists (select from claim o where o.kind = c.kind and o.id = c.id and o.connection <> c.connection and o.connection <> %(people)s)
"""
_COUNTS = f"select connection, count(*) from claim c where connection <> %(people)s and {_BESIDE} group by connection"
_COUNT_ALONE = f"""
select (select count(*) from object where kind = any(%(kinds)s) and connection = %(connection)s and claimed = 0)
    + (select count(*) from claim c where connection = %(connection)s and not {_BESIDE})
"""


async def counts(conn: Conn) -> dict[str, int]:
    """Return of how many things each connection says something that another system tells of, too."""
    return dict(await (await conn.execute(_COUNTS, {"people": PEOPLE})).fetchall())


_SAID_BY = """
select kind, id from claim where connection = %(connection)s and (kind, id) > (%(kind)s, %(id)s) order by kind, id limit %(limit)s
"""
_KNOWN_FROM = """
select kind, id from object
where kind = any(%(kinds)s) and connection = %(connection)s and claimed = 0 and (kind, id) > (%(kind)s, %(id)s)
order by kind, id limit %(limit)s
"""
"""Along the key of the table: all that a connection alone tells of is found in one pass, however many steps that takes."""


async def said_by(conn: Conn, connection: str, after: ObjectRef, limit: int) -> list[ObjectRef]:
    """Return things of which a connection and others, be it people, say something, in order of kind and id, after one of them."""
    given = {"connection": connection, "kind": after.kind, "id": after.id, "limit": limit}
    return [ObjectRef(*row) for row in await (await conn.execute(_SAID_BY, given)).fetchall()]


async def known_from(conn: Conn, connection: str, kinds: Sequence[str], after: ObjectRef, limit: int) -> list[ObjectRef]:
    """Return things of some kinds that a connection alone tells of, in order of kind and id, after one of them."""
    given = {"connection": connection, "kinds": list(kinds), "kind": after.kind, "id": after.id, "limit": limit}
    return [ObjectRef(*row) for row in await (await conn.execute(_KNOWN_FROM, given)).fetchall()]


async def count_known_from(conn: Conn, connection: str, kinds: Sequence[str]) -> int:
    """Return how many things of some kinds a connection alone tells of, whatever people say of them beside."""
    given = {"kinds": list(kinds), "connection": connection, "people": PEOPLE}
    row = await (await conn.execute(_COUNT_ALONE, given)).fetchone()
    return 0 if row is None else int(row[0])


def _aad(ref: ObjectRef, connection: str) -> str:
    return f"claim/{ref.key}/{connection}"
