"""The accounts, journals and exchange rates the demonstration needs in every company: data, nothing else.

Codes follow Odoo's generic chart: what that chart already has (receivable, revenue, deferred revenue, tax, exchange loss) is used,
the rest gets a code that no version of that chart uses (1014 is banks, 1015 cash, 1017 transfers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from counterfoil.core.commands.books import AccountRole


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """One account: what it is for, its code, Odoo's account type, and whether its lines can be matched."""

    role: AccountRole
    code: str
    name: str
    type: str
    is_reconcilable: bool = False


CHART: tuple[ChartAccount, ...] = (
    ChartAccount(AccountRole.RECEIVABLE, "121000", "Account Receivable", "asset_receivable", True),
    ChartAccount(AccountRole.REVENUE, "400000", "Product Sales", "income"),
    ChartAccount(AccountRole.DEFERRED_REVENUE, "212000", "Deferred Revenue", "liability_current"),
    ChartAccount(AccountRole.CLEARING, "105601", "Stripe Clearing", "asset_current", True),
    ChartAccount(AccountRole.BANK_IN_TRANSIT, "105602", "Bank in Transit", "asset_current", True),
    ChartAccount(AccountRole.DISPUTED_FUNDS, "105603", "Disputed Funds", "asset_current", True),
    ChartAccount(AccountRole.OUT_OF_BAND, "105604", "Out-of-band Receipts", "asset_current", True),
    ChartAccount(AccountRole.RESERVE, "105605", "Processor Reserve", "asset_current", True),
    ChartAccount(AccountRole.INTERCOMPANY, "105606", "Intercompany", "asset_current", True),
    ChartAccount(AccountRole.FEE_TAX, "131100", "Input Tax on Fees", "asset_current"),
    ChartAccount(AccountRole.WITHHELD_TAX, "131200", "Tax Withheld by Processors", "asset_current"),
    ChartAccount(AccountRole.CUSTOMER_CREDIT, "212500", "Customer Credit", "liability_current", True),
    ChartAccount(AccountRole.TAX, "251000", "Tax Received", "liability_current"),
    ChartAccount(AccountRole.REFUNDS, "450100", "Refunds without Credit Note", "income"),
    ChartAccount(AccountRole.FEES, "620100", "Payment Fees", "expense"),
    ChartAccount(AccountRole.ROUNDING, "620200", "Rounding Differences", "expense"),
    ChartAccount(AccountRole.BAD_DEBT, "620300", "Bad Debt", "expense"),
    ChartAccount(AccountRole.ADJUSTMENT, "620400", "Processor Adjustments", "expense"),
    ChartAccount(AccountRole.EXCHANGE_DIFFERENCE, "641000", "Foreign Exchange Loss", "expense"),
)

QUALIFIED_BY_CONNECTION = frozenset({AccountRole.CLEARING})
"""Roles of which there is one account per processor connection."""

SALES_JOURNAL = "CFS"
GENERAL_JOURNAL = "CFG"
PROCESSOR_JOURNAL = "CFP"
OUT_OF_BAND_JOURNAL = "CFO"
"""Journal codes (at most five characters). Own journals keep imported numbers apart from numbers people make."""

Rates = Mapping[tuple[str, str], tuple[tuple[date, Decimal], ...]]

RATES: Rates = {
    ("EUR", "USD"): (
        (date(2025, 11, 1), Decimal("0.8640")),
        (date(2025, 12, 1), Decimal("0.8600")),
        (date(2025, 12, 15), Decimal("0.851")),
    ),
    ("EUR", "JPY"): ((date(2025, 11, 1), Decimal("0.005610")), (date(2025, 12, 1), Decimal("0.005520"))),
    ("USD", "EUR"): ((date(2025, 11, 1), Decimal("1.1574")), (date(2025, 12, 1), Decimal("1.1628"))),
    ("USD", "JPY"): ((date(2025, 11, 1), Decimal("0.006490")), (date(2025, 12, 1), Decimal("0.006410"))),
    ("JPY", "USD"): ((date(2025, 11, 1), Decimal("154.10")), (date(2025, 12, 1), Decimal("156.00"))),
    ("JPY", "EUR"): ((date(2025, 11, 1), Decimal("178.30")), (date(2025, 12, 1), Decimal("181.20"))),
}
"""(company currency, currency) -> units of the company's currency per one foreign unit, from a day on. Chosen for the demonstration."""
