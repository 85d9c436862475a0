"""What ``counterfoil init`` writes of a connected Odoo: its companies with likely journals and accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from counterfoil.connectors.odoo.catalog_read import account_domain
from counterfoil.connectors.odoo.catalog_rows import AccountRow, CompanyRow, JournalRow, TaxRow
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.snapshots import CurrencyName
from counterfoil.connectors.odoo.wire import Text, ref, text
from counterfoil.kit.context import Context
from counterfoil.kit.suggestions import Processors, SettingLine, SettingTable, SuggestedBooks, SuggestedTax, Suggestion

_HEAD = "One table per legal entity; the key after companies is the entity's name, change it to yours."

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


async def suggest(ctx: Context, processors: Processors) -> Suggestion:
    """Return the companies as entities. Raises TransientError, SetupError."""
    session = await connect(ctx)
    companies = await session.client.read("res.company", [], CompanySetup, order="id")
    names = {row.id: row.name for row in await session.client.read("res.currency", [], CurrencyName)}
    books, notes = [], []
    for company in companies:
        currency = names.get(ref(company.currency_id), "")
        found = await _company(session, company, currency, processors)
        if found is None:
            notes.append(f"company {company.name} ({currency or '?'}) has no chart of accounts yet")
        else:
            books.append(found)
    return Suggestion((f"Odoo {session.dialect.version}. {_HEAD}", "", *notes), tuple(books))


async def _company(session: Session, company: CompanySetup, currency: str, processors: Processors) -> SuggestedBooks | None:
    """Return a company's books, None if it has neither a chart nor journals."""
    context = {"allowed_company_ids": [company.id]}
    own = ["company_id", "=", company.id]
    client = session.client
    journals = await client.read("account.journal", [own], JournalRow, context=context, order="id")
    if not text(company.chart_template) and not journals:
        return None
    accounts = await client.read("account.account", account_domain(session.dialect, company.id), AccountRow, context=context)
    taxes = await client.read("account.tax", [own, ["type_tax_use", "=", "sale"]], TaxRow, context=context)
    key = entity_key(company.name)
    place = ("companies", key)
    tables = (
        SettingTable(place, (SettingLine("company", company.name),)),
        SettingTable((*place, "journals"), tuple(_journals(journals, processors))),
        SettingTable((*place, "accounts"), tuple(_accounts(accounts, processors))),
        SettingTable(
            (*place, "taxes"), tuple(_taxes(taxes)), "name in the hub's mappings = name or id in Odoo; needed only where they differ"
        ),
    )
    found = tuple(SuggestedTax(tax.name, str(tax.amount), bool(tax.price_include)) for tax in taxes)
    return SuggestedBooks(key, company.name, currency, tables, found)


def entity_key(name: str) -> str:
    """Return a TOML bare key made of a company's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "entity"


def _taxes(taxes: Sequence[TaxRow]) -> Iterator[SettingLine]:
    for tax in taxes:
        yield SettingLine(tax.name, tax.id, f"{tax.amount} {'included in the price' if tax.price_include else 'on top'}", is_meant=False)


def _journals(journals: Sequence[JournalRow], processors: Processors) -> Iterator[SettingLine]:
    yield _journal("sales", journals, ("sale",))
    yield _journal("general", journals, ("general",))
    for name, connector in processors.items():
        yield _journal(name, journals, ("bank", "cash", "credit"), connector)


def _journal(role: str, journals: Sequence[JournalRow], types: Sequence[str], word: str = "") -> SettingLine:
    """Return the first journal of these types, one with the word in its name before others."""
    fitting = [journal for journal in journals if journal.type in types]
    if not fitting:
        return SettingLine(role, "", f"create a journal of type {types[0]}")
    best = next((journal for journal in fitting if word in journal.name.lower()), fitting[0])
    others = ", ".join(f"{journal.code} {journal.name}" for journal in fitting if journal is not best)
    return SettingLine(role, best.code, best.name + (f"; also: {others}" if others else ""))


def _accounts(accounts: Sequence[AccountRow], processors: Processors) -> Iterator[SettingLine]:
    for role, types, words in _GUESSES:
        fitting = [row for row in accounts if row.account_type in types and re.search(words, row.name, re.IGNORECASE)]
        if role != "clearing":
            yield _account(role, fitting)
            continue
        for name, connector in processors.items():
            yield _account(f"{role}:{name}", sorted(fitting, key=lambda row: connector not in row.name.lower()))


def _account(key: str, fitting: Sequence[AccountRow]) -> SettingLine:
    if not fitting:
        return SettingLine(key, "")
    return SettingLine(key, text(fitting[0].code), f"{fitting[0].name}; make sure it is the right one")
