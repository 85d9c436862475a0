"""How much of one document another one accounts for, where each may have several of the other."""

from __future__ import annotations

from dataclasses import dataclass

from .money import Money


@dataclass(frozen=True, slots=True)
class RefundPart:
    """What one refund pays out of a credit note."""

    refund_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class CreditNotePart:
    """What a refund pays out of one credit note."""

    credit_note_id: str
    amount: Money
