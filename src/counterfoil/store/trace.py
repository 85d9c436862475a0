"""The whole path of one thing, by any id people may hold: what came in, what became of it, and what it is called elsewhere.

Only names, states and times: payloads stay encrypted and are read by their own modules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from counterfoil.core.language.ids import ObjectRef

from . import agenda, attempts, bindings, bundles, cases, lacking, objects, outbox, sending
from .pool import Conn

_ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class TracedObject:
    """A current state."""

    ref: ObjectRef
    entity: str
    state: str
    version: int
    total_minor: int | None
    currency: str
    customer_id: str
    occurred_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TracedReceipt:
    """A delivery."""

    id: int
    connection: str
    kind: str
    dedupe_key: str
    state: str
    rule: str
    occurred_at: datetime
    received_at: datetime
    normalized_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class TracedEvent:
    """A canonical fact."""

    id: str
    receipt_id: int | None
    type: str
    subject: ObjectRef
    merged: str
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class TracedCommand:
    """A wish and how it stands; ``missing``: the keys it still waits for."""

    id: str
    kind: str
    target: str
    entity: str
    subject: ObjectRef
    external_key: str
    state: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    done_at: datetime | None
    external_id: str
    external_name: str
    code: str
    reason: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything known about an id; all lists are in order of time."""

    asked: str
    objects: tuple[TracedObject, ...]
    receipts: tuple[TracedReceipt, ...]
    events: tuple[TracedEvent, ...]
    waits: tuple[agenda.OpenWait, ...]
    commands: tuple[TracedCommand, ...]
    attempts: tuple[attempts.Attempt, ...]
    bindings: tuple[bindings.Binding, ...]
    cases: tuple[cases.Case, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known by this id."""
        return not (self.objects or self.receipts or self.events or self.commands or self.bindings or self.cases or self.waits)


async def trace(conn: Conn, asked: str, also: Iterable[str] = ()) -> Trace:
    """Return the path of whatever has this id.

    Understood are: a source's id (``in_1``), a canonical id (``billing:in_1``), an object or dependency key (``invoice/billing:in_1``), the
    ids of receipts, deliveries (dedupe keys), events and commands, an external key, and the target's own id or number. A customer's id
    gives everything of that customer. ``also``: further canonical ids that belong to it. Each list is cut at 500 rows.
    """
    ids = {*await canonical_ids(conn, asked.strip()), *also}
    found_receipts = await _receipts_by_name(conn, asked.strip())
    cursor = await conn.execute(_SUBJECTS_OF_RECEIPTS, ([receipt.id for receipt in found_receipts],))
    ids |= {row[0] for row in await cursor.fetchall()}
    objects = await _objects(conn, ids)
    subjects = ids | {one.ref.id for one in objects}
    events = await _events(conn, subjects)
    receipts = await _receipts(conn, {event.receipt_id for event in events if event.receipt_id} | {one.id for one in found_receipts}, asked)
    commands = await _commands(conn, subjects, asked)
    keys = {command.produces for command in commands if command.produces} | {one.ref.key for one in objects}
    records = [str(one.id) for one in receipts] + [one.ref.key for one in objects] + [one.row.id for one in commands]
    return Trace(
        asked=asked,
        objects=tuple(objects),
        receipts=tuple(receipts),
        events=tuple(events),
        waits=tuple(await _waits(conn, subjects)),
        commands=tuple(one.row for one in commands),
        attempts=tuple(await attempts.of_commands(conn, [one.row.id for one in commands])),
        bindings=tuple(await _bindings(conn, keys, asked)),
        cases=tuple(await cases.of_subjects(conn, records)),
    )


_BY_NAME = f"""
select id from object where id = %(asked)s or substr(id, strpos(id, ':') + 1) = %(asked)s
union select split_part(key, '/', 2) from {bindings.OF_KEYS} of_key
union select split_part(key, '/', 2) from binding where external_id = %(asked)s or (external_name = %(asked)s and external_name <> '')
union select subject_id from command_body where external_key = %(asked)s
union select subject_id from command where id = %(uuid)s
union select subject_id from event where id = %(uuid)s
union select split_part(%(asked)s, '/', 2) where %(asked)s like '%%/%%:%%'
union select %(asked)s where %(asked)s like '%%:%%'
"""
"""Whatever a person may have at hand: an id of the source, with or without its name space; a key, id or number of the books; an id of the
hub's own."""
_SUBJECTS_OF_RECEIPTS = "select distinct subject_id from event where receipt_id = any(%s)"


async def canonical_ids(conn: Conn, asked: str) -> set[str]:
    """Return the canonical ids of whatever has this id, number or key."""
    try:
        uuid = UUID(asked)
    except ValueError:
        uuid = None
    cursor = await conn.execute(_BY_NAME, {"asked": asked, "uuid": uuid, "keys": [asked]})
    return {row[0] for row in await cursor.fetchall() if row[0]}


# The distinct connections and accounts by one index look-up each: a plain distinct reads every row of tables that only grow.
_CONNECTIONS = """
with recursive known as (
    select min(connection) as connection from receipt_key
    union all select (select min(connection) from receipt_key where connection > known.connection) from known
    where known.connection is not null
)
"""
_ACCOUNTS = """
-- as above
with recursive known as (
    select min(account) as account from object
    union all select (select min(account) from object where account > known.account) from known where known.account is not null
)
select account from known
"""
_RECEIPT = f"""
select r.id, r.connection, r.kind, r.dedupe_key, {bundles.STATE}, r.rule, r.occurred_at, r.received_at, {bundles.READ_AT}, r.attempts
from receipt r
"""


async def _receipts_by_name(conn: Conn, asked: str) -> list[TracedReceipt]:
    """Receipts by number or by dedupe key, which may have the account's name and a slash in front."""
    accounts = [row[0] for row in await (await conn.execute(_ACCOUNTS)).fetchall() if row[0]]
    names = [asked, *(f"{account}/{asked}" for account in accounts)]
    hashes = [hashlib.blake2b(name.encode(), digest_size=16).digest() for name in names]
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    cursor = await conn.execute(
        _CONNECTIONS + _RECEIPT + "where r.id in (select receipt_id from receipt_key k join known on k.connection = known.connection"
        " where k.key_hash = any(%(hashes)s) union all select %(number)s::int8)",
        {"hashes": hashes, "number": number},
    )
    return [TracedReceipt(*row) for row in await cursor.fetchall()]


async def _receipts(conn: Conn, ids: Iterable[int], asked: str) -> list[TracedReceipt]:
    """Receipts by id, and those not normalized yet whose shard key is the id asked for."""
    cursor = await conn.execute(
        _RECEIPT
        + "where r.id = any(%(ids)s) union "
        + _RECEIPT
        + "where r.state in ('pending', 'parked') and r.shard_key = %(asked)s union"
        + _RECEIPT
        + "join to_read u on u.received_at = r.received_at and u.id = r.id where r.shard_key = %(asked)s"
        " order by received_at, id limit %(limit)s",
        {"ids": sorted(set(ids)), "asked": asked, "limit": _ROWS_MAX},
    )
    return [TracedReceipt(*row) for row in await cursor.fetchall()]


async def _objects(conn: Conn, ids: Iterable[str]) -> list[TracedObject]:
    cursor = await conn.execute(
        f"select kind, id, {objects.ENTITY_OF_ONE}, state, version, total_minor, currency, customer_id, occurred_at, updated_at"
        " from object o"
        " where id = any(%(ids)s) or (customer_id <> '' and customer_id = any(%(ids)s)) order by occurred_at, id limit %(limit)s",
        {"ids": sorted(set(ids)), "limit": _ROWS_MAX},
    )
    return [TracedObject(ObjectRef(kind, id), *rest) for kind, id, *rest in await cursor.fetchall()]


async def _events(conn: Conn, subjects: Iterable[str]) -> list[TracedEvent]:
    cursor = await conn.execute(
        "select id, receipt_id, type, subject_kind, subject_id, merged, occurred_at, received_at from event where subject_id = any(%s)"
        " order by received_at, sequence, id limit %s",
        (sorted(set(subjects)), _ROWS_MAX),
    )
    return [
        TracedEvent(id.hex, receipt, type, ObjectRef(kind, subject), *rest)
        for id, receipt, type, kind, subject, *rest in await cursor.fetchall()
    ]


# One under way has a try more than its row says, which began with its batch.
_COMMANDS = f"""
select b.produces, b.id, b.kind, b.target, b.entity, b.subject_kind, b.subject_id, b.external_key, {outbox.STATE},
    s.attempts + (f.started_at is not null)::int, b.created_at, coalesce(f.started_at, s.sent_at), s.done_at, s.external_id,
    s.external_name, s.code, s.reason
from command_body b join command_standing s on s.id = b.id and s.created_at = b.created_at {sending.IN_FLIGHT}
where b.subject_id = any(%(ids)s) or b.external_key = %(asked)s
order by b.seq limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class _Command:
    row: TracedCommand
    produces: str


async def _commands(conn: Conn, subjects: Iterable[str], asked: str) -> list[_Command]:
    cursor = await conn.execute(
        _COMMANDS,
        {"ids": sorted(set(subjects)), "asked": asked, "limit": _ROWS_MAX},
    )
    found = [
        _Command(TracedCommand(id.hex, kind, target, entity, ObjectRef(subject_kind, subject), *rest), produces)
        for produces, id, kind, target, entity, subject_kind, subject, *rest in await cursor.fetchall()
    ]
    missing = await lacking.missing_needs(conn, [one.row.id for one in found])
    return [replace(one, row=replace(one.row, missing=missing.get(one.row.id, ()))) for one in found]


async def _waits(conn: Conn, subjects: Iterable[str]) -> list[agenda.OpenWait]:
    cursor = await conn.execute(
        "select key, subject_kind, subject_id, since, fetch_asked from wait where subject_id = any(%s) order by since, key limit %s",
        (sorted(set(subjects)), _ROWS_MAX),
    )
    return [agenda.OpenWait(key, ObjectRef(kind, id), since, asked) for key, kind, id, since, asked in await cursor.fetchall()]


async def _bindings(conn: Conn, keys: Iterable[str], asked: str) -> list[bindings.Binding]:
    cursor = await conn.execute(
        f"select connection, key, external_id, external_name, since, until from {bindings.OF_KEYS} of_key union"
        " select connection, key, external_id, external_name, since, until from binding"
        " where external_id = %(asked)s or (external_name = %(asked)s and external_name <> '') order by since, key limit %(limit)s",
        {"keys": sorted(set(keys)), "asked": asked, "limit": _ROWS_MAX},
    )
    return [bindings.Binding(*row) for row in await cursor.fetchall()]
