"""Table ``object``: the current canonical state of every thing, with its version; merging it is the normalizing stage's work.

Writers of objects exclude those who start to wait for one (see agenda.py), so that nobody waits for what has just arrived:
call ``agenda.release`` with the keys of what was written, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.records import Record, nothing
from counterfoil.core.policies.related import links

from .cipher import Cipher
from .columns import columns
from .errors import StoreError
from .pool import Conn


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """The state of one object. ``version`` counts its changes from 1; ``digest`` tells equal content; ``data`` is the encoded record.

    ``names``: what people may look for it by (a customer's name and e-mail, a document's number), to be written; kept as keyed digests, and
    never read back.
    ``links``: the digests of the objects it names by which it is found from those (``link_of``), to be written; not read back either.
    ``claimed``: the version of which the claims of its sources were written (table ``claim``); 0: it is its only claim itself.
    ``merge_said``: see ``Current``.
    """

    ref: ObjectRef
    connection: str
    version: int
    sequence: int
    digest: bytes
    occurred_at: datetime
    updated_at: datetime
    data: bytes
    account: str = ""
    entity: str = ""
    last_event: str = ""
    last_type: str = ""
    customer_id: str = ""
    state: str = ""
    total_minor: int | None = None
    currency: str = ""
    claimed: int = 0
    merge_said: int | None = None
    names: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectTotal:
    """How many objects of a kind an entity has in a state and currency, and what they come to in minor units (0 where none has a total)."""

    kind: str
    entity: str
    currency: str
    state: str
    count: int
    total_minor: int


_PLAIN = (
    "connection", "version", "sequence", "digest", "occurred_at", "updated_at", "account", "entity", "last_type", "customer_id", "state",
    "total_minor", "currency", "claimed", "merge_said",
)  # fmt: skip
_LINKING_LOCK = 0x0C0F_0007  # advisory locks of this project start with 0x0C0F
LINKING = "'company', 'credit_note', 'customer', 'deal', 'dispute', 'intent', 'payment', 'refund'"
"""The kinds of objects that are found from what they name; as in the index over those still to be linked."""

_NUMBERED = (CREDIT_NOTE.name, INVOICE.name)
NUMBERED = ", ".join(f"'{name}'" for name in _NUMBERED)
"""The kinds of objects people know by a number; as in the index over those whose numbers are still to be digested."""
LOOKED_UP: tuple[str, ...] = tuple(name for name, kind in KINDS.items() if kind.found_by is not nothing and name not in _NUMBERED)
"""The other kinds people look for by more than ids: each is read through for those whose digests are of a former state or key."""


async def load(conn: Conn, cipher: Cipher, refs: Iterable[ObjectRef]) -> dict[ObjectRef, ObjectRow]:
    """Return the states of the objects that exist."""
    wanted = list(set(refs))
    if not wanted:
        return {}
    found = await _read(
        conn,
        cipher,
        "where (kind, id) in (select * from unnest(%s::text[], %s::text[]))",
        ([ref.kind for ref in wanted], [ref.id for ref in wanted]),
    )
    return {row.ref: row for row in found}


async def of_kinds(conn: Conn, cipher: Cipher, kinds: Sequence[str], limit: int, *, without: Sequence[str] = ()) -> list[ObjectRow]:
    """Return objects of some kinds that are in none of some states, those that changed last first: for people, not for stages."""
    condition = "where kind = any(%s) and state <> all(%s) order by updated_at desc, kind, id limit %s"
    return await _read(conn, cipher, condition, (list(kinds), list(without), limit))


async def after(conn: Conn, cipher: Cipher, kind: str, id: str, limit: int, *, states: Sequence[str] = ()) -> list[ObjectRow]:
    """Return objects of a kind in order of their ids, after one of them (empty: from the first); in some states alone, if any are given."""
    condition = "where kind = %s and id > %s and (%s or state = any(%s)) order by id limit %s"
    return await _read(conn, cipher, condition, (kind, id, not states, list(states), limit))


def link_of(ref: ObjectRef) -> str:
    """Return the digest by which what names an object is found."""
    return digest(ref.key)


def links_of(record: Record) -> tuple[str, ...]:
    """Return by what an object is found from those it names."""
    return tuple(link_of(ref) for ref in links(record))


async def linked_to(conn: Conn, refs: Iterable[ObjectRef]) -> set[ObjectRef]:
    """Return the objects that name one of these, as far as their links were written."""
    wanted = sorted({link_of(ref) for ref in refs})
    if not wanted:
        return set()
    cursor = await conn.execute("select kind, id from object where links <> '{}' and links && %s::text[]", (wanted,))
    return {ObjectRef(kind, id) for kind, id in await cursor.fetchall()}


async def of_customers(conn: Conn, customer_ids: Iterable[str]) -> list[ObjectRef]:
    """Return the objects that name one of these customers."""
    cursor = await conn.execute(
        "select kind, id from object where customer_id <> '' and customer_id = any(%s) order by kind, id", (sorted(set(customer_ids)),)
    )
    return [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]


async def customers_of(conn: Conn, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Return the customers that objects name."""
    wanted = sorted(set(refs))
    cursor = await conn.execute(
        "select distinct customer_id from object"
        " where customer_id <> '' and (kind, id) in (select * from unnest(%s::text[], %s::text[])) order by 1",
        ([ref.kind for ref in wanted], [ref.id for ref in wanted]),
    )
    return [CUSTOMER.ref(row[0]) for row in await cursor.fetchall()]


