"""Daily entries of entities in summary mode: items kept as they are decided, days closed in the entity's time zone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from counterfoil.core.canonical.commands import Account, AccountRole, Command, CommandKind, Lane
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef, digest, external_key
from counterfoil.core.canonical.money import Money
from counterfoil.core.canonical.text import canonical_text
from counterfoil.core.finance.summary import DayEntry, SummaryItem, close_day
from counterfoil.core.policies.rules import EntityRules
from counterfoil.kit.clock import Clock
from counterfoil.kit.codec import encode
from counterfoil.kit.stage import Turn
from counterfoil.store import outbox, summary
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Key, Pool
from counterfoil.workflows.rules_source import RulesSource

CLOSE_EVERY_S = 60.0
"""How often days are looked at; a day is closed soon after midnight of the entity's own time zone."""


def to_row(item: SummaryItem, subject: ObjectRef) -> summary.SummaryItem:
    """Return the store's row of an item; ``subject`` is the object whose decision made it."""
    return summary.SummaryItem(
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


def from_row(row: summary.SummaryItem) -> SummaryItem:
    """Return the item of a store's row."""
    role, _, qualifier = row.account.partition(":")
    account = Account(AccountRole(role), qualifier)
    money = Money(row.amount_minor, row.currency)
    return SummaryItem(row.entity, row.day, row.currency, row.product_group, row.tax, account, money, row.document_id)


def by_document(rows: Iterable[summary.SummaryItem]) -> dict[str, tuple[SummaryItem, ...]]:
    """Return items by the external key of their document."""
    found: defaultdict[str, list[SummaryItem]] = defaultdict(list)
    for row in rows:
        found[row.document_id].append(from_row(row))
    return {key: tuple(items) for key, items in found.items()}


def command_of(entry: DayEntry, entity: EntityRules, rules_version: int) -> Command | None:
    """Return the command that posts a day's entry; None if everything in it cancels out."""
    if entry.entry is None:
        return None
    key = external_key("summary", entry.id)
    return Command(
        id=digest(CommandKind.POST_ENTRY.value, entity.target, key, canonical_text(entry.entry)),
        kind=CommandKind.POST_ENTRY,
        target=entity.target,
        entity=entity.name,
        subject=ObjectRef(ObjectKind.JOURNAL_ENTRY, entry.id),
        external_key=key,
        arguments=entry.entry,
        produces=f"entry/{entry.id}",
        lane=Lane.BATCH,
        rules_version=rules_version,
    )


@dataclass(frozen=True, slots=True)
class DayCloser:
    """The stage that closes days. Its partitions are the entities."""

    pool: Pool
    cipher: Cipher
    rules: RulesSource
    batch_key: Callable[[Command], str]
    clock: Clock
    arm: Callable[[Conn, Sequence[Key]], Awaitable[None]]

    async def turn(self, key: str) -> Turn:
        """Post one entry for each of the entity's days that have ended and hold items no entry has taken."""
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            rules = await self.rules.current(conn)
            entity = rules.entities[key]
            today = now.astimezone(entity.time_zone).date()
            for day in await summary.open_days(conn, today):
                if day.entity != key or day.day >= today:
                    continue
                number, rows = await summary.close_day(conn, key, day.day, day.currency)
                entry = close_day((key, day.day, day.currency), [from_row(row) for row in rows], number)
                command = command_of(entry, entity, rules.version)
                if command is not None:
                    wished = await outbox.wish(conn, self.cipher, [wish_of(command, self.batch_key(command))], now)
                    await self.arm(conn, wished.touched)
        return Turn(has_more=False, wake_in_s=CLOSE_EVERY_S)


def wish_of(command: Command, batch_key: str, *, lane: int | None = None, order_key: str = "", causation_id: str = "") -> outbox.Wish:
    """Return the outbox's wish for a command."""
    return outbox.Wish(
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
        not_before=command.not_before,
        rules_version=command.rules_version,
        causation_id=causation_id,
        content=command.content,
    )
