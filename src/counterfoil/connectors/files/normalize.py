"""PURE: one row or document of a file -> canonical facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import msgspec

from counterfoil.connectors.files import documents
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.row import Row
from counterfoil.connectors.files.wire import Document, from_micros, to_micros
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote
from counterfoil.core.kinds.customer import CUSTOMER, Address, Customer, CustomerEvent, TaxExemption, TaxId
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.journal_entry import JOURNAL_ENTRY
from counterfoil.core.kinds.payment import PAYMENT, Application, Payment, PaymentEvent, PaymentState
from counterfoil.core.kinds.product import PRODUCT, Product, ProductEvent
from counterfoil.core.kinds.refund import REFUND, Refund, RefundEvent, RefundState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Record
from counterfoil.core.language.settlement import Settlement
from counterfoil.kit.connector import Delivery, Normalized
from counterfoil.kit.errors import DriftError, RejectedError

BuildRecord = Callable[[Sequence[Row], datetime], tuple[EventType, datetime, Record]]
"""Makes the entity of a document's rows; the instant is when the file was modified."""

_DECODER = msgspec.json.Decoder(Document)


def normalize(settings: FilesConfig, delivery: Delivery) -> Normalized:
    """Return the one fact of a delivery. Raises RejectedError naming file, line and column, DriftError for an unknown layout."""
    try:
        document = _DECODER.decode(delivery.body)
        modified_at = from_micros(document.modified_us)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise RejectedError(f"delivery {delivery.dedupe_key} is not a row of a file: {error}", code="files.body") from error
    build = _BUILD.get(document.layout)
    if build is None or not document.rows or delivery.kind != f"{document.layout}.fetched":
        raise DriftError(f"{document.file}: no layout {delivery.kind!r}", code="files.layout", drift_key=f"layout/{delivery.kind[:40]}")
    zone = _zone(settings.time_zone)
    rows = [Row(document.file, row.line, row.values, settings.namespace, zone) for row in document.rows]
    try:
        event_type, occurred_at, entity = build(rows, modified_at)
        changed_at = rows[0].instant_or_none("updated_at") or modified_at
        same_as = _same_as(rows)
    except RejectedError as error:
        error.object_key = ObjectRef(_KINDS[document.layout], f"{settings.namespace}:{rows[0].text('id')}").key
        raise
    fact = Fact(event_type, occurred_at, to_micros(changed_at), entity, correlation_id=_process_of(entity))
    return (replace(fact, is_apart=rows[0].is_empty("merged_into"), same_as=same_as),)


def _same_as(rows: Sequence[Row]) -> str | None:
    """Return as what the rows name their record the same: empty, if as none; None, if they say nothing of it."""
    documents.same(rows, ("same_as",))
    named = rows[0].ref("same_as")
    if named and named == rows[0].own_id():
        raise rows[0].refuse("same_as", "names the row itself; it names another system's record, such as billing:ch_1")
    return "" if rows[0].is_empty("same_as") else named or None


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _process_of(entity: Record) -> str:
    """Return what the fact belongs to: the invoice of a credit note or payment, the payment of a refund, else the entity itself."""
    if isinstance(entity, CreditNote):
        return entity.invoice_id
    if isinstance(entity, Payment) and entity.applications:
        return entity.applications[0].invoice_id
    return entity.payment_id if isinstance(entity, Refund) else entity.id


def _customer(rows: Sequence[Row], modified_at: datetime) -> tuple[EventType, datetime, Record]:
    row = rows[0]
    tax_id, tax_id_type = row.text("tax_id"), row.text("tax_id_type")
    if bool(tax_id) != bool(tax_id_type):
        raise row.refuse("tax_id", "and tax_id_type come together")
    customer = Customer(
        id=row.own_id(),
        name=row.required("name"),
        email=row.text("email"),
        phone=row.text("phone"),
        address=_address(row),
        currency=row.currency() if row.text("currency") else "",
        tax_exemption=row.choice("tax_exemption", TaxExemption, TaxExemption.NONE),
        tax_ids=(TaxId(tax_id_type, tax_id),) if tax_id else (),
        locale=row.text("locale"),
        is_deleted=row.flag("is_deleted", default=False),
        merged_into=row.ref("merged_into"),
    )
    event_type = CustomerEvent.MERGED if customer.merged_into else CustomerEvent.UPDATED
    return event_type, row.instant_or_none("updated_at") or modified_at, customer


