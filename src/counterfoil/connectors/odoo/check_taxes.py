"""The taxes' part of the check: each is there, computes the rate its mapping speaks of, and has an account, or a person confirmed it."""

from __future__ import annotations

from collections.abc import Iterator

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_rows import TaxRow
from counterfoil.core.language.text import decimal_text
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.requirements import Requirements


def tax_findings(company: CompanyCatalog, entity: str, requirements: Requirements) -> Iterator[Finding]:
    """Yield what is wrong with the taxes mapped for one entity."""
    rates = requirements.tax_rates.get(entity, {})
    for name in requirements.taxes.get(entity, ()):
        try:
            row = company.tax(name)
        except RejectedError as error:
            yield Finding(Severity.ERROR, error.code, str(error), "Create the sales tax, or map its name", company.entity)
            continue
        wrong = [rate for rate in rates.get(name, ()) if row.amount_type == "percent" and row.amount != rate]
        if wrong:
            named = ", ".join(f"{decimal_text(rate)} %" for rate in wrong)
            words = f"tax {row.name} computes {decimal_text(row.amount)} %, and {named} of the source is mapped to it"
            yield Finding(Severity.ERROR, "odoo.tax_rate", words, _remedy(entity, name, "Map a tax of the same rate"), company.entity)
        if _needs_account(row) and row.id not in company.tax_accounts and name not in requirements.confirmed_taxes.get(entity, ()):
            words = f"tax {row.name} has no account: its amounts would be booked as revenue, on the account of the line it is for"
            remedy = _remedy(entity, name, "Set an account on the tax's distribution for invoices and for refunds")
            yield Finding(Severity.ERROR, "odoo.tax_account", words, remedy, company.entity)
    if company.is_cash_basis:
        yield Finding(
            Severity.WARNING,
            "odoo.cash_basis",
            f"{company.name} has taxes due on payment: matches go one by one, and only such that close a document",
            entity=company.entity,
        )


def _needs_account(row: TaxRow) -> bool:
    """Whether a tax has an amount of its own; those of a group are its children's."""
    return bool(row.amount) and not row.children_tax_ids


def _remedy(entity: str, name: str, words: str) -> str:
    return f"{words}; if it is meant so: counterfoil map set tax {entity} KEY {name!r} --confirmed"
