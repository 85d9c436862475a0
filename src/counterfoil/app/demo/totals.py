"""The demonstration's table is the proof's."""

from __future__ import annotations

from counterfoil.core.proving.totals import (
    ClearingRow,
    Kind,
    Parts,
    Proof,
    Stock,
    StockRow,
    Sum,
    Tally,
    TotalRow,
    compare,
    compare_stocks,
)

__all__ = ["ClearingRow", "Kind", "Parts", "Proof", "Stock", "StockRow", "Sum", "Tally", "TotalRow", "compare", "compare_stocks"]
