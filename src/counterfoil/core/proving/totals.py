"""What is compared: kinds of totals, a tally of amounts and counts, and the rows of the proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TotalKind(StrEnum):
    """What a total is of. Every document of the source is counted once, and every document of the books by what it is.

    An invoice of a negative total is a credit note in the books; a voided invoice is reversed there by a credit note of the void day, and a
    voided credit note by an invoice: they are counted as what they are in the books.
    """

    INVOICE = "invoice"  # document totals
    CREDIT_NOTE = "credit_note"  # document totals
    TAX = "tax"  # tax in all of these documents, credit notes negative
    OPEN_INVOICE = "open_invoice"  # what customers still owe on invoices
    PAYMENT = "payment"  # gross, through the processor; also refunds that came back
    OUT_OF_BAND_PAYMENT = "out_of_band_payment"
    REFUND = "refund"  # through the processor, also those that came back
    OUT_OF_BAND_REFUND = "out_of_band_refund"
    DISPUTE = "dispute"  # funds withdrawn less funds given back, in settlement currency
    DISPUTE_LOST = "dispute_lost"  # in settlement currency
    FEE = "fee"  # with tax on fees, in settlement currency
    ADJUSTMENT = "adjustment"  # other movements of the processor's balance, in settlement currency
    PAYOUT = "payout"  # less those that came back, in settlement currency
    WRITE_OFF = "write_off"
    CUSTOMER_CREDIT = "customer_credit"  # what customers have in hand
    DISPUTED_FUNDS = "disputed_funds"  # withdrawn by disputes that are open, in settlement currency
    CLEARING = "clearing"  # the processor's balance, available and pending
    PENDING = "pending"  # the part of it that is pending; said for information, the books do not tell it apart


WORDS: dict[TotalKind, str] = {
    TotalKind.INVOICE: "Invoices",
    TotalKind.CREDIT_NOTE: "Credit notes",
    TotalKind.TAX: "Tax on documents",
    TotalKind.OPEN_INVOICE: "Open on invoices",
    TotalKind.PAYMENT: "Payments",
    TotalKind.OUT_OF_BAND_PAYMENT: "Paid out of band",
    TotalKind.REFUND: "Refunds",
    TotalKind.OUT_OF_BAND_REFUND: "Refunded out of band",
    TotalKind.DISPUTE: "Disputed funds withdrawn",
    TotalKind.DISPUTE_LOST: "Disputes lost",
    TotalKind.FEE: "Processor fees",
    TotalKind.ADJUSTMENT: "Other balance movements",
    TotalKind.PAYOUT: "Payouts",
    TotalKind.WRITE_OFF: "Written off",
    TotalKind.CUSTOMER_CREDIT: "Customer credit in hand",
    TotalKind.DISPUTED_FUNDS: "Funds of open disputes",
    TotalKind.CLEARING: "Balance of the processor",
    TotalKind.PENDING: "of which pending",
}
"""What people call each kind."""


@dataclass(slots=True)
class Total:
    """An amount in minor units and how many things make it up."""

    minor: int = 0
    count: int = 0


@dataclass(slots=True)
class Tally:
    """Sums by (currency, kind)."""

    sums: dict[tuple[str, TotalKind], Total] = field(default_factory=dict)

    def add(self, currency: str, kind: TotalKind, minor: int, count: int = 1) -> None:
        """Add an amount of a currency (any case) to a kind."""
        found = self.sums.setdefault((currency.upper(), kind), Total())
        found.minor += minor
        found.count += count


@dataclass(frozen=True, slots=True)
class TotalRow:
    """One line of the proof: an entity's total of a kind in a currency, at the source and in the ERP."""

    entity: str
    currency: str
    kind: TotalKind
    source_minor: int
    erp_minor: int
    count_source: int
    count_erp: int

    @property
    def difference_minor(self) -> int:
        """ERP less source; zero is right."""
        return self.erp_minor - self.source_minor

    @property
    def is_equal(self) -> bool:
        """Whether amount and number agree."""
        return self.source_minor == self.erp_minor and self.count_source == self.count_erp


