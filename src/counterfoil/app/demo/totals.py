"""The demonstration's table is the proof's."""

from __future__ import annotations

from counterfoil.core.proving.totals import (
    ClearingRow,
    Parts,
    Stock,
    StockRow,
    Tally,
    Total,
    TotalKind,
    TotalRow,
    TotalsProof,
    compare,
    compare_stocks,
)

__all__ = [
    "ClearingRow",
    "Parts",
    "Stock",
    "StockRow",
    "Tally",
    "Total",
    "TotalKind",
    "TotalRow",
    "TotalsProof",
    "compare",
    "compare_stocks",
]
