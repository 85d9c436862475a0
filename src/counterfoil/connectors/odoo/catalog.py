"""One entity's books as found in Odoo: journals, accounts, taxes, currencies and rates by their configured names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches

from counterfoil.connectors.odoo.catalog_rows import AccountRow, JournalRow, TaxRow
from counterfoil.connectors.odoo.client import OdooContext as OdooContext
from counterfoil.connectors.odoo.config import CompanyConfig
from counterfoil.connectors.odoo.precision import Precision
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money, exponent_of
from counterfoil.kit.errors import RejectedError

RatesMark = tuple[int, str]
"""How many rates there are and when the newest was written: one that was added, changed or deleted makes another mark."""


@dataclass(frozen=True, slots=True)
class CompanyCatalog:
    """One entity's books, as found in Odoo at ``read_at``.

    ``taxes`` by name and by id as text; a name that occurs twice is in ``ambiguous_taxes`` instead. ``rates`` by currency, newest first,
    the company's own before shared ones. ``tax_mode``: what Odoo 20 makes of a tax that does not say whether prices include it, unless
    a document says otherwise; empty before 20.
    ``place``: where it stands in the configuration file. ``decimals``: with how many Odoo keeps amounts, by currency.
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
    lineage: tuple[int, ...] = ()
    rates_mark: RatesMark = (0, "")
    place: str = field(default="", compare=False)
    precision: Precision = field(default_factory=Precision)
    tax_mode: str = ""
    decimals: Mapping[str, int] = field(default_factory=dict)

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
                f"{self.entity}: {what} in company {self.name}; set {self.place}.journals.{role} to the code of a journal",
                code="odoo.journal_unmapped",
                case_class=CaseClass.UNMAPPED_ACCOUNT,
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
            named = {code: row.name for code, row in self.accounts.items()}
            raise self._unmapped(account, f"account {code} does not exist or is out of use{_near(code, named)}")
        return row.id

    def _account_without_code(self, account: Account) -> int:
        if account.role is AccountRole.RECEIVABLE:
            return self.receivable_id
        if account.role is AccountRole.TAX:
            return self.tax_accounts.get(self.tax(account.qualifier).id, 0)
        return 0

    def _unmapped(self, account: Account, why: str) -> RejectedError:
        return RejectedError(
            f'{self.entity}: account {account}: {why} in company {self.name}; set {self.place}.accounts."{account}" to the code'
            " of an active account",
            code="odoo.account_unmapped",
            case_class=CaseClass.UNMAPPED_ACCOUNT,
        )

    def tax(self, target_tax: str) -> TaxRow:
        """Return the sales tax of a configured name or id. Raises RejectedError (unmapped_tax)."""
        wanted = str(self.config.taxes.get(target_tax, target_tax))
        row = self.taxes.get(wanted)
        if row is None:
            why = (
                "several taxes have this name; use the id"
                if wanted in self.ambiguous_taxes
                else f"there is no active sales tax of this name or id{_near(wanted, {row.name: '' for row in self.taxes.values()})}"
            )
            raise RejectedError(
                f'{self.entity}: tax {wanted!r}: {why} in company {self.name}; map {self.place}.taxes."{target_tax}"',
                code="odoo.tax_unmapped",
                case_class=CaseClass.UNMAPPED_TAX,
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

    def unit_of(self, currency: str) -> int:
        """Return the smallest amount Odoo keeps of a currency, in minor units: 1, or more where it has fewer decimals than ISO 4217."""
        exponent = exponent_of(currency)
        return int(10 ** max(0, exponent - self.decimals.get(currency, exponent)))

    def require_whole(self, *amounts: Money) -> None:
        """Raise RejectedError if Odoo would round one of the amounts, since it has fewer decimals for its currency than the source."""
        for amount in amounts:
            if amount.minor % self.unit_of(amount.currency):
                raise RejectedError(
                    f"{amount} cannot be booked as it is: Odoo keeps {amount.currency} with {self.decimals[amount.currency]} decimals, the"
                    f" source, as ISO 4217, with {exponent_of(amount.currency)}",
                    code="odoo.currency_decimals",
                    case_class=CaseClass.AMOUNT_MISMATCH,
                )

    def require_rate(self, currency: str, day: date) -> Decimal:
        """Return a currency's rate in force on a day. Raises RejectedError: without one Odoo books 1:1 without a word."""
        if currency == self.currency:
            return self._rate(currency, day) or Decimal(1)
        found = self._rate(currency, day)
        if found is None:
            self.currency_id_of(currency)  # rates of a currency that is not active are not looked at: that is the first thing to mend
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
        """Return an amount in the company's currency at Odoo's rate of a day, half up to what Odoo keeps of it.

        Raises RejectedError if there is no rate.

        Source: res.currency ``_get_conversion_rate``: rate of the target currency divided by rate of the source currency.
        """
        if money.currency == self.currency:
            return money
        rate = self.require_rate(self.currency, day) / self.require_rate(money.currency, day)
        major = Decimal(money.minor).scaleb(-exponent_of(money.currency)) * rate
        unit = self.unit_of(self.currency)
        units = (major.scaleb(exponent_of(self.currency)) / unit).to_integral_value(ROUND_HALF_UP)
        return Money(int(units) * unit, self.currency)

    @property
    def is_cash_basis(self) -> bool:
        """Whether any sales tax is due on payment, so that matching must go through Odoo's own ``reconcile``."""
        return any(tax.tax_exigibility == "on_payment" for tax in self.taxes.values())


def _near(wanted: str, known: Mapping[str, str]) -> str:
    """Return words for the names that were probably meant, by what stands beside each; empty if none is near."""
    by_case = {name.casefold(): name for name in known}
    found = [by_case[name] for name in get_close_matches(wanted.casefold(), by_case, 3, 0.5)]
    return f" (near it: {', '.join(' '.join(filter(None, (name, known[name]))) for name in found)})" if found else ""
