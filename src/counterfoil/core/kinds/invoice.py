"""Invoices: bills, their lines, and the taxes and discounts on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Reference, Survivorship
from counterfoil.core.language.states import States


class InvoiceState(StrEnum):
    """Canonical invoice states at the source; the ERP side is a separate fact (domain: canonical state maps)."""

    DRAFT = "draft"
    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    DELETED = "deleted"  # a draft that was thrown away


@dataclass(frozen=True, slots=True)
class LineTax:
    """One tax on one line. ``amount`` is signed like the line; ``taxable`` is the base the source used."""

    rate_id: str  # canonical id of the source's tax rate
    amount: Money
    taxable: Money
    is_inclusive: bool
    percentage: Decimal | None = None
    jurisdiction: str = ""
    reason: str = ""  # the source's taxability reason: standard_rated, reverse_charge, zero_rated...


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice or credit note.

    ``amount`` is the line's amount as the source prints it: before discounts, with inclusive taxes in it and exclusive
    taxes not; ``discount`` (>= 0 on a positive line) is to be taken off it. Both may be negative (prorations).
    net = amount - discount - inclusive taxes.
    """

    id: str
    description: str
    amount: Money
    discount: Money
    quantity: Decimal = Decimal(1)
    taxes: tuple[LineTax, ...] = ()
    product_id: str = ""
    price_id: str = ""
    period_start: datetime | None = None
    period_end: datetime | None = None
    is_proration: bool = False
    of_line_id: str = ""  # of a credit note's line: the invoice line it credits


@dataclass(frozen=True, slots=True)
class PaidPart:
    """One payment of an invoice, as the invoice tells it: ``id`` is the application's (``Application.id``), ``payment_id`` the payment's.

    ``amount`` is what was paid, or only what the invoice took of it: sources differ.
    """

    id: str
    amount: Money
    paid_at: datetime | None = None
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Invoice(Record):
    """A bill. ``total`` is what the document says (lines - discounts + exclusive taxes) and may be zero or negative.

    ``starting_balance`` and ``ending_balance``: the customer balance at the source before and after finalization
    (negative = credit); their difference is the use or creation of customer credit.
    ``credited_before_payment``: sum of credit notes issued while it was open.
    ``paid_parts``: its payments, oldest first; ``credit_note_ids``: the credit notes issued on it. None: the source does not tell.
    ``parts_under_way``: payments of it that were begun and are not decided yet, with what they are to pay. None: the source tells of none.
    ``deal_ids``: the deals of sales systems it came of, by canonical id, as the source says.
    """

    id: str
    customer_id: str
    state: InvoiceState
    currency: str
    total: Money
    tax: Money
    lines: tuple[InvoiceLine, ...]
    number: str = ""
    subscription_id: str = ""
    issued_at: datetime | None = None  # finalized; None while draft
    due_at: datetime | None = None
    created_at: datetime | None = None
    amount_due: Money | None = None
    amount_paid: Money | None = None
    amount_remaining: Money | None = None
    starting_balance: Money | None = None
    ending_balance: Money | None = None
    credited_before_payment: Money | None = None
    paid_out_of_band: Money | None = None  # settled outside the processor; booked by the Payment that says so, not from here
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    uncollectible_at: datetime | None = None
    billing_reason: str = ""
    attempt_count: int = 0
    next_attempt_at: datetime | None = None
    customer_name: str = ""
    customer_country: str = ""
    customer_account: str = ""  # an account of the source that is billed in place of a customer
    amount_overpaid: Money | None = None  # paid beyond what was due, and added to the customer's balance
    paid_parts: tuple[PaidPart, ...] | None = None
    credit_note_ids: tuple[str, ...] | None = None
    parts_under_way: tuple[PaidPart, ...] | None = None
    deal_ids: tuple[str, ...] = ()


class InvoiceEvent(EventType):
    """What happens to an invoice."""

    DRAFTED = "invoice.drafted"
    ISSUED = "invoice.issued"
    UPDATED = "invoice.updated"
    PAID = "invoice.paid"
    VOIDED = "invoice.voided"
    UNCOLLECTIBLE = "invoice.marked_uncollectible"
    OVERDUE = "invoice.overdue"
    DELETED = "invoice.deleted"


