"""Shadow replay: what other rules would make of documents that are there, posting by posting and journal line by journal line.

Two questions, one way of answering. What is not booked yet is decided by both rules as it stands: that is what their release does at once.
What is booked stays, so that it is decided a second time as if nothing of it were: that is what will be done with its like. Nothing is
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.app.database import Database
from counterfoil.app.releasing import SettingDifference, differences
from counterfoil.app.rules import leaves_of, rules_source, settled
from counterfoil.app.settings import Settings
from counterfoil.core.commands.books import Account
from counterfoil.core.finance.postings import postings_of
from counterfoil.core.finance.summary import SummaryItem
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import RULED_PREFIXES
from counterfoil.core.policies.decision import MemoryView, OutboxCommand
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.decisions import DecidedBatch, decide_into, is_open, load
from counterfoil.kit.errors import SetupError
from counterfoil.store import agenda, objects, outbox_due
from counterfoil.store.agenda import AgendaItem
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool

AT_ONCE = 100
ROUNDS_MAX = 6
"""Rounds of deciding everything anew by what the round before called for; a document and what follows it settle in two."""


@dataclass(frozen=True, slots=True, order=True)
class JournalLine:
    """What one posting has on one account: debit > 0, credit < 0, in minor units.

    ``account`` is the books' own code; the role where it is the books that choose (``receivable``, ``tax:`` and the tax).
    """

    account: str
    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class ShadowPosting:
    """One posting by its external key: its kind, entity and journal lines; no lines: it books no money (a customer, a match).

    An amount that is summed up with its day has the kind ``summary``.
    """

    key: str
    kind: str
    entity: str
    target: str
    lines: tuple[JournalLine, ...]


@dataclass(frozen=True, slots=True)
class ShadowChange:
    """A posting under both rules; None: there is none under these."""

    key: str
    before: ShadowPosting | None
    after: ShadowPosting | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """What differs. ``subjects``: objects decided. ``problems``: code -> subjects that stand still under (the former, the other) rules."""

    subjects: int
    changes: tuple[ShadowChange, ...]
    problems: Mapping[str, tuple[int, int]]

    def totals(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Return what the postings come to: (entity, account, currency) -> (before, after), in minor units, where that differs."""
        sums: dict[tuple[str, str, str], list[int]] = {}
        for change in self.changes:
            for place, posting in enumerate((change.before, change.after)):
                for line in () if posting is None else posting.lines:
                    entity = posting.entity if posting else ""
                    sums.setdefault((entity, line.account, line.currency), [0, 0])[place] += line.minor
        return {key: (before, after) for key, (before, after) in sorted(sums.items()) if before != after}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two bodies side by side: setting by setting, and what differs in what is posted.

    ``open``: of what is not booked yet; ``again``: of the newest documents, had they been booked by the other rules. None: ``why_not``.
    """

    settings: tuple[SettingDifference, ...]
    open: Shadow | None = None
    again: Shadow | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules with the settings they are part of: those name the books' accounts."""

    settings: Settings
    rules: Rules

    def code(self, target: str, entity: str, account: Account) -> str:
        """Return how the books call an account; the role where the settings do not say."""
        connection = self.settings.connections.get(target)
        named = None if connection is None else connection.connector.account_code
        return (named(connection.settings, entity, account) if named and connection else "") or str(account)


async def rule_set(conn: Conn, file: Settings, body: str) -> RuleSet:
    """Return the rules of a body as they would be now, with the mappings people set and the lock dates of the books. Raises SetupError."""
    settings = settled(file, body)
    return RuleSet(settings, await rules_source(settings).current(conn))


async def compare(database: Database, file: Settings, before: str, after: str, documents: int, now: datetime) -> Comparison:
    """Return how two bodies differ. ``file``: where connections are configured; ``documents``: how many of the newest are decided again."""
    settings = tuple(differences(leaves_of(before), leaves_of(after)))
    if not settings:
        return Comparison(())
    try:
        async with database.pool.connection() as conn:
            was, would = await rule_set(conn, file, before), await rule_set(conn, file, after)
    except SetupError as error:
        return Comparison(settings, why_not=str(error))
    place = (database.pool, database.cipher)
    opened = await shadow_open(*place, was, would, now)
    again = await shadow_again(*place, documents, was, would, now) if documents else None
    return Comparison(settings, opened, again)


@dataclass(slots=True)
class ShadowOutcome:
    """What one set of rules makes of the subjects."""

    postings: dict[tuple[str, str], ShadowPosting] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)


async def shadow_open(pool: Pool, cipher: Cipher, before: RuleSet, after: RuleSet, now: datetime) -> Shadow:
    """Return what would be posted otherwise of all that is not booked yet: what waits for rules, was refused or was never sent."""
    async with pool.connection() as conn:
        waiting = await agenda.waiting_on(conn, await agenda.waited_keys(conn, RULED_PREFIXES))
        subjects = sorted({*waiting, *await outbox_due.open_subjects(conn)})
    return await _shadow(pool, cipher, subjects, before, after, now, is_new=False)


