"""Commands that keep books: master data, documents, payments, entries and what matches them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from counterfoil.core.kinds.customer import Customer, personal
from counterfoil.core.language.commands import Arguments, Command, CommandKind, Spec
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose, Record


class AccountRole(StrEnum):
    """What an account is for; the target's configuration maps a role (and qualifier) to a real account per entity."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    DEFERRED_REVENUE = "deferred_revenue"
    CLEARING = "clearing"  # qualifier: the processor's connection
    FEES = "fees"
    FEE_TAX = "fee_tax"
    WITHHELD_TAX = "withheld_tax"  # tax the processor withheld from us: claimed back from the tax office
    REFUNDS = "refunds"  # given back without a credit note
    DISPUTED_FUNDS = "disputed_funds"
    BAD_DEBT = "bad_debt"
    BANK_IN_TRANSIT = "bank_in_transit"
    CUSTOMER_CREDIT = "customer_credit"
    EXCHANGE_DIFFERENCE = "exchange_difference"
    ROUNDING = "rounding"
    ADJUSTMENT = "adjustment"
    OUT_OF_BAND = "out_of_band"  # money received outside any processor
    INTERCOMPANY = "intercompany"
    TAX = "tax"  # summary posting; qualifier: the target's tax
    RESERVE = "reserve"
    EXPLICIT = "explicit"  # qualifier: the target's own account code (imported entries)


@dataclass(frozen=True, slots=True)
class Account:
    """An account by role; ``qualifier`` tells which one where a role has several (a processor's connection, a product group, a tax)."""

    role: AccountRole
    qualifier: str = ""

    def __str__(self) -> str:
        return f"{self.role.value}:{self.qualifier}" if self.qualifier else self.role.value


@dataclass(frozen=True, slots=True)
class UpsertCustomer(Arguments):
    """Create or update the customer's commercial fields in the target."""

    customer: Customer

    record_type: ClassVar[type[Record] | None] = Customer
    watched_fields = ("name", "email", "phone", "address", "currency", "tax_exemption", "tax_ids", "locale", "is_business")

    @property
    def written_record(self) -> Record:
        """The customer."""
        return self.customer

    @property
    def money(self) -> Money | None:
        """No money."""
        return None

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """All that is personal of the customer."""
        return personal(self.customer)


@dataclass(frozen=True, slots=True)
class UpsertProduct(Arguments):
    """Create or update one product in the target."""

    product_id: str
    name: str
    sku: str = ""

    watched_fields = ("name", "sku")

    @property
    def money(self) -> Money | None:
        """No money."""
        return None

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """One tax of a document line. ``target_tax`` is the mapped tax of the target, by its configured name or id; amount is signed."""

    target_tax: str
    amount: Money
    taxable: Money
    is_inclusive: bool


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line to be posted. ``amount`` is after discount, with inclusive taxes in it and without exclusive ones."""

    description: str
    amount: Money
    account: Account
    quantity: Decimal = Decimal(1)
    taxes: tuple[DocumentTax, ...] = ()
    product_id: str = ""
    period_start: date | None = None  # service period, first day
    period_end: date | None = None  # day after the last day


@dataclass(frozen=True, slots=True)
class PostDocument(Arguments):
    """Post an invoice or a credit note (by command kind). All amounts of a credit note are positive reductions.

    ``total`` and ``tax`` are what the target must compute, to the minor unit; it is parked otherwise (B3).
    ``reverses`` names the invoice a credit note credits, empty when free-standing: a reference only, they are matched by ``Allocate``.
    """

    customer_id: str
    currency: str
    issued_on: date
    accounting_on: date
    due_on: date
    total: Money
    tax: Money
    lines: tuple[DocumentLine, ...]
    number: str = ""
    reverses: str = ""
    memo: str = ""
    rounding_tolerance: int = 0  # minor units a declared rounding line may carry

    @property
    def money(self) -> Money | None:
        """The document's total."""
        return self.total

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing: names come with the customer."""
        return ()


@dataclass(frozen=True, slots=True)
class PostPayment(Arguments):
    """Book money in (``is_inbound``) or out, in the processor's journal.

    ``settled`` is what the processor's balance moved by, in settlement currency (unsigned), when that differs from amount's currency.
    ``counterpart`` is the clearing (or out-of-band) account.
    """

    customer_id: str
    amount: Money
    is_inbound: bool
    paid_on: date
    counterpart: Account
    settled: Money | None = None
    memo: str = ""

    @property
    def money(self) -> Money | None:
        """The payment's amount."""
        return abs(self.amount)

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of a journal entry: debit > 0, credit < 0. ``customer_id`` sets the partner (required on receivables).

    ``company_amount`` is the amount in the entity's currency where ``amount`` is in another one; None otherwise.
    """

    account: Account
    amount: Money
    description: str = ""
    customer_id: str = ""
    company_amount: Money | None = None


@dataclass(frozen=True, slots=True)
class PostEntry(Arguments):
    """Post a journal entry; its lines sum to zero (per company amount). ``journal`` is a journal role or a processor's connection."""

    accounting_on: date
    lines: tuple[EntryLine, ...]
    memo: str = ""
    journal: str = "general"

    @property
    def money(self) -> Money | None:
        """What the entry moves: its debits in the currency of its first line; None of one without lines."""
        if not self.lines:
            return None
        currency = self.lines[0].amount.currency
        return Money(sum(line.amount.minor for line in self.lines if line.amount.minor > 0 and line.amount.currency == currency), currency)

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Allocate(Arguments):
    """Match two posted documents of one customer on their receivable lines: ``debit`` (invoice) with ``credit`` (payment, credit note...).

    Both name what they match by the binding key of the posted document. ``amount`` is in the documents' currency, positive.
    """

    debit: str
    credit: str
    amount: Money

    @property
    def money(self) -> Money | None:
        """What is matched."""
        return abs(self.amount)

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Unmatch(Arguments):
    """Undo every match between two posted documents; what is not matched stays as it is."""

    debit: str
    credit: str

    @property
    def money(self) -> Money | None:
        """No money: what was matched is not told."""
        return None

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


