"""Tables ``receipt``, ``receipt_key`` and ``receipt_fetched``: every delivery ever accepted, as it came, encrypted, and beside it what was
fetched for it; a second delivery is a duplicate.

States: pending -> normalized, ignored (by a named rule) or parked (with a case). Nothing here arms partitions: functions return the
partitions touched, and the caller arms them last in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from . import bundles, receipts_fetched
from .cipher import Cipher
from .columns import columns
from .errors import StoreError
from .pool import Conn, PartitionKey
from .work import EVERY_LANE, bundle_key, normalize_key, shard_of


class ReceiptState(StrEnum):
    """Where a receipt stands; the values of the type ``receipt_state``."""

    PENDING = "pending"
    NORMALIZED = "normalized"
    IGNORED = "ignored"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A delivery to be kept. ``parked``: the code of a genuine delivery that cannot be processed, else empty; ``place``: where it stood."""

    connection: str
    dedupe_key: str
    shard_key: str
    kind: str
    body: bytes
    occurred_at: datetime
    account: str = ""
    api_version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    parked: str = ""
    lane: int = 10
    place: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of deliveries: the new receipt's id per delivery, None for a duplicate; and the partitions to arm."""

    ids: tuple[int | None, ...]
    touched: tuple[PartitionKey, ...]

    @property
    def duplicates(self) -> int:
        """How many were known already."""
        return sum(1 for id in self.ids if id is None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt with its decrypted body; ``fetched`` holds what was fetched for it (the normalizing stage's encoding), or None.

    ``damage``: why its payload cannot be read (its key is not there, it was changed, or erased); ``body`` is empty then.
    """

    id: int
    received_at: datetime
    connection: str
    account: str
    kind: str
    dedupe_key: str
    shard: int
    shard_key: str
    lane: int
    state: ReceiptState
    rule: str
    occurred_at: datetime
    api_version: str
    headers: Mapping[str, str]
    attempts: int
    must_fetch: bool
    next_try_at: datetime | None
    normalized_at: datetime | None
    body: bytes = field(repr=False)
    fetched: bytes | None = field(repr=False)
    damage: StoreError | None = None

    @property
    def is_erased(self) -> bool:
        """Whether its body was erased: its time was over ([retention]), or a person had a right to it."""
        return self.damage is not None and self.damage.code == "store.payload_erased"


@dataclass(frozen=True, slots=True)
class ReceiptEnd:
    """How one claimed receipt's turn ended.

    ``state`` PENDING: try again, at ``next_try_at`` (None: at once), with ``must_fetch`` if the object is to be read again first.
    ``rule``: why it was ignored, or the code it was parked with. ``is_attempt``: whether this counts as an attempt that failed.
    ``seen``: the state it was read in; one that is in another state by now stays as it is.
    """

    id: int
    received_at: datetime
    state: ReceiptState
    rule: str = ""
    must_fetch: bool = False
    next_try_at: datetime | None = None
    is_attempt: bool = False
    seen: ReceiptState = ReceiptState.PENDING


_APPEND = f"""
with incoming as (
    select * from unnest(
        %(connection)s::text[], %(key_hash)b::bytea[], %(account)s::text[], %(kind)s::text[], %(dedupe_key)s::text[], %(shard)s::int2[],
        %(shard_key)s::text[], %(lane)s::int2[], %(parked)s::text[], %(occurred_at)s::timestamptz[], %(api_version)s::text[],
        %(headers)s::jsonb[], %(key_id)s::text[], %(envelope)b::bytea[]
    ) with ordinality as t(connection, key_hash, account, kind, dedupe_key, shard, shard_key, lane, parked, occurred_at, api_version,
        headers, key_id, body, place)
), first as (
    select distinct on (connection, key_hash) connection, key_hash, place from incoming order by connection, key_hash, place
), numbered as materialized (
    select *, nextval('receipt_id_seq') as id from (select * from first order by place) f
), fresh as (
    insert into receipt_key (connection, key_hash, receipt_id, received_at)
    select connection, key_hash, id, %(now)s from numbered order by connection, key_hash
    on conflict do nothing
    returning connection, key_hash, receipt_id
), kept as (
    insert into receipt (id, received_at, connection, account, kind, dedupe_key, shard, shard_key, lane, state, rule, occurred_at,
        api_version, headers, key_id, body)
    select f.receipt_id, %(now)s, i.connection, i.account, i.kind, i.dedupe_key, i.shard, i.shard_key, i.lane,
        case when i.parked <> '' then 'parked' when {bundles.ARE_MADE} then 'normalized' else 'pending' end::receipt_state, i.parked,
        i.occurred_at, i.api_version, i.headers, i.key_id, i.body
    from fresh f join first using (connection, key_hash) join incoming i using (place) order by place
    returning id, connection, dedupe_key, shard, lane, state
), bundled as ({bundles.KEPT_IN})
select id, connection, dedupe_key, shard, lane, state from kept order by id
"""
"""Appends deliveries that were never received: the key decides, over all partitions and time. Of a delivery that comes twice in one call
the first counts. Keys are written in their order, so that two intakes do not wait for each other; ids grow in the order of arrival. What is
to be read is handed on in bundles."""


async def append(conn: Conn, cipher: Cipher, incoming: Sequence[Incoming], now: datetime) -> Appended:
    """Keep deliveries that are not known yet, in one statement; of two equal ones at once, exactly one is new. Ids rise in their order.

    A duplicate of a delivery that another transaction is just keeping waits for that one's commit: what is called a duplicate is durable.
    """
    if not incoming:
        return Appended((), ())
    cursor = await conn.execute(_APPEND, _to_columns(cipher, incoming, now))
    ids: dict[tuple[str, str], int] = {}
    touched: set[PartitionKey] = set()
    for id, connection, dedupe_key, shard, lane, state in await cursor.fetchall():
        ids[(connection, dedupe_key)] = id
        if state == ReceiptState.NORMALIZED:  # as soon as its bundle is read
            touched.add(bundle_key(connection, shard, lane))
        elif state == ReceiptState.PENDING:
            touched.add(normalize_key(connection, shard, lane))
    return Appended(tuple(ids.pop((one.connection, one.dedupe_key), None) for one in incoming), tuple(sorted(touched)))


def _to_columns(cipher: Cipher, incoming: Sequence[Incoming], now: datetime) -> dict[str, object]:
    sealed = [cipher.encrypt(one.body, _aad(one.connection, one.dedupe_key)) for one in incoming]
    names = ("connection", "account", "kind", "dedupe_key", "shard_key", "lane", "parked", "occurred_at", "api_version")
    return columns(incoming, names) | {
        "key_hash": [hashlib.blake2b(one.dedupe_key.encode(), digest_size=16).digest() for one in incoming],
        "shard": [shard_of(one.shard_key) for one in incoming],
        "headers": [json.dumps(dict(one.headers)) if one.headers else "{}" for one in incoming],
        "key_id": [key_id for key_id, _ in sealed],
        "envelope": [envelope for _, envelope in sealed],
        "now": now,
    }


def _aad(connection: str, dedupe_key: str) -> str:
    return f"receipt/{connection}/{dedupe_key}"


_PLAIN = (
    "id", "received_at", "connection", "account", "kind", "dedupe_key", "shard", "shard_key", "lane", "rule", "occurred_at", "api_version",
    "headers", "attempts", "must_fetch", "next_try_at",
)  # fmt: skip
_SELECT = f"""
select {", ".join(f"r.{name}" for name in _PLAIN)}, {bundles.READ_AT}, {bundles.STATE}, r.key_id, r.body,
    coalesce(f.key_id, r.fetched_key_id), coalesce(f.data, r.fetched)
from receipt r left join receipt_fetched f on f.received_at = r.received_at and f.id = r.id
"""
"""What was fetched before schema 32 stands in the receipt's own row."""


# Shard by shard, each by the index that has them in order: sorting all that is pending of many would take longer with every receipt. Of
# what is due it is known how it stands: its bundle is not looked for, and what was fetched is found by key, not by reading all of it.
_CLAIM = f"""
select {", ".join(f"r.{name}" for name in _PLAIN)}, r.normalized_at, case r.state when 'normalized' then 'pending' else r.state::text end,
    r.key_id, r.body, coalesce(f.key_id, r.fetched_key_id), coalesce(f.data, r.fetched)
from (
    select distinct received_at, id from (
        select due.received_at, due.id from (
            select p.* from unnest(%(shards)s::int2[]) as s(shard) cross join lateral (
                select p.received_at, p.id, p.lane from receipt p
                where p.connection = %(connection)s and p.shard = s.shard and p.state = 'pending'
                    and (p.next_try_at is null or p.next_try_at <= %(now)s) and p.lane >= %(from)s and p.lane < %(below)s
                order by p.lane, p.id limit %(limit)s) p
            union all ({bundles.CLAIMED})
        ) due order by due.lane, due.id limit %(limit)s
    ) first
) d join receipt r on r.received_at = d.received_at and r.id = d.id left join lateral (
    select f.key_id, f.data from receipt_fetched f where f.received_at = r.received_at and f.id = r.id offset 0
) f on true
order by r.lane, r.id
"""


async def claim(
    conn: Conn, cipher: Cipher, connection: str, shards: Sequence[int], now: datetime, limit: int, *, lanes: range = EVERY_LANE
) -> list[Receipt]:
    """Return pending receipts of some shards' ``lanes`` that may be tried now, by lane, then in order of arrival; up to ``limit``."""
    given = {"connection": connection, "shards": list(shards), "now": now, "from": lanes.start, "below": lanes.stop, "limit": limit}
    return await _read(conn, cipher, _CLAIM, given)


async def next_due(conn: Conn, connection: str, shards: Sequence[int], *, lanes: range = EVERY_LANE) -> datetime | None:
    """Return when the earliest delayed receipt of some shards' ``lanes`` is due, None if none is delayed."""
    row = await (
        await conn.execute(
            "select min(next_try_at) from receipt where connection = %s and shard = any(%s) and state = 'pending'"
            " and next_try_at is not null and lane >= %s and lane < %s",
            (connection, list(shards), lanes.start, lanes.stop),
        )
    ).fetchone()
    return None if row is None else row[0]


def _erased() -> StoreError:
    message = (
        "its body was erased, as its time was over ([retention] bodies_days) or a person had a right to it: it cannot be read again; ask"
        " its source for the object"
    )
    return StoreError(message, code="store.payload_erased")


async def read(conn: Conn, cipher: Cipher, ids: Sequence[int]) -> list[Receipt]:
    """Return receipts by id, in order of id; unknown ids are left out."""
    return await _read(conn, cipher, _SELECT + "where r.id = any(%s) order by r.id", (list(ids),))


async def _read(conn: Conn, cipher: Cipher, statement: str, arguments: tuple[object, ...] | dict[str, object]) -> list[Receipt]:
    """One whose payload cannot be read says so in ``damage``: it must not keep the others of its batch from being read."""
    cursor = await conn.execute(statement, arguments, binary=True)
    receipts = []
    for *plain, state, key_id, envelope, fetched_key_id, fetched_envelope in await cursor.fetchall():
        known = dict(zip((*_PLAIN, "normalized_at"), plain, strict=True))
        name = (known["connection"], known["dedupe_key"])
        body, fetched, damage = b"", None, None
        try:
            if not key_id:
                raise _erased()
            body = cipher.decrypt(key_id, envelope, _aad(*name))
            fetched = None if fetched_envelope is None else cipher.decrypt(fetched_key_id, fetched_envelope, receipts_fetched.aad(*name))
        except StoreError as error:
            body, damage = b"", error
        receipts.append(Receipt(state=ReceiptState(state), body=body, fetched=fetched, damage=damage, **known))
    return receipts


_SETTLE = f"""
with ended as materialized (
    select * from unnest(%(id)s::int8[], %(received_at)s::timestamptz[], %(state)s::text[], %(rule)s::text[], %(must_fetch)s::bool[],
        %(next_try_at)s::timestamptz[], %(is_attempt)s::bool[], %(seen)s::text[])
        as t(id, received_at, state, rule, must_fetch, next_try_at, is_attempt, seen) order by id
), {bundles.SETTLED}, written as (
    update receipt r set state = s.state::receipt_state, rule = s.rule, must_fetch = s.must_fetch, next_try_at = s.next_try_at,
        attempts = r.attempts + s.is_attempt::int, normalized_at = case when s.state in ('normalized', 'ignored') then %(now)s end,
        shard = coalesce(h.shard, r.shard)
    from ended s left join held h on h.id = s.id
    where r.received_at = s.received_at and r.id = s.id and case when h.id is not null
        then s.seen = 'pending' and (s.state <> 'normalized' or s.rule <> '')
        else r.state = s.seen::receipt_state and not (s.seen = 'normalized' and {bundles.UNREAD}) end
    returning r.id
)
select (select count(*) from written) + (select count(*) from ended s
    where s.seen = 'pending' and s.state = 'normalized' and s.rule = '' and s.id = any(array(select id from held)))
"""
"""Writes down how receipts were read, each only if it still is in the state it was seen in: what a person changed meanwhile stays. Of one
that was in a bundle and was read well nothing is to be written; one that is to be read again stays in the partition it was read in."""


async def settle(conn: Conn, settlements: Sequence[ReceiptEnd], now: datetime) -> int:
    """Record how claimed receipts ended; return how many changed. One no longer in the state it was seen in (a turn run twice) stays."""
    if not settlements:
        return 0
    names = ("id", "received_at", "rule", "must_fetch", "next_try_at", "is_attempt")
    given = columns(settlements, names) | {
        "state": [one.state.value for one in settlements],
        "seen": [one.seen.value for one in settlements],
        "now": now,
    }
    row = await (await conn.execute(_SETTLE, given)).fetchone()
    return 0 if row is None else int(row[0])


async def requeue(conn: Conn, ids: Sequence[int], *, lane: int | None = None, must_fetch: bool = False) -> list[PartitionKey]:
    """Put receipts of any state back to pending with a fresh count of attempts (retry of a case, replay); return the partitions touched."""
    await bundles.take_out(conn, ids)
    cursor = await conn.execute(
        "update receipt set state = 'pending', rule = '', attempts = 0, next_try_at = null, normalized_at = null,"
        " must_fetch = %(must_fetch)s, lane = coalesce(%(lane)s, lane) where id = any(%(ids)s)"
        " returning connection, shard, lane",
        {"ids": sorted(ids), "lane": lane, "must_fetch": must_fetch},
    )
    return sorted({normalize_key(*row) for row in await cursor.fetchall()})


async def requeue_parked(conn: Conn, ids: Sequence[int]) -> list[PartitionKey]:
    """Put parked receipts back to pending with a fresh count of attempts, leaving all others; return the partitions touched."""
    cursor = await conn.execute("select id from receipt where id = any(%s) and state = 'parked' order by id for update", (list(ids),))
    return await requeue(conn, [row[0] for row in await cursor.fetchall()])


@dataclass(frozen=True, slots=True)
class Selection:
    """Which receipts to replay: of a connection, received in [since, until), of some kinds and states (empty: all)."""

    connection: str
    since: datetime
    until: datetime
    kinds: tuple[str, ...] = ()
    states: tuple[ReceiptState, ...] = ()


_SELECTED = f"""
where r.connection = %(connection)s and r.received_at >= %(since)s and r.received_at < %(until)s
    and (%(kinds)s::text[] = '{{}}' or r.kind = any(%(kinds)s))
    and (%(states)s::text[] = '{{}}' or {bundles.STATE} = any(%(states)s::text[]))
"""


def _selected(selection: Selection) -> dict[str, object]:
    return {
        "connection": selection.connection,
        "since": selection.since,
        "until": selection.until,
        "kinds": list(selection.kinds),
        "states": [state.value for state in selection.states],
    }


async def select(conn: Conn, cipher: Cipher, selection: Selection, *, after_id: int = 0, limit: int = 1000) -> list[Receipt]:
    """Return receipts of a selection above ``after_id``, in order of id, without those erased; call again with the last one's for more."""
    given = _selected(selection) | {"after_id": after_id, "limit": limit}
    return await _read(
        conn, cipher, _SELECT + _SELECTED + "and r.key_id <> '' and r.id > %(after_id)s order by r.id limit %(limit)s", given
    )


async def count(conn: Conn, selection: Selection) -> dict[ReceiptState, int]:
    """Return how many receipts a selection has in each state it holds any in, without those whose body is erased."""
    cursor = await conn.execute(
        f"select {bundles.STATE}, count(*) from receipt r {_SELECTED} and key_id <> '' group by 1", _selected(selection)
    )
    return {ReceiptState(state): found for state, found in await cursor.fetchall()}


async def count_erased(conn: Conn, selection: Selection) -> int:
    """Return how many receipts of a selection cannot be read again, as their bodies are erased."""
    row = await (await conn.execute(f"select count(*) from receipt r {_SELECTED} and key_id = ''", _selected(selection))).fetchone()
    return 0 if row is None else int(row[0])


async def counts(conn: Conn) -> dict[str, dict[ReceiptState, int]]:
    """Return how many receipts each connection has in each state (conservation: their sum is what was received)."""
    cursor = await conn.execute(f"select r.connection, {bundles.STATE}, count(*) from receipt r group by 1, 2 order by 1, 2")
    found: dict[str, dict[ReceiptState, int]] = {}
    for connection, state, count in await cursor.fetchall():
        found.setdefault(connection, dict.fromkeys(ReceiptState, 0))[ReceiptState(state)] = count
    return found
