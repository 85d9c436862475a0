"""Tables ``match_*``: the keys customers are found by, who is to be compared, and which two may be one.

Keys are texts to whoever asks here, and digests in the tables: keyed ones, cut to what an index takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.ids import ObjectRef

from . import case_subjects
from .cipher import Cipher
from .columns import columns
from .pool import Conn, PartitionKey

STAGE = "match"
"""Compares customers that say otherwise who they are with all that are known; one partition, ``all``. Also what cases call two of them."""
WORK: PartitionKey = (STAGE, "all")
APART, LINKED = "apart", "linked"
"""Answers on two customers: that they are two, by people; that they are one, by the hub. Of neither anybody is asked again."""
_OFTEN_MAX = 20_000
_SAMPLE_ROWS = 20_000
_SEEN_MAX = 4 * _OFTEN_MAX
"""Keys that many bear, as far as a worker keeps them in mind."""
_LOCK = 0x0C0F_0009  # advisory locks of this project start with 0x0C0F
_SURE_OFTEN = 200
"""A key that about so many bear, by a part of the rows, certainly is borne by too many to find anybody."""


@dataclass(frozen=True, slots=True)
class KeyedCustomer:
    """A customer with the keys it is found by, and those that are only counted; both empty: it is none to be compared."""

    id: str
    version: int
    keys: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MatchDue:
    """A customer to be compared. ``asks``: whether people are asked; else what is found is only noted."""

    seq: int
    id: str
    asks: bool


@dataclass(frozen=True, slots=True)
class MatchPair:
    """Two customers, in order of id. ``found``: what was found, as its writer encodes it; empty: nobody compared them yet."""

    one: str
    other: str
    found: bytes
    found_at: datetime
    answer: str = ""
    entity: str = ""

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids."""
        return self.one, self.other


def pair_of(one: str, other: str) -> tuple[str, str]:
    """Return two ids in their order."""
    return (one, other) if one < other else (other, one)


def subjects_of(one: str, other: str) -> tuple[str, str]:
    """Return what a case of two customers calls each of them: both are held by it, and other cases may hold them too."""
    keys = CUSTOMER.ref(one).key, CUSTOMER.ref(other).key
    return f"{keys[0]}|{keys[1]}", f"{keys[1]}|{keys[0]}"


def _digest_of(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text[:16]), "big", signed=True)


def digests(cipher: Cipher, key: str) -> list[int]:
    """Return the digests of a key by every key of the hub."""
    return [_digest_of(text) for text in cipher.lookups(key.encode().hex())]


def _written(cipher: Cipher, keys: Iterable[str]) -> str:
    return "{" + ",".join(str(_digest_of(cipher.lookup(key.encode().hex()))) for key in sorted(keys)) + "}"


async def note(conn: Conn, ids: Collection[str], *, asks: bool = True) -> list[PartitionKey]:
    """Note customers that are to be compared, in the transaction that writes them; return what is to be armed."""
    if not ids:
        return []
    await conn.execute("insert into match_due (id, asks) select unnest(%s::text[]), %s", (sorted(set(ids)), asks))
    return [WORK]


_DUE = "select seq, id, asks from match_due order by not asks, seq limit %(limit)s"


async def due(conn: Conn, limit: int) -> list[MatchDue]:
    """Return customers to be compared, those people are asked of first."""
    cursor = await conn.execute(_DUE, {"limit": limit})
    return [MatchDue(*row) for row in await cursor.fetchall()]


async def finish(conn: Conn, done: Iterable[MatchDue]) -> None:
    """Take customers off that were compared."""
    await conn.execute("delete from match_due where seq = any(%s)", ([one.seq for one in done],))


