"""The stage ``match``: whoever says otherwise who he is, is compared with all customers that are known, by the keys they bear.

Two that may be one become a case, with what speaks for and against it; two that certainly are one are linked, where that is declared.
Customers of before, and of programs that write no keys, get theirs meanwhile; of them nobody is asked, what is found is only noted.
Whoever is compared is on a list that was written with what he says, and is taken off it in the transaction that writes what was found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from counterfoil.core.identity.compared import details_of, stands_alone
from counterfoil.core.identity.matching.among_known import (
    BEARERS_MAX,
    counted_keys,
    finding_keys,
    frequencies_among,
    judged,
    likely,
    often_asked,
)
from counterfoil.core.identity.matching.frequencies import Frequencies
from counterfoil.core.identity.matching.judging import Judgment, MatchVerdict, Thresholds
from counterfoil.core.identity.matching.profiles import Profile, profile_of
from counterfoil.core.identity.merges import chain
from counterfoil.core.identity.people import MATCHING
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.policies.rules import MatchingPolicy, Rules
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.normalize.merging import Merged
from counterfoil.normalize.people import sequence_at
from counterfoil.normalize.writing import moved
from counterfoil.store import agenda, cases, links, matches, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.links import Naming
from counterfoil.store.matches import KeyedCustomer, MatchDue, MatchPair, MatchSweep, pair_of
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import CONTENDED, Conn, PartitionKey, Pool
from counterfoil.upkeep.found_pairs import asked, cases_of, found_of, packed, unpacked

log = structlog.get_logger()

BATCH_MAX = 20
SWEEP_STEP = 500
SWEEP_EVERY = timedelta(days=1)
COUNT_EVERY = timedelta(days=1)
QUIET_PAUSE_S = 0.2
"""Between batches of customers nobody is asked of: the hub's work goes first."""
LOOK_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A customer that is to be compared, and its legal entity; empty: no route leads anywhere."""

    profile: Profile
    entity: str


@dataclass(frozen=True, slots=True)
class Matcher:
    """The shell."""

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Compare some customers, those people are asked of first; ``key`` does not matter."""
        del key
        now = self.clock.now()
        limit = BATCH_MAX if context.limit is None else min(BATCH_MAX, context.limit)
        async with self.pool.connection() as conn, conn.transaction():
            items = await matches.due(conn, limit)
        if not items:
            return await self._look_on(now)
        poisoned = await context.hold([one.id for one in items])
        if poisoned:
            log.warning("customers cannot be compared and are left out", ids=sorted(poisoned))
        try:
            async with self.pool.connection() as conn, conn.transaction():
                await self._compare(conn, [one for one in items if one.id not in poisoned], now)
                await matches.finish(conn, items)
        except CONTENDED as error:
            log.info("comparing stood in another's way", error=type(error).__name__, customers=len(items))
            return Turn(has_more=True)
        is_quiet = not any(one.asks for one in items)
        return Turn(has_more=not is_quiet, wake_in_s=QUIET_PAUSE_S if is_quiet else None)

    async def _look_on(self, now: datetime) -> Turn:
        """Note some customers whose keys are missing, once a day."""
        async with self.pool.connection() as conn, conn.transaction():
            stand = await matches.sweep(conn)
            is_due = stand.place or stand.swept_at is None or now - stand.swept_at >= SWEEP_EVERY
            has_more = bool(is_due) and await matches.look_on(conn, self.cipher, stand.place, SWEEP_STEP, now)
        return Turn(has_more=has_more, wake_in_s=LOOK_EVERY_S)

    async def _compare(self, conn: Conn, items: Sequence[MatchDue], now: datetime) -> None:
        rules = await self.rules.current(conn)
        asks: dict[str, bool] = {}
        for one in items:
            asks[one.id] = asks.get(one.id, False) or one.asks
        rows = await objects.load(conn, self.cipher, [CUSTOMER.ref(id) for id in asks])
        known = _known(rows.values(), rules)
        await matches.put(conn, self.cipher, [_keyed(row, known.get(row.ref.id)) for _, row in sorted(rows.items())])
        stand = await self._counted(conn, now)
        one_by_one = _Comparing(conn, self.cipher, rules, stand.records, now)
        for id, does_ask in sorted(asks.items()):
            await one_by_one.compare(id, known.get(id), does_ask=does_ask)
        await self.arm(conn, one_by_one.touched)

    async def _counted(self, conn: Conn, now: datetime) -> MatchSweep:
        """Return how many customers are known; counted again each day, and where a fifth has come since."""
        stand = await matches.sweep(conn)
        is_old = stand.counted_at is None or now - stand.counted_at >= COUNT_EVERY or stand.added > max(BATCH_MAX, stand.counted // 5)
        if is_old:
            await matches.count_again(conn, now)
            stand = await matches.sweep(conn)
        return stand


@dataclass(frozen=True, slots=True)
class _Comparing:
    """Customers compared with all that are known, one after the other, in one transaction."""

    conn: Conn
    cipher: Cipher
    rules: Rules
    records: int
    now: datetime
    touched: list[PartitionKey] = field(default_factory=list)

    async def compare(self, id: str, customer: _Known | None, *, does_ask: bool) -> None:
        """Compare a customer, and write what is found; None: it is none to be compared any more."""
        pairs = {pair.ids: pair for pair in await matches.pairs_of(self.conn, self.cipher, [id])}
        if customer is None:
            await matches.drop(self.conn, pairs, self.now)
            return
        keys = finding_keys(customer.profile)
        bearers = await matches.bearers(self.conn, self.cipher, keys, BEARERS_MAX + 1)
        bearers = {key: [one for one in ids if one != id] for key, ids in bearers.items()}
        partners = {one for ids in pairs for one in ids if one != id}
        rows = await objects.load(self.conn, self.cipher, [CUSTOMER.ref(one) for one in {*likely(keys, bearers, self.records), *partners}])
        others = _known(rows.values(), self.rules)
        found = await self._judged(customer, others, bearers)
        gone = [ids for ids, pair in pairs.items() if ids not in found and (not pair.answer or not {*ids} - {id} <= others.keys())]
        await matches.drop(self.conn, gone, self.now)
        for ids, judgment in found.items():
            policy = self._policy(customer, others[judgment.right.id])
            await self._write(judgment, pairs.get(ids), policy, does_ask=does_ask)

    async def _judged(
        self, customer: _Known, others: Mapping[str, _Known], bearers: Mapping[str, Sequence[str]]
    ) -> dict[tuple[str, str], Judgment]:
        """Return those that are, or may be, one with a customer and are not known to be, each pair by both ids."""
        mine, profiles = customer.profile, [one.profile for one in others.values()]
        head_of = await self._heads([mine.id, *others])
        often = await matches.often(self.conn, self.cipher, often_asked([mine, *profiles]))
        seen: Frequencies = frequencies_among(mine, profiles, bearers, often, self.records, head_of)
        policies = {id: self._policy(customer, one) for id, one in others.items()}
        told = judged(
            mine,
            [one for one in profiles if head_of(one.id) != head_of(mine.id)],
            seen,
            self.records,
            lambda id: Thresholds(policies[id].same, policies[id].review),
            lambda one, other: head_of(one) == head_of(other),
        )
        return {pair_of(mine.id, one.right.id): one for one in told if one.verdict is not MatchVerdict.DIFFERENT}

    async def _heads(self, ids: Collection[str]) -> Callable[[str], str]:
        """Return what tells by which id a customer goes that systems or people say several are."""
        follows = await links.same_facts(self.conn, [CUSTOMER.ref(id) for id in ids])
        into = {ref.id: golden.id for ref, golden in follows.items()}

        def head_of(id: str) -> str:
            path = chain(id, lambda one: into.get(one, ""))
            return min(path.ids) if path.is_circle else path.survivor

        return head_of

    def _policy(self, one: _Known, other: _Known) -> MatchingPolicy:
        both = self.rules.matching_of(one.entity).beside(self.rules.matching_of(other.entity))
        return replace(both, entity=one.entity or other.entity)

    async def _write(self, judgment: Judgment, before: MatchPair | None, policy: MatchingPolicy, *, does_ask: bool) -> None:
        """Write what was found of two, and ask people where something speaks for them that they were not asked of yet."""
        found = found_of(judgment, unpacked(before))
        answer = "" if before is None or (before.found and found.says_more) else before.answer
        is_news = before is None or (not before.answer and found.says_more)
        if is_news and judgment.verdict is MatchVerdict.SAME and policy.links:
            await self._link(judgment)
            answer = matches.LINKED
        is_open = does_ask and not answer and (found.says_more or not found.is_asked)
        found = asked(found) if is_open else found
        at = self.now if before is None or found.says_more else before.found_at
        kept = MatchPair(found.one, found.other, packed(found), at, answer, policy.entity)
        if kept == before:
            return
        await matches.keep(self.conn, self.cipher, kept)
        if is_open:
            await cases.open_or_count(self.conn, cases_of(found, policy, self.now), self.now)
        elif not answer:
            await cases.retell(self.conn, cases_of(found, policy, self.now), self.now)

    async def _link(self, judgment: Judgment) -> None:
        """Name two customers as one, as the hub's own word: the one that was told last follows the one that is known."""
        ref, known = CUSTOMER.ref(judgment.left.id), CUSTOMER.ref(judgment.right.id)
        named = await links.name(self.conn, [Naming(ref, ref.id, known.id, MATCHING, self.now, sequence_at(self.now))])
        subjects = await moved(self.conn, Merged(), named, self.rules.purposes())
        self.touched.extend(await agenda.add(self.conn, subjects, self.now))
        log.info("two customers certainly are one and were linked", one=ref.key, other=known.key, rule=judgment.rule.value)


def _known(rows: Iterable[ObjectRow], rules: Rules) -> dict[str, _Known]:
    """Return the customers among some rows that are to be compared; one that cannot be read is none, and has its case elsewhere."""
    found = {}
    for row in rows:
        try:
            customer = decode_record(row.ref.kind, row.data)
        except RejectedError:
            continue
        if isinstance(customer, Customer) and stands_alone(customer):
            entity = rules.route(row.connection, row.account, customer.address.country, customer.currency)
            found[row.ref.id] = _Known(profile_of(details_of(customer)), "" if entity is None else entity.name)
    return found


def _keyed(row: ObjectRow, known: _Known | None) -> KeyedCustomer:
    """Return a customer with its keys; none if it is not to be compared."""
    if known is None:
        return KeyedCustomer(row.ref.id, row.version)
    profile = known.profile
    return KeyedCustomer(row.ref.id, row.version, frozenset(finding_keys(profile)), frozenset(counted_keys(profile)))
