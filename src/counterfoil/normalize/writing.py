"""What a batch of receipts came to, merged into the objects and written in one transaction with everything that follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from counterfoil.core.identity.echoes import Matches
from counterfoil.core.identity.ownership import NOBODYS, Ownership
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.intent import INTENT, PEOPLE
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.decide import looks_back
from counterfoil.kit.errors import TransientError
from counterfoil.normalize.batch import NormalizedBatch
from counterfoil.normalize.merging import Merged, Merger, event_ids
from counterfoil.store import (
    agenda,
    case_subjects,
    cases,
    claims,
    erasing,
    events,
    links,
    matches,
    objects,
    receipts,
    receipts_fetched,
    watching,
)
from counterfoil.store import written as written_there
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import CONTENDED, Conn, Pool
from counterfoil.store.receipts import ReceiptState
from counterfoil.store.work import Arm
from counterfoil.store.written import Place

log = structlog.get_logger()

MERGE_TRIES_MAX = 12
"""Tries of writing a batch while others change the same objects (a tax rate told by many invoices at once)."""

AT_ONCE_MAX = 200
"""Objects that a merge moves as urgently as it was told; with more of them, they are decided again in bulk."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes batches. Two that merge into the same objects at once, here or in other processes: versions tell, and one starts over.

    ``purposes``: what is written for, by which it is known whose decisions a change concerns. ``echoing``: the connections that tell of
    what is written to them.
    """

    pool: Pool
    cipher: Cipher
    arm: Arm
    purposes: Collection[Purpose]
    ownership: Ownership = NOBODYS
    echoing: Collection[str] = ()

    async def write(self, result: NormalizedBatch, now: datetime) -> Merged:
        """Merge and write a batch; return what changed and what is tied.

        Raises:
            TransientError: others changed the same objects each time; nothing was written.
        """
        for tries in range(MERGE_TRIES_MAX):
            await asyncio.sleep(tries * 0.02)
            try:
                async with self.pool.connection() as conn, conn.transaction() as transaction:
                    merged = await self._write_once(conn, result, now)
                    if merged is not None:
                        return merged
                    transaction.force_rollback = True
            except CONTENDED as error:
                log.info("a batch stood in another's way", error=type(error).__name__, receipts=len(result.settlements))
        raise TransientError("objects kept changing under a batch of receipts; it is tried again", code="normalize.contended")

    async def _write_once(self, conn: Conn, result: NormalizedBatch, now: datetime) -> Merged | None:
        refs = {fact.subject for _, facts in result.facts for fact in facts}
        current = await objects.load(conn, self.cipher, refs)
        known = await events.known(conn, event_ids(result.facts)) if result.again else {}
        told = await claims.load(conn, self.cipher, [ref for ref, row in current.items() if row.claimed])
        places = [Place(receipt.connection, fact.subject) for receipt, facts in result.facts for fact in facts]
        kept = await written_there.load(conn, [place for place in places if place.connection in self.echoing])
        merger = Merger(
            current,
            result.refetched,
            now,
            self.purposes,
            known,
            claims=told,
            ownership=self.ownership,
            written=kept,
            matches=matching(self.cipher),
        )
        for receipt, facts in result.facts:
            merger.add(receipt, facts)
        merged = merger.finish()
        written = await objects.upsert(conn, self.cipher, list(merged.rows.values()))
        if written != set(merged.rows):
            return None  # somebody merged one of them meanwhile: start over from the new states
        await claims.upsert(conn, self.cipher, merged.claims)
        await written_there.heard(conn, merged.traces)
        taken_back = await _taken_back(conn, merged)
        await links.relink(conn, merged.relinks)
        await receipts_fetched.put(conn, self.cipher, result.fetched)
        await events.append(conn, self.cipher, merged.events)
        settlements = result.settled(without=merged.ties, echoes=merged.echoes)
        await receipts.settle(conn, settlements, now)
        touched = await agenda.release(conn, map(wait_for, merged.changed), now)
        subjects = [agenda.Subject(ref, lane) for ref, lane in merged.changed.items() if _is_decided(merged.rows[ref])]
        subjects += [agenda.Subject(*beside) for beside in merged.beside]
        named = await links.name(conn, merged.namings)
        subjects += await moved(conn, merged, named, self.purposes)
        touched += await agenda.hand_on(conn, subjects, now)
        compared = {*merged.compared, *(ref.id for ref in named if ref.kind == CUSTOMER.name)}
        touched += await matches.note(conn, compared | {*await matches.tell_apart(conn, [*merged.apart, *taken_back], now)})
        touched += await watching.note_changed(conn, refs, now)
        settled = [str(one.id) for one in settlements if one.state in (ReceiptState.NORMALIZED, ReceiptState.IGNORED)]
        settled += map(str, await erasing.erase(conn, refs, now))
        await case_subjects.release_subjects(conn, "normalize", settled, now)
        late = await erasing.erase_late(conn, result.parked_of(), now)
        await cases.open_or_count(conn, [one for one in result.cases if one.subject.subject not in map(str, late)], now)
        await self.arm(conn, touched)
        return merged


async def _taken_back(conn: Conn, merged: Merged) -> list[tuple[ObjectRef, ObjectRef]]:
    """Return the customers people have just said are not one after all: nobody needs to be asked whether they are."""
    unmerged = {one.ref.id for one in merged.relinks if _is_peoples(one.connection, one.ref) and not one.golden}
    unnamed = {one.namer.id for one in merged.namings if _is_peoples(one.connection, one.namer) and not one.golden}
    pairs = await links.standing(conn, CUSTOMER.name, unmerged, unnamed)
    return [(CUSTOMER.ref(one), CUSTOMER.ref(other)) for one, other in pairs]


def _is_peoples(connection: str, ref: ObjectRef) -> bool:
    return connection == PEOPLE and ref.kind == CUSTOMER.name


def matching(cipher: Cipher) -> Matches:
    """Return what tells whether a digest that was kept of what was written is that of a text, by whichever key it was made."""
    return lambda kept, text: kept in cipher.lookups(text.encode().hex())


def _is_decided(row: ObjectRow) -> bool:
    """Tell whether a change is to be decided. What people said of a case or a mapping, and of no process, is done already and only kept: so
    a program of before, which knows no such kind, never meets it on the agenda.
    """
    return row.ref.kind != INTENT.name or bool(row.links)


async def moved(conn: Conn, merged: Merged, named: Sequence[ObjectRef], purposes: Collection[Purpose]) -> list[agenda.Subject]:
    """Return what is decided again, and in which lane, as things are known by other ids than before: all that names one of them, and of
    customers what names that. So open documents follow to the customer that is left, or come back. And the customers of documents, where
    how they stand is shown.

    ``named``: the things that are the same fact as others, or are so no more.
    """
    customers = [one.ref for one in merged.relinks if one.ref.kind == CUSTOMER.name] + [ref for ref in named if ref.kind == CUSTOMER.name]
    if not customers and not named:
        return []
    customers = await links.merged_into(conn, customers)
    documents = [*await objects.of_customers(conn, [ref.id for ref in customers]), *named]
    concerned = {*customers, *documents, *await objects.linked_to(conn, documents)}
    if named and looks_back(CUSTOMER.name, purposes):
        concerned.update(await objects.customers_of(conn, named))
    lane = min(merged.changed.values(), default=Lane.REAL_TIME) if len(concerned) <= AT_ONCE_MAX else Lane.BATCH
    return [agenda.Subject(ref, lane) for ref in sorted(concerned)]
