"""What one object is about, as one amount."""

from __future__ import annotations

from . import entities as e
from .money import Money


def total_of(entity: e.Entity) -> Money | None:
    """Return a document's total, a payment's amount, what an entry moved on a balance; None for what is about no one amount."""
    match entity:
        case e.Invoice() | e.CreditNote() | e.ErpDocument():
            return entity.total
        case e.Payment() | e.Refund() | e.Dispute() | e.Payout() | e.CustomerCredit():
            return entity.amount
        case e.BalanceEntry():
            return entity.settlement.net
        case _:
            return None
