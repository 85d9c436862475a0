"""Where Odoo computes another amount than the source: the tax amounts set explicitly, then a rounding line within the tolerance (B3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo.amounts import from_number, to_text
from counterfoil.connectors.odoo.client import OdooContext
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.document_rows import DocumentPlan
from counterfoil.connectors.odoo.load import LoadRow, LoadTable, load
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.readback import amount_difference, read_moves, total_of
from counterfoil.connectors.odoo.wire import Move, TaxLine, ref
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.money import Money


async def mend(session: Session, drafts: Mapping[int, DocumentPlan], moves: Mapping[int, Move], context: OdooContext) -> dict[int, Move]:
    """Make differing drafts equal where it may be done, and return all moves as they are now. What still differs stays different."""
    now = dict(moves)
    differing = [move_id for move_id, plan in drafts.items() if amount_difference(now[move_id], plan.expected)]
    if not differing:
        return now
    if await _set_taxes(session, {move_id: drafts[move_id] for move_id in differing}, context):
        now.update(await read_moves(session, differing, context))
    rounded = [move_id for move_id in differing if await _add_rounding(session, drafts[move_id], now[move_id], context)]
    now.update(await read_moves(session, rounded, context))
    again = {move_id: drafts[move_id] for move_id in rounded if amount_difference(now[move_id], drafts[move_id].expected)}
    if again and await _set_taxes(session, again, context):  # 17 computes the taxes anew when a line is added
        now.update(await read_moves(session, list(again), context))
    return now


async def _set_taxes(session: Session, drafts: Mapping[int, DocumentPlan], context: OdooContext) -> bool:
    """Write the source's tax amounts onto the drafts' tax lines, all in one call; return whether anything was to be written."""
    domain = [["move_id", "in", list(drafts)], ["display_type", "=", "tax"]]
    lines = await session.client.read("account.move.line", domain, TaxLine, context=context)
    of_move: dict[int, list[TaxLine]] = {}
    for line in lines:
        of_move.setdefault(ref(line.move_id), []).append(line)
    rows: list[LoadRow] = []
    for move_id, plan in drafts.items():
        changes = tax_changes(plan, of_move.get(move_id, []))
        if changes:
            cells = tuple((str(move_id) if index == 0 else "", str(line_id), amount) for index, (line_id, amount) in enumerate(changes))
            rows.append(LoadRow(str(move_id), cells))
    if rows:
        fields = (".id", "line_ids/.id", "line_ids/amount_currency")
        await load(session, LoadTable("account.move", fields, is_insert_only=False, context=quiet(session, context)), rows)
    return bool(rows)


def tax_changes(plan: DocumentPlan, lines: Sequence[TaxLine]) -> list[tuple[int, str]]:
    """Return (line id, new amount) of the tax lines to be changed; nothing unless each wished tax has exactly one line.

    Tax lines of an invoice are credits: their amount has the opposite sign of the document's tax.
    """
    currency = plan.expected.total.currency
    by_tax = {ref(line.tax_line_id): line for line in lines}
    wished = {tax_id: minor for tax_id, minor in plan.taxes.items() if minor or tax_id in by_tax}
    if len(by_tax) != len(lines) or set(by_tax) != set(wished):
        return []
    sign = -1 if plan.command.kind is BookCommand.POST_INVOICE else 1
    changes = []
    for tax_id, line in by_tax.items():
        amount = Money(sign * wished[tax_id], currency)
        if from_number(line.amount_currency, currency) != amount:
            changes.append((line.id, to_text(amount)))
    return changes


def rounding_needed(plan: DocumentPlan, move: Move) -> Money | None:
    """Return the amount of the rounding line that makes the total equal, None if none is needed or none may be added."""
    expected = plan.expected
    missing = expected.total - total_of(move, expected)
    if not missing or not plan.rounding_account_id or abs(missing.minor) > plan.rounding_tolerance:
        return None
    is_tax_right = expected.tax is None or from_number(move.amount_tax, expected.total.currency) == expected.tax
    return missing if is_tax_right else None


async def _add_rounding(session: Session, plan: DocumentPlan, move: Move, context: OdooContext) -> bool:
    """Add the rounding line. Not sent again by itself: whether it is there shows in the total."""
    amount = rounding_needed(plan, move)
    if amount is None:
        return False
    line = {
        "name": "Rounding",
        "quantity": 1,
        "price_unit": to_text(amount),
        "account_id": plan.rounding_account_id,
        "tax_ids": [[6, 0, []]],
    }
    await session.client.call(
        "account.move", "write", [move.id], vals={"invoice_line_ids": [[0, 0, line]]}, context=quiet(session, context), is_write=True
    )
    return True
