"""The stage ``books``: documents the hub posted are looked at whenever the target reports a change of them, and swept for what is gone.

A partition per target. A look reads the document afresh, after what the hub itself did to it was read: so its own posting and matching is
never taken for somebody else's. What differs is a case, one per document; it closes itself when the books say again what was posted, and
one that was accepted stays closed until the document changes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from counterfoil.core.kinds.erp_document import ErpDocument, ErpState
from counterfoil.core.language.keys import NeedKey
from counterfoil.kit.clock import Clock
from counterfoil.kit.connector import Delivery, Source
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.kit.writing import OUT_OF_SIGHT, Whereabouts
from counterfoil.store import bindings, case_subjects, cases, outbox_done, standing, watching
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, CommandState
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.watching import Sweep, Watched
from counterfoil.store.work import BOOKS
from counterfoil.upkeep.looking import CUSTOMER, Seen, by_document, customer_seen, document_seen, is_in_flight, posted_of
from counterfoil.upkeep.many_changes import gathered

log = structlog.get_logger()

LOOK_MAX = 500
"""Documents looked at in one turn."""
SWEEP_PAGE = 1000
AGAIN_S = 30.0
"""So soon a target that could not be read is tried again."""
SOON = timedelta(seconds=5)
"""So soon a document is looked at again that the hub is about to do something to."""
STRANGE_FOR = timedelta(minutes=2)
"""A document that is not bound may be one the hub is just posting: for so long it is looked at again."""
COMING_FOR = timedelta(days=1)
"""The same of one that was bound, and is being posted again; at growing intervals."""


@dataclass(frozen=True, slots=True)
class WatchedBooks:
    """A target that is watched: how its documents are read, and what finds those that are gone."""

    source: Source
    ctx: Context
    whereabouts: Whereabouts


@dataclass(slots=True)
class _Look:
    """What looking at a batch came to. ``pairs``: rows as claimed and as they are now."""

    pairs: list[tuple[Watched, Watched]] = field(default_factory=list)
    forgotten: list[Watched] = field(default_factory=list)
    told: list[tuple[Watched, cases.Opening]] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    noted: set[tuple[str, str]] = field(default_factory=set)

    def put_off(self, row: Watched, until: datetime) -> None:
        self.pairs.append((row, watching.put_off(row, until)))

    def take(self, row: Watched, seen: Seen) -> None:
        self.pairs.append((row, seen.row))
        if seen.opening is not None and seen.row.differs != row.accepted:
            self.told.append((seen.row, seen.opening))
        elif row.differs:
            self.right.append(row.subject)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the hub knows of the documents of a batch: their keys, what produced them, the matches made with them, former keys."""

    keys: Mapping[str, NeedKey]
    produced: Mapping[NeedKey, CommandRow]
    matches: Sequence[CommandRow]
    past: Mapping[str, str]
    successors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BookChanges:
    """The shell. ``closed_s``: how long each target stays in maintenance; ``every``: how often everything bound is swept."""

    pool: Pool
    cipher: Cipher
    books: Mapping[str, WatchedBooks]
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]
    closed_s: Mapping[str, Callable[[datetime], float]]
    every: timedelta

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Look at what is due; if nothing is, sweep a page of what is bound."""
        now = self.clock.now()
        if key not in self.books or context.is_ending:
            return Turn(has_more=context.is_ending)
        async with self.pool.connection() as conn:
            is_down = (await standing.read(conn, key)).is_down
            rows = await watching.due(conn, key, now, min(LOOK_MAX, context.limit or LOOK_MAX))
        if is_down or self.closed_s[key](now) > 0:
            return Turn(has_more=False, wake_in_s=AGAIN_S)
        try:
            if rows:
                await self._look(key, rows, now)
                return Turn(has_more=True)
            if await self._sweep(key, now):
                return Turn(has_more=True)
        except HubError as error:
            log.warning("documents cannot be looked at", target=key, code=error.code)
            return Turn(has_more=False, wake_in_s=AGAIN_S)
        return await self._rest(key, now)

    async def _rest(self, key: str, now: datetime) -> Turn:
        async with self.pool.connection() as conn:
            due = await watching.next_due(conn, key)
            swept = await watching.sweep(conn, key)
        at = min(one for one in (due, watching.next_round(swept, now, self.every)) if one is not None)
        return Turn(has_more=False, wake_in_s=max(0.2, (at - now).total_seconds()))

    # ---- looking -------------------------------------------------------------------------------------------------------------------

    async def _look(self, target: str, rows: Sequence[Watched], now: datetime) -> None:
        look = _Look()
        known = await self._load(target, [row.document for row in rows])
        matches = by_document(known.matches)
        bound = [row for row in rows if row.document in known.keys and known.keys[row.document] in known.produced]
        documents = []
        for row in rows:
            if row not in bound:
                self._unbound(look, row, known, now)
            elif is_in_flight(matches.get(known.keys[row.document], ())):
                look.put_off(row, now + SOON)
            elif not known.keys[row.document].startswith(CUSTOMER):
                documents.append(row)
        await self._customers(target, look, [row for row in bound if known.keys[row.document].startswith(CUSTOMER)], known, now)
        await self._documents(target, look, documents, known, now)
        async with self.pool.connection() as conn, conn.transaction():
            await watching.save(conn, target, look.pairs)
            await watching.forget(conn, look.forgotten)
            touched = await watching.note(conn, look.noted, now)
            await case_subjects.release_subjects(conn, BOOKS, look.right, now)
            openings = await gathered(conn, target, look.told, now)
            opened = await cases.open_or_count(conn, openings, now)
            await case_subjects.move_on(conn, BOOKS, {one.subject.subject: opened[one.fingerprint] for one in openings}, now)
            await cases.retell(conn, openings, now)
            await self.arm(conn, touched)

    async def _load(self, target: str, documents: Sequence[str]) -> _Known:
        async with self.pool.connection() as conn:
            keys = await watching.known_keys(conn, target, documents)
            produced = await outbox_done.producing(conn, self.cipher, target, keys.values())
            matches = await outbox_done.matches(conn, self.cipher, target, keys.values())
            past = {one.external_id: one.key for one in await bindings.by_external(conn, target, set(documents) - keys.keys())}
            current = await bindings.current(conn, target, past.values())
            replaced = {document: key for document, key in past.items() if key in current}
            return _Known(keys, produced, matches, past | dict.fromkeys(replaced, ""), await watching.successors(conn, target))

    def _unbound(self, look: _Look, row: Watched, known: _Known, now: datetime) -> None:
        """Wait for a document the hub is posting (again); let go what stands in the place of another one, or is none of ours."""
        age = now - row.noted_at
        is_coming = bool(known.past.get(row.document)) or row.document in known.keys
        if age < (COMING_FOR if is_coming else timedelta(0) if row.document in known.past else STRANGE_FOR):
            look.put_off(row, now + max(SOON, age / 2))
            return
        look.right.append(row.subject)
        if row.successor:  # who was merged into whom is still asked for
            look.take(row, Seen(watching.settled(row)))
        else:
            look.forgotten.append(row)

    async def _customers(self, target: str, look: _Look, rows: Sequence[Watched], known: _Known, now: datetime) -> None:
        if not rows:
            return
        books = self.books[target]
        asked = {row.document: known.produced[known.keys[row.document]].external_key for row in rows}
        found = await books.whereabouts(books.ctx, asked)
        async with self.pool.connection() as conn:
            billed = await watching.billed(conn, [known.keys[row.document].removeprefix(CUSTOMER) for row in rows])
        for row in rows:
            key = known.keys[row.document]
            place = found.get(row.document, row.document)
            look.take(row, customer_seen(row, known.produced[key], place, billed.get(key.removeprefix(CUSTOMER)), now))

    async def _documents(self, target: str, look: _Look, rows: Sequence[Watched], known: _Known, now: datetime) -> None:
        if not rows:
            return
        read = await self._read(target, [row.document for row in rows])
        hidden = await self._hidden(target, [document for document, found in read.items() if found is None], known)
        async with self.pool.connection() as conn:
            keys = [known.keys[row.document] for row in rows]
            after = {one.id for one in await outbox_done.matches(conn, self.cipher, target, keys) if one.state is CommandState.DONE}
        stood = by_document(one for one in known.matches if one.id in after)  # neither made nor undone while the documents were read
        seen = [
            document_seen(
                row,
                posted_of(row, known.produced[known.keys[row.document]], stood.get(known.keys[row.document], ())),
                read[row.document],
                known.successors,
                now,
                is_hidden=row.document in hidden,
            )
            for row in rows
        ]
        moved = await self._moved(target, [one.old_partner for one in seen if one.old_partner], known)
        others = await self._not_posted(target, {key for one in seen for key in one.elsewhere})
        look.noted |= await self._partners_in_matches(target, [one for row, one in zip(rows, seen, strict=True) if row.differs])
        for row, one in zip(rows, seen, strict=True):
            changed = [others[key] for key in one.elsewhere if key in others]
            if one.old_partner in moved:  # told of the customer, as soon as that was looked at
                look.put_off(row, now + SOON)
                look.noted.add((target, one.old_partner))
            elif changed:  # told of what it was matched with
                look.take(row, Seen(watching.settled(row)))
                look.noted |= {(target, document) for document in changed}
            else:
                look.take(row, one)

    async def _hidden(self, target: str, documents: Sequence[str], known: _Known) -> set[str]:
        """Return those documents, none of which could be read, that are there all the same."""
        books = self.books[target]
        if not documents:
            return set()
        asked = {document: known.produced[known.keys[document]].external_key for document in documents}
        return {document for document, place in (await books.whereabouts(books.ctx, asked)).items() if place == OUT_OF_SIGHT}

    async def _partners_in_matches(self, target: str, seen: Sequence[Seen]) -> set[tuple[str, str]]:
        """Return what documents that are right again were matched with: it may be open now for no other reason."""
        keys = {key for one in seen if one.opening is None for key in one.matched}
        async with self.pool.connection() as conn:
            return {(target, one.external_id) for one in (await bindings.current(conn, target, keys)).values()}

    async def _not_posted(self, target: str, keys: Iterable[NeedKey]) -> dict[NeedKey, str]:
        """Return, by key, those documents that are posted no longer: what was matched with them is open for no other reason."""
        async with self.pool.connection() as conn:
            places = {key: one.external_id for key, one in (await bindings.current(conn, target, keys)).items()}
        read = await self._read(target, sorted(set(places.values())))
        return {key: place for key, place in places.items() if (found := read[place]) is None or found.state is not ErpState.POSTED}

    async def _moved(self, target: str, partners: Iterable[str], known: _Known) -> set[str]:
        """Return those of the customers' ids that are not there any more, of those that are the hub's."""
        books, wanted = self.books[target], sorted(set(partners))
        if not wanted:
            return set()
        async with self.pool.connection() as conn:
            ours = await watching.known_keys(conn, target, wanted)
        found = await books.whereabouts(books.ctx, dict.fromkeys(ours, ""))
        return {one for one, place in found.items() if place not in (one, OUT_OF_SIGHT) and one not in known.successors}

    async def _read(self, target: str, documents: Sequence[str]) -> dict[str, ErpDocument | None]:
        """Read documents of a target as they are now; None: gone."""
        books = self.books[target]
        if not documents:
            return {}
        found: dict[str, ErpDocument | None] = dict.fromkeys(documents)
        for answer in await books.source.fetch(books.ctx, list(documents)):
            if answer.body is None:
                continue
            delivery = Delivery(answer.ref, answer.ref, "erp_document.fetched", answer.body, answer.fetched_at)
            facts = books.source.normalize(books.ctx.settings, delivery, {})
            for fact in facts if isinstance(facts, tuple) else ():
                if isinstance(fact.data, ErpDocument):
                    found[answer.ref] = fact.data
        return found

    # ---- sweeping ------------------------------------------------------------------------------------------------------------------

    async def _sweep(self, target: str, now: datetime) -> bool:
        """Have a page of what is bound be looked at as far as it is gone, was never read, or differs; return whether the round goes on."""
        books = self.books[target]
        async with self.pool.connection() as conn:
            place = await watching.sweep(conn, target)
            if place is None or not place.after_key:
                if watching.next_round(place, now, self.every) > now:
                    return False
                place = Sweep("", now)
            page = await watching.bound(conn, target, place.after_key, SWEEP_PAGE)
        found = await books.whereabouts(books.ctx, {one.document: one.external_key for one in page})
        suspects = [
            one.document
            for one in page
            if one.document in found
            and (found[one.document] != one.document or one.differs or not (one.is_known or one.key.startswith(CUSTOMER)))
        ]
        is_last = len(page) < SWEEP_PAGE
        async with self.pool.connection() as conn, conn.transaction():
            suspects += await watching.superseded(conn, target) if is_last else []
            touched = await watching.note(conn, [(target, document) for document in suspects], now)
            await watching.save_sweep(conn, target, Sweep("" if is_last else page[-1].key, place.round_at))
            await self.arm(conn, touched)
        return not is_last or bool(suspects)
