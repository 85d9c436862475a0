"""The stage ``quality``: once a day all customers are looked at, some at a time, and what is to be set right of them is counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from counterfoil.core.identity.compared import stands_alone
from counterfoil.core.identity.ownership import Ownership
from counterfoil.core.identity.quality import OWNERS, CustomerSeen, QualityMeasure, shortcomings
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.kinds.subscription import SUBSCRIPTION, Subscription
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import claims, links, objects, quality
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.quality import CUSTOMERS, EXAMPLES_MAX, QualityCount

STEP = 500
PAUSE_S = 0.2
"""Between steps: the hub's work goes first."""
LOOK_EVERY_S = 3600.0

_Place = tuple[str, str, str]
"""Measure, entity, owner."""


@dataclass(frozen=True, slots=True)
class QualityCounter:
    """The shell."""

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    clock: Clock

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Look at some customers; ``key`` does not matter."""
        del key, context
        now = self.clock.now()
        today = now.astimezone(UTC).date()
        async with self.pool.connection() as conn, conn.transaction():
            place = await quality.begin(conn, today)
            if place is None:
                return Turn(has_more=False, wake_in_s=LOOK_EVERY_S)
            rules = await self.rules.current(conn)
            ids = await quality.next_customers(conn, place, STEP)
            if ids:
                await quality.add(conn, today, await self._counts(conn, ids, rules), ids[-1])
                return Turn(has_more=False, wake_in_s=PAUSE_S)
            await self._end(conn, today, place, rules)
            await quality.end(conn, today, now)
        return Turn(has_more=False, wake_in_s=LOOK_EVERY_S)

    async def _end(self, conn: Conn, today: date, place: str, rules: Rules) -> None:
        """Count the pairs of customers nobody has answered."""
        measure = QualityMeasure.DUPLICATES
        counts = [
            QualityCount(measure.value, entity, rules.matching_of(entity).owner or OWNERS[measure], count, tuple(keys))
            for entity, count, keys in await quality.duplicates(conn)
        ]
        await quality.add(conn, today, counts, place)

    async def _counts(self, conn: Conn, ids: Sequence[str], rules: Rules) -> list[QualityCount]:
        rows = await objects.load(conn, self.cipher, [CUSTOMER.ref(id) for id in ids])
        known = {ref.id: (row, customer) for ref, row in rows.items() if (customer := _customer(row)) is not None}
        groups = _groups(await links.same_facts(conn, [row.ref for row, _ in known.values()]))
        names = await self._names(conn, [row for row, _ in known.values()], groups)
        currencies = await self._currencies(conn, known, groups)
        found: defaultdict[_Place, list[str]] = defaultdict(list)
        for id, (row, customer) in sorted(known.items()):
            routed = rules.route(row.connection, row.account, customer.address.country, customer.currency)
            entity = "" if routed is None else routed.name
            found[CUSTOMERS, entity, ""].append("")
            for measure in shortcomings(CustomerSeen(customer, tuple(names.get(id, ())), currencies.get(id, ()))):
                found[measure.value, entity, _owner(measure, rules.ownership)].append(CUSTOMER.ref(id).key)
        return [QualityCount(*place, len(keys), _examples(keys)) for place, keys in sorted(found.items())]

    async def _currencies(self, conn: Conn, ids: Collection[str], groups: Mapping[ObjectRef, ObjectRef]) -> Mapping[str, Collection[str]]:
        """Return the currencies of customers' documents, also of those of whoever was merged into one, or is said to be the same; see
        ``_names``.
        """
        heads = {id: {groups.get(CUSTOMER.ref(id), CUSTOMER.ref(id)).id} for id in {*ids, *(ref.id for ref in groups)}}
        for head, id in await links.parts(conn, CUSTOMER.name, heads):
            heads[id] = heads.get(id, set()) | heads[head]
        found: defaultdict[str, set[str]] = defaultdict(set)
        told = [(id, one) for id, several in (await quality.billed_in(conn, list(heads))).items() for one in several]
        for id, currency in (*told, *await self._subscribed_in(conn, list(heads))):
            for head in heads[id]:
                found[head].add(currency)
        return found

    async def _names(self, conn: Conn, rows: Sequence[ObjectRow], groups: Mapping[ObjectRef, ObjectRef]) -> Mapping[str, Collection[str]]:
        """Return what else customers are called: by each source that tells of one, and by whoever is said to be the same (``groups``).

        Of those that are the same only the first is told the others' names: they are one customer, and count once.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        told = await claims.load(conn, self.cipher, [row.ref for row in rows if row.claimed])
        for ref, several in told.items():
            for one in several:
                if one.connection != PEOPLE:
                    found[ref.id] += _name_in(ref, one.data)
        others = await objects.load(conn, self.cipher, [ref for ref, first in groups.items() if ref != first])
        for ref, row in others.items():
            found[groups[ref].id] += _name_in(ref, row.data)
        return found

    async def _subscribed_in(self, conn: Conn, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return customers with a currency that a subscription of theirs is priced in."""
        found = []
        for row in await objects.about_customers(conn, self.cipher, ids, [SUBSCRIPTION.name]):
            try:
                record = decode_record(row.ref.kind, row.data)
            except RejectedError:
                continue
            if isinstance(record, Subscription) and record.ended_at is None:
                found.append((record.customer_id, record.currency))
        return found


def _customer(row: ObjectRow) -> Customer | None:
    """Return a customer who stands for himself; one that cannot be read has a case where he is needed."""
    try:
        customer = decode_record(row.ref.kind, row.data)
    except RejectedError:
        return None
    return customer if isinstance(customer, Customer) and stands_alone(customer) else None


def _name_in(ref: ObjectRef, data: bytes) -> Iterable[str]:
    try:
        record = decode_record(ref.kind, data)
    except RejectedError:
        return []
    return [record.name] if isinstance(record, Customer) and not record.is_deleted else []


def _groups(follows: Mapping[ObjectRef, ObjectRef]) -> dict[ObjectRef, ObjectRef]:
    """Return the first of those that are one, by each of them."""
    groups: dict[ObjectRef, set[ObjectRef]] = {}
    for one, other in follows.items():
        joined = groups.get(one, {one}) | groups.get(other, {other})
        groups.update(dict.fromkeys(joined, joined))
    return {ref: min(group) for ref, group in groups.items()}


def _owner(measure: QualityMeasure, ownership: Ownership) -> str:
    """Return who sets it right: of names, the connection whose word on them counts, if one is declared."""
    declared = ownership.owner(CUSTOMER.name, "name") if measure is QualityMeasure.UNLIKE_NAMES else ""
    return declared or OWNERS[measure]


def _examples(keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key)[:EXAMPLES_MAX]
