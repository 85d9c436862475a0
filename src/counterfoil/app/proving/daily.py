"""The stage ``prove``: sources and books are proven once a day; what differs is a case per document that closes itself.

Two sides that go on working are never read at one instant, so a difference is told when a second proof, soon after, finds it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import structlog

from counterfoil.app.proving.run import Group, GroupProof, groups, months, period_of, prove
from counterfoil.app.settings import Settings
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.core.proving.items import Apart
from counterfoil.core.proving.totals import WORDS
from counterfoil.kit.clock import Clock
from counterfoil.kit.errors import HubError
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import cases, proofs, relearning, targets
from counterfoil.store.opening import opening
from counterfoil.store.pool import Pool

log = structlog.get_logger()

AGAIN = timedelta(minutes=15)
"""So soon a group is proven again of which a side could not be read, or in which something differs that did not before."""
CASES_MAX = 50
"""Documents of a group that become cases by themselves; what is beyond is one case."""


@dataclass(slots=True)
class _Differing:
    """A document on which the sides do not agree, by all kinds of amounts."""

    found: list[Apart] = field(default_factory=list)
    period: str = ""

    @property
    def worst(self) -> Apart:
        return max(self.found, key=lambda one: abs(one.difference.minor))


RESTORED_WAIT_S = 60.0
"""Between looks whether a restored hub knows again what it booked; what it proved before would be differences of its own."""


@dataclass(frozen=True, slots=True)
class Prover:
    """The shell; one partition for all groups. ``every`` zero: never by itself."""

    settings: Settings
    pool: Pool
    clock: Clock
    every: timedelta

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Prove the groups that are due, one after the other."""
        del key
        now = self.clock.now()
        known = {group.name: group for group in groups(self.settings) if not self._is_observed(group)}
        if not known or not self.every:
            return Turn(has_more=False)
        async with self.pool.connection() as conn, conn.transaction():
            if any(one.caught_up_at is None for one in await relearning.list_all(conn)):  # a restored hub does not know yet what it booked
                return Turn(has_more=False, wake_in_s=RESTORED_WAIT_S)
            rows = await proofs.plan(conn, sorted(known), now + self.every)
        for row in rows:
            if context.is_ending:
                return Turn(has_more=True)
            if row.due_at <= now:
                await self._prove(known[row.name], row.suspects)
                return Turn(has_more=True)
        wake = min(row.due_at for row in rows) - now
        return Turn(has_more=False, wake_in_s=max(1.0, wake.total_seconds()))

    def _is_observed(self, group: Group) -> bool:
        """Tell whether books of a group are not written to: every document of their sources would differ."""
        return any(self.settings.entities[name].observe_only for name in group.entities)

    async def _prove(self, group: Group, suspects: Collection[str]) -> None:
        try:
            found = [await self._month(group, one) for one in await self._months(group)]
        except HubError as error:
            log.warning("a side of a proof cannot be read", group=group.name, code=error.code)
            async with self.pool.connection() as conn, conn.transaction():
                await proofs.put_off(conn, group.name, self.clock.now() + min(AGAIN, self.every))
            return
        now, differing = self.clock.now(), differing_of(found)
        async with self.pool.connection() as conn, conn.transaction():
            told = await proofs.told_by_watching(conn, sorted(differing))
            before = {*suspects, *await proofs.told(conn, group.name)}
            again = {id: one for id, one in differing.items() if id in before and id not in told}
            due_at = now + (self.every if differing.keys() <= before | told else min(AGAIN, self.every))
            await proofs.keep(conn, group.name, openings_of(group, again, now), differing.keys(), now, due_at)
        log.info("proven", group=group.name, months=[one.period for one in found], differences=len(differing), told=len(again))

    async def _month(self, group: Group, text: str) -> GroupProof:
        return await prove(self.settings, self.pool, group, period_of(self.settings, group, text), self.clock.now())

    async def _months(self, group: Group) -> tuple[str, ...]:
        today = self.clock.now().date()
        locked: dict[str, date | None] = {}
        async with self.pool.connection() as conn:
            for entity in group.entities:
                seen = (await targets.load(conn, self.settings.entities[entity].target)).get(entity)
                locked[entity] = None if seen is None else seen.locks.everything
        return months(today, locked, group)


def differing_of(found: Sequence[GroupProof]) -> dict[str, _Differing]:
    """Return what differs in any of the proofs, by document."""
    differing: dict[str, _Differing] = {}
    for proof in found:
        for one in proof.apart:
            if one.is_difference:
                document = differing.setdefault(one.id, _Differing(period=proof.period))
                if all(one.kind is not other.kind or one.currency != other.currency for other in document.found):
                    document.found.append(one)
    return differing


def openings_of(group: Group, differing: Mapping[str, _Differing], now: datetime) -> list[cases.Opening]:
    """Return the cases: one for each document, those with most money first; the rest together."""
    ranked = sorted(differing.items(), key=lambda item: (-abs(item[1].worst.difference.minor), item[0]))
    openings = [_opening(group, id, one, now) for id, one in ranked[:CASES_MAX]]
    if ranked[CASES_MAX:]:
        worst = ranked[CASES_MAX][1].worst
        cause = f"{len(ranked) - CASES_MAX} further documents of {group.name} differ between source and books"
        openings.append(_case(group, "others", cause, worst.difference, now, ranked[CASES_MAX][1].period))
    return openings


def _opening(group: Group, id: str, one: _Differing, now: datetime) -> cases.Opening:
    names = " ".join(dict.fromkeys(name for part in one.found for name in (part.source_name, part.books_name) if name))
    says = "; ".join(
        f"{WORDS[part.kind].lower()}: {Money(part.source_minor, part.currency)} at the source,"
        f" {Money(part.books_minor, part.currency)} in the books ({part.why.value})"
        for part in one.found
    )
    return _case(group, id, f"{id}{f' ({names})' if names else ''} differs in {group.name}: {says}", one.worst.difference, now, one.period)


def _case(group: Group, id: str, cause: str, difference: Money, now: datetime, period: str) -> cases.Opening:
    subject = f"{group.name}/{id}"
    return opening(
        fingerprint=f"prove.differs|{subject}",
        case_class=CaseClass.RECONCILIATION_BREAK,
        code="prove.differs",
        cause=cause,
        next_step=(
            f"`counterfoil prove --period {period} --entity {group.entities[0]}` shows it as it is now; `counterfoil trace` what the hub"
            " did. Correct the side that is wrong; the case closes itself with the next proof."
        ),
        stage=proofs.STAGE,
        subject=subject,
        label=id,
        entity=group.entities[0],
        connection=group.connections[0],
        money=abs(difference),
        now=now,
    )
