"""Odoo's records as they come over the wire: only the fields we read. Empty values are ``false``; many2one read bare (``load=""``)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct

Text = str | bool
"""A char, date or datetime field; False when empty."""

Ref = int | bool
"""A bare many2one; False when empty."""


def text(value: Text) -> str:
    """Return a char field, empty instead of false."""
    return value if isinstance(value, str) else ""


def ref(value: Ref) -> int:
    """Return a many2one's id, 0 when empty."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


class WriteDate(Struct, frozen=True):
    """When a record was written last."""

    write_date: str


class LoadMessage(Struct, frozen=True):
    """One message of ``load``; ``record`` is the index of the parent record in the batch."""

    message: Any = ""
    type: str = "error"
    record: int | None = None
    field: Any = ""


class LoadResult(Struct, frozen=True):
    """The answer of ``load``: it worked if ids is a list and no message is an error."""

    ids: list[int] | bool
    messages: list[LoadMessage] = []


class Move(Struct, frozen=True):
    """An account.move as read back."""

    id: int
    state: str
    name: Text
    date: Text
    amount_total: Decimal
    amount_tax: Decimal
    amount_total_signed: Decimal
    currency_id: Ref
    partner_id: Ref
    create_uid: Ref
    write_uid: Ref


class Payment(Struct, frozen=True):
    """An account.payment as read back."""

    id: int
    state: str
    name: Text
    date: Text
    amount: Decimal
    currency_id: Ref
    move_id: Ref
    partner_id: Ref
    outstanding_account_id: Ref
    create_uid: Ref
    write_uid: Ref


class TaxLine(Struct, frozen=True):
    """A tax line of a draft."""

    id: int
    move_id: Ref
    tax_line_id: Ref
    amount_currency: Decimal


class EntryItem(Struct, frozen=True):
    """A line of a journal entry, debits positive: ``balance`` in the company's currency, ``amount_currency`` in the line's own."""

    id: int
    move_id: Ref
    account_id: Ref
    partner_id: Ref
    currency_id: Ref
    balance: Decimal
    amount_currency: Decimal


class OpenLine(Struct, frozen=True):
    """A receivable line of a posted document."""

    id: int
    move_id: Ref
    payment_id: Ref
    account_id: Ref
    partner_id: Ref
    currency_id: Ref
    balance: Decimal
    amount_currency: Decimal
    amount_residual: Decimal
    amount_residual_currency: Decimal


class Partial(Struct, frozen=True):
    """A match between a debit line and a credit line."""

    id: int
    debit_move_id: Ref
    credit_move_id: Ref
    exchange_move_id: Ref
    amount: Decimal
    debit_amount_currency: Decimal
    credit_amount_currency: Decimal
