"""Invoices and credit notes: a batch of commands to posted account.moves, equal to the minor unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo import moves
from counterfoil.connectors.odoo.batches import by_entity, in_chunks
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.document_lines import wrong_documents
from counterfoil.connectors.odoo.document_rows import DocumentPlan, Known, columns, plan_document
from counterfoil.connectors.odoo.document_totals import mend
from counterfoil.connectors.odoo.load import Loaded, Row, Table, load
from counterfoil.connectors.odoo.mapped_products import mapped_products
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.wire import Move
from counterfoil.core.canonical.commands import Command
from counterfoil.kit.connector import Context, Outcome
from counterfoil.kit.errors import RejectedError


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Post the documents and return one outcome per command. Safe to send again: see ``moves``."""
    session = await connect(ctx)
    settings = session.settings

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return [outcome for part in by_entity(commands).values() for outcome in await _send_entity(ctx, session, part, bindings)]

    return await in_chunks(batch, settings.document_batch_size, settings.concurrency, send_chunk)


async def _send_entity(ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str]) -> list[Outcome]:
    known = Known(bindings, await mapped_products(ctx, session, commands), session.settings.namespace)
    ledger = moves.Ledger()

    def build(command: Command, company: CompanyCatalog) -> DocumentPlan:
        return plan_document(command, company, known, is_partner_by_xid=False)

    company = await moves.books_for(ctx, session, commands)
    company, plans = await moves.plan_all(ctx, session, company, commands, build, ledger)
    loaded = await moves.load_moves(session, company, columns(company, is_partner_by_xid=False), plans)
    await _follow_merged_customers(session, company, plans, known, loaded)
    for plan in plans:
        refusal = loaded.refused.get(plan.command.id)
        if refusal is not None:
            ledger.refuse(plan.command, RejectedError(refusal.message, code="odoo.refused"))
    by_move = {loaded.ids[plan.command.id]: plan for plan in plans if plan.command.id in loaded.ids}

    async def mend_drafts(drafts: Mapping[int, DocumentPlan], found: Mapping[int, Move]) -> dict[int, Move]:
        return await mend(session, drafts, found, company.context)

    async def compare(plans: Mapping[int, DocumentPlan], found: Mapping[int, Move]) -> dict[int, RejectedError]:
        return await wrong_documents(session, company, plans, found, bindings)

    good = await moves.settle(ctx, session, company, by_move, ledger, mend_drafts, compare)
    await _link_to_invoices(session, company, {move_id: by_move[move_id].reverses_id for move_id in good})
    return list(ledger.outcomes.values())


async def _follow_merged_customers(
    session: Session, company: CompanyCatalog, plans: Sequence[DocumentPlan], known: Known, loaded: Loaded
) -> None:
    """Load documents whose partner is gone once more by the customer's external id: Odoo moves that along when contacts are merged."""
    gone = [plan for plan in plans if (refusal := loaded.refused.get(plan.command.id)) and refusal.field == "partner_id"]
    if not gone:
        return
    again = [plan_document(plan.command, company, known, is_partner_by_xid=True) for plan in gone]
    found = await moves.load_moves(session, company, columns(company, is_partner_by_xid=True), again)
    for key in found.ids:
        loaded.refused.pop(key, None)
    loaded.ids.update(found.ids)


async def _link_to_invoices(session: Session, company: CompanyCatalog, reverses: Mapping[int, int]) -> None:
    """Note on posted credit notes what they credit.

    Not before posting: Odoo would then match them at once, as far as the invoice happens to be open, and spoil the allocations to come.
    """
    rows = [Row(str(move_id), ((str(move_id), str(invoice_id)),)) for move_id, invoice_id in reverses.items() if invoice_id]
    if rows:
        table = Table("account.move", (".id", "reversed_entry_id/.id"), is_insert_only=False, context=quiet(session, company.context))
        await load(session, table, rows)
