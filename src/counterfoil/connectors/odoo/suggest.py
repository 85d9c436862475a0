"""A commented TOML fragment for ``counterfoil init``: the companies of the connected Odoo with likely journals and accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from counterfoil.connectors.odoo.catalog_read import account_domain
from counterfoil.connectors.odoo.catalog_rows import AccountRow, CompanyRow, JournalRow, TaxRow
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.snapshots import CurrencyName
from counterfoil.connectors.odoo.wire import Text, ref, text
from counterfoil.kit.connector import Context

_GUESSES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("receivable", ("asset_receivable",), r"^(?!.*\b(pos|point of sale)\b)"),
    ("revenue", ("income",), r"sales|revenue|erl"),
    ("deferred_revenue", ("liability_current",), r"deferred|unearned|abgrenz"),
    ("clearing", ("asset_current",), r"outstanding receipts|clearing|verrechnung"),
    ("fees", ("expense", "expense_direct_cost"), r"bank fee|fees|geb"),
    ("disputed_funds", ("asset_current",), r"disput"),
    ("bad_debt", ("expense",), r"bad debt|forderungsverlust"),
    ("bank_in_transit", ("asset_current", "asset_cash"), r"transfer|transit"),
    ("customer_credit", ("liability_current",), r"customer credit|customer deposit|prepayment|anzahlung|guthaben"),
    ("adjustment", ("expense", "expense_other"), r"adjustment|write-?off|ausbuchung"),
    ("rounding", ("income_other", "expense"), r"rounding|cash difference"),
)
"""Role, account types and words in the name that make an account likely."""


class CompanySetup(CompanyRow, frozen=True):
    """A company with the name of its chart."""

    chart_template: Text = False


async def suggest(ctx: Context) -> str:
    """Return the fragment. What could not be guessed is a comment that says what to write. Raises TransientError, SetupError."""
    session = await connect(ctx)
    companies = await session.client.read("res.company", [], CompanySetup, order="id")
    names = {row.id: row.name for row in await session.client.read("res.currency", [], CurrencyName)}
    parts = [
        f"# Odoo {session.dialect.version}. One table per legal entity; the key after companies is the entity's name, change it to yours.",
        "# A processor's journal and clearing account carry the name of its connection.",
    ]
    for company in companies:
        parts += await _company(session, ctx.connection, company, names.get(ref(company.currency_id), "?"))
    return "\n".join(parts) + "\n"


async def _company(session: Session, connection: str, company: CompanySetup, currency: str) -> list[str]:
    context = {"allowed_company_ids": [company.id]}
    own = ["company_id", "=", company.id]
    client = session.client
    journals = await client.read("account.journal", [own], JournalRow, context=context, order="id")
    if not text(company.chart_template) and not journals:
        return ["", f"# company {company.name} ({currency}) has no chart of accounts yet"]
    accounts = await client.read("account.account", account_domain(session.dialect, company.id), AccountRow, context=context)
    taxes = await client.read("account.tax", [own, ["type_tax_use", "=", "sale"]], TaxRow, context=context)
    key = entity_key(company.name)
    table = f"connections.{connection}.companies.{key}"
    return [
        "",
        f"# {company.name}, books in {currency}",
        f"[{table}]",
        f"company = {_quoted(company.name)}",
        "",
        f"[{table}.journals]",
        *_journals(journals),
        "",
        f"[{table}.accounts]",
        *_accounts(accounts),
        "",
        f"[{table}.taxes]  # name in the hub's mappings = name or id in Odoo; needed only where they differ",
        *(
            f"# {_quoted(tax.name)} = {tax.id}  # {tax.amount} {'included in the price' if tax.price_include else 'on top'}"
            for tax in taxes
        ),
    ]


def entity_key(name: str) -> str:
    """Return a TOML bare key made of a company's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "entity"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _journals(journals: Sequence[JournalRow]) -> Iterator[str]:
    for role, types in (("sales", ("sale",)), ("general", ("general",)), ("stripe", ("bank", "cash", "credit"))):
        fitting = [journal for journal in journals if journal.type in types]
        named = [journal for journal in fitting if "stripe" in journal.name.lower()] or fitting
        others = ", ".join(f"{journal.code} {journal.name}" for journal in fitting if journal is not named[0])
        if named:
            yield f"{role} = {_quoted(named[0].code)}  # {named[0].name}" + (f"; also: {others}" if others else "")
        else:
            yield f'# {role} = "CODE"  # create a journal of type {types[0]}'


def _accounts(accounts: Sequence[AccountRow]) -> Iterator[str]:
    for role, types, words in _GUESSES:
        key = '"clearing:stripe"' if role == "clearing" else role
        fitting = [row for row in accounts if row.account_type in types and re.search(words, row.name, re.IGNORECASE)]
        fitting.sort(key=lambda row: role != "clearing" or "stripe" not in row.name.lower())
        if fitting:
            yield f"{key} = {_quoted(text(fitting[0].code))}  # {fitting[0].name}; make sure it is the right one"
        else:
            yield f'# {key} = "CODE"'