_PUT = """
with written as (
    insert into match_key (id, version, digested_by, keys, counted)
    select id, version, %(digested_by)s, keys::int8[], counted::int8[]
    from unnest(%(id)s::text[], %(version)s::int4[], %(keys)s::text[], %(counted)s::text[]) as t(id, version, keys, counted) order by id
    on conflict (id) do update
        set version = excluded.version, digested_by = excluded.digested_by, keys = excluded.keys, counted = excluded.counted
        where match_key.version < excluded.version or match_key.version = excluded.version and (match_key.keys <> excluded.keys
            or match_key.counted <> excluded.counted or match_key.digested_by <> excluded.digested_by)
    returning xmax = 0 as is_new
), new as (
    select count(*) as count from written where is_new
)
insert into match_sweep (name, added) select 'all', count from new where count > 0
on conflict (name) do update set added = match_sweep.added + excluded.added
"""
"""In the order of the key, so that two writers do not wait for each other; never over what a newer state says. ``xmax`` is 0 of a row that
was inserted."""


async def put(conn: Conn, cipher: Cipher, rows: Sequence[KeyedCustomer]) -> None:
    """Write customers' keys in the place of those they had."""
    given = columns(rows, ("id", "version")) | {
        "digested_by": cipher.key_id,
        "keys": [_written(cipher, row.keys) for row in rows],
        "counted": [_written(cipher, row.counted) for row in rows],
    }
    await conn.execute(_PUT, given)


@dataclass(slots=True)
class OftenKeys:
    """Keys that many customers bear, with about how many, by digest: as they were counted, and as was seen since. One worker's.

    What it has seen that too many bear it does not look up again: many customers with one name cost each that comes no more than others.
    """

    counted_at: datetime | None = None
    counts: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)

    async def renew(self, conn: Conn, counted_at: datetime | None) -> None:
        """Take up what was counted at an instant, if that is another than the last one."""
        if counted_at != self.counted_at:
            self.counts = dict(await (await conn.execute("select key, count from match_often")).fetchall())
            self.counted_at, self.seen = counted_at, {}

    def is_known(self, digest: int) -> bool:
        """Tell whether certainly too many customers bear a key for it to find anybody."""
        return digest in self.seen or self.counts.get(digest, 0) >= _SURE_OFTEN

    def note(self, digest: int, count: int) -> None:
        """Note that at least so many bear a key, which are too many."""
        if len(self.seen) < _SEEN_MAX:
            self.seen[digest] = count

    def of(self, cipher: Cipher, keys: Collection[str]) -> dict[str, int]:
        """Return about how many customers bear each of those keys that many bear."""
        found = {key: sum(max(self.counts.get(one, 0), self.seen.get(one, 0)) for one in digests(cipher, key)) for key in keys}
        return {key: count for key, count in found.items() if count}


_BEARERS = """
select k.key, m.id from unnest(%(keys)s::int8[]) as k(key) cross join lateral (
    select id from match_key where keys @> array[k.key] limit %(limit)s
) m
"""
"""Each key is looked up for itself, by the index (see ``sweep``), and no further than to see that too many bear it."""


async def bearers(conn: Conn, cipher: Cipher, keys: Collection[str], often: OftenKeys, limit: int) -> dict[str, list[str]]:
    """Return the customers that bear each key, at most one more than ``limit``; of keys that certainly more bear, none. What turns out to
    be such a key is noted in ``often``.

    In a transaction in which ``sweep`` was asked for before.
    """
    texts = {digest: key for key in keys for digest in digests(cipher, key) if not often.is_known(digest)}
    rows: dict[int, list[str]] = {}
    for digest, id in await (await conn.execute(_BEARERS, {"keys": list(texts), "limit": limit + 1})).fetchall():
        rows.setdefault(digest, []).append(id)
    found: dict[str, list[str]] = {}
    for digest, ids in rows.items():
        found.setdefault(texts[digest], []).extend(ids)
        if len(ids) > limit:
            often.note(digest, len(ids))
    return found


@dataclass(frozen=True, slots=True)
class MatchSweep:
    """Where the look for customers without keys stands, and how many have some: when they were last counted, and added since."""

    place: str = ""
    swept_at: datetime | None = None
    counted: int = 0
    added: int = 0
    counted_at: datetime | None = None

    @property
    def records(self) -> int:
        """About how many customers are known."""
        return self.counted + self.added