def _address(row: Row) -> Address:
    return Address(
        line1=row.text("line1"),
        line2=row.text("line2"),
        city=row.text("city"),
        state=row.text("state"),
        postal_code=row.text("postal_code"),
        country=row.text("country").upper(),
    )


def _product(rows: Sequence[Row], modified_at: datetime) -> tuple[EventType, datetime, Record]:
    row = rows[0]
    product = Product(
        id=row.own_id(),
        name=row.required("name"),
        description=row.text("description"),
        sku=row.text("sku"),
        group=row.text("group"),
        tax_code=row.text("tax_code"),
        is_active=row.flag("is_active", default=True),
    )
    event_type = ProductEvent.RELEASED if product.is_active else ProductEvent.RETIRED
    return event_type, row.instant_or_none("updated_at") or modified_at, product


def _payment(rows: Sequence[Row], _modified_at: datetime) -> tuple[EventType, datetime, Record]:
    row = rows[0]
    currency = row.currency()
    amount = row.amount("amount", currency)
    if amount.minor <= 0:
        raise row.refuse("amount", "must be positive; money given back is a refund")
    documents.same(rows, ("customer_id", "currency", "amount", "paid_on", "method", "is_out_of_band"))
    applications = tuple(
        Application(r.ref("invoice_id"), r.amount("applied", currency) if r.text("applied") else amount)
        for r in rows
        if r.text("invoice_id")
    )
    if any(a.amount.minor <= 0 for a in applications) or sum(a.amount.minor for a in applications) > amount.minor:
        raise row.refuse("applied", "must be positive, and together not more than the amount", case_class=CaseClass.AMOUNT_MISMATCH)
    occurred_at = row.instant("paid_on")
    is_out_of_band = row.flag("is_out_of_band", default=True)
    payment = Payment(
        id=row.own_id(),
        customer_id=row.required_ref("customer_id"),
        state=PaymentState.SUCCEEDED,
        amount=amount,
        occurred_at=occurred_at,
        applications=applications,
        method=row.text("method"),
        is_out_of_band=is_out_of_band,
        settlement=None if is_out_of_band else _settlement(row, amount, occurred_at),
    )
    return PaymentEvent.SUCCEEDED, occurred_at, payment


def _settlement(row: Row, gross: Money, occurred_at: datetime) -> Settlement:
    """Return what a row moved on the balance of the processor the file stands for; files tell no fees (they are journal entries)."""
    return Settlement(f"{row.own_id()}.settlement", gross, Money(0, gross.currency), gross, occurred_at)


def _refund(rows: Sequence[Row], _modified_at: datetime) -> tuple[EventType, datetime, Record]:
    row = rows[0]
    amount = row.amount("amount", row.currency())
    if amount.minor <= 0:
        raise row.refuse("amount", "must be positive")
    occurred_at = row.instant("refunded_on")
    refund = Refund(
        id=row.own_id(),
        payment_id=row.required_ref("payment_id"),
        state=RefundState.SUCCEEDED,
        amount=amount,
        occurred_at=occurred_at,
        customer_id=row.ref("customer_id"),
        credit_note_id=row.ref("credit_note_id"),
        reason=row.text("reason"),
        settlement=_settlement(row, -amount, occurred_at),
    )
    return RefundEvent.SUCCEEDED, occurred_at, refund


_BUILD: dict[str, BuildRecord] = {
    "customers": _customer,
    "products": _product,
    "invoices": documents.invoice,
    "credit_notes": documents.credit_note,
    "payments": _payment,
    "refunds": _refund,
    "journal_entries": documents.journal_entry,
}
_KINDS = {
    "customers": CUSTOMER.name,
    "products": PRODUCT.name,
    "invoices": INVOICE.name,
    "credit_notes": CREDIT_NOTE.name,
    "payments": PAYMENT.name,
    "refunds": REFUND.name,
    "journal_entries": JOURNAL_ENTRY.name,
}
"""What a file of each layout tells of."""
