"""What policies wish, before it has an id: a command's content, and the little that is asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from counterfoil.core.commands.books import (
    AccountRole,
    PostDocument,
    PostEntry,
    PostPayment,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.finance.dates import moved_memo
from counterfoil.core.finance.summary import SummaryItem
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer_credit import CUSTOMER_CREDIT
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.commands import Arguments, CommandKind, Lane
from counterfoil.core.language.keys import BINDS_NOTHING, NeedKey

from .decision import OutboxCommand
from .rules import EntityRules, PostingMode

Booking = PostDocument | PostPayment | PostEntry

BOOKED_AS: Mapping[str, tuple[str, ...]] = {
    INVOICE.name: ("invoice", "balance", "bad_debt"),
    CREDIT_NOTE.name: ("credit_note",),
    PAYMENT.name: ("payment",),
    REFUND.name: ("refund",),
    CUSTOMER_CREDIT.name: ("customer_credit", "paid_credit"),
}
"""Names under which objects are booked in their own entity: where one of them was booked, the object stays."""


@dataclass(frozen=True, slots=True)
class BookedPlace:
    """Where something was booked: in which entity's books, and as a document or summed up with its day."""

    entity: str
    mode: PostingMode


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """One command before it has an id: what every policy says of it.

    ``name`` and ``object_id`` make the external key; ``content`` is what the source said, where a later change must not pass unnoticed.
    """

    entity: EntityRules
    kind: CommandKind
    name: str
    object_id: str
    arguments: Arguments
    needs: tuple[NeedKey, ...] = ()
    produces: NeedKey = BINDS_NOTHING
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
    content: str = ""

    @property
    def connection(self) -> str:
        """Where it is sent: the entity's books."""
        return self.entity.target

    @property
    def legal_entity(self) -> str:
        """Whose it is."""
        return self.entity.name


@dataclass(frozen=True, slots=True)
class DisplayRequest:
    """One command to a destination in which no books are kept, before it has an id: all that is to stand there of one thing, as of now.

    ``connection``: a destination of the policy's purpose. ``name`` and ``object_id`` make the external key. ``legal_entity`` empty: of the
    whole company.
    """

    connection: str
    kind: CommandKind
    name: str
    object_id: str
    arguments: Arguments
    needs: tuple[NeedKey, ...] = ()
    produces: NeedKey = BINDS_NOTHING
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
    legal_entity: str = ""
    content: str = ""


def booked_on(arguments: Booking) -> date:
    """Return the accounting date of a booking."""
    return arguments.paid_on if isinstance(arguments, PostPayment) else arguments.accounting_on


def moved_to(arguments: Booking, day: date) -> Booking:
    """Return a booking on another day, with a reference to its own."""
    memo = moved_memo(arguments.memo, booked_on(arguments))
    if isinstance(arguments, PostPayment):
        return replace(arguments, paid_on=day, memo=memo)
    return replace(arguments, accounting_on=day, memo=memo)


def is_taxed(arguments: Booking) -> bool:
    """Tell whether a booking says what is owed in taxes: a document, or a day's entry over some; a payment or a fee never does."""
    match arguments:
        case PostDocument():
            return any(line.taxes for line in arguments.lines)
        case PostEntry():
            return any(line.account.role is AccountRole.TAX for line in arguments.lines)
        case PostPayment():
            return False


def says_the_same(
    earlier: OutboxCommand, request: BookingRequest | DisplayRequest, arguments: Arguments, needs: tuple[NeedKey, ...]
) -> bool:
    """Tell whether an earlier wish can stay: what is booked belongs to the books of one entity, all else to the target as a whole."""
    is_booked = isinstance(request, BookingRequest) and not isinstance(arguments, UpsertCustomer | UpsertProduct)
    is_there = not is_booked or earlier.command.entity == request.legal_entity
    return is_there and earlier.command.arguments == arguments and (not earlier.is_open or earlier.command.needs == needs)


def owed(items: Iterable[SummaryItem]) -> int:
    """Return what summed up items leave the customer owing, in minor units."""
    return sum(item.amount.minor for item in items if item.account.role is AccountRole.RECEIVABLE)
