"""Invoices and credit notes: a batch of commands to posted account.moves, equal to the minor unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo import moves
from counterfoil.connectors.odoo.batches import by_entity, in_chunks, waiting
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import readings_so_far
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.document_lines import wrong_documents
from counterfoil.connectors.odoo.document_rows import DocumentPlan, KnownRefs, columns, plan_document
from counterfoil.connectors.odoo.document_totals import mend
from counterfoil.connectors.odoo.gone_masters import masters_now
from counterfoil.connectors.odoo.load import LoadedRows, LoadRow, LoadTable, Refusal, load
from counterfoil.connectors.odoo.mapped_products import mapped_products
from counterfoil.connectors.odoo.one_rate import drafts_at_two_rates
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.refusals import is_company_clash
from counterfoil.connectors.odoo.wire import Move
from counterfoil.connectors.odoo.xids import of_other_company
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Post the documents and return one outcome per command. Safe to send again: see ``moves``."""
    session = await connect(ctx)
    settings, mark = session.settings, readings_so_far(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return [outcome for part in by_entity(commands).values() for outcome in await _send_entity(ctx, session, part, bindings, mark)]

    return await in_chunks(batch, settings.document_batch_size, settings.concurrency, send_chunk)


async def _send_entity(
    ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str], mark: int
) -> list[Outcome]:
    known = KnownRefs(bindings, await mapped_products(ctx, session, commands), session.settings.namespace)
    ledger = moves.ChunkResults()

    def build(command: Command, company: CompanyCatalog) -> DocumentPlan:
        return plan_document(command, company, known)

    company = await moves.books_for(ctx, session, commands)
    company, plans = await moves.plan_all(ctx, session, company, commands, build, ledger, mark)
    loaded = await moves.load_moves(session, company, columns(company), plans)
    await _load_again(ctx, session, company, plans, known, loaded, ledger)
    for plan in plans:
        refusal = loaded.refused.get(plan.command.id)
        if refusal is not None:
            ledger.refuse(plan.command, RejectedError(refusal.message, code="odoo.refused"))
    by_move = {loaded.ids[plan.command.id]: plan for plan in plans if plan.command.id in loaded.ids}

    async def mend_drafts(drafts: Mapping[int, DocumentPlan], found: Mapping[int, Move]) -> dict[int, Move]:
        return await mend(session, drafts, found, company.context)

    async def compare(plans: Mapping[int, DocumentPlan], found: Mapping[int, Move]) -> dict[int, RejectedError]:
        return await drafts_at_two_rates(session, company, found) | await wrong_documents(session, company, plans, found, bindings)

    good = await moves.settle(ctx, session, company, by_move, ledger, mend_drafts, compare)
    await _link_to_invoices(session, company, {move_id: by_move[move_id].reverses_id for move_id in good})
    return list(ledger.outcomes.values())


async def _load_again(
    ctx: Context,
    session: Session,
    company: CompanyCatalog,
    plans: Sequence[DocumentPlan],
    known: KnownRefs,
    loaded: LoadedRows,
    ledger: moves.ChunkResults,
) -> None:
    """Load documents once more whose customer or product was merged into another; one that is in Odoo no more is waited for.

    What they refer to in vain is named by a refusal with a field, what is another company's by its words; any other refusal stands.
    """
    suspects = [plan for plan in plans if (refusal := loaded.refused.get(plan.command.id)) and _is_of_a_master(refusal)]
    if not suspects:
        return
    commands = [plan.command for plan in suspects]
    masters = await masters_now(session, company, commands, known.bindings)
    products = await mapped_products(ctx, session, commands, is_fresh=True)
    now = KnownRefs(masters.bindings, products, known.namespace)
    again: list[DocumentPlan] = []
    for plan in suspects:
        missed, hidden = masters.missed_by(plan.command), masters.hidden_from(plan.command)
        try:
            other = plan if missed or hidden else plan_document(plan.command, company, now)
        except RejectedError as error:  # a mapped product that is gone
            ledger.refuse(plan.command, error)
        else:
            if missed:
                ledger.outcomes[plan.command.id] = waiting(plan.command, *missed)
            elif hidden:
                ledger.refuse(plan.command, of_other_company(hidden[0], known.bindings[hidden[0]], company))
            elif other.row != plan.row:
                again.append(other)
            else:
                continue
        del loaded.refused[plan.command.id]
    found = await moves.load_moves(session, company, columns(company), again)
    loaded.refused.update(found.refused)
    loaded.ids.update(found.ids)


def _is_of_a_master(refusal: Refusal) -> bool:
    return bool(refusal.field) or is_company_clash(refusal.message)


async def _link_to_invoices(session: Session, company: CompanyCatalog, reverses: Mapping[int, int]) -> None:
    """Note on posted credit notes what they credit.

    Not before posting: Odoo would then match them at once, as far as the invoice happens to be open, and spoil the allocations to come.
    """
    rows = [LoadRow(str(move_id), ((str(move_id), str(invoice_id)),)) for move_id, invoice_id in reverses.items() if invoice_id]
    if rows:
        table = LoadTable("account.move", (".id", "reversed_entry_id/.id"), is_insert_only=False, context=quiet(session, company.context))
        await load(session, table, rows)
