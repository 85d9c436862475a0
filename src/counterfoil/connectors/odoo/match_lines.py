"""Reading receivable lines and matches of a batch of documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.match_plan import DocumentId, OpenLines, is_signed
from counterfoil.connectors.odoo.wire import OpenLine, Partial


async def read_open_lines(session: Session, company: CompanyCatalog, documents: Iterable[DocumentId]) -> OpenLines:
    """Return the posted receivable lines of all the documents in one call; lines matched in full are among them."""
    wanted = set(documents)
    moves = sorted(record_id for model, record_id in wanted if model == "account.move")
    payments = sorted(record_id for model, record_id in wanted if model == "account.payment")
    domain = [
        "&",
        "&",
        ["account_id.account_type", "=", "asset_receivable"],
        ["parent_state", "=", "posted"],
        "|",
        ["move_id", "in", moves],
        ["payment_id", "in", payments],
    ]
    rows = await session.client.read("account.move.line", domain, OpenLine, context=company.context, order="date_maturity, id")
    lines = OpenLines(company, {currency_id: name for name, currency_id in company.currencies.items()})
    for row in rows:
        if is_signed(row):
            lines.add(row)
    return lines


async def read_partials(session: Session, company: CompanyCatalog, debits: Sequence[int], credits: Sequence[int]) -> list[Partial]:
    """Return the matches between any of the debit lines and any of the credit lines."""
    if not debits or not credits:
        return []
    domain = [["debit_move_id", "in", sorted(set(debits))], ["credit_move_id", "in", sorted(set(credits))]]
    return await session.client.read("account.partial.reconcile", domain, Partial, context=company.context)
