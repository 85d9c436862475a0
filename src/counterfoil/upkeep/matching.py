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
    doubted,
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
from counterfoil.store import agenda, case_closing, cases, links, matches, objects
from counterfoil.store.cases import Opening
from counterfoil.store.cipher import Cipher
from counterfoil.store.links import Naming
from counterfoil.store.matches import KeyedCustomer, MatchDue, MatchPair, MatchSweep, OftenKeys, pair_of
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import CONTENDED, Conn, PartitionKey, Pool, single_statements, together
from counterfoil.upkeep.found_pairs import asked, cases_of, doubts_of, found_of, packed, unpacked

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
    often: OftenKeys = field(default_factory=OftenKeys)

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
            async with self.pool.connection() as conn, conn.pipeline(), conn.transaction():
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
        """Compare customers, one worker at a time: nothing is written of what another found otherwise, or saw go, meanwhile. What can be
        asked at once is: each round trip costs a customer that comes more than the work in it.
        """
        asks: dict[str, bool] = {}
        for one in items:
            asks[one.id] = asks.get(one.id, False) or one.asks
        loaded = together(matches.sweep(conn), objects.load(conn, self.cipher, [CUSTOMER.ref(id) for id in asks]))
        rules, (stand, rows) = await together(self.rules.current(conn), loaded)
        stand = await self._counted(conn, stand, now)
        await self.often.renew(conn, stand.counted_at)
        known = _known(rows.values(), rules)
        await matches.put(conn, self.cipher, [_keyed(row, known.get(row.ref.id)) for _, row in sorted(rows.items())])
        batch = _Batch(conn, self.cipher, rules, self.often, stand.records + len(known), now)
        await batch.compare(asks, known, _merged(rows.values()))
        touched = await batch.write()
        if touched:
            await self.arm(conn, touched)

    async def _counted(self, conn: Conn, stand: MatchSweep, now: datetime) -> MatchSweep:
        """Return how many customers are known; counted again each day, and where a fifth has come since."""
        is_old = stand.counted_at is None or now - stand.counted_at >= COUNT_EVERY or stand.added > max(BATCH_MAX, stand.counted // 5)
        return await matches.count_again(conn, now) if is_old else stand


@dataclass(slots=True)
class _Batch:
    """Customers compared with all that are known: what is asked of the database is asked for all of them, what is found written for all.

    ``pairs``: those they are in, as they are by now; ``answers``: what the answers were when they were read; ``follows``: by id, the
    customer whose word counts for another; ``doubts``: the cases of those that were linked and do not look so any more.
    """

    conn: Conn
    cipher: Cipher
    rules: Rules
    often: OftenKeys
    records: int
    now: datetime
    pairs: dict[tuple[str, str], MatchPair] = field(default_factory=dict)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    changed: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)
    opened: dict[tuple[str, str], list[Opening]] = field(default_factory=dict)
    retold: dict[tuple[str, str], list[Opening]] = field(default_factory=dict)
    doubts: dict[tuple[str, str], list[Opening]] = field(default_factory=dict)
    to_link: list[Judgment] = field(default_factory=list)
    follows: dict[str, str] = field(default_factory=dict)

    async def compare(self, asks: Mapping[str, bool], known: Mapping[str, _Known], merged: Collection[str]) -> None:
        """Compare customers with whoever shares enough with each; those of ``asks`` that are not known are none to be compared any more,
        some of them as they were ``merged``.
        """
        keys = {id: finding_keys(one.profile) for id, one in known.items()}
        found_pairs, bearers = await together(
            matches.pairs_of(self.conn, self.cipher, asks),
            matches.bearers(self.conn, self.cipher, set().union(*keys.values()), self.often, BEARERS_MAX + 1),
        )
        self.pairs = {pair.ids: pair for pair in found_pairs}
        self.answers = {ids: pair.answer for ids, pair in self.pairs.items()}
        beside = {id: {key: [one for one in bearers.get(key, ()) if one != id] for key in mine} for id, mine in keys.items()}
        chosen = {id: {*likely(mine, beside[id], self.records), *self._partners(id)} for id, mine in keys.items()}
        wanted = {one for ids in self.pairs for one in ids}.union(*chosen.values()) - asks.keys()
        every = known
        if wanted or len(known) > 1:
            loaded = objects.load(self.conn, self.cipher, [CUSTOMER.ref(one) for one in wanted])
            follows, rows = await together(links.same_facts(self.conn, [CUSTOMER.ref(one) for one in {*asks, *wanted}]), loaded)
            self.follows = {ref.id: golden.id for ref, golden in follows.items()}
            every, merged = {**known, **_known(rows.values(), self.rules)}, {*merged, *_merged(rows.values())}
        compared = {id: {one: every[one] for one in chosen[id] if one in every} for id in known}
        often = self.often.of(self.cipher, often_asked(one.profile for one in every.values())) if any(compared.values()) else {}
        for id, does_ask in sorted(asks.items()):
            others = compared.get(id, {})
            found = self._judged(every[id], others, beside[id], often) if others else {}
            for ids in [ids for ids, pair in self.pairs.items() if id in ids and ids not in found]:
                self._settle(ids, every, merged)
            for judgment in found.values():
                if not self._is_told_apart(judgment):
                    self._note(judgment, self._policy(every[id], others[judgment.right.id]), does_ask=does_ask)

    async def write(self) -> list[PartitionKey]:
        """Write what was found; return what is to be armed."""
        await matches.drop(self.conn, self.gone, self.now)
        await matches.keep(self.conn, self.cipher, {self.pairs[ids]: self.answers.get(ids) for ids in sorted(self.changed)})
        await matches.close(self.conn, [ids for ids, pair in self.pairs.items() if pair.answer and ids not in self.doubts], self.now)
        await self._tell_doubts()
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
    ) -> dict[tuple[str, str], Judgment]:
        """Return those that are, or may be, one with a customer and are not known to be, each pair by both ids."""
        mine, profiles, head_of = customer.profile, [one.profile for _, one in sorted(others.items())], self._head_of
        seen: Frequencies = frequencies_among(mine, profiles, bearers, often, self.records, head_of)
        policies = {id: self._policy(customer, one) for id, one in others.items()}

        def thresholds(id: str) -> Thresholds:
            return Thresholds(policies[id].same, policies[id].review)

        linked = [one for one in profiles if head_of(one.id) == head_of(mine.id)]
        ours = [one for one in linked if self._answer(mine.id, one.id) == matches.LINKED]
        for doubt in doubted(mine, ours, seen, self.records, thresholds):
            self._doubt(doubt, policies[doubt.right.id])
        alone = [one for one in profiles if one not in linked]
        answered = [[one] for one in alone if self._answer(mine.id, one.id) == matches.APART]
        open_ones = [one for one in alone if [one] not in answered]
        told = [
            judgment
            for several in (open_ones, *answered)  # who people say is another stands in nobody's way
            for judgment in judged(mine, several, seen, self.records, thresholds, lambda one, other: head_of(one) == head_of(other))
        ]
        return {pair_of(mine.id, one.right.id): one for one in told if one.verdict is not MatchVerdict.DIFFERENT}

    def _answer(self, one: str, other: str) -> str:
        """Return what was answered on two; empty: nothing yet."""
        pair = self.pairs.get(pair_of(one, other))
        return "" if pair is None else pair.answer

    def _head_of(self, id: str) -> str:
        """Return by which id a customer goes that systems or people say several are."""
        path = chain(id, lambda one: self.follows.get(one, ""))
        return min(path.ids) if path.is_circle else path.survivor

    def _policy(self, one: _Known, other: _Known) -> MatchingPolicy:
        both = self.rules.matching_of(one.entity).beside(self.rules.matching_of(other.entity))
        return replace(both, entity=one.entity or other.entity)

    def _settle(self, ids: tuple[str, str], every: Mapping[str, _Known], merged: Collection[str]) -> None:
        """Say what becomes of a pair in which nothing was found by now: an answer stays, also beside who is merged and may come back."""
        pair, stand = self.pairs[ids], every.keys() >= {*ids}
        is_one_again = stand and pair.answer == matches.APART and self._head_of(pair.one) == self._head_of(pair.other)
        if not pair.answer or is_one_again or not every.keys() | merged >= {*ids}:
            self._forget(ids)
        elif not stand and pair.found:
            self.pairs[ids] = replace(pair, found=b"")
            self.changed.add(ids)

    def _is_told_apart(self, judgment: Judgment) -> bool:
        """Tell whether people said that a customer is not one with another, who is one with this one: nobody is asked in his name either,
        unless more speaks for it.
        """
        one, other = judgment.left.id, judgment.right.id
        if pair_of(one, other) in self.pairs:
            return False
        apart = [pair for ids, pair in self.pairs.items() if one in ids and pair.answer == matches.APART]
        head = self._head_of(other)
        of_them = [pair for pair in apart if head in {self._head_of(id) for id in pair.ids if id != one}]
        known = [unpacked(pair) for pair in of_them]
        return any(told is None or not found_of(judgment, told).says_more for told in known)

    def _doubt(self, judgment: Judgment, policy: MatchingPolicy) -> None:
        """Have people look at two that were linked, and by what both say now do not look so."""
        ids = pair_of(judgment.left.id, judgment.right.id)
        before = self.pairs[ids]
        found = found_of(judgment, unpacked(before))
        self.doubts[ids] = doubts_of(found, next((one for one in ids if self.follows.get(one) in ids), ids[0]), policy, self.now)
        self.pairs[ids] = replace(before, found=packed(found))
        if self.pairs[ids] != before:
            self.changed.add(ids)

    async def _tell_doubts(self) -> None:
        """Open the cases of those that were linked and do not look so any more; what people waived stays waived."""
        openings = [one for _, several in sorted(self.doubts.items()) for one in several]
        waived = await case_closing.waived(self.conn, [one.fingerprint for one in openings])
        await cases.open_or_count(self.conn, [one for one in openings if one.fingerprint not in waived], self.now)

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
    """Return the customers among some rows that are to be compared."""
    found = {}
    for row in rows:
        customer = _customer(row)
        if customer is not None and stands_alone(customer):
            entity = rules.route(row.connection, row.account, customer.address.country, customer.currency)
            found[row.ref.id] = _Known(profile_of(details_of(customer)), "" if entity is None else entity.name)
    return found


def _merged(rows: Iterable[ObjectRow]) -> set[str]:
    """Return the ids of those among some rows that were merged into others, and not deleted: they may come back."""
    read = [_customer(row) for row in rows]
    return {one.id for one in read if one is not None and one.merged_into and not one.is_deleted}


def _customer(row: ObjectRow) -> Customer | None:
    """Return a row's customer; None: it cannot be read, and has its case elsewhere."""
    try:
        customer = decode_record(row.ref.kind, row.data)
    except RejectedError:
        return None
    return customer if isinstance(customer, Customer) else None


def _keyed(row: ObjectRow, known: _Known | None) -> KeyedCustomer:
    """Return a customer with its keys; none if it is not to be compared."""
    if known is None:
        return KeyedCustomer(row.ref.id, row.version)
    profile = known.profile
    return KeyedCustomer(row.ref.id, row.version, frozenset(finding_keys(profile)), frozenset(counted_keys(profile)))
