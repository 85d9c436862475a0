"""Whose money a case is about, so that money in several cases is counted once."""

from __future__ import annotations

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record


def concerns_of(ref: ObjectRef, entity: Record | None) -> str:
    """Return the document whose money an object's is: a payment of one invoice is that invoice's, anything else its own."""
    if isinstance(entity, Payment) and len(entity.applications) == 1:
        return INVOICE.ref(entity.applications[0].invoice_id).key
    return ref.key
