"""Which sources and books belong together, and the proof of each such group for a month. The hub itself is asked only what is unfinished.

A source whose facts go to several entities is proven with all of them together: what one has too much another lacks.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from counterfoil.app.coverage import coverage
from counterfoil.app.settings import Settings
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.proving import items
from counterfoil.core.proving.items import BALANCE, OPEN_DISPUTES, AccountingPeriod, Apart, Ledger, ProofItem, ProofLine, Why, month
from counterfoil.core.proving.totals import TotalKind
from counterfoil.kit.errors import SetupError
from counterfoil.store import cursors, flight
from counterfoil.store.pool import Pool

APART_MAX = 1000
"""Documents named of each group, those with most money first; all of them count."""
MOVES = {
    TotalKind.PAYMENT: 1,
    **dict.fromkeys((TotalKind.REFUND, TotalKind.FEE, TotalKind.DISPUTE, TotalKind.PAYOUT, TotalKind.ADJUSTMENT), -1),
}
"""How what moves on a processor's balance counts there; kinds that are not here do not move on it."""
POSTED_AS = {
    TotalKind.INVOICE: BookCommand.POST_INVOICE,
    TotalKind.CREDIT_NOTE: BookCommand.POST_CREDIT_NOTE,
    TotalKind.PAYMENT: BookCommand.POST_PAYMENT,
}
"""As what a document is posted, once and for all: one that was posted is not on its way any more, however new it is."""
BEFORE = timedelta(minutes=1)
"""A fact is at most so much older than the event that tells of it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Entities and the source connections whose facts they take, together."""

    entities: tuple[str, ...]
    connections: tuple[str, ...]

    @property
    def name(self) -> str:
        """What people call it."""
        return " + ".join(self.entities)


@dataclass(frozen=True, slots=True)
class GroupProof:
    """The proof of a group. ``apart``: the documents with most money on which the sides do not agree; the counts are of all."""

    group: Group
    period: str
    lines: tuple[ProofLine, ...]
    apart: tuple[Apart, ...]
    differences: int
    explained: int

    @property
    def is_proven(self) -> bool:
        """Whether every amount agrees, but for what is explained."""
        return self.differences == 0


def groups(settings: Settings) -> tuple[Group, ...]:
    """Return the groups that can be proven: with at least one source and books that have clients of their own for it."""
    able = {name for name, one in settings.connections.items() if one.connector.source_proof is not None}
    links: list[tuple[set[str], set[str]]] = []
    for entity, declared in settings.entities.items():
        if settings.connections[declared.target].connector.books_proof is None:
            continue
        mine = {route.connection for route in settings.routes if route.entity == entity}
        entities, sources = {entity}, able if "" in mine else mine & able
        for other in [one for one in links if one[1] & sources]:
            entities, sources = entities | other[0], sources | other[1]
            links.remove(other)
        links.append((entities, sources))
    return tuple(Group(tuple(sorted(entities)), tuple(sorted(sources))) for entities, sources in links if sources)


def chosen(settings: Settings, entity: str) -> tuple[Group, ...]:
    """Return the groups to be proven: all, or the one an entity is in.

    Raises:
        SetupError: there is no such entity, or nothing that can be proven.
    """
    if entity and entity not in settings.entities:
        known = ", ".join(settings.entities) or "none"
        raise SetupError(f"there is no entity {entity!r}; declared: {known}", code="prove.entity")
    found = tuple(one for one in groups(settings) if not entity or entity in one.entities)
    if not found:
        raise SetupError(
            "no source and books here can be read for a proof; a source is routed to an entity by [[routes]]", code="prove.nothing"
        )
    return found


def period_of(settings: Settings, group: Group, text: str) -> AccountingPeriod:
    """Return a month (``2026-10``) in the group's zone.

    Raises:
        SetupError: it is no month.
    """
    zone = ZoneInfo(settings.entities[group.entities[0]].time_zone)
    try:
        return month(text, zone)
    except ValueError:
        raise SetupError(f"{text!r} is no month; write one as 2026-10", code="prove.period") from None


async def prove(settings: Settings, pool: Pool, group: Group, period: AccountingPeriod, now: datetime) -> GroupProof:
    """Read both sides of a group as they stand now and compare them.

    What the hub has not finished is asked before and after: a document may be booked between the reading of the two sides.

    Raises:
        TransientError: a side gave no answer. SetupError: it refused the key.
    """
    async with pool.connection() as conn:
        known = {one.connection: one.no_gap_until or now for one in coverage(await cursors.list_cursors(conn), now)}
        unread = await flight.unread_since(conn)
        unfinished = await flight.unfinished(conn)
        others = await flight.told_by(conn, _unread(settings))
        same = await flight.same_as(conn, group.connections)
    settled = {name: min(known.get(name, now), unread.get(name, now), now) - BEFORE for name in group.connections}
    async with pool.connection() as conn:
        posted = await flight.posted(conn, min(settled.values(), default=now))
    ledger = await read(settings, group, period, settled, others, posted, same)
    async with pool.connection() as conn:
        unfinished |= await flight.unfinished(conn)
    return summed(group, ledger, unfinished)


