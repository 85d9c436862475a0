"""The partition a command is sent in, and one posting call at a time for each: Odoo serializes posting in a journal, not its loading."""

from __future__ import annotations

import asyncio

from counterfoil.connectors.odoo.payment_rows import journal_role
from counterfoil.core.canonical.commands import Command, CommandKind, PostEntry, PostPayment
from counterfoil.kit.connector import Context

_STATE_KEY = "odoo.posting"


def partition_of(command: Command) -> str:
    """Return the partition: company and journal. Customers and products are shared by all companies; matches of a company are one stream."""
    match command.kind:
        case CommandKind.UPSERT_CUSTOMER | CommandKind.UPSERT_PRODUCT:
            return command.kind.value
        case CommandKind.POST_INVOICE | CommandKind.POST_CREDIT_NOTE:
            return f"{command.entity}/sales"
        case CommandKind.ALLOCATE | CommandKind.UNMATCH:
            return f"{command.entity}/matches"
        case CommandKind.POST_PAYMENT | CommandKind.POST_ENTRY:
            return f"{command.entity}/journal/{_journal(command)}"


def _journal(command: Command) -> str:
    match command.arguments:
        case PostPayment(counterpart=counterpart):
            return journal_role(counterpart)
        case PostEntry(journal=journal):
            return journal
        case _:
            return "general"


def posting_turn(ctx: Context, command: Command) -> asyncio.Lock:
    """Return the lock to hold while posting in a command's journal.

    Odoo holds the journal's last number until a posting call commits: a second call would hold one of the server's workers only to wait,
    while that worker could load the next documents.
    """
    turns: dict[str, asyncio.Lock] = ctx.state.setdefault(_STATE_KEY, {})
    return turns.setdefault(partition_of(command), asyncio.Lock())
