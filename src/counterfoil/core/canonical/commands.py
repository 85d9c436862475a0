"""Wishes against a target system, in canonical terms: what a target connector's deliveries take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum

from .entities import Customer
from .ids import ObjectRef, external_key
from .money import Money


class Lane(IntEnum):
    """Priority lanes; a smaller number is served first (architecture: lanes)."""

    REAL_TIME = 10
    MICRO_BATCH = 20
    BATCH = 30
    REPLAY = 40


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
class UpsertCustomer:
    """Create or update the customer's commercial fields in the target."""

    customer: Customer


@dataclass(frozen=True, slots=True)
class UpsertProduct:
    """Create or update one product in the target."""

    product_id: str
    name: str
    sku: str = ""


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
class PostDocument:
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


@dataclass(frozen=True, slots=True)
class PostPayment:
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
class PostEntry:
    """Post a journal entry; its lines sum to zero (per company amount). ``journal`` is a journal role or a processor's connection."""

    accounting_on: date
    lines: tuple[EntryLine, ...]
    memo: str = ""
    journal: str = "general"


@dataclass(frozen=True, slots=True)
class Allocate:
    """Match two posted documents of one customer on their receivable lines: ``debit`` (invoice) with ``credit`` (payment, credit note...).

    Both name what they match by the binding key of the posted document. ``amount`` is in the documents' currency, positive.
    """

    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Unmatch:
    """Undo every match between two posted documents; what is not matched stays as it is."""

    debit: str
    credit: str


Arguments = UpsertCustomer | UpsertProduct | PostDocument | PostPayment | PostEntry | Allocate | Unmatch


class CommandKind(StrEnum):
    """What is wished; each kind has one arguments type."""

    UPSERT_CUSTOMER = "upsert_customer"
    UPSERT_PRODUCT = "upsert_product"
    POST_INVOICE = "post_invoice"
    POST_CREDIT_NOTE = "post_credit_note"
    POST_PAYMENT = "post_payment"
    POST_ENTRY = "post_entry"
    ALLOCATE = "allocate"
    UNMATCH = "unmatch"


ARGUMENTS_OF_KIND: dict[CommandKind, type] = {
    CommandKind.UPSERT_CUSTOMER: UpsertCustomer,
    CommandKind.UPSERT_PRODUCT: UpsertProduct,
    CommandKind.POST_INVOICE: PostDocument,
    CommandKind.POST_CREDIT_NOTE: PostDocument,
    CommandKind.POST_PAYMENT: PostPayment,
    CommandKind.POST_ENTRY: PostEntry,
    CommandKind.ALLOCATE: Allocate,
    CommandKind.UNMATCH: Unmatch,
}


@dataclass(frozen=True, slots=True)
class Command:
    """One wish against one target.

    Attributes:
        id: digest of kind, target, external key and content: deciding twice wishes once.
        target: name of the target connection.
        entity: legal entity it belongs to.
        subject: the source object that asks for it.
        external_key: deterministic key of the document in the target.
        needs: dependency keys (see ``ErpDocument`` bindings: ``<document kind>/<canonical id>``) that must be bound in the target first.
        produces: the dependency key that being done binds: of documents and master data; of matches (``match/...``, ``unmatch/...``) only
            where something must come after them.
        order_key: commands with the same order key are sent in order.
        not_before: not to be sent earlier (summary windows); None = now.
        content: digest of what the source said where a later change of it must not pass unnoticed (documents); else empty.
    """

    id: str
    kind: CommandKind
    target: str
    entity: str
    subject: ObjectRef
    external_key: str
    arguments: Arguments
    needs: tuple[str, ...] = ()
    produces: str = ""
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
    not_before: datetime | None = None
    rules_version: int = 0
    content: str = ""


MATCH = "alloc"
UNMATCH = "unmatch"
"""What the external keys of matches and of their undoing begin with."""


MATCHES_MAX = 9
"""How often two documents are matched, each time but the first after the match before was undone."""


def pair_of(debit: str, credit: str, number: int = 1) -> str:
    """Return the object id by which the match of two documents, and its undoing, are named; ``number``: which of their matches, from 1."""
    return f"{debit}+{credit}" if number == 1 else f"{debit}+{credit}+{number}"


def same_thing(command: Command) -> tuple[str, ...]:
    """Return the external keys of the commands that write on the same thing in the target, the command's own included.

    A record is written on by the commands with its key; a match also by the command that undoes it, and by those that make it anew.
    """
    match command.arguments:
        case Allocate(debit, credit) | Unmatch(debit, credit):
            pairs = [pair_of(debit, credit, number) for number in range(1, MATCHES_MAX + 1)]
            return tuple(external_key(name, pair) for pair in pairs for name in (MATCH, UNMATCH))
        case _:
            return (command.external_key,)
