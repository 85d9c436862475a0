"""Tables ``watched`` and ``sweep``: the documents the hub posted, how each was first read, which are to be looked at, and what differs.

A row is noted when the target reports a change of the document, or when the sweep misses it. Functions that make work return the partition
to arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from counterfoil.core.kinds.erp_document import ERP_DOCUMENT
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money

from .columns import columns
from .pool import Conn, PartitionKey
from .work import BOOKS


@dataclass(frozen=True, slots=True)
class Watched:
    """One document of a target. ``is_read`` False: the parts that say how it was first read are empty.

    ``change``: what is the gravest of how it differs, and since when that was seen (``changed_at``); empty: it does not differ.
    """

    target: str
    document: str
    noted_at: datetime
    due_at: datetime | None = None
    is_read: bool = False
    partner: str = ""
    lines: str = ""
    total_minor: int | None = None
    currency: str = ""
    dated: date | None = None
    differs: str = ""
    accepted: str = ""
    again: str = ""
    successor: str = ""
    change: str = ""
    changed_at: datetime | None = None

    @property
    def subject(self) -> str:
        """By what cases name it."""
        return f"{self.target}/{self.document}"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Where the sweep of a target stands: after which binding key, in the round begun at."""

    after_key: str
    round_at: datetime


def split_subject(subject: str) -> tuple[str, str]:
    """Return target and document of a case's subject."""
    target, _, document = subject.partition("/")
    return target, document


def place_of(ref: ObjectRef) -> tuple[str, str]:
    """Return target and document of an ERP document's reference (``<connection>:<document>``)."""
    target, _, document = ref.id.partition(":")
    return target, document


_NOTE = """
insert into watched (target, document, noted_at, due_at)
select target, document, %(now)s, %(now)s from unnest(%(target)s::text[], %(document)s::text[]) as t(target, document)
order by target, document
on conflict (target, document) do update set noted_at = excluded.noted_at, due_at = excluded.due_at
"""
"""Looked at once however often it was noted: the row is due now, also if it was put off. In order, as others note the same documents."""


async def note(conn: Conn, places: Iterable[tuple[str, str]], now: datetime) -> list[PartitionKey]:
    """Have documents (target, document) be looked at; return the partitions to arm."""
    wanted = sorted(set(places))
    if not wanted:
        return []
    await conn.execute(_NOTE, {"target": [one[0] for one in wanted], "document": [one[1] for one in wanted], "now": now})
    return sorted({(BOOKS, target) for target, _ in wanted})


async def note_changed(conn: Conn, refs: Iterable[ObjectRef], now: datetime) -> list[PartitionKey]:
    """Have those of the objects be looked at that are documents of a target; return the partitions to arm."""
    return await note(conn, [place_of(ref) for ref in refs if ref.kind == ERP_DOCUMENT.name], now)


_NAMES = (
    "target", "document", "noted_at", "due_at", "is_read", "partner", "lines", "total_minor", "currency", "dated", "differs", "accepted",
    "again", "successor", "change", "changed_at",
)  # fmt: skip
_SELECT = f"select {', '.join(_NAMES)} from watched "


async def due(conn: Conn, target: str, now: datetime, limit: int) -> list[Watched]:
    """Return documents that are to be looked at now, the longest due first."""
    cursor = await conn.execute(_SELECT + "where target = %s and due_at <= %s order by due_at, document limit %s", (target, now, limit))
    return [Watched(*row) for row in await cursor.fetchall()]


async def next_due(conn: Conn, target: str) -> datetime | None:
    """Return when the next document of a target is to be looked at."""
    row = await (await conn.execute("select min(due_at) from watched where target = %s", (target,))).fetchone()
    return None if row is None else row[0]


async def read(conn: Conn, target: str, documents: Iterable[str]) -> dict[str, Watched]:
    """Return the rows of documents that have one."""
    cursor = await conn.execute(_SELECT + "where target = %s and document = any(%s)", (target, sorted(set(documents))))
    return {row[1]: Watched(*row) for row in await cursor.fetchall()}


async def successors(conn: Conn, target: str) -> dict[str, str]:
    """Return who was merged into whom in a target, by its own ids."""
    cursor = await conn.execute("select document, successor from watched where target = %s and successor <> ''", (target,))
    return dict(await cursor.fetchall())


_SAVE = """
update watched w set is_read = s.is_read, partner = s.partner, lines = s.lines, total_minor = s.total_minor, currency = s.currency,
    dated = s.dated, differs = s.differs, accepted = case when s.differs = w.accepted then w.accepted else '' end, again = s.again,
    successor = s.successor, change = s.change, changed_at = s.changed_at,
    due_at = case when w.due_at is not distinct from s.claimed then s.due_at else w.due_at end
from unnest(%(document)s::text[], %(is_read)s::bool[], %(partner)s::text[], %(lines)s::text[], %(total_minor)s::int8[],
    %(currency)s::text[], %(dated)s::date[], %(differs)s::text[], %(again)s::text[], %(successor)s::text[], %(due_at)s::timestamptz[],
    %(change)s::text[], %(changed_at)s::timestamptz[], %(claimed)s::timestamptz[])
    as s(document, is_read, partner, lines, total_minor, currency, dated, differs, again, successor, due_at, change, changed_at, claimed)
where w.target = %(target)s and w.document = s.document
"""
"""Writes down what a look saw. A document that was noted again meanwhile (``claimed``) keeps its time: it is looked at once more."""