def _named(newer: tuple[PaidPart, ...] | None, older: tuple[PaidPart, ...] | None) -> tuple[PaidPart, ...] | None:
    """Return an invoice's payments with the ids that only the older state names."""
    if newer is None or older is None:
        return older if newer is None else newer
    known = {part.id: part.payment_id for part in older}
    return tuple(part if part.payment_id else replace(part, payment_id=known.get(part.id, "")) for part in newer)


def _keeps(newer: Invoice, older: Invoice) -> Invoice:
    """Keep the payments and credit notes that the newer state does not tell of."""
    return replace(
        newer,
        paid_parts=_named(newer.paid_parts, older.paid_parts),
        credit_note_ids=older.credit_note_ids if newer.credit_note_ids is None else newer.credit_note_ids,
    )


def _payments_seen(invoice: Invoice) -> Iterator[str]:
    """Yield the payments an invoice is decided in view of: those that paid it too much, and those that are under way."""
    yield from (part.payment_id for part in invoice.paid_parts or () if invoice.amount_overpaid)
    yield from (part.payment_id for part in invoice.parts_under_way or ())


def product_ids(lines: Iterable[InvoiceLine]) -> Iterator[str]:
    """Yield the products that lines sell."""
    return (line.product_id for line in lines)


def tax_rate_ids(lines: Iterable[InvoiceLine]) -> Iterator[str]:
    """Yield the tax rates on lines."""
    return (tax.rate_id for line in lines for tax in line.taxes)


def amounts_of_lines(lines: Iterable[InvoiceLine]) -> Iterator[Money]:
    """Yield each line's amount, discount and taxes."""
    for line in lines:
        yield line.amount
        yield line.discount
        yield from (tax.amount for tax in line.taxes)


_I = InvoiceState

INVOICE = Kind(
    name="invoice",
    record=Invoice,
    noun="invoice",
    events=InvoiceEvent,
    lifecycle=States(
        InvoiceState,
        {
            _I.DRAFT: (_I.ISSUED, _I.DELETED),
            _I.ISSUED: (_I.PARTIALLY_PAID, _I.PAID, _I.VOID, _I.UNCOLLECTIBLE),
            _I.PARTIALLY_PAID: (_I.ISSUED, _I.PAID, _I.VOID, _I.UNCOLLECTIBLE),
            _I.UNCOLLECTIBLE: (_I.PAID, _I.VOID),  # a written-off invoice may still be paid
            _I.PAID: (),
            _I.VOID: (),
            _I.DELETED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    # A voided one is ended by the credit notes that credited it before, one paid too much by its payments; and what is under way may fail.
    refers_to=(
        Reference("customer", lambda invoice: (invoice.customer_id,)),
        Reference("product", lambda invoice: product_ids(invoice.lines)),
        Reference("tax_rate", lambda invoice: tax_rate_ids(invoice.lines)),
        Reference("credit_note", lambda invoice: invoice.credit_note_ids or () if invoice.state is InvoiceState.VOID else ()),
        Reference("payment", _payments_seen),
    ),
    affects=(Reference("customer", lambda invoice: (invoice.customer_id,)), Reference("deal", lambda invoice: invoice.deal_ids)),
    # What is uncollectible of it shall not be paid or credited by anything its state does not tell of yet.
    is_looked_back_from=lambda invoice: invoice.state is InvoiceState.UNCOLLECTIBLE,
    total=lambda invoice: invoice.total,
    amounts=lambda invoice: amounts_of_lines(invoice.lines),
    customer_of=lambda invoice: invoice.customer_id,
    # One without a number has its id in that place: so what an older program wrote, which knew of no numbers, is told from it.
    found_by=lambda invoice: (invoice.number or invoice.id,),
    wait_limit=None,
    service_level=timedelta(minutes=5),
    is_made_again=False,
    ignored={},
)
