"""A document in another currency than the books' is booked at one rate; drafts of 17 may come to be at two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.periods import STALE
from counterfoil.connectors.odoo.wire import Move, Ref, ref
from counterfoil.core.language.money import exponent_of
from counterfoil.kit.errors import RejectedError


class RatedLine(Struct, frozen=True):
    """What a document sells, or a tax on it, in its own currency and in the company's."""

    id: int
    move_id: Ref
    balance: Decimal
    amount_currency: Decimal


async def drafts_at_two_rates(session: Session, company: CompanyCatalog, moves: Mapping[int, Move]) -> dict[int, RejectedError]:
    """Return the drafts whose lines are converted at different rates; they are to be removed, and made afresh at the one of now.

    18 and later keep the rate on the document, and convert what is added or set later by it. 17 keeps it in the lines alone: a tax that is
    set, or a rounding line that is added, after somebody entered another rate for the day is converted by that one.
    """
    foreign = [id for id, move in moves.items() if move.state == "draft" and ref(move.currency_id) != company.currency_id]
    if session.dialect.major != 17 or not foreign:
        return {}
    domain = [["move_id", "in", foreign], ["display_type", "in", ["product", "tax"]]]
    lines: dict[int, list[RatedLine]] = {}
    for line in await session.client.read("account.move.line", domain, RatedLine, context=company.context):
        lines.setdefault(ref(line.move_id), []).append(line)
    step = Decimal(company.unit_of(company.currency)).scaleb(-exponent_of(company.currency))
    return {id: _two_rates() for id, found in lines.items() if is_at_two_rates(found, step)}


def is_at_two_rates(lines: Sequence[RatedLine], step: Decimal) -> bool:
    """Whether balances differ from the rate of the largest line by more than rounding can do. ``step``: the company's smallest amount."""
    largest = max(lines, key=lambda line: abs(line.amount_currency))
    if not largest.amount_currency:
        return False
    rate = largest.balance / largest.amount_currency
    return any(abs(line.balance - line.amount_currency * rate) > step for line in lines)


def _two_rates() -> RejectedError:
    return RejectedError("a rate was entered while the document was a draft, and its lines are at two of them", code=STALE)
