"""Reading an entity's catalog from Odoo: again when it has aged or a batch misses something; its rates whenever they are to be used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from counterfoil.connectors.odoo.catalog import CompanyCatalog, RatesMark
from counterfoil.connectors.odoo.catalog_rows import (
    AccountRow,
    CompanyRow,
    CurrencyRow,
    JournalRow,
    RateRow,
    ReceivableRow,
    TaxAccountRow,
    TaxModeRow,
    TaxRow,
)
from counterfoil.connectors.odoo.detect import Dialect, Session
from counterfoil.connectors.odoo.precision import read_precision
from counterfoil.connectors.odoo.wire import WriteDate, ref, text
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError

_STATE_KEY = "odoo.catalog"
_READINGS_KEY = "odoo.catalog.readings"
COMPANIES_NAMED_MAX = 20


@dataclass(slots=True)
class _Readings:
    """How many catalogs this process has read of a connection, and the number of each entity's last one; one is read at a time."""

    count: int = 0
    last: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _readings(ctx: Context) -> _Readings:
    found: _Readings = ctx.state.setdefault(_READINGS_KEY, _Readings())
    return found


def readings_so_far(ctx: Context) -> int:
    """Return the mark of a batch that begins: see ``read_since``."""
    return _readings(ctx).count


async def company_catalog(ctx: Context, session: Session, entity: str) -> CompanyCatalog:
    """Return an entity's catalog, at most ``catalog_cache_s`` old.

    Raises RejectedError if the entity is not configured or its company is not found.
    """
    known = _known(ctx, entity)
    if known is not None and ctx.clock.now() - known.read_at < timedelta(seconds=session.settings.catalog_cache_s):
        return known
    return await read_since(ctx, session, entity, readings_so_far(ctx))


async def read_since(ctx: Context, session: Session, entity: str, mark: int) -> CompanyCatalog:
    """Return an entity's catalog as it was read after the mark, for a batch that misses something in an older one.

    So what somebody made in Odoo a moment before is found, and a batch costs one reading, however much of it, and in how many chunks, is
    missed. Raises as ``company_catalog``.
    """
    readings = _readings(ctx)
    async with readings.lock:
        known = _known(ctx, entity)
        if known is not None and readings.last.get(entity, 0) > mark:
            return known
        found = await read_catalog(session, entity, ctx.clock.now())
        readings.count += 1
        readings.last[entity] = readings.count
        ctx.state.setdefault(_STATE_KEY, {})[entity] = found
        return found


def _known(ctx: Context, entity: str) -> CompanyCatalog | None:
    cache: dict[str, CompanyCatalog] = ctx.state.setdefault(_STATE_KEY, {})
    return cache.get(entity)


async def current_rates(ctx: Context, session: Session, company: CompanyCatalog) -> CompanyCatalog:
    """Return the catalog with the rates Odoo has now, for what is about to be converted by them.

    Two small calls tell whether they are still those that were read: people and services enter rates at any time, also for days past.
    """
    mark = await _mark(session, company.lineage, company.context)
    if mark == company.rates_mark:
        return company
    found = replace(company, rates=await _read_rates(session, company.lineage, company.currencies, company.context), rates_mark=mark)
    ctx.state.setdefault(_STATE_KEY, {})[company.entity] = found
    return found


async def find_company(session: Session, entity: str) -> CompanyRow:
    """Return an entity's company. Raises RejectedError if it is not configured, not found or not the only one of its name."""
    config = session.settings.companies.get(entity)
    if config is None:
        raise RejectedError(
            f"entity {entity} has no company in this connection; add [{session.place(entity)}]",
            code="odoo.company_unmapped",
            case_class=CaseClass.UNMAPPED_ACCOUNT,
        )
    field_name = "id" if isinstance(config.company, int) else "name"
    rows = await session.client.read("res.company", [[field_name, "=", config.company]], CompanyRow)
    if len(rows) != 1:
        how = "exists several times; use its id" if rows else f"was not found; the integration user may use {await _companies(session)}"
        raise RejectedError(
            f"entity {entity}: company {config.company!r} {how}: set {session.place(entity)}.company, or give the user that company",
            code="odoo.company_unmapped",
            case_class=CaseClass.UNMAPPED_ACCOUNT,
        )
    return rows[0]


async def _companies(session: Session) -> str:
    """Return the names of the companies the user may use, for a message."""
    rows = await session.client.read("res.company", [], CompanyRow, order="id")
    more = f" and {len(rows) - COMPANIES_NAMED_MAX} more" if len(rows) > COMPANIES_NAMED_MAX else ""
    return (", ".join(repr(row.name) for row in rows[:COMPANIES_NAMED_MAX]) or "none") + more