MATCH = "alloc"
UNMATCH = "unmatch"
"""What the external keys of matches and of their undoing begin with."""


MATCHES_MAX = 9
"""How often two documents are matched, each time but the first after the match before was undone."""


def pair_of(debit: str, credit: str, number: int = 1) -> str:
    """Return the object id by which the match of two documents, and its undoing, are named; ``number``: which of their matches, from 1."""
    return f"{debit}+{credit}" if number == 1 else f"{debit}+{credit}+{number}"


def _either(debit: str, credit: str) -> tuple[str, ...]:
    """Return the keys of the commands that match two documents, undo it, and match them anew."""
    pairs = [pair_of(debit, credit, number) for number in range(1, MATCHES_MAX + 1)]
    return tuple(external_key(name, pair) for pair in pairs for name in (MATCH, UNMATCH))


def _itself(command: Command) -> tuple[str, ...]:
    """Return the key of a command whose record no other kind of command writes on."""
    return (command.external_key,)


def _of_pair(command: Command) -> tuple[str, ...]:
    match command.arguments:
        case Allocate(debit, credit) | Unmatch(debit, credit):
            return _either(debit, credit)
        case _:
            return (command.external_key,)


class BookCommand(CommandKind):
    """What is wished of books."""

    UPSERT_CUSTOMER = "upsert_customer"
    UPSERT_PRODUCT = "upsert_product"
    POST_INVOICE = "post_invoice"
    POST_CREDIT_NOTE = "post_credit_note"
    POST_PAYMENT = "post_payment"
    POST_ENTRY = "post_entry"
    ALLOCATE = "allocate"
    UNMATCH = "unmatch"


SPECS = (
    Spec(
        kind=BookCommand.UPSERT_CUSTOMER,
        purpose=Purpose.BOOKS,
        arguments=UpsertCustomer,
        domain="customers",
        noun="customer",
        title="Customers",
        service_level=timedelta(seconds=60),
        is_ordered=True,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.UPSERT_PRODUCT,
        purpose=Purpose.BOOKS,
        arguments=UpsertProduct,
        domain="products",
        noun="product",
        title="Products",
        service_level=timedelta(days=1),
        is_ordered=True,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.POST_INVOICE,
        purpose=Purpose.BOOKS,
        arguments=PostDocument,
        domain="invoices",
        noun="invoice",
        title="Invoices",
        service_level=timedelta(minutes=5),
        is_ordered=False,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.POST_CREDIT_NOTE,
        purpose=Purpose.BOOKS,
        arguments=PostDocument,
        domain="credit_notes",
        noun="credit note",
        title="Credit notes",
        service_level=timedelta(seconds=60),
        is_ordered=False,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.POST_PAYMENT,
        purpose=Purpose.BOOKS,
        arguments=PostPayment,
        domain="payments",
        noun="payment",
        title="Payments and refunds",
        service_level=timedelta(seconds=10),
        is_ordered=False,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.POST_ENTRY,
        purpose=Purpose.BOOKS,
        arguments=PostEntry,
        domain="entries",
        noun="journal entry",
        title="Journal entries (fees, payouts, disputes, summaries)",
        service_level=timedelta(days=1),
        is_ordered=False,
        same_thing=_itself,
    ),
    Spec(
        kind=BookCommand.ALLOCATE,
        purpose=Purpose.BOOKS,
        arguments=Allocate,
        domain="matches",
        noun="match",
        title="Matches of invoices with payments",
        service_level=timedelta(seconds=10),
        is_ordered=False,
        same_thing=_of_pair,
    ),
    Spec(
        kind=BookCommand.UNMATCH,
        purpose=Purpose.BOOKS,
        arguments=Unmatch,
        domain="matches",
        noun="match undone",
        title="Matches undone",
        service_level=timedelta(seconds=60),
        is_ordered=False,
        same_thing=_of_pair,
    ),
)
