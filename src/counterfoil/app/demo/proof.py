"""The proof: what the source says against what the ERP says, each read by its own plain client, never from the hub's tables."""

from __future__ import annotations

from collections.abc import Sequence

from .company import StripeAccount
from .erp_totals import baseline, read_erp
from .odoo_plain import OdooPlain
from .provision import Provisioned
from .source_stocks import read_stocks
from .source_totals import read_source
from .stripe_plain import StripePlain
from .totals import ClearingRow, StockRow, TotalRow, TotalsProof, compare, compare_stocks

__all__ = ["TotalsProof", "baseline", "prove"]


async def prove(accounts: Sequence[StripeAccount], odoo: OdooPlain, provisioned: Provisioned, before: int = 0) -> TotalsProof:
    """Read both sides as they stand now and compare them.

    ``before`` is the :func:`baseline` of the database when the run started.

    Raises:
        StripePlainError, OdooPlainError: a side cannot be read.
    """
    totals: list[TotalRow] = []
    clearing: list[ClearingRow] = []
    stocks: list[StockRow] = []
    for account in accounts:
        company = provisioned.companies[account.entity.key]
        async with StripePlain(account.url, account.key) as api:
            source, must_stand = await read_source(api), await read_stocks(api)
        erp = await read_erp(odoo, company, source.ids, before)
        totals.extend(compare(account.entity.key, source.tally, erp.tally))
        stocks.extend(compare_stocks(account.entity.key, must_stand, erp.stocks))
        home = account.entity.currency
        for currency in sorted({home, *(code for code, minor in source.balance.items() if minor)}):
            booked = erp.clearing_minor if currency == home else 0
            under_way = source.unsettled.get(currency, 0)
            clearing.append(ClearingRow(account.entity.key, currency, source.balance.get(currency, 0), booked, under_way))
    return TotalsProof(tuple(totals), tuple(clearing), tuple(stocks))
