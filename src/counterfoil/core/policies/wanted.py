"""What policies wish, before it has an id: a command's content, and the little that is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from counterfoil.core.canonical.commands import (
    AccountRole,
    Allocate,
    Arguments,
    CommandKind,
    Lane,
    PostDocument,
    PostEntry,
    PostPayment,
    Unmatch,
    UpsertCustomer,
    UpsertProduct,
)
from counterfoil.core.canonical.ids import ObjectKind
from counterfoil.core.canonical.money import Money
from counterfoil.core.finance.dates import moved_memo

from .rules import EntityRules, PostingMode

Booking = PostDocument | PostPayment | PostEntry

BOOKED_AS: Mapping[ObjectKind, tuple[str, ...]] = {
    ObjectKind.INVOICE: ("invoice", "balance", "bad_debt"),
    ObjectKind.CREDIT_NOTE: ("credit_note",),
    ObjectKind.PAYMENT: ("payment",),
    ObjectKind.REFUND: ("refund",),
    ObjectKind.CUSTOMER_CREDIT: ("customer_credit", "paid_credit"),
}
"""Names under which objects are booked in their own entity: where one of them was booked, the object stays."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was booked: in which entity's books, and as a document or summed up with its day."""

    entity: str
    mode: PostingMode


@dataclass(frozen=True, slots=True)
class Wanted:
    """One command before it has an id: what every policy says of it.

    ``name`` and ``object_id`` make the external key; ``content`` is what the source said, where a later change must not pass unnoticed.
    """

    entity: EntityRules
    kind: CommandKind
    name: str
    object_id: str
    arguments: Arguments
    needs: tuple[str, ...] = ()
    produces: str = ""
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
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


def money_of(arguments: Arguments) -> Money | None:
    """Return what is at stake; None where there is no money in it."""
    match arguments:
        case PostDocument():
            return arguments.total
        case PostPayment() | Allocate():
            return arguments.amount
        case PostEntry():
            return max((line.amount for line in arguments.lines), key=lambda amount: amount.minor, default=None)
        case UpsertCustomer() | UpsertProduct() | Unmatch():
            return None


def is_taxed(arguments: Booking) -> bool:
    """Tell whether a booking says what is owed in taxes: a document, or a day's entry over some; a payment or a fee never does."""
    match arguments:
        case PostDocument():
            return any(line.taxes for line in arguments.lines)
        case PostEntry():
            return any(line.account.role is AccountRole.TAX for line in arguments.lines)
        case PostPayment():
            return False
