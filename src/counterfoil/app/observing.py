"""What a flow that is only observed would have written: each posting with its journal lines, as it is sent once the flow is switched on."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from counterfoil.app import ruling
from counterfoil.app.hub import Hub
from counterfoil.app.rehearsing import amount_of
from counterfoil.app.settings import Settings
from counterfoil.app.settings_file import FileSettings
from counterfoil.app.shadowing import JournalLine, RuleSet, ShadowPosting, posting_of
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import SetupError
from counterfoil.store import outbox_due
from counterfoil.store.commands import command_of
from counterfoil.store.outbox import CommandState

READ_AT_A_TIME = 1000

__all__ = ["Observation", "ObservedPosting", "observe"]


@dataclass(frozen=True, slots=True)
class ObservedPosting:
    """What would be written: the posting, for which object, its money, and whether it would wait for something first."""

    posting: ShadowPosting
    subject: str
    money: Money | None
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """All that would be written, in the order in which it was decided. ``flows``: what is observed, as ``target/entity``."""

    flows: tuple[str, ...]
    postings: tuple[ObservedPosting, ...]

    def counts(self) -> dict[tuple[str, str, str, str], tuple[int, Money | None]]:
        """Return how many there are and what they come to, by target, entity, kind and currency."""
        found: dict[tuple[str, str, str, str], tuple[int, Money | None]] = {}
        for one in self.postings:
            currency = one.money.currency if one.money is not None else ""
            key = (one.posting.target, one.posting.entity, one.posting.kind, currency)
            number, money = found.get(key, (0, None))
            found[key] = (number + 1, one.money if money is None or one.money is None else money + one.money)
        return dict(sorted(found.items()))

    def totals(self) -> dict[tuple[str, str, str], int]:
        """Return what would come on each account: (entity, account, currency) -> minor units, debit > 0."""
        sums: Counter[tuple[str, str, str]] = Counter()
        for posting, line in _lines(self.postings):
            sums[posting.entity, line.account, line.currency] += line.minor
        return dict(sorted(sums.items()))


def _lines(postings: Iterable[ObservedPosting]) -> Iterable[tuple[ShadowPosting, JournalLine]]:
    return ((one.posting, line) for one in postings for line in one.posting.lines)


async def observe(hub: Hub, entity: str = "") -> Observation:
    """Return what is decided and not sent since its flow is only observed; of one entity, if one is given.

    Raises SetupError: there is no such entity.
    """
    await ruling.follow(hub)
    if entity and entity not in hub.settings.entities:
        raise SetupError(f"there is no entity {entity!r}; declared: {', '.join(hub.settings.entities)}", code="observe.entity")
    postings = [one async for one in _postings(hub) if entity in ("", one.posting.entity)]
    return Observation(observed_flows(hub.settings), tuple(postings))


def observed_flows(settings: Settings | FileSettings) -> tuple[str, ...]:
    """Return which flows are only observed, as ``target/entity``."""
    books = [f"{one.target}/{name}" for name, one in settings.entities.items() if one.observe_only]
    return tuple(sorted([*books, *(f"{one.connection}/{one.entity or 'all'}" for one in settings.destinations if one.observe_only)]))


async def _postings(hub: Hub) -> AsyncIterator[ObservedPosting]:
    async with hub.pool.connection() as conn:
        by = RuleSet(hub.settings, await hub.rules.current(conn))
        for target in sorted(hub.targets):
            held, after = hub.rules.observed(target), 0
            while rows := await outbox_due.observed(conn, hub.cipher, target, held, after, READ_AT_A_TIME):
                for row in rows:
                    command = command_of(row)
                    yield ObservedPosting(
                        posting_of(command, by), row.subject.key, amount_of(command), is_waiting=row.state is CommandState.WAITING
                    )
                after = rows[-1].seq