async def read_catalog(session: Session, entity: str, now: datetime) -> CompanyCatalog:
    """Read an entity's catalog from Odoo. Raises RejectedError as ``find_company``."""
    company = await find_company(session, entity)
    client, context = session.client, {"allowed_company_ids": [company.id]}
    own = ["company_id", "in", company.lineage]
    journals, accounts, taxes, tax_accounts = await asyncio.gather(
        client.read("account.journal", [own], JournalRow, context=context),
        client.read("account.account", account_domain(session.dialect, *company.lineage), AccountRow, context=context),
        client.read("account.tax", [own, ["type_tax_use", "in", ["sale", "none"]]], TaxRow, context=context),
        client.read(
            "account.tax.repartition.line",
            [own, ["repartition_type", "=", "tax"], ["account_id", "!=", False]],
            TaxAccountRow,
            context=context,
        ),
    )
    mark = await _mark(session, company.lineage, context)  # before the rates: what changes in between is read once more
    currencies, own_partner = await asyncio.gather(
        client.read("res.currency", [], CurrencyRow, context=context),
        client.read("res.partner", [["id", "=", ref(company.partner_id)]], ReceivableRow, context=context),
    )
    names = {row.id: row.name for row in currencies}
    by_name, ambiguous = _taxes(taxes)
    return CompanyCatalog(
        entity=entity,
        config=session.settings.companies[entity],
        place=session.place(entity),
        id=company.id,
        name=company.name,
        currency=names.get(ref(company.currency_id), ""),
        journals={row.code: row for row in journals},
        accounts={text(row.code): row for row in accounts if text(row.code)},
        taxes=by_name,
        ambiguous_taxes=ambiguous,
        tax_accounts={ref(row.tax_id): ref(row.account_id) for row in tax_accounts if ref(row.tax_id)},
        currencies={row.name: row.id for row in currencies},
        decimals={row.name: row.decimal_places for row in currencies},
        rates=await _read_rates(session, company.lineage, {row.name: row.id for row in currencies}, context),
        has_earliest_rate=session.dialect.major >= 18,
        receivable_id=ref(own_partner[0].property_account_receivable_id) if own_partner else 0,
        read_at=now,
        lineage=tuple(company.lineage),
        rates_mark=mark,
        precision=await read_precision(session),
        tax_mode=await _tax_mode(session, company.id),
    )


async def _tax_mode(session: Session, company_id: int) -> str:
    """Return the company's own mode, by which the ``price_include`` of its taxes was read; documents of 20 are told it."""
    if not session.dialect.has_tax_mode:
        return ""
    (row,) = await session.client.read("res.company", [["id", "=", company_id]], TaxModeRow)
    return text(row.account_price_include) or "tax_excluded"


def account_domain(dialect: Dialect, *company_ids: int) -> list[Any]:
    """Return the domain of the accounts in use of a company and those it belongs to."""
    domain: list[Any] = [[dialect.account_company, "in", list(company_ids)]]
    return [*domain, ["deprecated", "=", False]] if dialect.has_deprecated else domain


def _taxes(rows: list[TaxRow]) -> tuple[dict[str, TaxRow], frozenset[str]]:
    names = [row.name for row in rows]
    ambiguous = frozenset(name for name in names if names.count(name) > 1)
    by_name = {row.name: row for row in rows if row.name not in ambiguous}
    return by_name | {str(row.id): row for row in rows}, ambiguous


def _rate_domain(lineage: Sequence[int]) -> list[Any]:
    """Return the domain of the rates that count: shared ones, and the company's, which a branch has from the company it belongs to."""
    return [["company_id", "in", [*lineage, False]]]


async def _mark(session: Session, lineage: Sequence[int], context: Mapping[str, Any]) -> RatesMark:
    domain = _rate_domain(lineage)
    count = await session.client.call("res.currency.rate", "search_count", domain=domain, context=context)
    newest = await session.client.read("res.currency.rate", domain, WriteDate, context=context, limit=1, order="write_date desc, id desc")
    return int(count), newest[0].write_date if newest else ""


async def _read_rates(
    session: Session, lineage: Sequence[int], currencies: Mapping[str, int], context: Mapping[str, Any]
) -> dict[str, tuple[tuple[date, Decimal], ...]]:
    """Read rates by currency; where the company has rates of its own, shared ones come after all of them, as Odoo orders them."""
    rows = await session.client.read("res.currency.rate", _rate_domain(lineage), RateRow, context=context, order="name desc")
    names = {currency_id: name for name, currency_id in currencies.items()}
    found: dict[str, list[tuple[date, Decimal]]] = {}
    for row in sorted(rows, key=lambda row: not ref(row.company_id)):
        name = names.get(ref(row.currency_id))
        if name:
            found.setdefault(name, []).append((date.fromisoformat(row.name[:10]), row.rate))
    return {name: tuple(rates) for name, rates in found.items()}
