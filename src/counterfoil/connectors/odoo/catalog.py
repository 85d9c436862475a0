"""Names and codes of the configuration resolved to database ids, per company; read once per process and again when something is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from msgspec import Struct

from counterfoil.connectors.odoo.client import Context as OdooContext
from counterfoil.connectors.odoo.config import CompanyConfig
from counterfoil.connectors.odoo.detect import Dialect, Session
from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.core.canonical.commands import Account, AccountRole
from counterfoil.core.canonical.money import Money, exponent_of
from counterfoil.kit.connector import Context
from counterfoil.kit.errors import RejectedError

_STATE_KEY = "odoo.catalog"
REFRESH_AFTER = timedelta(seconds=30)


class CompanyRow(Struct, frozen=True):
    """A company."""

    id: int
    name: str
    currency_id: Ref


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


class CurrencyRow(Struct, frozen=True):
    """An active currency."""

    id: int
    name: str


class RateRow(Struct, frozen=True):
    """A rate: units of the currency per unit of the rate table's base, from a day on."""

    currency_id: Ref
    company_id: Ref
    name: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class CompanyCatalog:
    """One entity's books, as found in Odoo at ``read_at``.

    ``taxes`` by name and by id as text; a name that occurs twice is in ``ambiguous_taxes`` instead. ``rates`` by currency, newest first,
    the company's own before shared ones.
    """

    entity: str
    config: CompanyConfig
    id: int
    name: str
    currency: str
    journals: Mapping[str, JournalRow]
    accounts: Mapping[str, AccountRow]
    taxes: Mapping[str, TaxRow]
    ambiguous_taxes: frozenset[str]
    tax_accounts: Mapping[int, int]
    currencies: Mapping[str, int]
    rates: Mapping[str, tuple[tuple[date, Decimal], ...]]
    has_earliest_rate: bool
    receivable_id: int
    read_at: datetime = field(compare=False)

    @property
    def context(self) -> OdooContext:
        """The context every call for this company carries."""
        return {"allowed_company_ids": [self.id]}

    @property
    def currency_id(self) -> int:
        """The company currency's id."""
        return self.currencies[self.currency]

    def journal(self, role: str) -> JournalRow:
        """Return the journal of a role. Raises RejectedError (unmapped_account)."""
        code = self.config.journals.get(role)
        row = self.journals.get(code) if code else None
        if row is None:
            what = f"journal {code!r}, mapped to {role!r}, does not exist" if code else f"no journal is mapped to {role!r}"
            raise RejectedError(
                f"{self.entity}: {what} in company {self.name}; set companies.{self.entity}.journals.{role} to the code of a journal",
                code="odoo.journal_unmapped",
                case_class="unmapped_account",
            )
        return row

    def account_id(self, account: Account) -> int:
        """Return an account's id. Raises RejectedError (unmapped_account)."""
        code = self.config.account_code(account)
        if code is None:
            known = self._account_without_code(account)
            if known:
                return known
            raise self._unmapped(account, "no account is mapped to it")
        row = self.accounts.get(code)
        if row is None:
            raise self._unmapped(account, f"account {code} does not exist or is out of use")
        return row.id

    def _account_without_code(self, account: Account) -> int:
        if account.role is AccountRole.RECEIVABLE:
            return self.receivable_id
        if account.role is AccountRole.TAX:
            return self.tax_accounts.get(self.tax(account.qualifier).id, 0)
        return 0

    def _unmapped(self, account: Account, why: str) -> RejectedError:
        return RejectedError(
            f'{self.entity}: account {account}: {why} in company {self.name}; set companies.{self.entity}.accounts."{account}" to the code'
            " of an active account",
            code="odoo.account_unmapped",
            case_class="unmapped_account",
        )

    def tax(self, target_tax: str) -> TaxRow:
        """Return the sales tax of a configured name or id. Raises RejectedError (unmapped_tax)."""
        wanted = str(self.config.taxes.get(target_tax, target_tax))
        row = self.taxes.get(wanted)
        if row is None:
            why = (
                "several taxes have this name; use the id"
                if wanted in self.ambiguous_taxes
                else "there is no active sales tax of this name or id"
            )
            raise RejectedError(
                f'{self.entity}: tax {wanted!r}: {why} in company {self.name}; map companies.{self.entity}.taxes."{target_tax}"',
                code="odoo.tax_unmapped",
                case_class="unmapped_tax",
            )
        return row

    def currency_id_of(self, currency: str) -> int:
        """Return a currency's id. Raises RejectedError if it is not active."""
        found = self.currencies.get(currency)
        if found is None:
            raise RejectedError(
                f"currency {currency} is not active in Odoo; activate it under Accounting, Configuration, Currencies",
                code="odoo.currency_inactive",
            )
        return found

    def require_rate(self, currency: str, day: date) -> Decimal:
        """Return a currency's rate in force on a day. Raises RejectedError: without one Odoo books 1:1 without a word."""
        if currency == self.currency:
            return self._rate(currency, day) or Decimal(1)
        found = self._rate(currency, day)
        if found is None:
            raise RejectedError(
                f"{self.name} has no rate for {currency} on {day}; Odoo would book it 1:1. Add the currency's rates in Odoo",
                code="odoo.rate_missing",
            )
        return found

    def _rate(self, currency: str, day: date) -> Decimal | None:
        rates = self.rates.get(currency, ())
        for since, rate in rates:
            if since <= day:
                return rate
        return rates[-1][1] if rates and self.has_earliest_rate else None

    def to_company(self, money: Money, day: date) -> Money:
        """Return an amount in the company's currency at Odoo's rate of a day, half up. Raises RejectedError if there is no rate.

        Source: res.currency ``_get_conversion_rate``: rate of the target currency divided by rate of the source currency.
        """
        if money.currency == self.currency:
            return money
        rate = self.require_rate(self.currency, day) / self.require_rate(money.currency, day)
        major = Decimal(money.minor).scaleb(-exponent_of(money.currency)) * rate
        minor = major.scaleb(exponent_of(self.currency)).to_integral_value(ROUND_HALF_UP)
        return Money(int(minor), self.currency)

    @property
    def is_cash_basis(self) -> bool:
        """Whether any sales tax is due on payment, so that matching must go through Odoo's own ``reconcile``."""
        return any(tax.tax_exigibility == "on_payment" for tax in self.taxes.values())


