"""The demonstration's table is the proof's."""

from __future__ import annotations

from counterfoil.core.proving.totals import ClearingRow, Kind, Proof, Sum, Tally, TotalRow, compare

__all__ = ["ClearingRow", "Kind", "Proof", "Sum", "Tally", "TotalRow", "compare"]
