"""Provision an Odoo for the demonstration by API alone: companies, currencies, accounts, journals and taxes, found or created.

Works on the sandbox and on Odoo 17, 18 and 19 alike, and may be repeated: what is there is found, what is missing is created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterfoil.core.commands.books import Account, AccountRole

from . import chart
from .entities import DemoEntity, DemoTax
from .odoo_plain import OdooPlain, OdooPlainError

ACCOUNT_COMPANIES_FROM_MAJOR = 18
"""From 18 on an account belongs to several companies (``company_ids``), before to one (``company_id``)."""


@dataclass(slots=True)
class ProvisionedCompany:
    """What one entity has in Odoo: ids by our own names. ``taxes`` maps a tax's key to its id."""

    entity: DemoEntity
    company_id: int
    accounts: dict[AccountRole, int] = field(default_factory=dict)
    journals: dict[str, int] = field(default_factory=dict)
    taxes: dict[str, int] = field(default_factory=dict)

    @property
    def account_codes(self) -> dict[str, str]:
        """Account codes by the text of the canonical account, e.g. ``clearing:stripe_us``."""
        codes = {}
        for account in chart.CHART:
            qualifier = self.entity.connection if account.role in chart.QUALIFIED_BY_CONNECTION else ""
            codes[str(Account(account.role, qualifier))] = account.code
        return codes

    @property
    def journal_codes(self) -> dict[str, str]:
        """Journal codes by journal role: ``sales``, ``general``, ``out_of_band`` and the processor's connection."""
        return {
            "sales": chart.SALES_JOURNAL,
            "general": chart.GENERAL_JOURNAL,
            "out_of_band": chart.OUT_OF_BAND_JOURNAL,
            self.entity.connection: chart.PROCESSOR_JOURNAL,
        }


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Everything provisioned, by entity key."""

    companies: Mapping[str, ProvisionedCompany]

    def configuration(self) -> dict[str, Any]:
        """Return the ``companies`` section of an Odoo connection's configuration: names and codes only, no database ids."""
        return {
            "companies": {
                key: {
                    "company": company.entity.company,
                    "journals": company.journal_codes,
                    "accounts": company.account_codes,
                    "taxes": {tax.key: tax.name for tax in company.entity.taxes},
                }
                for key, company in self.companies.items()
            }
        }

    def entities(self, target: str) -> dict[str, dict[str, str]]:
        """Return the ``entities`` section of a configuration file; ``target`` is the name of the Odoo connection.

        Some of the company's refunds are made without a credit note.
        """
        return {
            key: {
                "target": target,
                "currency": company.entity.currency,
                "time_zone": company.entity.time_zone,
                "uncredited_refunds": "account",
            }
            for key, company in self.companies.items()
        }

    def routes(self) -> list[dict[str, str]]:
        """Return the ``routes`` section: each processor connection belongs to its entity."""
        return [{"entity": key, "connection": company.entity.connection} for key, company in self.companies.items()]

    def mappings(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the ``mappings`` section: per entity, the source's percentage and inclusion -> the tax's name in ``configuration``."""
        return {
            "tax": {
                key: {f"{tax.percentage}|{'inclusive' if tax.is_inclusive else 'exclusive'}": tax.key for tax in company.entity.taxes}
                for key, company in self.companies.items()
            }
        }


async def provision(odoo: OdooPlain, entities: Sequence[DemoEntity], rates: chart.Rates = chart.RATES) -> Provisioned:
    """Find or create all that the entities need. Raises OdooPlainError with Odoo's own words where it refuses."""
    currencies = await _currencies(odoo, sorted({c for e in entities for c in (e.currency, *e.foreign_currencies)}))
    companies: dict[str, ProvisionedCompany] = {}
    for entity in entities:
        company = ProvisionedCompany(entity, await _company(odoo, entity, currencies))
        await _accounts(odoo, company)
        await _journals(odoo, company)
        for tax in entity.taxes:
            company.taxes[tax.key] = await _tax(odoo, company.company_id, tax, company.accounts[AccountRole.TAX])
        await _rates(odoo, company, currencies, rates)
        companies[entity.key] = company
    return Provisioned(companies)


async def _currencies(odoo: OdooPlain, codes: Sequence[str]) -> dict[str, int]:
    """Return the ids of the currencies, activating those that sleep."""
    rows = await odoo.rows("res.currency", [["name", "in", list(codes)]], ["name", "active"], archived=True)
    asleep = [row["id"] for row in rows if not row["active"]]
    if asleep:
        await odoo.write("res.currency", asleep, {"active": True})
    return {row["name"]: row["id"] for row in rows}


async def _company(odoo: OdooPlain, entity: DemoEntity, currencies: Mapping[str, int]) -> int:
    """Return the company with the entity's name, created with the generic chart if there is none."""
    rows = await odoo.rows("res.company", [["name", "=", entity.company]], ["currency_id"])
    if rows:
        company = int(rows[0]["id"])
    else:
        company = await odoo.create("res.company", {"name": entity.company, "currency_id": currencies[entity.currency]})
    context = {"allowed_company_ids": [company]}
    if not await odoo.call("account.account", "search_count", context=context, domain=_account_domain(odoo, company)):
        arguments = {"template_code": "generic_coa", "company": company, "install_demo": False}
        await odoo.call("account.chart.template", "try_loading", [], context, **arguments)
        rows = []
    if not rows or rows[0]["currency_id"] != currencies[entity.currency]:
        # Loading a chart sets the currency of the chart's country; it can be put right as long as nothing is posted.
        await odoo.write("res.company", [company], {"currency_id": currencies[entity.currency]}, company)
    # The source computes tax line by line; a company that rounds per document would differ by a cent now and then.
    await odoo.write("res.company", [company], {"tax_calculation_rounding_method": "round_per_line"}, company)
    return company


def _account_domain(odoo: OdooPlain, company: int) -> list[Any]:
    if odoo.major >= ACCOUNT_COMPANIES_FROM_MAJOR:
        return [["company_ids", "in", [company]]]
    return [["company_id", "=", company]]


async def _accounts(odoo: OdooPlain, company: ProvisionedCompany) -> None:
    """Fill in the accounts by role. Raises OdooPlainError where a code is already another kind of account."""
    own = company.company_id
    rows = await odoo.rows("account.account", _account_domain(odoo, own), ["code", "account_type"], [own])
    by_code = {row["code"]: int(row["id"]) for row in rows}
    types = {row["code"]: row["account_type"] for row in rows}
    owner = {"company_ids": [[6, 0, [own]]]} if odoo.major >= ACCOUNT_COMPANIES_FROM_MAJOR else {"company_id": own}
    for account in chart.CHART:
        if account.code not in by_code:
            values = {"code": account.code, "name": account.name, "account_type": account.type, "reconcile": account.is_reconcilable}
            by_code[account.code] = await odoo.create("account.account", {**values, **owner}, own)
        elif types[account.code] != account.type:
            raise OdooPlainError(
                f"{company.entity.company}: account {account.code} is {types[account.code]}, not {account.type} as {account.name} must be; "
                f"give it another code or use a fresh database"
            )
        company.accounts[account.role] = by_code[account.code]


async def _journals(odoo: OdooPlain, company: ProvisionedCompany) -> None:
    """Fill in the journals by role; the processor's journal books its payments straight to its clearing account."""
    own = company.company_id
    rows = await odoo.rows("account.journal", [["company_id", "=", own]], ["code"], [own])
    by_code = {row["code"]: int(row["id"]) for row in rows}
    wanted: dict[str, dict[str, Any]] = {
        "sales": {"name": "Counterfoil Sales", "type": "sale", "default_account_id": company.accounts[AccountRole.REVENUE]},
        "general": {"name": "Counterfoil Entries", "type": "general"},
        "out_of_band": {"name": "Out-of-band receipts", "type": "bank"},
        company.entity.connection: {"name": "Stripe", "type": "bank"},
    }
    for role, code in company.journal_codes.items():
        if code not in by_code:
            by_code[code] = await odoo.create("account.journal", {"code": code, "company_id": own, **wanted[role]}, own)
        company.journals[role] = by_code[code]
    await _payment_methods(odoo, company, company.entity.connection, AccountRole.CLEARING)
    await _payment_methods(odoo, company, "out_of_band", AccountRole.OUT_OF_BAND)


async def _payment_methods(odoo: OdooPlain, company: ProvisionedCompany, role: str, account: AccountRole) -> None:
    """Have a journal's payments, in and out, booked on the account they are for."""
    journal, wanted, own = company.journals[role], company.accounts[account], company.company_id
    lines = await odoo.rows("account.payment.method.line", [["journal_id", "=", journal]], ["payment_account_id"], [own])
    wrong = [line["id"] for line in lines if line["payment_account_id"] != wanted]
    if wrong:
        await odoo.write("account.payment.method.line", wrong, {"payment_account_id": wanted}, own)


async def _tax(odoo: OdooPlain, company: int, tax: DemoTax, account: int) -> int:
    """Return the company's sales tax of that name, created if there is none; what it takes is owed, so it has a liability account."""
    domain = [["company_id", "=", company], ["type_tax_use", "=", "sale"], ["name", "=", tax.name]]
    rows = await odoo.rows("account.tax", domain, ["name"], [company])
    if rows:
        await _tax_account(odoo, company, int(rows[0]["id"]), account)
        return int(rows[0]["id"])
    inclusion: dict[str, Any] = (
        {"price_include_override": "tax_included" if tax.is_inclusive else "tax_excluded"}
        if odoo.major >= ACCOUNT_COMPANIES_FROM_MAJOR
        else {"price_include": tax.is_inclusive}
    )
    values = {"name": tax.name, "amount_type": "percent", "amount": float(tax.percentage), "type_tax_use": "sale", "company_id": company}
    made = await odoo.create("account.tax", {**values, **inclusion}, company)
    await _tax_account(odoo, company, made, account)
    return made


async def _tax_account(odoo: OdooPlain, company: int, tax: int, account: int) -> None:
    """Have a tax without an account booked on one of its own: without, its amounts would be revenue."""
    domain = [["tax_id", "=", tax], ["repartition_type", "=", "tax"], ["account_id", "=", False]]
    lines = await odoo.rows("account.tax.repartition.line", domain, ["id"], [company])
    if lines:
        await odoo.write("account.tax.repartition.line", [line["id"] for line in lines], {"account_id": account}, company)


async def _rates(odoo: OdooPlain, company: ProvisionedCompany, currencies: Mapping[str, int], rates: chart.Rates) -> None:
    """Give the company its exchange rates: without any, Odoo silently takes 1.0."""
    own, home = company.company_id, company.entity.currency
    rows = await odoo.rows("res.currency.rate", [["company_id", "=", own]], ["name", "currency_id"], [own])
    known = {(row["currency_id"], str(row["name"])) for row in rows}
    for foreign, currency in currencies.items():
        for day, rate in rates.get((home, foreign), ()):
            if (currency, day.isoformat()) in known:
                continue
            values = {"currency_id": currency, "name": day.isoformat(), "company_id": own, "inverse_company_rate": float(rate)}
            await odoo.create("res.currency.rate", values, own)
