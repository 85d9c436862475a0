"""Daily entries of entities in summary mode: items kept as they are decided, days closed in the entity's time zone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, PostDocument
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem, close_day
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef, external_key
from counterfoil.core.language.money import Money
from counterfoil.core.policies.closing import close
from counterfoil.core.policies.decision import MemoryView, Problem
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.rules_source import RENEWED_WITHIN_S, RulesSource
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import decode_arguments, encode
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.store import case_subjects, cases, outbox, relearning, summary
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, PartitionKey, Pool

STAGE = "close_day"
CLOSE_EVERY_S = 60.0
"""How often days are looked at; a day is closed soon after midnight of the entity's own time zone."""
RESTORED_S = 5.0
"""How often, while a restored hub learns again what the books hold."""
NUMBERS_MAX = 100
"""Entries of one day that are looked for in the books of a restored hub: the first and its supplements."""


def to_row(item: SummaryItem, subject: ObjectRef) -> summary.SummaryItemRow:
    """Return the store's row of an item; ``subject`` is the object whose decision made it."""
    return summary.SummaryItemRow(
        entity=item.entity,
        day=item.day,
        currency=item.currency,
        item_key=item.key,
        subject=subject.key,
        document_id=item.document_id,
        account=str(item.account),
        amount_minor=item.amount.minor,
        product_group=item.product_group,
        tax=item.tax,
    )


def from_row(row: summary.SummaryItemRow) -> SummaryItem:
    """Return the item of a store's row."""
    role, _, qualifier = row.account.partition(":")
    account = Account(AccountRole(role), qualifier)
    money = Money(row.amount_minor, row.currency)
    return SummaryItem(row.entity, row.day, row.currency, row.product_group, row.tax, account, money, row.document_id)


def by_document(rows: Iterable[summary.SummaryItemRow]) -> dict[str, tuple[SummaryItem, ...]]:
    """Return items by the external key of their document."""
    found: defaultdict[str, list[SummaryItem]] = defaultdict(list)
    for row in rows:
        found[row.document_id].append(from_row(row))
    return {key: tuple(items) for key, items in found.items()}


def to_document(document: SummaryDocument) -> summary.SummaryDocumentRow:
    """Return the store's row of what is kept of a document."""
    booked = encode(document.booked).decode() if document.booked is not None else ""
    return summary.SummaryDocumentRow(document.document_id, document.content, booked)


def from_document(row: summary.SummaryDocumentRow) -> SummaryDocument:
    """Return what is kept of a document from the store's row."""
    booked = decode_arguments(BookCommand.POST_INVOICE, row.booked.encode()) if row.booked else None
    return SummaryDocument(row.document_id, row.content, booked if isinstance(booked, PostDocument) else None)


class _NotYetError(Exception):
    """A day cannot be closed now; carries why. Raised to leave its items untaken."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.cause)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class DayCloser:
    """The stage that closes days. Its partitions are the entities."""

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    batch_key: Callable[[Command], str]
    clock: Clock
    arm: Callable[[Conn, Sequence[PartitionKey]], Awaitable[None]]

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Post one entry for each of the entity's days that have ended and hold items no entry has taken."""
        del context
        now = self.clock.now()
        async with self.pool.connection() as conn:
            if not await self.rules.is_in_force(conn, now):
                return Turn(has_more=False, wake_in_s=RENEWED_WITHIN_S)
            rules = await self.rules.current(conn)
            restored = await relearning.load(conn, rules.entities[key].target)
            if restored is not None and restored.caught_up_at is None:
                return Turn(has_more=False, wake_in_s=RESTORED_S)  # a day must not be closed before all of it is known again
            today = now.astimezone(rules.entities[key].time_zone).date()
            open_days = await summary.open_days(conn, today)
        days = [day for day in open_days if day.entity == key and day.day < today]
        lost = [day for day in open_days if day.entity not in rules.entities] if key == min(rules.entities) else []
        problems = [(day, _nobodys(day)) for day in lost]
        for day in days:
            try:
                async with self.pool.connection() as conn, conn.transaction():
                    await self._close(conn, rules, day, now)
            except _NotYetError as not_yet:
                problems.append((day, not_yet.problem))
            except ValueError as error:  # what does not add up stops its own day only
                problems.append((day, _does_not_add_up(day, error)))
        await self._report(key, problems, now)
        return Turn(has_more=False, wake_in_s=CLOSE_EVERY_S)

    async def _report(self, entity: str, problems: Sequence[tuple[summary.OpenDay, Problem]], now: datetime) -> None:
        """Open a case for each day that cannot be closed; close those of days that nothing is left to be closed of."""
        held = {_name(day) for day, _ in problems}
        async with self.pool.connection() as conn, conn.transaction():
            await cases.open_or_count(conn, [_case(day, problem, now) for day, problem in problems], now)
            healed = [name for name in await case_subjects.held(conn, STAGE, f"{entity}/") if name not in held]
            await case_subjects.release_subjects(conn, STAGE, healed, now)

    async def _close(self, conn: Conn, rules: Rules, day: summary.OpenDay, now: datetime) -> None:
        number, rows = await summary.close_day(conn, day.entity, day.day, day.currency)
        entry = close_day((day.entity, day.day, day.currency), [from_row(row) for row in rows], number)
        decision = close(entry, MemoryView({}), rules, now)
        if decision.problems:
            raise _NotYetError(decision.problems[0])
        await _check_known(conn, decision.commands, day, number)
        wishes = [wish_of(command, self.batch_key(command)) for command in decision.commands]
        wished = await outbox.wish(conn, self.cipher, wishes, now)
        await case_subjects.release_subjects(conn, STAGE, [_name(day)], now)
        await self.arm(conn, self.rules.to_be_sent(wishes, wished.touched))


