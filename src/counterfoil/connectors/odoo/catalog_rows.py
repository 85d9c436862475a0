"""The records a catalog is read from."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from counterfoil.connectors.odoo.wire import Ref, Text


class CompanyRow(Struct, frozen=True):
    """A company. ``parent_ids``: itself and, of a branch, the companies it belongs to, whose rates, accounts and taxes it uses."""

    id: int
    name: str
    currency_id: Ref
    partner_id: Ref
    parent_ids: list[int]

    @property
    def lineage(self) -> list[int]:
        """The companies whose records it uses."""
        return sorted({self.id, *self.parent_ids})


class TaxModeRow(Struct, frozen=True):
    """Whether a company's prices include taxes, where nothing else says so."""

    account_price_include: Text


class JournalRow(Struct, frozen=True):
    """A journal."""

    id: int
    code: str
    name: str
    type: str
    currency_id: Ref
    default_account_id: Ref


class AccountRow(Struct, frozen=True):
    """An account in use."""

    id: int
    code: Text
    name: str
    account_type: str
    reconcile: bool


class TaxRow(Struct, frozen=True):
    """A sales tax in use. ``tax_exigibility`` ``on_payment``: cash basis."""

    id: int
    name: str
    amount: Decimal
    amount_type: str
    price_include: bool
    tax_exigibility: Text
    children_tax_ids: list[int]


class TaxAccountRow(Struct, frozen=True):
    """Where a tax's amount is booked."""

    tax_id: Ref
    account_id: Ref


class ReceivableRow(Struct, frozen=True):
    """The receivable account of a partner; the company's own partner has the one all partners have by default."""

    property_account_receivable_id: Ref


class CurrencyRow(Struct, frozen=True):
    """An active currency."""

    id: int
    name: str
    decimal_places: int


class RateRow(Struct, frozen=True):
    """A rate: units of the currency per unit of the rate table's base, from a day on."""

    currency_id: Ref
    company_id: Ref
    name: str
    rate: Decimal
