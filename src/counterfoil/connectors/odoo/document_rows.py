"""Pure: an invoice or credit note as rows for ``account.move.load``, and what Odoo must make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from counterfoil.connectors.odoo.amounts import to_decimal, to_text
from counterfoil.connectors.odoo.batches import MissingDependency, bound
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.load import Cells, LoadRow
from counterfoil.connectors.odoo.mapped_products import PREFIX
from counterfoil.connectors.odoo.precision import Precision
from counterfoil.connectors.odoo.readback import Expected
from counterfoil.core.commands.books import Account, AccountRole, BookCommand, DocumentLine, PostDocument
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.core.language.text import decimal_text
from counterfoil.kit.errors import RejectedError

_HEADER = (
    "id",
    "move_type",
    "journal_id/.id",
    "currency_id/.id",
    "invoice_date",
    "date",
    "invoice_date_due",
    "invoice_payment_term_id/.id",
    "ref",
    "payment_reference",
    "fiscal_position_id/.id",
    "invoice_user_id/.id",
)
_LINE = ("name", "quantity", "price_unit", "account_id/.id", "tax_ids/.id", "product_id/.id")


@dataclass(frozen=True, slots=True)
class DocumentPlan:
    """One document to load: its row, what must come of it, and what may be done if Odoo computes otherwise.

    ``taxes``: wished amount per tax id, signed as on the document, in minor units.
    """

    command: Command
    row: LoadRow
    expected: Expected
    taxes: Mapping[int, int]
    rounding_tolerance: int
    rounding_account_id: int
    reverses_id: int = 0


def columns(company: CompanyCatalog) -> tuple[str, ...]:
    """Return the columns of document rows. The tax column is always there: a blank cell then means no tax, not the default tax."""
    mode = ("document_tax_mode",) if company.tax_mode else ()
    return (*_HEADER, *mode, "partner_id/.id", *(f"invoice_line_ids/{name}" for name in _LINE))


@dataclass(frozen=True, slots=True)
class KnownRefs:
    """What documents refer to: bound records by dependency key, mapped products by their name in the mapping, our namespace."""

    bindings: Mapping[str, str]
    products: Mapping[str, int]
    namespace: str


def plan_document(command: Command, company: CompanyCatalog, known: KnownRefs) -> DocumentPlan:
    """Return the plan of one document.

    Raises MissingDependency (customer or credited invoice not bound), RejectedError (unmapped account or tax, no rate, nothing to post).
    """
    document = command.arguments
    if not isinstance(document, PostDocument):
        raise TypeError(f"{command.kind} does not carry a document")
    _check(document)
    company.require_whole(document.total, document.tax, *_amounts(document.lines))
    company.require_rate(document.currency, document.accounting_on)
    partner = str(bound(known.bindings, f"customer/{document.customer_id}")[1])
    source_id = command.subject.id.rpartition(":")[2]
    lines = [_line_cells(line, document, company, known, document.number or source_id) for line in document.lines]
    header = (*_header_cells(command, document, company, known.namespace), partner)
    blank = ("",) * len(header)
    row = LoadRow(command.id, tuple((*(header if index == 0 else blank), *cells) for index, cells in enumerate(lines)))
    return DocumentPlan(
        command=command,
        row=row,
        expected=_expected(document, company),
        taxes=_taxes(document, company),
        rounding_tolerance=document.rounding_tolerance,
        rounding_account_id=_rounding_account(document, company),
        reverses_id=_reverses(command, document, known.bindings),
    )


def _amounts(lines: Sequence[DocumentLine]) -> Iterator[Money]:
    for line in lines:
        yield line.amount
        yield from (tax.amount for tax in line.taxes)


def _check(document: PostDocument) -> None:
    if not document.lines:
        raise RejectedError("the document has no lines; Odoo cannot post it", code="odoo.document_empty")
    if document.total.minor < 0:
        raise RejectedError("the total is negative; Odoo wants a credit note instead", code="odoo.total_negative")


def _header_cells(command: Command, document: PostDocument, company: CompanyCatalog, namespace: str) -> Cells:
    source_id = command.subject.id.rpartition(":")[2]
    is_invoice = command.kind is BookCommand.POST_INVOICE
    return (
        f"{namespace}.{command.external_key}",
        "out_invoice" if is_invoice else "out_refund",
        str(company.journal("sales").id),
        str(company.currency_id_of(document.currency)),
        document.issued_on.isoformat(),
        document.accounting_on.isoformat(),
        document.due_on.isoformat(),
        "",  # no payment term: the source's due date stands, in one receivable line
        f"{source_id} {document.memo}".strip(),
        document.number or ("" if is_invoice else source_id),  # label of the receivable line; Odoo gives invoices their own number
        "",  # accounts and taxes are given: a position of Odoo's choice would be printed, and be wrong
        "",  # nobody sold it; left out it would be the user of the hub
        *((company.tax_mode,) if company.tax_mode else ()),
    )


def _line_cells(line: DocumentLine, document: PostDocument, company: CompanyCatalog, known: KnownRefs, number: str) -> Cells:
    taxes = [(company.tax(tax.target_tax), tax) for tax in line.taxes]
    net = line.amount.minor - sum(tax.amount.minor for _, tax in taxes if tax.is_inclusive)
    # Odoo adds what is exclusive there and takes out what is inclusive there, whatever the source printed.
    price = Money(net + sum(tax.amount.minor for row, tax in taxes if row.price_include), document.currency)
    quantity, unit, is_folded = quantity_and_price(price, line.quantity, company.precision)
    label = line.description or document.memo or number
    return (
        f"{decimal_text(line.quantity)} × {label}" if is_folded else label,
        quantity,
        unit,
        str(company.account_id(line.account)),
        ",".join(str(row.id) for row, _ in taxes),
        _product(line, known),
    )


def quantity_and_price(amount: Money, quantity: Decimal, kept: Precision) -> tuple[str, str, bool]:
    """Return quantity and unit price that multiply to exactly the amount, and whether the quantity had to move into the label.

    The quantity stays if Odoo keeps all decimals of it and of amount / quantity; otherwise it is 1.
    """
    if quantity > 0 and quantity == quantity.quantize(Decimal(1).scaleb(-kept.quantity)):
        price = to_decimal(amount) / quantity
        if price == price.quantize(Decimal(1).scaleb(-kept.price)) and price * quantity == to_decimal(amount):
            return decimal_text(quantity), decimal_text(price), False
    return "1", to_text(amount), quantity not in (0, 1)


def _product(line: DocumentLine, known: KnownRefs) -> str:
    """Return the product's id, or nothing where it is not bound: account and taxes are given, so a line does not wait for its product.

    Raises RejectedError (unmapped_product) if the mapping names a product Odoo does not have.
    """
    if line.product_id.startswith(PREFIX):
        name = line.product_id.removeprefix(PREFIX)
        if name not in known.products:
            raise RejectedError(
                f"product {name!r} of the mapping is not in Odoo; map it to the internal reference or id of an active product",
                code="odoo.product_unmapped",
                case_class=CaseClass.UNMAPPED_PRODUCT,
            )
        return str(known.products[name])
    try:
        return str(bound(known.bindings, f"product/{line.product_id}")[1])
    except MissingDependency:
        return ""


def _expected(document: PostDocument, company: CompanyCatalog) -> Expected:
    return Expected(
        total=document.total,
        tax=document.tax,
        currency_id=company.currency_id_of(document.currency),
        accounting_on=document.accounting_on,
        is_document=True,
        is_taxed=any(line.taxes for line in document.lines),
    )


def _taxes(document: PostDocument, company: CompanyCatalog) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for line in document.lines:
        for tax in line.taxes:
            row = company.tax(tax.target_tax)
            wanted[row.id] = wanted.get(row.id, 0) + tax.amount.minor
    # A source that rounds per document may print line taxes that do not sum to it; with one tax it is clear whose the rest is.
    return dict.fromkeys(wanted, document.tax.minor) if len(wanted) == 1 else wanted


def _rounding_account(document: PostDocument, company: CompanyCatalog) -> int:
    """Return the account of the rounding line, 0 if none is mapped: then a difference stays a mismatch."""
    if not document.rounding_tolerance:
        return 0
    try:
        return company.account_id(Account(AccountRole.ROUNDING))
    except RejectedError:
        return 0


def _reverses(command: Command, document: PostDocument, bindings: Mapping[str, str]) -> int:
    if command.kind is not BookCommand.POST_CREDIT_NOTE or not document.reverses:
        return 0
    try:
        model, record_id = bound(bindings, document.reverses, f"invoice/{document.reverses}")
    except MissingDependency:
        return 0
    return record_id if model == "account.move" else 0