async def _check_known(conn: Conn, commands: Sequence[Command], day: summary.OpenDay, number: int) -> None:
    """Make sure that the target holds no other entry of this day that the hub, once restored from a backup, knows nothing of."""
    numbers = [other for other in range(1, NUMBERS_MAX) if other != number]
    for command in commands:
        keys = [external_key("summary", f"{day.entity}:{day.day.isoformat()}.{day.currency}.{other}") for other in numbers]
        found = await relearning.among(conn, command.target, keys)
        if found:
            words = (
                f"{command.target} holds {', '.join(found)} of {_name(day)}, made before this hub was restored and cut otherwise than the"
                " hub would cut that day now; nothing more of that day is posted"
            )
            remedy = (
                "Remove that day's summary entries in the books, run `counterfoil restore --relearn-only` while no worker runs, and start:"
                " the day is then posted whole."
            )
            raise _NotYetError(Problem(CaseClass.DUPLICATE_SUSPECTED, "summary.closed_otherwise", words, remedy, entity=day.entity))


def _name(day: summary.OpenDay) -> str:
    return f"{day.entity}/{day.day.isoformat()}/{day.currency}"


def _does_not_add_up(day: summary.OpenDay, error: ValueError) -> Problem:
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "summary.day_differs",
        f"the entry of {_name(day)} does not add up and was not posted: {error}",
        "Compare the day's documents with the source (`counterfoil trace` shows what is booked of each). Other days go on meanwhile;"
        " this one is posted as soon as it adds up.",
        entity=day.entity,
    )


def _nobodys(day: summary.OpenDay) -> Problem:
    return Problem(
        CaseClass.UNMAPPED_ACCOUNT,
        "summary.entity_gone",
        f"{_name(day)} holds {day.items} amounts of entity {day.entity!r}, which the configuration does not declare any more.",
        f"Declare entity {day.entity!r} again, with its books, until its last day is posted.",
        entity=day.entity,
    )


def _case(day: summary.OpenDay, problem: Problem, now: datetime) -> cases.Opening:
    return opening(
        fingerprint=f"{problem.code}|summary|{_name(day)}",
        case_class=problem.case_class,
        code=problem.code,
        cause=problem.cause,
        next_step=problem.remedy,
        stage=STAGE,
        subject=_name(day),
        entity=day.entity,
        money=Money(day.debits_minor, day.currency),
        now=now,
    )


def wish_of(
    command: Command,
    batch_key: str,
    *,
    lane: int | None = None,
    order_key: str = "",
    causation_id: str = "",
    not_before: datetime | None = None,
) -> outbox.NewCommand:
    """Return the outbox's wish for a command; ``not_before``: not earlier than this, nor than the command says."""
    return outbox.NewCommand(
        id=command.id,
        kind=command.kind.value,
        target=command.target,
        entity=command.entity,
        batch_key=batch_key,
        subject=command.subject,
        external_key=command.external_key,
        arguments=encode(command.arguments),
        order_key=order_key,
        lane=int(command.lane) if lane is None else lane,
        produces=command.produces,
        needs=command.needs,
        not_before=max((at for at in (command.not_before, not_before) if at is not None), default=None),
        rules_version=command.rules_version,
        causation_id=causation_id,
        content=command.content,
    )