def _unread(settings: Settings) -> tuple[str, ...]:
    """Return the sources that cannot be read for a proof: what they told of is in the books, and on no other side."""
    books = {entity.target for entity in settings.entities.values()}
    return tuple(
        name
        for name, one in settings.connections.items()
        if one.connector.source is not None
        and one.connector.source_proof is None
        and (name not in books or one.connector.books_proof is None)
    )


async def read(
    settings: Settings,
    group: Group,
    period: AccountingPeriod,
    settled: Mapping[str, datetime],
    others: Collection[str] = frozenset(),
    posted: Collection[tuple[str, str]] = frozenset(),
    same: Mapping[str, str] = MappingProxyType({}),
) -> Ledger:
    """Return both sides of a group, joined; raises as :func:`prove`.

    What happened after ``settled`` (by connection) is recent, unless it is among ``posted`` (as :func:`flight.posted` has it): what is not
    in the books then was taken out of them. ``others``: ids in the books that no side here tells of; they are left out.
    ``same``: by such an id that a source here tells of by another one, that one.
    """
    ledger = Ledger(period)
    for connection in group.connections:
        async for item in _source(settings, connection, period):
            is_recent = item.happened_at is not None and item.happened_at > settled[connection]
            is_recent = is_recent and (POSTED_AS.get(item.kind, ""), item.id) not in posted
            ledger.add_source(replace(item, of=(*item.of, items.RECENT, _balance(connection))) if is_recent else item)
    for entity in group.entities:
        async for booked in _books(settings, entity, period, group.connections):
            item = _at_source(booked, same)
            if not others or not any(id in others for id in items.spellings(item.id)):
                ledger.add_books(item)
    return ledger


def summed(group: Group, ledger: Ledger, unfinished: Collection[str]) -> GroupProof:
    """Return the proof of two sides that were read; ``unfinished``: ids of the source the hub has not finished."""
    on_the_way = {*unfinished, items.RECENT}
    balances = [_balance(connection) for connection in group.connections]
    if unfinished:  # what stands now is not of one document
        on_the_way |= {OPEN_DISPUTES, *balances}
    else:
        on_the_way |= _explained(balances, ledger.apart(on_the_way))
    lines = ledger.lines(ledger.apart(on_the_way))
    counts = {True: 0, False: 0}
    for one in ledger.apart(on_the_way):
        counts[one.is_difference] += 1
    gravest = heapq.nsmallest(APART_MAX, ledger.apart(on_the_way), key=lambda one: (not one.is_difference, -abs(one.difference.minor)))
    return GroupProof(group, str(ledger.period), lines, tuple(gravest), counts[True], counts[False])


def _explained(balances: Sequence[str], apart: Iterable[Apart]) -> set[str]:
    """Return the balances whose clearing accounts differ by just what is on its way to them, in every currency.

    What is on its way says which balance it is of; where there is one only, it need not.
    """
    missing: dict[str, dict[str, int]] = {name: {} for name in balances}
    for one in apart:
        if one.kind is TotalKind.CLEARING:
            name, minor = one.id, one.difference.minor
        elif one.why is Why.IN_FLIGHT:
            name = next((name for name in balances if name in one.of or len(balances) == 1), "")
            minor = -MOVES.get(one.kind, 0) * one.difference.minor
        else:
            continue
        sums = missing.setdefault(name, {})
        sums[one.currency] = sums.get(one.currency, 0) + minor
    return {name for name in balances if not any(missing[name].values())}


async def _source(settings: Settings, connection: str, period: AccountingPeriod) -> AsyncIterator[ProofItem]:
    declared = settings.connections[connection]
    if declared.connector.source_proof is None:
        return
    async for item in declared.connector.source_proof(declared.settings, period):
        yield _named(item, connection)


async def _books(settings: Settings, entity: str, period: AccountingPeriod, connections: Sequence[str]) -> AsyncIterator[ProofItem]:
    declared = settings.connections[settings.entities[entity].target]
    if declared.connector.books_proof is None:
        return
    async for item in declared.connector.books_proof(declared.settings, entity, period, connections):
        yield item


def _at_source(item: ProofItem, same: Mapping[str, str]) -> ProofItem:
    """Return an item of the books under the id by which a source here tells of it."""
    known = same.get(item.id) or same.get(item.id.partition(".")[0])
    return item if known is None else replace(item, id=known)


def _balance(connection: str) -> str:
    return f"{connection} {BALANCE}"


def _named(item: ProofItem, connection: str) -> ProofItem:
    """Return an item of a source's balance under the connection's name, as the books have its clearing account."""
    return replace(item, id=_balance(connection)) if item.id == BALANCE else item


def months(today: date, locked_until: Mapping[str, date | None], group: Group) -> tuple[str, ...]:
    """Return the months proven by themselves: this one, and the last one unless all its books are locked."""
    first = today.replace(day=1)
    last = date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)
    locks = [locked_until.get(entity) for entity in group.entities]
    is_locked = all(lock is not None and lock >= date.fromordinal(first.toordinal() - 1) for lock in locks)
    return (f"{first:%Y-%m}",) if is_locked else (f"{last:%Y-%m}", f"{first:%Y-%m}")