_SWEEP = """
select s.place, s.swept_at, s.counted, s.added, s.counted_at
from (
    select pg_advisory_xact_lock(%(lock)s), set_config('enable_seqscan', 'off', true), set_config('synchronous_commit', 'off', true)
) c left join match_sweep s on s.name = 'all'
"""
"""With it, for the rest of the transaction, nothing is read through that an index finds: a guess of how many bear a key may be wrong by any
factor. And whoever else compares waits until the end: what a worker that was taken for dead still writes is then older than what another
one read after it. And nobody waits for the disk: what a lost server forgets is a whole turn, and whoever it compared is on the list again;
whatever follows from a turn is committed after it, and keeps it. In one statement, since each costs a customer that comes a third of a
millisecond."""


async def sweep(conn: Conn) -> MatchSweep:
    """Return where the look stands, once nobody else compares; have what is asked next in the transaction looked up by index."""
    row = await (await conn.execute(_SWEEP, {"lock": _LOCK})).fetchone()
    return MatchSweep() if row is None or row[0] is None else MatchSweep(*row)


_COUNT = """
with part as (
    select keys, counted from match_key tablesample system (%(percent)s)
), borne as (
    select key, count(*) as count from part, unnest(keys || counted) as key group by 1 having count(*) > 2
), often as materialized (
    select key, (count * 100 / %(percent)s)::int8 as count from borne order by borne.count desc limit %(limit)s
), gone as (
    delete from match_often m where not exists (select from often o where o.key = m.key)
)
insert into match_often (key, count) select key, count from often order by key
on conflict (key) do update set count = excluded.count where match_often.count <> excluded.count
"""
"""Of a part of the rows if there are many: what is borne by few there finds somebody, and how many bear it is seen then. Written is what
differs from the last count."""


async def count_again(conn: Conn, now: datetime) -> MatchSweep:
    """Count how many customers there are, and which keys many of them bear; return where it stands then."""
    row = await (await conn.execute("select count(*) from match_key where keys <> '{}'")).fetchone()
    records = 0 if row is None else int(row[0])
    await conn.execute(_COUNT, {"percent": min(100.0, _SAMPLE_ROWS * 100 / max(1, records)), "limit": _OFTEN_MAX})
    await conn.execute(
        "insert into match_sweep (name, counted, counted_at) values ('all', %(records)s, %(now)s)"
        " on conflict (name) do update set counted = %(records)s, added = 0, counted_at = %(now)s",
        {"records": records, "now": now},
    )
    return MatchSweep(counted=records, counted_at=now)


_OUTDATED = """
select o.id from object o left join match_key m on m.id = o.id
where o.kind = 'customer' and o.id > %(place)s and (m.id is null or m.version <> o.version or m.digested_by <> %(digested_by)s)
order by o.id limit %(limit)s
"""
"""Along both keys: customers of before, of programs that write no keys, and those whose keys are digests by a former key."""


async def look_on(conn: Conn, cipher: Cipher, place: str, limit: int, now: datetime) -> bool:
    """Note customers whose keys are missing or of a former state, from a place on; False: there are none any more."""
    given = {"place": place, "digested_by": cipher.key_id, "limit": limit}
    ids = [row[0] for row in await (await conn.execute(_OUTDATED, given)).fetchall()]
    await note(conn, ids, asks=False)
    place, swept_at = (ids[-1], None) if ids else ("", now)
    await conn.execute(
        "insert into match_sweep (name, place, swept_at) values ('all', %(place)s, %(at)s)"
        " on conflict (name) do update set place = %(place)s, swept_at = coalesce(%(at)s, match_sweep.swept_at)",
        {"place": place, "at": swept_at},
    )
    return bool(ids)


_PAIR_COLUMNS = "one, other, found_at, answer, entity, key_id, found"


async def pairs_of(conn: Conn, cipher: Cipher, ids: Collection[str]) -> list[MatchPair]:
    """Return the pairs in which one of some customers is."""
    cursor = await conn.execute(
        f"select {_PAIR_COLUMNS} from match_pair where one = any(%(ids)s)"
        f" union select {_PAIR_COLUMNS} from match_pair where other = any(%(ids)s) order by one, other",
        {"ids": sorted(ids)},
    )
    return [_pair(cipher, row) for row in await cursor.fetchall()]