async def of_customer(conn: Conn, cipher: Cipher, customer_id: str, *, limit: int = 1000) -> list[ObjectRow]:
    """Return the objects that name a customer, newest first."""
    return await _read(conn, cipher, "where customer_id = %s order by occurred_at desc limit %s", (customer_id, limit))


async def newest(conn: Conn, limit: int) -> list[ObjectRef]:
    """Return the objects with a total that happened last, newest first."""
    cursor = await conn.execute(
        "select kind, id from object where total_minor is not null order by occurred_at desc, kind, id limit %s", (limit,)
    )
    return [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]


async def about_customers(conn: Conn, cipher: Cipher, ids: Sequence[str], kinds: Sequence[str]) -> list[ObjectRow]:
    """Return the objects of some kinds that name one of these customers."""
    if not ids:
        return []
    return await _read(conn, cipher, "where customer_id = any(%s) and customer_id <> '' and kind = any(%s)", (list(ids), list(kinds)))


async def _read(
    conn: Conn, cipher: Cipher, condition: str, arguments: tuple[object, ...], *, instead: bytes | None = None
) -> list[ObjectRow]:
    """``instead``: what is returned for data that was damaged; None: StoreError is raised."""
    statement = f"select kind, id, last_event, key_id, data, {', '.join(_PLAIN)} from object {condition}"
    cursor = await conn.execute(statement, arguments, binary=True)
    rows = []
    for kind, id, last_event, key_id, data, *plain in await cursor.fetchall():
        ref = ObjectRef(kind, id)
        values = dict(zip(_PLAIN, plain, strict=True))
        event = "" if last_event is None else last_event.hex
        try:
            plain_data = cipher.decrypt(key_id, data, _aad(ref))
        except StoreError as error:
            if instead is None or error.code != "store.payload_damaged":
                raise
            plain_data = instead
        rows.append(ObjectRow(ref=ref, last_event=event, data=plain_data, **values))
    return rows


def _aad(ref: ObjectRef) -> str:
    return f"object/{ref.key}"