@dataclass(frozen=True, slots=True)
class ClearingRow:
    """The settlement proof of one processor balance: available plus pending against the clearing account (domain: K2).

    ``unsettled_minor``: the part of the balance that is of payments still under way (bank debits): they are booked when they succeed.
    """

    entity: str
    currency: str
    processor_minor: int
    erp_minor: int
    unsettled_minor: int = 0

    @property
    def difference_minor(self) -> int:
        """Clearing account, with what is under way, less processor balance; zero is right."""
        return self.erp_minor + self.unsettled_minor - self.processor_minor


class Stock(StrEnum):
    """What an account of the books must equal at rest, whatever happened on the way."""

    RECEIVABLE = "receivable"  # what is open: on invoices, less what customers have with us that no invoice took and nobody gave back
    CUSTOMER_CREDIT = "customer_credit"  # the customers' balances, each for itself
    DISPUTED_FUNDS = "disputed_funds"  # what open disputes have withdrawn, in settlement currency
    BAD_DEBT = "bad_debt"  # what is uncollectible of invoices, and what lost disputes have withdrawn


STOCK_WORDS: dict[Stock, str] = {
    Stock.RECEIVABLE: "Receivable: what is open",
    Stock.CUSTOMER_CREDIT: "Customer credit: customers' balances",
    Stock.DISPUTED_FUNDS: "Disputed funds: open disputes",
    Stock.BAD_DEBT: "Bad debt: uncollectible and lost",
}
"""What people call each of them: the account, and what it must equal."""


@dataclass(frozen=True, slots=True)
class StockRow:
    """One account of the books at rest against the source. ``apart``: how many single customers differ, where they are told apart."""

    entity: str
    currency: str
    stock: Stock
    source_minor: int
    erp_minor: int
    apart: int = 0

    @property
    def difference_minor(self) -> int:
        """ERP less source; zero is right."""
        return self.erp_minor - self.source_minor

    @property
    def is_equal(self) -> bool:
        """Whether the account agrees, and so does every customer."""
        return self.source_minor == self.erp_minor and not self.apart


@dataclass(frozen=True, slots=True)
class TotalsProof:
    """Both sides, side by side."""

    totals: tuple[TotalRow, ...]
    clearing: tuple[ClearingRow, ...]
    stocks: tuple[StockRow, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether there is anything to compare and every amount and every number agrees."""
        return bool(self.totals) and bool(self.clearing) and not self.differing

    @property
    def differing(self) -> int:
        """How many rows do not agree."""
        wrong = sum(not row.is_equal for row in self.totals) + sum(not row.is_equal for row in self.stocks)
        return wrong + sum(row.difference_minor != 0 for row in self.clearing)


Parts = Mapping[tuple[str, str], int]
"""Amounts in minor units by currency and by whom they are told apart (empty: not)."""


def compare_stocks(entity: str, source: Mapping[Stock, Parts], erp: Mapping[Stock, Parts]) -> tuple[StockRow, ...]:
    """Return one row for every account and currency that either side has anything of, in a fixed order."""
    rows = []
    for stock in Stock:
        here, there = source.get(stock, {}), erp.get(stock, {})
        for currency in sorted({currency for currency, _ in (*here, *there)}):
            keys = {key for key in (*here, *there) if key[0] == currency}
            apart = sum(here.get(key, 0) != there.get(key, 0) for key in keys) if stock is Stock.CUSTOMER_CREDIT else 0
            source_minor, erp_minor = (sum(side.get(key, 0) for key in keys) for side in (here, there))
            rows.append(StockRow(entity, currency, stock, source_minor, erp_minor, apart))
    return tuple(rows)


def compare(entity: str, source: Tally, erp: Tally) -> tuple[TotalRow, ...]:
    """Return one row for every currency and kind that either side knows, in a fixed order."""
    order = {kind: position for position, kind in enumerate(TotalKind)}
    keys: Iterable[tuple[str, TotalKind]] = sorted(source.sums.keys() | erp.sums.keys(), key=lambda key: (key[0], order[key[1]]))
    rows = []
    for currency, kind in keys:
        here, there = source.sums.get((currency, kind), Total()), erp.sums.get((currency, kind), Total())
        rows.append(TotalRow(entity, currency, kind, here.minor, there.minor, here.count, there.count))
    return tuple(rows)