async def unanswered(conn: Conn, cipher: Cipher, limit: int) -> list[MatchPair]:
    """Return the pairs nobody has said anything of, the newest first."""
    cursor = await conn.execute(
        f"select {_PAIR_COLUMNS} from match_pair where answer = '' order by found_at desc, one, other limit %s", (limit,)
    )
    return [_pair(cipher, row) for row in await cursor.fetchall()]


def _pair(cipher: Cipher, row: Sequence[Any]) -> MatchPair:
    one, other, found_at, answer, entity, key_id, found = row
    return MatchPair(one, other, b"" if found is None else cipher.decrypt(key_id, found, _aad(one, other)), found_at, answer, entity)


def _aad(one: str, other: str) -> str:
    return f"match/{one} {other}"


_KEEP = """
insert into match_pair (one, other, answer, found_at, entity, key_id, found)
select one, other, answer, found_at, entity, key_id, found
from unnest(%(one)s::text[], %(other)s::text[], %(answer)s::text[], %(found_at)s::timestamptz[], %(entity)s::text[], %(key_id)s::text[],
    %(found)b::bytea[], %(before)s::text[]) as t(one, other, answer, found_at, entity, key_id, found, before) order by 1, 2
on conflict (one, other) do update set answer = excluded.answer, found_at = excluded.found_at, entity = excluded.entity,
    key_id = excluded.key_id, found = excluded.found
where match_pair.answer = (select t.before from unnest(%(one)s::text[], %(other)s::text[], %(before)s::text[]) as t(one, other, before)
    where t.one = match_pair.one and t.other = match_pair.other)
"""
"""What people answered meanwhile stays: they wait to be compared again by it. In the order of the key, so that two writers do not wait for
each other."""


async def keep(conn: Conn, cipher: Cipher, pairs: Mapping[MatchPair, str | None]) -> None:
    """Write what was found of customers, and what the answers are, each with what the answer was when it was read (None: no such pair)."""
    if not pairs:
        return
    sealed = [cipher.encrypt(pair.found, _aad(*pair.ids)) for pair in pairs]
    given = columns(list(pairs), ("one", "other", "answer", "found_at", "entity")) | {
        "key_id": [key_id for key_id, _ in sealed],
        "found": [found for _, found in sealed],
        "before": [before or "" for before in pairs.values()],
    }
    await conn.execute(_KEEP, given)


async def drop(conn: Conn, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Forget pairs that are none any more, or are one customer by now; their cases close."""
    given = sorted(set(pairs))
    if given:
        await close(conn, given, now)
        await conn.execute(
            "delete from match_pair where (one, other) in (select * from unnest(%s::text[], %s::text[]))",
            ([one for one, _ in given], [other for _, other in given]),
        )


async def close(conn: Conn, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Close the cases of pairs: nobody needs to be asked any more."""
    subjects = [subject for pair in pairs for subject in subjects_of(*pair)]
    if subjects:
        await case_subjects.release_subjects(conn, STAGE, subjects, now)


async def tell_apart(conn: Conn, several: Iterable[tuple[ObjectRef, ObjectRef]], now: datetime) -> list[str]:
    """Write that people say of two that they are not one; their cases close. Returns the ids to be compared again, of customers only.

    What is known of the two by then, whether it was compared before or is so next, is no reason to ask again.
    """
    pairs = sorted({pair_of(one.id, other.id) for one, other in several if one.kind == CUSTOMER.name and one != other})
    if not pairs:
        return []
    for one, other in pairs:
        await conn.execute(
            "insert into match_pair (one, other, answer, found_at) values (%(one)s, %(other)s, %(answer)s, %(now)s)"
            " on conflict (one, other) do update set answer = %(answer)s",
            {"one": one, "other": other, "answer": APART, "now": now},
        )
    await close(conn, pairs, now)
    return [pair[0] for pair in pairs]


async def look_again(conn: Conn, subjects: Iterable[str]) -> list[PartitionKey]:
    """Have those compared again that cases hold; return what is to be armed."""
    return await note(conn, [one.partition("|")[0].partition("/")[2] for one in subjects])


async def standing(conn: Conn) -> Mapping[str, int]:
    """Return how many pairs there are by answer (empty: none yet)."""
    return dict(await (await conn.execute("select answer, count(*) from match_pair group by 1")).fetchall())
