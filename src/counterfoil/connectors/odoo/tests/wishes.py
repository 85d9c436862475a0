"""Commands to test with: short ways to wish a customer, a document, a payment, an entry, a match."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    DocumentLine,
    DocumentTax,
    EntryLine,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.payout import PAYOUT
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.commands import Arguments, Command, CommandKind
from counterfoil.core.language.ids import ObjectRef, external_key
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money

REVENUE = Account(AccountRole.REVENUE)
CLEARING = Account(AccountRole.CLEARING, "stripe")
RECEIVABLE = Account(AccountRole.RECEIVABLE)
FEES = Account(AccountRole.FEES)
DAY = date(2026, 3, 3)


def line(
    minor: int, currency: str = "EUR", *, tax: str = "", tax_minor: int = 0, quantity: str = "1", name: str = "Plan Pro"
) -> DocumentLine:
    """One line; the tax is inclusive if its name says so."""
    taxes: tuple[DocumentTax, ...] = ()
    if tax:
        is_inclusive = tax.endswith("incl")
        taxable = minor - tax_minor if is_inclusive else minor
        taxes = (DocumentTax(tax, Money(tax_minor, currency), Money(taxable, currency), is_inclusive),)
    return DocumentLine(name, Money(minor, currency), REVENUE, Decimal(quantity), taxes)


@dataclass
class Wishes:
    """Makes commands with ids of their own; ``run`` keeps those of one test apart from all others."""

    run: str
    entity: str = "DE"
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def _command(
        self, kind: CommandKind, subject: ObjectRef, key: str, arguments: Arguments, needs: tuple[str, ...], produces: str
    ) -> Command:
        return Command(
            id=f"{key}-{self.run}",
            kind=kind,
            target="odoo",
            entity=self.entity,
            subject=subject,
            external_key=key,
            arguments=arguments,
            needs=tuple(map(NeedKey, needs)),
            produces=NeedKey(produces),
        )

    def _id(self, prefix: str) -> str:
        return f"stripe:{prefix}_{self.run}n{next(self.numbers)}"

    def customer(self, name: str = "Acme GmbH", **fields: object) -> Command:
        given = fields.pop("id", None)
        customer_id = str(given) if given else self._id("cus")
        customer = Customer(customer_id, name, **fields)  # type: ignore[arg-type]
        ref = CUSTOMER.ref(customer_id)
        return self._command(BookCommand.UPSERT_CUSTOMER, ref, external_key("customer", customer_id), UpsertCustomer(customer), (), ref.key)

    def product(self, name: str = "Plan Pro", sku: str = "PRO", product_id: str = "") -> Command:
        product_id = product_id or self._id("prod")
        ref = PRODUCT.ref(product_id)
        arguments = UpsertProduct(product_id, name, sku)
        return self._command(BookCommand.UPSERT_PRODUCT, ref, external_key("product", product_id), arguments, (), ref.key)

    def invoice(
        self, customer: Command, *lines: DocumentLine, total: int, tax: int = 0, currency: str = "EUR", **fields: object
    ) -> Command:
        return self._document(BookCommand.POST_INVOICE, INVOICE.name, "in", customer, lines, total, tax, currency, fields)

    def credit_note(
        self, customer: Command, *lines: DocumentLine, total: int, tax: int = 0, currency: str = "EUR", **fields: object
    ) -> Command:
        return self._document(BookCommand.POST_CREDIT_NOTE, CREDIT_NOTE.name, "cn", customer, lines, total, tax, currency, fields)

    def _document(
        self,
        kind: CommandKind,
        subject: str,
        prefix: str,
        customer: Command,
        lines: tuple[DocumentLine, ...],
        total: int,
        tax: int,
        currency: str,
        fields: dict[str, object],
    ) -> Command:
        document_id = self._id(prefix)
        day = fields.pop("on", DAY)
        values = {"issued_on": day, "accounting_on": day, "due_on": date(2026, 4, 2), "lines": lines, **fields}
        document = PostDocument(customer.subject.id, currency, total=Money(total, currency), tax=Money(tax, currency), **values)  # type: ignore[arg-type]
        ref = ObjectRef(subject, document_id)
        return self._command(kind, ref, external_key(subject, document_id), document, (customer.produces,), ref.key)

    def payment(
        self,
        customer: Command,
        minor: int,
        currency: str = "EUR",
        *,
        on: date = date(2026, 3, 10),
        is_inbound: bool = True,
        settled: Money | None = None,
        counterpart: Account = CLEARING,
    ) -> Command:
        payment_id = self._id("ch" if is_inbound else "re")
        ref = ObjectRef(PAYMENT.name if is_inbound else REFUND.name, payment_id)
        arguments = PostPayment(customer.subject.id, Money(minor, currency), is_inbound, on, counterpart, settled)
        key = external_key(ref.kind, payment_id)
        return self._command(BookCommand.POST_PAYMENT, ref, key, arguments, (customer.produces,), ref.key)

    def entry(self, *lines: EntryLine, on: date = date(2026, 3, 11), journal: str = "general", needs: tuple[str, ...] = ()) -> Command:
        entry_id = self._id("po")
        ref = PAYOUT.ref(entry_id)
        return self._command(
            BookCommand.POST_ENTRY, ref, external_key("payout", entry_id), PostEntry(on, lines, "payout", journal), needs, ref.key
        )

    def allocation(self, debit: Command, credit: Command, minor: int, currency: str = "EUR") -> Command:
        allocation_id = f"{debit.external_key}.{credit.external_key}.{next(self.numbers)}"
        arguments = Allocate(debit.produces, credit.produces, Money(minor, currency))
        needs = (debit.produces, credit.produces)
        return self._command(BookCommand.ALLOCATE, credit.subject, f"allocation_{allocation_id}", arguments, needs, "")

    def unmatch(self, debit: Command, credit: Command) -> Command:
        arguments = Unmatch(debit.produces, credit.produces)
        key = f"unmatch_{debit.external_key}.{credit.external_key}"
        return self._command(BookCommand.UNMATCH, credit.subject, key, arguments, (debit.produces, credit.produces), "")
