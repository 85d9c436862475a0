"""Whose money a case is about, so that money in several cases is counted once."""

from __future__ import annotations

from counterfoil.core.kinds.dunning import Dunning
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record


def concerns_of(ref: ObjectRef, record: Record | None) -> str:
    """Return the document whose money an object's is: a payment of one invoice or its dunning is that invoice's, all else its own."""
    if isinstance(record, Dunning):
        return INVOICE.ref(record.id).key
    if isinstance(record, Payment) and len(record.applications) == 1:
        return INVOICE.ref(record.applications[0].invoice_id).key
    return ref.key