async def save(conn: Conn, target: str, pairs: Sequence[tuple[Watched, Watched]]) -> None:
    """Write what looking came to: (as claimed, as it is now). What was noted meanwhile stays due; an acceptance ends with any change."""
    if not pairs:
        return
    names = (
        "document", "is_read", "partner", "lines", "total_minor", "currency", "dated", "differs", "again", "successor", "due_at", "change",
        "changed_at",
    )  # fmt: skip
    given = columns([now for _, now in pairs], names)
    await conn.execute(_SAVE, given | {"target": target, "claimed": [before.due_at for before, _ in pairs]})


async def forget(conn: Conn, rows: Sequence[Watched]) -> None:
    """Let documents go that are none of the hub's, unless they were noted again meanwhile."""
    await conn.execute(
        "delete from watched w using unnest(%(target)s::text[], %(document)s::text[], %(due_at)s::timestamptz[])"
        " as s(target, document, due_at)"
        " where w.target = s.target and w.document = s.document and w.due_at is not distinct from s.due_at",
        columns(rows, ("target", "document", "due_at")),
    )


def put_off(row: Watched, until: datetime) -> Watched:
    """Return the row to be looked at later."""
    return replace(row, due_at=until)


async def changed_since(conn: Conn, target: str, since: datetime) -> dict[str, list[str]]:
    """Return the documents that differ since then and were not accepted so, by the gravest of what was done to them."""
    cursor = await conn.execute(
        "select change, array_agg(document order by document) from watched"
        " where target = %s and changed_at >= %s and differs <> '' and differs <> accepted group by change",
        (target, since),
    )
    return dict(await cursor.fetchall())


async def accept(conn: Conn, subjects: Iterable[str]) -> None:
    """Have documents be as people want them, until they change again."""
    places = [split_subject(one) for one in subjects]
    await conn.execute(
        "update watched w set accepted = w.differs from unnest(%s::text[], %s::text[]) as s(target, document)"
        " where w.target = s.target and w.document = s.document",
        ([one[0] for one in places], [one[1] for one in places]),
    )


# ---- the sweep over what is bound -----------------------------------------------------------------------------------------------------


async def sweep(conn: Conn, target: str) -> Sweep | None:
    """Return where the sweep of a target stands, None if there never was one."""
    row = await (await conn.execute("select after_key, round_at from sweep where target = %s", (target,))).fetchone()
    return None if row is None else Sweep(*row)


async def save_sweep(conn: Conn, target: str, place: Sweep) -> None:
    """Keep where the sweep of a target stands."""
    await conn.execute(
        "insert into sweep (target, after_key, round_at) values (%s, %s, %s)"
        " on conflict (target) do update set after_key = excluded.after_key, round_at = excluded.round_at",
        (target, place.after_key, place.round_at),
    )


@dataclass(frozen=True, slots=True)
class Bound:
    """A record the hub made that is bound now. ``is_known``: it was read since; ``differs``: how it differs as far as is known."""

    key: str
    document: str
    external_key: str
    is_known: bool
    differs: str


_BOUND = """
select b.key, b.external_id, coalesce(c.external_key, ''), coalesce(w.is_read, false), coalesce(w.differs, '')
from (select * from binding where connection = %(target)s and key > %(after)s and until is null order by key limit %(limit)s) b
left join lateral (
    select external_key from command where produces = b.key and target = %(target)s and state = 'done' and produces <> ''
    order by seq desc limit 1) c on true
left join watched w on w.target = %(target)s and w.document = b.external_id
order by b.key
"""
"""A page of what is bound in a target, with the key it was made under and what was last seen of it. Of several commands that made one
thing the newest counts."""


async def bound(conn: Conn, target: str, after_key: str, limit: int) -> list[Bound]:
    """Return what is bound in a target, in order of the key."""
    cursor = await conn.execute(_BOUND, {"target": target, "after": after_key, "limit": limit})
    return [Bound(*row) for row in await cursor.fetchall()]


async def superseded(conn: Conn, target: str) -> list[str]:
    """Return what was told of as gone and is bound no longer: another was made in its place, so that nobody else looks at it again."""
    cursor = await conn.execute(
        "select document from watched w where target = %s and differs <> '' and successor = '' and due_at is null"
        " and not exists (select from binding b where b.connection = w.target and b.external_id = w.document and b.until is null)"
        " order by document",
        (target,),
    )
    return [row[0] for row in await cursor.fetchall()]


def next_round(place: Sweep | None, now: datetime, every: timedelta) -> datetime:
    """Return when a round of the sweep is due."""
    return now if place is None else place.round_at + every


async def known_keys(conn: Conn, target: str, documents: Iterable[str]) -> Mapping[str, NeedKey]:
    """Return the current binding key of documents of a target that have one."""
    cursor = await conn.execute(
        "select external_id, key from binding where connection = %s and external_id = any(%s) and until is null order by key desc",
        (target, sorted(set(documents))),
    )
    return dict(await cursor.fetchall())


def settled(row: Watched) -> Watched:
    """Return the row of a document that is as it should be."""
    return replace(row, due_at=None, differs="", again="", change="", changed_at=None)


async def billed(conn: Conn, customers: Iterable[str]) -> dict[str, Money]:
    """Return what the invoices to customers come to, of the currency with most of it."""
    cursor = await conn.execute(
        "select distinct on (customer_id) customer_id, sum(total_minor), currency from object"
        " where customer_id = any(%s) and kind = 'invoice' and total_minor is not null and currency <> ''"
        " group by customer_id, currency order by customer_id, sum(total_minor) desc, currency",
        (sorted(set(customers)),),
    )
    return {customer: Money(int(minor), currency) for customer, minor, currency in await cursor.fetchall()}
