"""The writing half: check, state, suggestion and the partitions commands are sent in."""

from __future__ import annotations

from counterfoil.connectors.odoo import check, suggest
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.detect import connect, forget
from counterfoil.connectors.odoo.payment_rows import journal_role
from counterfoil.connectors.odoo.periods import locked_until
from counterfoil.core.canonical.commands import Command, CommandKind, PostEntry, PostPayment
from counterfoil.kit.connector import Context, Finding, Requirements, TargetState


class OdooTarget:
    """Odoo as a target."""

    async def check(self, ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
        """Name every missing right, module, company, journal, account, tax, currency and rate, each with its remedy."""
        forget(ctx)
        return await check.check(ctx, requirements)

    async def state(self, ctx: Context) -> TargetState:
        """Return Odoo's version and the last locked day per entity. Raises TransientError, SetupError, RejectedError."""
        session = await connect(ctx)
        return TargetState(session.dialect.version, await locked_until(ctx, session))

    async def suggest(self, ctx: Context) -> str:
        """Return a commented TOML fragment with the companies, journals and accounts found."""
        return await suggest.suggest(ctx)

    def batch_key(self, settings: OdooConfig, command: Command) -> str:
        """Return the partition: company and journal. Odoo serializes posting in one journal, and works journals in parallel.

        Customers and products are shared by all companies; matches of a company are one stream.
        """
        del settings
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
