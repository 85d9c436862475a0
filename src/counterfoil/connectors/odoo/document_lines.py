"""What a document's lines come to by account and taxes, as wished and as Odoo has them, and whose document it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.batches import MissingDependency, bound
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.document_rows import DocumentPlan
from counterfoil.connectors.odoo.partners import customers_of
from counterfoil.connectors.odoo.wire import Move, Ref, ref
from counterfoil.core.commands.books import PostDocument
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

Where = tuple[int, tuple[int, ...]]
"""An account and the taxes on the lines there."""

Nets = dict[Where, tuple[int, int]]
"""What is net of tax there, in minor units, and by how much Odoo may differ: it takes taxes that are included out by itself."""


class ProductLine(Struct, frozen=True):
    """A line of a document that sells something; ``price_subtotal`` is net of tax, positive on invoices and credit notes alike."""

    move_id: Ref
    account_id: Ref
    tax_ids: list[int]
    price_subtotal: Decimal


def document_of(command: Command) -> PostDocument:
    """Return the command's document."""
    if not isinstance(command.arguments, PostDocument):
        raise TypeError(f"{command.kind} does not carry a document")
    return command.arguments


def wished_nets(document: PostDocument, company: CompanyCatalog) -> Nets:
    """Return what a document's lines must come to. Raises RejectedError (unmapped account or tax)."""
    found: Nets = {}
    for line in document.lines:
        rows = [company.tax(tax.target_tax) for tax in line.taxes]
        where = company.account_id(line.account), tuple(sorted({row.id for row in rows}))
        net, tolerance = found.get(where, (0, 0))
        net += line.amount.minor - sum(tax.amount.minor for tax in line.taxes if tax.is_inclusive)
        found[where] = net, tolerance + any(row.price_include for row in rows)
    return found


async def wrong_documents(
    session: Session,
    company: CompanyCatalog,
    plans: Mapping[int, DocumentPlan],
    moves: Mapping[int, Move],
    bindings: Mapping[str, str],
) -> dict[int, RejectedError]:
    """Return the documents, drafts or posted, of another customer or on other accounts or taxes than wished, in one call for all."""
    wanted = [move_id for move_id in plans if move_id in moves]
    if not wanted:
        return {}
    domain = [["move_id", "in", wanted], ["display_type", "=", "product"]]
    lines: dict[int, list[ProductLine]] = {}
    for line in await session.client.read("account.move.line", domain, ProductLine, context=company.context):
        lines.setdefault(ref(line.move_id), []).append(line)
    strangers = await _strangers(session, company, {move_id: plans[move_id] for move_id in wanted}, moves, bindings)
    found = {move_id: strangers.get(move_id) or nets_difference(plans[move_id], lines.get(move_id, []), company) for move_id in wanted}
    return {move_id: error for move_id, error in found.items() if error is not None}


async def _strangers(
    session: Session, company: CompanyCatalog, plans: Mapping[int, DocumentPlan], moves: Mapping[int, Move], bindings: Mapping[str, str]
) -> dict[int, RejectedError]:
    """Return the documents of other partners; a customer that people merged into another one in Odoo is that one's now."""
    other = {
        move_id: document_of(plan.command).customer_id
        for move_id, plan in plans.items()
        if ref(moves[move_id].partner_id)  # Odoo itself posts no document without one
        and _bound(document_of(plan.command).customer_id, bindings) not in (0, ref(moves[move_id].partner_id))
    }
    now = (await customers_of(session, company, other.values(), bindings)).bindings if other else {}
    return {
        move_id: RejectedError(
            f"the document is of partner {ref(moves[move_id].partner_id)} in Odoo, the source says of {customer_id}, partner"
            f" {_bound(customer_id, now)}",
            code="odoo.amount_mismatch",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
        for move_id, customer_id in other.items()
        if _bound(customer_id, now) != ref(moves[move_id].partner_id)
    }


def _bound(customer_id: str, bindings: Mapping[str, str]) -> int:
    try:
        return bound(bindings, f"customer/{customer_id}")[1]
    except MissingDependency:
        return 0


def nets_difference(plan: DocumentPlan, lines: Sequence[ProductLine], company: CompanyCatalog) -> RejectedError | None:
    """Return where a document's lines are booked otherwise than wished, None if they are not; a rounding line is none of the source's."""
    document = document_of(plan.command)
    wished = wished_nets(document, company)
    rounding = plan.rounding_account_id, ()
    found: dict[Where, int] = {}
    for line in lines:
        where = ref(line.account_id), tuple(sorted(line.tax_ids))
        found[where] = found.get(where, 0) + from_number(line.price_subtotal, document.currency).minor
    wrong = []
    for where in sorted(wished.keys() | found.keys()):
        net, tolerance = wished.get(where, (0, 0))
        allowed = tolerance + (plan.rounding_tolerance if where == rounding else 0)
        if abs(found.get(where, 0) - net) > allowed:
            wrong.append(f"{_words(where, company)} has {_money(found.get(where, 0), document)}, the source says {_money(net, document)}")
    if not wrong:
        return None
    return RejectedError(
        f"the total is as wished, its lines are not: {'; '.join(wrong[:4])}",
        code="odoo.amount_mismatch",
        case_class=CaseClass.AMOUNT_MISMATCH,
    )


def _money(minor: int, document: PostDocument) -> Money:
    return Money(minor, document.currency)


def _words(where: Where, company: CompanyCatalog) -> str:
    account_id, tax_ids = where
    account = next((code for code, row in company.accounts.items() if row.id == account_id), f"with id {account_id}")
    taxes = [next((row.name for row in company.taxes.values() if row.id == tax_id), str(tax_id)) for tax_id in tax_ids]
    return f"account {account}" + (f" with {' and '.join(taxes)}" if taxes else " without tax")
