"""Reading documents back and comparing them with what was wished: state, total, tax, date, currency. The comparison is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.client import OdooContext
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.entry_lines import Sums
from counterfoil.connectors.odoo.wire import Move, ref, text
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Expected:
    """What a move must say in Odoo.

    Entries have no document tax (None); their total is the sum of debits in the company's currency. ``lines``: what an entry's lines must
    come to; None for documents, whose lines Odoo computes itself. ``receivables``: accounts its customers' lines are on now.
    """

    total: Money
    tax: Money | None
    currency_id: int
    accounting_on: date
    is_document: bool
    is_taxed: bool
    lines: Sums | None = None
    receivables: frozenset[int] = frozenset()


async def read_moves(session: Session, ids: Sequence[int], context: OdooContext) -> dict[int, Move]:
    """Return the moves by id; a deleted one is left out."""
    if not ids:
        return {}
    rows = await session.client.read("account.move", [["id", "in", list(ids)]], Move, context=context)
    return {row.id: row for row in rows}


def total_of(move: Move, expected: Expected) -> Money:
    """Return the move's total as it compares with the expected one."""
    number: Decimal = move.amount_total if expected.is_document else abs(move.amount_total_signed)
    return from_number(number, expected.total.currency)


def amount_difference(move: Move, expected: Expected) -> RejectedError | None:
    """Return how a move's amounts differ from what was wished, None if they are equal to the minor unit."""
    try:
        total = total_of(move, expected)
        tax = None if expected.tax is None else from_number(move.amount_tax, expected.total.currency)
    except RejectedError as error:
        return error
    if total == expected.total and tax == expected.tax and ref(move.currency_id) == expected.currency_id:
        return None
    wished = f"{expected.total}" + (f" with tax {expected.tax}" if expected.tax is not None else "")
    found = f"{total}" + (f" with tax {tax}" if tax is not None else "")
    other = (
        "" if ref(move.currency_id) == expected.currency_id else f", in currency {ref(move.currency_id)} instead of {expected.currency_id}"
    )
    return RejectedError(
        f"Odoo computes {found}, the source says {wished}{other}", code="odoo.amount_mismatch", case_class=CaseClass.AMOUNT_MISMATCH
    )


def posted_difference(move: Move, expected: Expected, wrong_lines: RejectedError | None = None) -> RejectedError | None:
    """Return how a posted move differs from what was wished, None if it is as wished. ``wrong_lines``: how its lines differ."""
    if move.state != "posted":
        return RejectedError(f"the document is {move.state} in Odoo, not posted; somebody changed it there", code="odoo.not_posted")
    differs = amount_difference(move, expected) or wrong_lines
    if differs is not None:
        fate = f"it is posted as {text(move.name)}: take that back to draft in Odoo and delete it there, and retry this case"
        return RejectedError(f"{differs}; {fate}", code=differs.code, case_class=differs.case_class)
    if text(move.date) != expected.accounting_on.isoformat():
        return RejectedError(
            f"{text(move.name)} is posted on {text(move.date)} instead of {expected.accounting_on}: the period was locked meanwhile, or"
            " somebody moved it",
            code="odoo.date_moved",
            case_class=CaseClass.PERIOD_LOCKED,
        )
    return None
