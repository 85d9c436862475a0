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
from counterfoil.store.cases import Opening
from counterfoil.store.cipher import Cipher
from counterfoil.store.links import Naming
from counterfoil.store.matches import KeyedCustomer, MatchDue, MatchPair, MatchSweep, pair_of
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import CONTENDED, Conn, PartitionKey, Pool, single_statements
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
        async with single_statements(self.pool) as conn:
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
        batch = _Batch(conn, self.cipher, rules, stand.records, now)
        await batch.compare(asks, known)
        touched = await batch.write()
        if touched:
            await self.arm(conn, touched)

    async def _counted(self, conn: Conn, now: datetime) -> MatchSweep:
        """Return how many customers are known; counted again each day, and where a fifth has come since."""
        stand = await matches.sweep(conn)
        is_old = stand.counted_at is None or now - stand.counted_at >= COUNT_EVERY or stand.added > max(BATCH_MAX, stand.counted // 5)
        if is_old:
            await matches.count_again(conn, now)
            stand = await matches.sweep(conn)
        return stand


@dataclass(slots=True)
class _Batch:
    """Customers compared with all that are known: what is asked of the database is asked for all of them, what is found written for all.

    ``pairs``: those they are in, as they are by now; ``answers``: what the answers were when they were read.
    """

    conn: Conn
    cipher: Cipher
    rules: Rules
    records: int
    now: datetime
    pairs: dict[tuple[str, str], MatchPair] = field(default_factory=dict)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    changed: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)
    opened: dict[tuple[str, str], list[Opening]] = field(default_factory=dict)
    retold: dict[tuple[str, str], list[Opening]] = field(default_factory=dict)
    to_link: list[Judgment] = field(default_factory=list)

    async def compare(self, asks: Mapping[str, bool], known: Mapping[str, _Known]) -> None:
        """Compare customers with whoever shares enough with each; those of ``asks`` that are not known are none to be compared any more."""
        self.pairs = {pair.ids: pair for pair in await matches.pairs_of(self.conn, self.cipher, asks)}
        self.answers = {ids: pair.answer for ids, pair in self.pairs.items()}
        keys = {id: finding_keys(one.profile) for id, one in known.items()}
        bearers = await matches.bearers(self.conn, self.cipher, set().union(*keys.values()), BEARERS_MAX + 1)
        beside = {id: {key: [one for one in bearers.get(key, ()) if one != id] for key in mine} for id, mine in keys.items()}
        chosen = {id: {*likely(mine, beside[id], self.records), *self._partners(id)} for id, mine in keys.items()}
        wanted = set().union(*chosen.values()) - asks.keys()
        rows = await objects.load(self.conn, self.cipher, [CUSTOMER.ref(one) for one in wanted])
        every = {**known, **_known(rows.values(), self.rules)}
        compared = {id: {one: every[one] for one in chosen[id] if one in every} for id in known}
        has_any = any(compared.values())
        head_of = await self._heads(every) if has_any else str
        often = await matches.often(self.conn, self.cipher, often_asked(one.profile for one in every.values())) if has_any else {}
        for id, does_ask in sorted(asks.items()):
            others = compared.get(id, {})
            found = self._judged(every[id], others, beside[id], often, head_of) if others else {}
            for ids in [ids for ids, pair in self.pairs.items() if id in ids and ids not in found]:
                if not self.pairs[ids].answer or id not in every or not {*ids} - {id} <= others.keys():
                    self._forget(ids)
            for judgment in found.values():
                self._note(judgment, self._policy(every[id], others[judgment.right.id]), does_ask=does_ask)

    async def write(self) -> list[PartitionKey]:
        """Write what was found; return what is to be armed."""
        await matches.drop(self.conn, self.gone, self.now)
        await matches.keep(self.conn, self.cipher, {self.pairs[ids]: self.answers.get(ids) for ids in sorted(self.changed)})
        await matches.close(self.conn, [ids for ids, pair in self.pairs.items() if pair.answer], self.now)
        await cases.open_or_count(self.conn, [one for _, several in sorted(self.opened.items()) for one in several], self.now)
        if self.retold:
            await cases.retell(self.conn, [one for _, several in sorted(self.retold.items()) for one in several], self.now)
        return await self._link() if self.to_link else []

    def _partners(self, id: str) -> set[str]:
        return {one for ids in self.pairs for one in ids if id in ids and one != id}

    def _judged(
        self,
        customer: _Known,
        others: Mapping[str, _Known],
        bearers: Mapping[str, Sequence[str]],
        often: Mapping[str, int],
        head_of: Callable[[str], str],
    ) -> dict[tuple[str, str], Judgment]:
        """Return those that are, or may be, one with a customer and are not known to be, each pair by both ids."""
        mine, profiles = customer.profile, [one.profile for _, one in sorted(others.items())]
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

    def _forget(self, ids: tuple[str, str]) -> None:
        """Take a pair for none any more."""
        del self.pairs[ids]
        self.gone.add(ids)
        self.changed.discard(ids)
        for told in (self.opened, self.retold):
            told.pop(ids, None)

    def _note(self, judgment: Judgment, policy: MatchingPolicy, *, does_ask: bool) -> None:
        """Note what was found of two, and ask people where something speaks for them that they were not asked of yet."""
        ids = pair_of(judgment.left.id, judgment.right.id)
        before = self.pairs.get(ids)
        found = found_of(judgment, unpacked(before))
        answer = "" if before is None or (before.found and found.says_more) else before.answer
        is_news = before is None or (not before.answer and found.says_more)
        if is_news and judgment.verdict is MatchVerdict.SAME and policy.links:
            self.to_link.append(judgment)
            answer = matches.LINKED
        is_open = does_ask and not answer and (found.says_more or not found.is_asked)
        found = asked(found) if is_open else found
        at = self.now if before is None or found.says_more else before.found_at
        kept = MatchPair(*ids, packed(found), at, answer, policy.entity)
        if kept == before:
            return
        self.pairs[ids] = kept
        self.changed.add(ids)
        self.gone.discard(ids)
        if is_open:
            self.opened[ids] = cases_of(found, policy, self.now)
        elif not answer and ids not in self.opened:
            self.retold[ids] = cases_of(found, policy, self.now)

    async def _link(self) -> list[PartitionKey]:
        """Name customers as one, as the hub's own word: the one that was told last follows the one that is known."""
        namings = []
        for one in self.to_link:
            ref, known = CUSTOMER.ref(one.left.id), one.right.id
            namings.append(Naming(ref, ref.id, known, MATCHING, self.now, sequence_at(self.now)))
            log.info("two customers certainly are one and were linked", one=ref.key, other=known, rule=one.rule.value)
        named = await links.name(self.conn, namings)
        return await agenda.add(self.conn, await moved(self.conn, Merged(), named, self.rules.purposes()), self.now)


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
