"""What a decision looks at, loaded: what its subject refers to, what refers to it, and what else is the same fact as any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.related import is_looked_back_from, looked_at_alone, related
from counterfoil.core.policies.rules import Rules
from counterfoil.core.policies.stepping import looked_at, may_begin, processes_of
from counterfoil.kit.codec import decode_record
from counterfoil.store import links, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn

ROUNDS_MAX = 8
"""Rounds of loading what the loaded refers to: credit note, refund, payment, its other refunds, their credit notes, the invoices of those,
customer, the customers it was merged into.
"""


@dataclass(slots=True)
class Reach:
    """What was loaded so far: rows and records, and what was asked for. ``over``: states to look at instead of the stored ones;
    ``sees_customers``: what names a customer is loaded with it. ``alone``: what was asked for without anything about it, with its row if
    there is one; beside ``rows``, as nothing of it is decided here.
    """

    cipher: Cipher
    rules: Rules
    over: Mapping[ObjectRef, ObjectRow]
    sees_customers: bool = False
    rows: dict[ObjectRef, ObjectRow] = field(default_factory=dict)
    records: dict[ObjectRef, Record] = field(default_factory=dict)
    asked: set[ObjectRef] = field(default_factory=set)
    alone: dict[ObjectRef, ObjectRow | None] = field(default_factory=dict)

    async def load(self, conn: Conn, refs: Iterable[ObjectRef]) -> None:
        """Load things with all they refer to, and what refers to them where that matters."""
        wanted, alone = set(refs) - self.asked, set[ObjectRef]()
        for _ in range(ROUNDS_MAX):
            if not wanted and not alone:
                return
            every = await objects.load(conn, self.cipher, wanted | alone)
            every.update({ref: self.over[ref] for ref in wanted | alone if ref in self.over})
            self.asked |= wanted
            self.alone.update({ref: every.get(ref) for ref in alone})
            self.records.update({ref: decode_record(ref.kind, row.data) for ref, row in every.items()})
            found = {ref: row for ref, row in every.items() if ref in wanted}
            self.rows.update(found)
            wanted = {other for ref in found for other in self._named_by(self.records[ref])}
            back = {ref for ref in found if self._is_looked_back_from(ref)}
            back.update(other for ref in found for other in looked_at(self.records[ref]))
            wanted |= await linked_to(conn, sorted(back), self.over)
            wanted -= self.asked
            alone = {other for ref in every for other in looked_at_alone(self.records[ref])} - self.asked - self.alone.keys() - wanted

    def _named_by(self, record: Record) -> tuple[ObjectRef, ...]:
        return (*related(record), *processes_of(self.records.get, record, self.rules))

    def _is_looked_back_from(self, ref: ObjectRef) -> bool:
        record = self.records[ref]
        return is_looked_back_from(record) or may_begin(record, self.rules) or (self.sees_customers and ref.kind == CUSTOMER.name)

    async def same_facts(self, conn: Conn) -> dict[ObjectRef, ObjectRef]:
        """Load what else is the same fact as something that is loaded or was asked for; return which thing follows which."""
        follows = await links.same_facts(conn, self.asked)
        for _ in range(ROUNDS_MAX):
            others = {*follows, *follows.values()} - self.asked
            if not others:
                break
            await self.load(conn, others)  # what these refer to may be known by other ids, too
            follows = await links.same_facts(conn, self.asked)
        return follows


async def linked_to(conn: Conn, refs: Sequence[ObjectRef], over: Mapping[ObjectRef, ObjectRow]) -> set[ObjectRef]:
    """Return what names one of these objects, by what is stored and by the states to look at instead."""
    digests = {objects.link_of(ref) for ref in refs}
    beside = {ref for ref, row in over.items() if not digests.isdisjoint(row.links)}
    return beside | await objects.linked_to(conn, refs)