async def shadow_again(pool: Pool, cipher: Cipher, limit: int, before: RuleSet, after: RuleSet, now: datetime) -> Shadow:
    """Return what of the newest objects with money would have been posted otherwise, had they been booked by the other rules."""
    async with pool.connection() as conn:
        subjects = await objects.newest(conn, limit)
    return await _shadow(pool, cipher, subjects, before, after, now, is_new=True)


async def _shadow(
    pool: Pool, cipher: Cipher, subjects: Sequence[ObjectRef], before: RuleSet, after: RuleSet, now: datetime, *, is_new: bool
) -> Shadow:
    was, would = [await decide_under(pool, cipher, subjects, one, now, is_new=is_new) for one in (before, after)]
    keys = sorted(key for key in {*was.postings, *would.postings} if was.postings.get(key) != would.postings.get(key))
    changes = tuple(ShadowChange(key[1], was.postings.get(key), would.postings.get(key)) for key in keys)
    codes = sorted(code for code in {*was.problems, *would.problems} if was.problems[code] != would.problems[code])
    return Shadow(len(subjects), changes, {code: (was.problems[code], would.problems[code]) for code in codes})


async def decide_under(
    pool: Pool, cipher: Cipher, subjects: Sequence[ObjectRef], by: RuleSet, now: datetime, *, is_new: bool
) -> ShadowOutcome:
    """Decide until another round calls for nothing else: what follows a document looks at what was called for of it."""
    known: dict[str, Command] = {}
    wanted = set(subjects)
    for _ in range(ROUNDS_MAX):
        found = ShadowOutcome()
        more: set[ObjectRef] = set()
        for start in range(0, len(ordered := sorted(wanted)), AT_ONCE):
            more |= await _decide_some(pool, cipher, ordered[start : start + AT_ONCE], by, now, known, found, is_new=is_new)
        is_settled = found.commands.keys() == known.keys() and more <= wanted
        known, wanted = found.commands, wanted | more
        if is_settled:
            break
    return found


async def _decide_some(
    pool: Pool,
    cipher: Cipher,
    refs: Sequence[ObjectRef],
    by: RuleSet,
    now: datetime,
    known: Mapping[str, Command],
    found: ShadowOutcome,
    *,
    is_new: bool,
) -> set[ObjectRef]:
    """Decide some subjects into ``found``; return those that are decided after them."""
    async with pool.connection() as conn:
        loaded = await load(conn, cipher, refs, by.rules)
    if is_new:
        loaded = replace(loaded, commands=[], items={}, documents={})
    items = [AgendaItem(ref, 0, Lane.REPLAY, now) for ref in refs]
    decided = DecidedBatch()
    decide_into(decided, items, loaded, _with(loaded.view(), known.values()), by.rules, now)
    booked = {row.id for row in loaded.commands if not is_open(row) and row.state != "canceled"}
    for ref in refs:
        for command in decided.commands(ref):
            if command.id not in booked:
                found.commands[command.id] = command
                found.postings[command.target, command.external_key] = posting_of(command, by)
    for decision in decided.decisions.values():
        found.problems.update(problem.code for problem in decision.problems)
        _add_items(found, (item for item in decision.summary if item.document_id not in loaded.items), by)
    found.problems.update("decide.invariant" for _ in decided.failed)
    return {subject.ref for subject in decided.followers(items, loaded)}


def _with(view: MemoryView, commands: Iterable[Command]) -> MemoryView:
    """Return the view with commands as wished: they are open, as nothing of them was sent."""
    wishes = {key: dict(by_connection) for key, by_connection in view.wishes.items()}
    for command in commands:
        wishes.setdefault(command.external_key, {})[command.target] = OutboxCommand(command, is_open=True)
    return replace(view, wishes=wishes)


def posting_of(command: Command, by: RuleSet) -> ShadowPosting:
    """Return what a command would post, by the accounts as the books call them."""
    code: Callable[[Account], str] = lambda account: by.code(command.target, command.entity, account)  # noqa: E731
    sums: Counter[tuple[str, str]] = Counter()
    for posting in postings_of(command.kind, command.arguments):
        sums[code(posting.account), posting.amount.currency] += posting.amount.minor
    lines = tuple(sorted(JournalLine(account, currency, minor) for (account, currency), minor in sums.items() if minor))
    return ShadowPosting(command.external_key, command.kind.value, command.entity, command.target, lines)


def _add_items(found: ShadowOutcome, items: Iterable[SummaryItem], by: RuleSet) -> None:
    """Add what is summed up with its day: one posting for each document."""
    for item in items:
        target = by.rules.entities[item.entity].target if item.entity in by.rules.entities else ""
        key = (target, f"{item.document_id} in {item.day}")
        before = found.postings.get(key)
        line = JournalLine(by.code(target, item.entity, item.account), item.currency, item.amount.minor)
        lines = tuple(sorted((*(() if before is None else before.lines), line)))
        found.postings[key] = ShadowPosting(key[1], "summary", item.entity, target, lines)
