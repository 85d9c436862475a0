"""Journal entries: a batch of commands to posted account.moves of type entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from counterfoil.connectors.odoo import moves
from counterfoil.connectors.odoo.batches import by_entity, in_chunks
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import readings_so_far
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.entry_rows import COLUMNS, EntryPlan, plan_entry
from counterfoil.connectors.odoo.partners import customers_of, named_in
from counterfoil.core.commands.books import PostEntry
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome

EntryOf = Callable[[Command, CompanyCatalog], PostEntry]
"""Gives the entry a command calls for. Raises RejectedError."""


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Post the entries and return one outcome per command. Safe to send again: see ``moves``."""
    session = await connect(ctx)
    settings, mark = session.settings, readings_so_far(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        parts = by_entity(commands).values()
        return [outcome for part in parts for outcome in await send_entries(ctx, session, part, bindings, _entry_itself, mark)]

    return await in_chunks(batch, settings.entry_batch_size, settings.concurrency, send_chunk)


def _entry_itself(command: Command, company: CompanyCatalog) -> PostEntry:
    del company
    if not isinstance(command.arguments, PostEntry):
        raise TypeError(f"{command.kind} does not carry an entry")
    return command.arguments


async def send_entries(
    ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str], entry_of: EntryOf, mark: int
) -> list[Outcome]:
    """Post the entries the commands of one entity call for. ``mark``: of the batch, see ``moves.plan_all``."""
    ledger = moves.ChunkResults()
    namespace = session.settings.namespace

    company = await moves.books_for(ctx, session, commands)
    customers = await customers_of(session, company, named_in(commands), bindings)

    def build(command: Command, company: CompanyCatalog) -> EntryPlan:
        return plan_entry(command, entry_of(command, company), company, customers, namespace)

    company, plans = await moves.plan_all(ctx, session, company, commands, build, ledger, mark)
    loaded = await moves.load_moves(session, company, COLUMNS, plans)
    for plan in plans:
        refusal = loaded.refused.get(plan.command.id)
        if refusal is not None:
            ledger.refuse(plan.command, RejectedError(refusal.message, code="odoo.refused"))
    by_move = {loaded.ids[plan.command.id]: plan for plan in plans if plan.command.id in loaded.ids}
    await moves.settle(ctx, session, company, by_move, ledger)
    return list(ledger.outcomes.values())
