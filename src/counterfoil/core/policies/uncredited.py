"""Refunds no credit note accounts for: a case, or booked to the refunds account; a credit note that comes later takes its part back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.commands import MATCH, Account, AccountRole, pair_of
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money
from counterfoil.core.finance.entries import transfer_lines

from .booking import RECEIVABLE, Booked, Books, Posted
from .decision import CaseClass, Problem
from .refund_links import notes_of, part_of
from .rules import UncreditedRefundPolicy

_UNCREDITED, _CREDITED_LATER, _UNDONE = "refund_uncredited", "refund_credited_later", "refund_uncredited_return"


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund as it stands in the books of the entity that paid it; ``returned`` is set when the money came back."""

    books: Books
    refund: e.Refund
    posted: Posted
    returned: Posted | None

    @property
    def uncredited(self) -> Posted:
        """The entry that books it to the refunds account, if there is one."""
        return Posted(f"entry/{_UNCREDITED}.{self.refund.id}", self.posted.day)

    def is_done_with(self, credit_note: e.CreditNote) -> bool:
        """Tell whether the money had come back, and was booked so, before anything linked the refund with a credit note: it pays nothing
        of that note out.
        """
        if self.returned is None:
            return False
        draft, object_id = self.books.draft, f"{self.refund.id}+{credit_note.id}"
        pair = pair_of(self.posted.key, ObjectRef(ObjectKind.CREDIT_NOTE, credit_note.id).key)
        linked = ((MATCH, pair), ("intercompany_payer", object_id), (_CREDITED_LATER, object_id))
        if any(draft.mode_of(name, id) is not None for name, id in linked):
            return False
        is_matched = draft.booked(MATCH, pair_of(self.posted.key, self.returned.key)) is not None
        return is_matched or self.books.booked(_UNDONE, self.refund.id, RECEIVABLE) is not None

    def booked(self) -> Booked | None:
        """Return what was booked to the refunds account of it."""
        return self.books.booked(_UNCREDITED, self.refund.id, RECEIVABLE)


def settle(given: GivenBack, amount: Money) -> tuple[str, ...]:
    """Deal with the part of a refund that no credit note accounts for; return the key of its release where the money came back.

    What was booked to the refunds account stays booked, whatever becomes known later.
    """
    books, refund, earlier = given.books, given.refund, given.booked()
    if earlier is None:
        if amount.minor <= 0 or given.returned is not None:
            return ()
        if books.entity.uncredited_refund_policy is UncreditedRefundPolicy.CASE:
            _ask(given, amount)
            return ()
        earlier = Booked(Account(AccountRole.REFUNDS), amount)
    lines = transfer_lines(earlier.account, RECEIVABLE, earlier.amount, credit_customer=books.customer_id)
    entry = books.entry(_UNCREDITED, refund.id, lines, given.posted.day, memo=f"refund {refund.id} without a credit note")
    books.match(given.posted, entry, earlier.amount, is_undoable=True)
    return books.unmatch(given.posted, entry) if given.returned is not None else ()


def _ask(given: GivenBack, amount: Money) -> None:
    name, refund = given.books.entity.name, given.refund
    given.books.draft.problem(
        Problem(
            CaseClass.RECONCILIATION_BREAK,
            "decide.refund_without_credit_note",
            f"refund/{refund.id} gave {amount} back, and no credit note accounts for it: the customer seems to owe it.",
            "Issue a credit note at the source that names this refund; or, if refunds are made without credit notes, set"
            f' uncredited_refunds = "account" under [entities.{name}] and start again: it is booked to the refunds account.',
            amount,
            releases_on=f"entity/{name}/uncredited_refunds",
            entity=name,
        )
    )


def taken_back(given: GivenBack, credit_note: e.CreditNote) -> Posted | None:
    """Take a credit note's part back from the refunds account and return the entry the note is matched with, in the refund's place; None
    where the refund itself is still open for the note.
    """
    earlier = given.booked()
    if earlier is None or given.is_done_with(credit_note) or _is_direct(given, earlier, credit_note):
        return None
    books, amount = given.books, part_of(given.refund, credit_note)
    lines = transfer_lines(RECEIVABLE, earlier.account, amount, debit_customer=books.customer_id)
    memo = f"refund {given.refund.id}: credit note {credit_note.number or credit_note.id} came later"
    day = books.draft.day(books.entity, credit_note.issued_at)
    return books.entry(_CREDITED_LATER, f"{given.refund.id}+{credit_note.id}", lines, day, memo=memo)


def _is_direct(given: GivenBack, earlier: Booked, credit_note: e.CreditNote) -> bool:
    """Whether a note was accounted for when the rest was booked to the refunds account: the first ones, up to what was not booked there."""
    left = given.refund.amount - earlier.amount
    view = given.books.draft.view
    found = {note_id: view.get(ObjectRef(ObjectKind.CREDIT_NOTE, note_id)) for note_id in notes_of(given.refund)}
    notes = {note_id: note for note_id, note in {**found, credit_note.id: credit_note}.items() if isinstance(note, e.CreditNote)}
    for note in sorted(notes.values(), key=lambda note: (note.issued_at, note.id)):
        part = part_of(given.refund, note)
        is_direct = part <= left
        if note.id == credit_note.id:
            return is_direct
        left = left - part if is_direct else left
    return False


def undo(given: GivenBack, notes: Sequence[e.CreditNote], released: Sequence[str]) -> None:
    """Where the money came back, take what is left on the refunds account back; ``released``: the keys of what lets go of the refund."""
    earlier = given.booked()
    if earlier is None or given.returned is None:
        return
    books, rest = given.books, earlier.amount
    for note in notes:
        debit = taken_back(given, note)
        if debit is not None:
            books.match(debit, given.uncredited, part_of(given.refund, note), released)
            rest = rest - part_of(given.refund, note)
    lines = transfer_lines(RECEIVABLE, earlier.account, rest, debit_customer=books.customer_id)
    back = books.entry(_UNDONE, given.refund.id, lines, given.returned.day, memo=f"refund {given.refund.id} came back")
    books.match(back, given.uncredited, rest, released)
