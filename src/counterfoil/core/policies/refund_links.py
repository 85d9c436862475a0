"""Which credit notes a refund pays out, and how much of each: either side may tell, and each may have several of the other."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.keys import NeedKey, entry_need, need_of
from counterfoil.core.language.money import Money

from .decision import View

PAYMENT_FAILED = "payment_failed"
"""The reason of a refund that only is the return of a payment that failed after all."""


def notes_of(view: View, refund: Refund) -> tuple[str, ...]:
    """Return the ids of the credit notes a refund pays out: those it names, and those that name it."""
    named = (refund.credit_note_id, *(part.credit_note_id for part in refund.credit_notes))
    naming = (note.id for note in view.linked_to(REFUND.ref(refund.id)) if isinstance(note, CreditNote))
    return tuple(dict.fromkeys(note_id for note_id in (*named, *naming) if note_id))


def refunded_part(credit_note: CreditNote) -> Money:
    """Return what a credit note gives back through refunds: its after-payment part less what went to the balance or out of band."""
    zero = Money(0, credit_note.currency)
    return (credit_note.after_payment or zero) - (credit_note.to_balance or zero) - (credit_note.out_of_band or zero)


def part_of(refund: Refund, credit_note: CreditNote) -> Money:
    """Return how much of a credit note a refund pays out: what the note says, else what the refund says; never more than either is."""
    told: Mapping[str, Money] = {part.refund_id: part.amount for part in credit_note.refund_parts}
    own: Mapping[str, Money] = {part.credit_note_id: part.amount for part in refund.credit_notes}
    part = told.get(refund.id) or own.get(credit_note.id) or refund.amount
    return min(part, refund.amount, refunded_part(credit_note))


def accounted_for(view: View, refund: Refund) -> Money:
    """Return how much of a refund credit notes account for; of one that is not known yet, what the refund says of it."""
    own: Mapping[str, Money] = {part.credit_note_id: part.amount for part in refund.credit_notes}
    parts = Money(0, refund.amount.currency)
    for note_id in notes_of(view, refund):
        note = view.get(CREDIT_NOTE.ref(note_id))
        parts += part_of(refund, note) if isinstance(note, CreditNote) else own.get(note_id, refund.amount)
    return min(parts, refund.amount)


def debits_of(refund_id: str, note_id: str) -> tuple[str, ...]:
    """Return the keys of what may be matched with a credit note for a refund of it: the refund itself; what takes its part back from the
    refunds account; what stands in for either of them in the books of another entity.
    """
    object_id = f"{refund_id}+{note_id}"
    owned = entry_need("intercompany_owner", object_id)
    return need_of(REFUND.ref(refund_id)), entry_need("refund_credited_later", object_id), owned, NeedKey(f"{owned}+later")


def came_back(view: View, credit_note: CreditNote, but: Refund) -> tuple[str, ...]:
    """Return the ids of a credit note's other refunds whose money came back: they let go of the note before another one takes its place.

    One that came back itself takes the place of those made before it only: two that waited for each other would wait for ever.
    """
    found = (view.get(REFUND.ref(refund_id)) for refund_id in credit_note.refund_ids if refund_id != but.id)
    back = (refund for refund in found if isinstance(refund, Refund) and refund.reversal is not None)
    return tuple(one.id for one in back if but.reversal is None or (one.occurred_at, one.id) < (but.occurred_at, but.id))