_UPSERT = """
insert into object (kind, id, last_event, connection, version, sequence, digest, occurred_at, updated_at, account, entity, last_type,
    customer_id, state, total_minor, currency, claimed, merge_said, key_id, data, lookup, looked_up, links, linked)
select kind, id, nullif(last_event, '')::uuid, connection, version, sequence, digest, occurred_at, updated_at, account, entity, last_type,
    customer_id, state, total_minor, currency, claimed, merge_said, key_id, data, string_to_array(lookup, ' '), version,
    string_to_array(links, ' '), version
from unnest(%(kind)s::text[], %(id)s::text[], %(last_event)s::text[], %(connection)s::text[], %(version)s::int4[], %(sequence)s::int8[],
    %(digest)b::bytea[], %(occurred_at)s::timestamptz[], %(updated_at)s::timestamptz[], %(account)s::text[], %(entity)s::text[],
    %(last_type)s::text[], %(customer_id)s::text[], %(state)s::text[], %(total_minor)s::int8[], %(currency)s::text[], %(claimed)s::int4[],
    %(merge_said)s::int8[], %(key_id)s::text[], %(envelope)b::bytea[], %(lookup)s::text[], %(links)s::text[])
    as t(kind, id, last_event, connection, version, sequence, digest, occurred_at, updated_at, account, entity, last_type, customer_id,
    state, total_minor, currency, claimed, merge_said, key_id, data, lookup, links)
order by kind, id
on conflict (kind, id) do update set
    last_event = excluded.last_event, connection = excluded.connection, version = excluded.version, sequence = excluded.sequence,
    digest = excluded.digest, occurred_at = excluded.occurred_at, updated_at = excluded.updated_at, account = excluded.account,
    entity = excluded.entity, last_type = excluded.last_type, customer_id = excluded.customer_id, state = excluded.state,
    total_minor = excluded.total_minor, currency = excluded.currency, claimed = excluded.claimed, merge_said = excluded.merge_said,
    key_id = excluded.key_id, data = excluded.data,
    lookup = excluded.lookup, looked_up = excluded.looked_up, links = excluded.links, linked = excluded.linked
where object.version = excluded.version - 1
returning kind, id
"""
"""A new version is written only over the one it was made from: of two workers that merged the same object the second writes nothing, and
tries again. Always in the order of kind and id, so that two of them do not wait for each other."""


async def upsert(conn: Conn, cipher: Cipher, rows: Sequence[ObjectRow]) -> set[ObjectRef]:
    """Write merged states, one row per object; return the refs written.

    A row is written only if its version is one above the stored one (1: the object is new). A ref that is missing in the answer was
    changed by somebody else meanwhile: load it again, merge again, write again.
    """
    if not rows:
        return set()
    await conn.execute("lock table arrival_latch in row exclusive mode")  # before any row is locked: see agenda.py
    sealed = [cipher.encrypt(row.data, _aad(row.ref)) for row in rows]
    given = (
        columns(rows, ("last_event", *_PLAIN))
        | _refs_of(rows)
        | {
            "key_id": [key for key, _ in sealed],
            "envelope": [envelope for _, envelope in sealed],
            "lookup": [_digests(cipher, row.names) for row in rows],
            "links": [" ".join(row.links) for row in rows],
        }
    )
    return {ObjectRef(kind, id) for kind, id in await (await conn.execute(_UPSERT, given)).fetchall()}


def _digests(cipher: Cipher, names: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(cipher.lookup(name) for name in names))


async def named(conn: Conn, cipher: Cipher, text: str) -> list[ObjectRef]:
    """Return the objects that have this name, e-mail or number, whatever its case and spaces."""
    cursor = await conn.execute(
        "select kind, id from object where lookup <> '{}' and lookup && %s::text[] order by kind, id", (cipher.lookups(text),)
    )
    return [ObjectRef(kind, id) for kind, id in await cursor.fetchall()]


async def to_look_up(conn: Conn, cipher: Cipher, kind: str, after_id: str, limit: int = 500) -> list[ObjectRow]:
    """Return objects of a kind whose digests are of a former state or key, in order of id above ``after_id``: older programs write none."""
    condition = "where kind = %s and id > %s and looked_up <> version order by id limit %s"
    return await _read(conn, cipher, condition, (kind, after_id, limit))


async def to_number(conn: Conn, cipher: Cipher, limit: int = 500) -> list[ObjectRow]:
    """Return documents without the digest of their number: older programs write none, and one by a former key is taken away."""
    return await _read(conn, cipher, f"where lookup = '{{}}' and kind in ({NUMBERED}) order by kind, id limit %s", (limit,))


