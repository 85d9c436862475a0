"""Reading an entity's catalog from Odoo: once per process, and again when something is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_rows import (
    AccountRow,
    CompanyRow,
    CurrencyRow,
    JournalRow,
    RateRow,
    ReceivableRow,
    TaxAccountRow,
    TaxRow,
)
from counterfoil.connectors.odoo.detect import Dialect, Session
from counterfoil.connectors.odoo.wire import ref, text
from counterfoil.kit.connector import Context
from counterfoil.kit.errors import RejectedError

_STATE_KEY = "odoo.catalog"
REFRESH_AFTER = timedelta(seconds=30)
"""How old a catalog must be before a miss reads it again."""


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
    journals, accounts, taxes, tax_accounts = await asyncio.gather(
        client.read("account.journal", [own], JournalRow, context=context),
        client.read("account.account", account_domain(session.dialect, company.id), AccountRow, context=context),
        client.read("account.tax", [own, ["type_tax_use", "in", ["sale", "none"]]], TaxRow, context=context),
        client.read(
            "account.tax.repartition.line",
            [own, ["repartition_type", "=", "tax"], ["account_id", "!=", False]],
            TaxAccountRow,
            context=context,
        ),
    )
    currencies, rates, own_partner = await asyncio.gather(
        client.read("res.currency", [], CurrencyRow, context=context),
        client.read("res.currency.rate", [["company_id", "in", [company.id, False]]], RateRow, context=context, order="name desc"),
        client.read("res.partner", [["id", "=", ref(company.partner_id)]], ReceivableRow, context=context),
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
        receivable_id=ref(own_partner[0].property_account_receivable_id) if own_partner else 0,
        read_at=now,
    )


def account_domain(dialect: Dialect, company_id: int) -> list[Any]:
    """Return the domain of a company's accounts in use."""
    domain: list[Any] = [[dialect.account_company, "in", [company_id]]]
    return [*domain, ["deprecated", "=", False]] if dialect.has_deprecated else domain


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
