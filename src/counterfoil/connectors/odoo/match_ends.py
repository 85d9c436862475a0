"""What a match leaves behind: closed groups marked as fully matched, exchange differences booked or left open, payments settled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.wire import OpenLine, Ref, Text, ref, text
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

ROUNDS_MAX = 4
"""How far a group is followed from match to match; one that goes further stays marked as partly matched."""


class GroupPartial(Struct, frozen=True):
    """A match with the group it was closed in."""

    id: int
    debit_move_id: Ref
    credit_move_id: Ref
    full_reconcile_id: Ref


class GroupLine(Struct, frozen=True):
    """A matched line with what is open on it."""

    id: int
    amount_residual: Decimal
    amount_residual_currency: Decimal


class ExchangeEntry(Struct, frozen=True):
    """An exchange difference that Odoo booked by itself."""

    id: int
    name: Text
    date: Text
    amount_total_signed: Decimal


class PaymentId(Struct, frozen=True):
    """A payment's id."""

    id: int


async def read_lines(session: Session, company: CompanyCatalog, ids: Collection[int]) -> list[OpenLine]:
    """Return matched lines as they are now."""
    return await session.client.read("account.move.line", [["id", "in", sorted(ids)]], OpenLine, context=company.context)


async def close_groups(session: Session, company: CompanyCatalog, line_ids: Collection[int]) -> None:
    """Mark the groups of closed lines (nothing is open on ``line_ids``) as fully matched, as Odoo's own reconcile does: ``load`` does not.

    Safe to do again: a group that is marked is left alone.
    """
    partials = [one for one in await _partials_around(session, company, line_ids) if not ref(one.full_reconcile_id)]
    others = sorted({line_id for partial in partials for line_id in _ends(partial)} - set(line_ids))
    rows = await session.client.read("account.move.line", [["id", "in", others]], GroupLine, context=company.context) if others else []
    open_lines = {row.id for row in rows if row.amount_residual or row.amount_residual_currency}
    closed = [group for group in groups(partials) if not open_lines & {line for partial in group for line in _ends(partial)}]
    values = [
        {
            "partial_reconcile_ids": [[6, 0, [partial.id for partial in group]]],
            "reconciled_line_ids": [[6, 0, sorted({line for partial in group for line in _ends(partial)})]],
        }
        for group in closed
    ]
    if values:
        context = quiet(session, company.context)
        await session.client.call("account.full.reconcile", "create", vals_list=values, context=context, is_write=True)


async def _partials_around(session: Session, company: CompanyCatalog, line_ids: Collection[int]) -> list[GroupPartial]:
    """Return the matches of the groups the lines are in; none if a group goes on beyond ``ROUNDS_MAX``."""
    known: set[int] = set()
    found: dict[int, GroupPartial] = {}
    fresh = set(line_ids)
    for _ in range(ROUNDS_MAX):
        if not fresh:
            return list(found.values())
        known |= fresh
        domain = ["|", ["debit_move_id", "in", sorted(fresh)], ["credit_move_id", "in", sorted(fresh)]]
        rows = await session.client.read("account.partial.reconcile", domain, GroupPartial, context=company.context)
        found |= {row.id: row for row in rows}
        fresh = {line_id for row in rows for line_id in _ends(row)} - known
    return [] if fresh else list(found.values())


def groups(partials: Sequence[GroupPartial]) -> list[list[GroupPartial]]:
    """Return the matches by group: lines that are matched with each other, directly or by way of others."""
    group_of: dict[int, list[GroupPartial]] = {}
    for partial in partials:
        debit, credit = (group_of.get(line_id, []) for line_id in _ends(partial))
        joined = [*debit, *(one for one in credit if one not in debit), partial]
        for one in joined:
            for line_id in _ends(one):
                group_of[line_id] = joined
    return list({id(group): group for group in group_of.values()}.values())


def _ends(partial: GroupPartial) -> tuple[int, int]:
    return ref(partial.debit_move_id), ref(partial.credit_move_id)


def left_open(lines: Sequence[OpenLine], company: CompanyCatalog) -> dict[int, RejectedError]:
    """Return the lines that are closed in their own currency but not in the company's, which Odoo matches with nothing more."""
    found: dict[int, RejectedError] = {}
    for line in lines:
        rest = from_number(line.amount_residual, company.currency)
        if rest and not line.amount_residual_currency and ref(line.currency_id) != company.currency_id:
            found[line.id] = RejectedError(
                f"the documents are matched, but {rest} of the exchange difference stays open on the receivable of partner"
                f" {ref(line.partner_id)}, where Odoo matches nothing more with it; book it off there (receivable against the exchange"
                " difference account) and match the two, then retry this case",
                code="odoo.exchange_left_open",
                case_class=CaseClass.RECONCILIATION_BREAK,
            )
    return found


async def exchange_words(session: Session, company: CompanyCatalog, exchange_ids: Sequence[int]) -> str:
    """Say what Odoo booked by itself when it matched: it dates exchange differences by rules of its own. Empty if it booked nothing."""
    if not exchange_ids:
        return ""
    rows = await session.client.read("account.move", [["id", "in", list(exchange_ids)]], ExchangeEntry, context=company.context)
    return "; ".join(f"exchange difference of {_size(row, company)} booked as {text(row.name)} on {text(row.date)}" for row in rows)


def _size(row: ExchangeEntry, company: CompanyCatalog) -> Money:
    return abs(from_number(row.amount_total_signed, company.currency))


async def settle_payments(session: Session, company: CompanyCatalog, lines: Sequence[OpenLine]) -> None:
    """Let payments that are matched in full say so: 18 keeps them in process until their bank line is matched, 19 shows them as paid."""
    closed = sorted({ref(line.payment_id) for line in lines if ref(line.payment_id) and not line.amount_residual_currency})
    if session.dialect.major != 18 or not closed:
        return
    domain = [["id", "in", closed], ["state", "=", "in_process"]]
    rows = await session.client.read("account.payment", domain, PaymentId, context=company.context)
    if rows:
        ids = [row.id for row in rows]
        await session.client.call("account.payment", "action_validate", ids, context=quiet(session, company.context), is_write=True)


def by_line(errors: Mapping[int, RejectedError], *line_ids: int) -> RejectedError | None:
    """Return the first error of any of the lines."""
    return next((errors[line_id] for line_id in line_ids if line_id in errors), None)