async def set_lookups(conn: Conn, cipher: Cipher, rows: Sequence[ObjectRow]) -> None:
    """Write the digests of what rows are found by, where the object is still of that version."""
    given = columns(rows, ("version",)) | _refs_of(rows) | {"lookup": [_digests(cipher, row.names) for row in rows]}
    await conn.execute(
        "update object o set lookup = string_to_array(t.lookup, ' '), looked_up = t.version"
        " from unnest(%(kind)s::text[], %(id)s::text[], %(version)s::int4[], %(lookup)s::text[]) as t(kind, id, version, lookup)"
        " where o.kind = t.kind and o.id = t.id and o.version = t.version",
        given,
    )


_TO_LINK = f"where linked <> version and kind in ({LINKING}) order by kind, id limit %s"
"""In the order of the index over them: without it, all objects would be read to find that there is none."""


async def has_to_link(conn: Conn) -> bool:
    """Tell whether there are objects whose links are not written: what names one of the others may not be found."""
    return await (await conn.execute(f"select from object {_TO_LINK}", (1,))).fetchone() is not None


async def to_link(conn: Conn, cipher: Cipher, limit: int = 500) -> list[ObjectRow]:
    """Return objects of kinds that name others whose links are of a former state, or were never written: older programs write none.

    Nothing, while another worker writes some, until the transaction ends. One whose data was damaged has none.
    """
    free = await (await conn.execute("select pg_try_advisory_xact_lock(%s)", (_LINKING_LOCK,))).fetchone()
    if free is None or not free[0]:
        return []
    return await _read(conn, cipher, _TO_LINK, (limit,), instead=b"")


async def set_links(conn: Conn, rows: Sequence[ObjectRow]) -> None:
    """Write the links of rows, where the object is still of that version."""
    given = columns(rows, ("version",)) | _refs_of(rows) | {"links": [" ".join(row.links) for row in rows]}
    await conn.execute(
        "update object o set links = string_to_array(t.links, ' '), linked = t.version"
        " from unnest(%(kind)s::text[], %(id)s::text[], %(version)s::int4[], %(links)s::text[]) as t(kind, id, version, links)"
        " where o.kind = t.kind and o.id = t.id and o.version = t.version",
        given,
    )


def _refs_of(rows: Sequence[ObjectRow]) -> dict[str, list[str]]:
    return {"kind": [row.ref.kind for row in rows], "id": [row.ref.id for row in rows]}


ENTITY_OF_ONE = """
coalesce(
    (select c.entity from command c where c.subject_id = o.id and c.subject_kind = o.kind and c.entity <> '' order by c.seq desc limit 1),
    (select i.entity from summary_item i where i.subject = o.kind || '/' || o.id order by i.added_at desc limit 1), o.entity)
"""
"""The legal entity of an object ``o``: that of the newest command that was wished for it, or of the day it was summed up with. Programs
before schema 32 wrote it into the object's row."""

_TOTALS = """
with wished as (
    select distinct on (subject_kind, subject_id) subject_kind as kind, subject_id as id, entity from command where entity <> ''
    order by subject_kind, subject_id, seq desc
), summed as (
    select distinct on (subject) subject, entity from summary_item order by subject, added_at desc
)
select o.kind, coalesce(w.entity, s.entity, o.entity), o.currency, o.state, count(*), coalesce(sum(o.total_minor), 0)
from object o left join wished w on w.kind = o.kind and w.id = o.id left join summed s on s.subject = o.kind || '/' || o.id
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""
"""All objects with their legal entities at once, as ``ENTITY_OF_ONE`` finds them for one."""


async def totals(conn: Conn) -> list[ObjectTotal]:
    """Return counts and totals of all objects by kind, entity, currency and state."""
    rows = await (await conn.execute(_TOTALS)).fetchall()
    return [ObjectTotal(kind, entity, currency, state, n, int(minor)) for kind, entity, currency, state, n, minor in rows]
