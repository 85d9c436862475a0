"""Books to test with, made through Odoo's own API: three companies with journals, accounts, taxes and rates, the same on every Odoo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.tests import copies
from counterfoil.connectors.odoo.tests.plain import PlainOdoo

ACCOUNTS = {
    "clearing:stripe": ("199100", "Stripe clearing", "asset_current", True),
    "disputed_funds": ("199200", "Disputed funds", "asset_current", True),
    "bank_in_transit": ("199300", "Bank in transit", "asset_current", True),
    "out_of_band": ("199400", "Money outside processors", "asset_current", True),
    "customer_credit": ("299200", "Customer credit", "liability_current", True),
    "deferred_revenue": ("299100", "Deferred subscriptions", "liability_current", False),
    "revenue": ("499100", "Subscriptions", "income", False),
    "rounding": ("499500", "Rounding", "income_other", False),
    "fees": ("699100", "Payment fees", "expense", False),
    "bad_debt": ("699200", "Bad debt", "expense", False),
}
TAX_PAYABLE = "299500"
TAXES = {"19%": (19.0, False), "19% incl": (19.0, True), "8.875%": (8.875, False), "0% reverse": (0.0, False)}
CURRENCIES = {"US": "USD", "DE": "EUR", "JP": "JPY"}
RATES = {  # company currency units per unit of the currency, by company currency
    "USD": {"EUR": 1.25, "JPY": 0.01},
    "EUR": {"USD": 0.8, "JPY": 0.008},
    "JPY": {"USD": 100.0, "EUR": 125.0},
}


@dataclass(frozen=True)
class Books:
    """What was made: company ids by entity and the settings' companies table."""

    companies: dict[str, int]
    config: dict[str, dict[str, Any]]


_kept: dict[int, tuple[Books, bytes]] = {}
"""What was made in the first sandbox of each version."""


async def sandbox_books(sandbox: OdooSandbox, odoo: PlainOdoo) -> Books:
    """Have a fresh sandbox hold the books: made by calls in the first of its version, copied into the others, as a test has many."""
    if sandbox.version not in _kept:
        made = await provision(odoo, "")
        _kept[sandbox.version] = made, copies.kept(sandbox)
        return made
    books, copy = _kept[sandbox.version]
    copies.put(sandbox, copy)
    return books


async def provision(odoo: PlainOdoo, run: str) -> Books:
    """Make three companies whose names end in ``run``; returns their ids and the configuration that fits."""
    currencies = {row["name"]: row["id"] for row in await odoo.find("res.currency", [["active", "in", [True, False]]], ["name"])}
    await odoo.call("res.currency", "write", [currencies[code] for code in CURRENCIES.values()], vals={"active": True})
    companies: dict[str, int] = {}
    config: dict[str, dict[str, Any]] = {}
    for entity, code in CURRENCIES.items():
        company_id = await _company(odoo, f"Northwind {entity} {run}", currencies[code])
        companies[entity] = company_id
        accounts = await _accounts(odoo, company_id)
        await _journal(odoo, company_id, accounts["clearing:stripe"])
        await _taxes(odoo, company_id, accounts["tax"])
        for currency, rate in RATES[code].items():
            values = {"currency_id": currencies[currency], "name": "2020-01-01", "inverse_company_rate": rate, "company_id": company_id}
            await odoo.create("res.currency.rate", company_id, **values)
        config[entity] = {
            "company": f"Northwind {entity} {run}",
            "journals": {"sales": "INV", "general": "MISC", "stripe": "STR"},
            "accounts": {role: spec[0] for role, spec in ACCOUNTS.items()},
        }
    return Books(companies, config)


async def _company(odoo: PlainOdoo, name: str, currency_id: int) -> int:
    company_id = await odoo.create("res.company", name=name, currency_id=currency_id)
    user = (await odoo.find("res.users", [["id", "=", odoo.uid]], ["company_ids"]))[0]
    if company_id not in user["company_ids"]:
        await odoo.call("res.users", "write", [odoo.uid], vals={"company_ids": [[4, company_id]]})
    context = {"allowed_company_ids": [company_id]}
    chart: dict[str, Any] = {"template_code": "generic_coa", "company": company_id, "install_demo": False, "context": context}
    if odoo.major >= 19:
        await odoo.call("account.chart.template", "try_loading", **chart)
    else:
        await odoo.call("account.chart.template", "try_loading", [], **chart)
    await odoo.call("res.company", "write", [company_id], vals={"currency_id": currency_id})
    return company_id


async def _accounts(odoo: PlainOdoo, company_id: int) -> dict[str, int]:
    owner = {"company_id": company_id} if odoo.major == 17 else {"company_ids": [[6, 0, [company_id]]]}
    made = {}
    for role, (code, name, kind, reconcile) in {**ACCOUNTS, "tax": (TAX_PAYABLE, "Tax payable", "liability_current", False)}.items():
        values = {"code": code, "name": name, "account_type": kind, "reconcile": reconcile, **owner}
        made[role] = await odoo.create("account.account", company_id, **values)
    return made


async def _journal(odoo: PlainOdoo, company_id: int, clearing_id: int) -> None:
    values = {"code": "STR", "name": "Stripe", "type": "bank", "company_id": company_id}
    journal_id = await odoo.create("account.journal", company_id, **values)
    lines = await odoo.find("account.payment.method.line", [["journal_id", "=", journal_id]], ["id"], company_id)
    ids = [line["id"] for line in lines]
    context = {"allowed_company_ids": [company_id]}
    await odoo.call("account.payment.method.line", "write", ids, vals={"payment_account_id": clearing_id}, context=context)


async def _taxes(odoo: PlainOdoo, company_id: int, account_id: int) -> None:
    context = {"allowed_company_ids": [company_id]}
    for name, (rate, is_inclusive) in TAXES.items():
        included = (
            {"price_include": is_inclusive}
            if odoo.major == 17
            else {"price_include_override": "tax_included" if is_inclusive else "tax_excluded"}
        )
        values = {"name": name, "amount": rate, "amount_type": "percent", "type_tax_use": "sale", "company_id": company_id, **included}
        tax_id = await odoo.create("account.tax", company_id, **values)
        domain = [["tax_id", "=", tax_id], ["repartition_type", "=", "tax"]]
        lines = await odoo.find("account.tax.repartition.line", domain, ["id"], company_id)
        await odoo.call(
            "account.tax.repartition.line", "write", [line["id"] for line in lines], vals={"account_id": account_id}, context=context
        )
