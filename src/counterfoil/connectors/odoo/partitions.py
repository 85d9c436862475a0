"""The partition a command is sent in: commands of different partitions may be sent in parallel."""

from __future__ import annotations

from counterfoil.connectors.odoo.payment_rows import journal_role
from counterfoil.core.commands.books import BookCommand, PostEntry, PostPayment
from counterfoil.core.language.commands import Command


def partition_of(command: Command) -> str:
    """Return the partition: company and journal. Customers and products are shared by all; matches of a company are one stream."""
    match BookCommand(command.kind):
        case BookCommand.UPSERT_CUSTOMER | BookCommand.UPSERT_PRODUCT:
            return command.kind.value
        case BookCommand.POST_INVOICE | BookCommand.POST_CREDIT_NOTE:
            return f"{command.entity}/sales"
        case BookCommand.ALLOCATE | BookCommand.UNMATCH:
            return f"{command.entity}/matches"
        case BookCommand.POST_PAYMENT | BookCommand.POST_ENTRY:
            return f"{command.entity}/journal/{_journal(command)}"


def _journal(command: Command) -> str:
    match command.arguments:
        case PostPayment(counterpart=counterpart):
            return journal_role(counterpart)
        case PostEntry(journal=journal):
            return journal
        case _:
            return "general"
