"""What policies wish, before it has an id: a command's content, and the little that is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from counterfoil.core.commands.books import (
    AccountRole,
    PostDocument,
    PostEntry,
    PostPayment,
)
from counterfoil.core.finance.dates import moved_memo
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer_credit import CUSTOMER_CREDIT
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.commands import Arguments, CommandKind, Lane

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


def is_taxed(arguments: Booking) -> bool:
    """Tell whether a booking says what is owed in taxes: a document, or a day's entry over some; a payment or a fee never does."""
    match arguments:
        case PostDocument():
            return any(line.taxes for line in arguments.lines)
        case PostEntry():
            return any(line.account.role is AccountRole.TAX for line in arguments.lines)
        case PostPayment():
            return False