async def company_catalog(ctx: Context, session: Session, entity: str, *, is_fresh: bool = False) -> CompanyCatalog:
    """Return an entity's catalog, from the cache unless ``is_fresh`` asks for one at most 30 s old.

    Raises RejectedError if the entity is not configured or its company is not found.
    """
    cache: dict[str, CompanyCatalog] = ctx.state.setdefault(_STATE_KEY, {})
    known = cache.get(entity)
    if known is not None and (not is_fresh or ctx.clock.now() - known.read_at < REFRESH_AFTER):
        return known
    found = await read_catalog(session, entity, ctx.clock.now())
    cache[entity] = found
    return found


async def find_company(session: Session, entity: str) -> CompanyRow:
    """Return an entity's company. Raises RejectedError if it is not configured, not found or not the only one of its name."""
    config = session.settings.companies.get(entity)
    if config is None:
        raise RejectedError(
            f"entity {entity} has no company in this connection; add companies.{entity}",
            code="odoo.company_unmapped",
            case_class="unmapped_account",
        )
    field_name = "id" if isinstance(config.company, int) else "name"
    rows = await session.client.read("res.company", [[field_name, "=", config.company]], CompanyRow)
    if len(rows) != 1:
        how = "was not found, or the integration user may not use it" if not rows else "exists several times; use its id"
        raise RejectedError(
            f"entity {entity}: company {config.company!r} {how}; set companies.{entity}.company and give the user that company",
            code="odoo.company_unmapped",
            case_class="unmapped_account",
        )
    return rows[0]


async def read_catalog(session: Session, entity: str, now: datetime) -> CompanyCatalog:
    """Read an entity's catalog from Odoo. Raises RejectedError as ``find_company``."""
    company = await find_company(session, entity)
    client, context = session.client, {"allowed_company_ids": [company.id]}
    own = ["company_id", "=", company.id]
    journals, accounts, taxes, tax_accounts, currencies, rates, defaults = await asyncio.gather(
        client.read("account.journal", [own], JournalRow, context=context),
        client.read("account.account", account_domain(session.dialect, company.id), AccountRow, context=context),
        client.read("account.tax", [own, ["type_tax_use", "in", ["sale", "none"]]], TaxRow, context=context),
        client.read(
            "account.tax.repartition.line",
            [own, ["repartition_type", "=", "tax"], ["account_id", "!=", False]],
            TaxAccountRow,
            context=context,
        ),
        client.read("res.currency", [], CurrencyRow, context=context),
        client.read("res.currency.rate", [["company_id", "in", [company.id, False]]], RateRow, context=context, order="name desc"),
        client.call("res.partner", "default_get", fields=["property_account_receivable_id"], context=context),
    )
    names = {row.id: row.name for row in currencies}
    by_name, ambiguous = _taxes(taxes)
    return CompanyCatalog(
        entity=entity,
        config=session.settings.companies[entity],
        id=company.id,
        name=company.name,
        currency=names.get(ref(company.currency_id), ""),
        journals={row.code: row for row in journals},
        accounts={text(row.code): row for row in accounts if text(row.code)},
        taxes=by_name,
        ambiguous_taxes=ambiguous,
        tax_accounts={ref(row.tax_id): ref(row.account_id) for row in tax_accounts if ref(row.tax_id)},
        currencies={row.name: row.id for row in currencies},
        rates=_rates(rates, names),
        has_earliest_rate=session.dialect.major >= 18,
        receivable_id=_receivable(defaults, accounts),
        read_at=now,
    )


def account_domain(dialect: Dialect, company_id: int) -> list[Any]:
    """Return the domain of a company's accounts in use."""
    domain: list[Any] = [[dialect.account_company, "in", [company_id]]]
    return [*domain, ["deprecated", "=", False]] if dialect.has_deprecated else domain


def _receivable(defaults: Any, accounts: list[AccountRow]) -> int:
    """Return the receivable account partners have by default, else the only one there is, else 0."""
    given = defaults.get("property_account_receivable_id") if isinstance(defaults, dict) else None
    found = given[0] if isinstance(given, list) and given else given
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    receivable = [row.id for row in accounts if row.account_type == "asset_receivable"]
    return receivable[0] if len(receivable) == 1 else 0


def _taxes(rows: list[TaxRow]) -> tuple[dict[str, TaxRow], frozenset[str]]:
    names = [row.name for row in rows]
    ambiguous = frozenset(name for name in names if names.count(name) > 1)
    by_name = {row.name: row for row in rows if row.name not in ambiguous}
    return by_name | {str(row.id): row for row in rows}, ambiguous


def _rates(rows: list[RateRow], names: Mapping[int, str]) -> dict[str, tuple[tuple[date, Decimal], ...]]:
    """Group rates by currency; where the company has rates of its own, shared ones come after all of them, as Odoo orders them."""
    found: dict[str, list[tuple[date, Decimal]]] = {}
    for row in sorted(rows, key=lambda row: not ref(row.company_id)):
        name = names.get(ref(row.currency_id))
        if name:
            found.setdefault(name, []).append((date.fromisoformat(row.name[:10]), row.rate))
    return {name: tuple(rates) for name, rates in found.items()}
