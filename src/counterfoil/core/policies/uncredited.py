"""Refunds no credit note accounts for: a case, or booked to the refunds account; what turns out to account for them later takes its part
back from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from counterfoil.core.commands.books import MATCH, UNMATCH, Account, AccountRole, pair_of
from counterfoil.core.finance.entries import transfer_lines
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import entry_need, wait_for_entity
from counterfoil.core.language.money import Money, total

from .booking import MODE_SWITCH, RECEIVABLE, EntityBooks, MatchableDocument
from .decision import Problem
from .refund_links import debits_of, part_of
from .rules import UncreditedRefundPolicy

_UNCREDITED, _CREDITED_LATER, _TAKEN_BACK = "refund_uncredited", "refund_credited_later", "refund_uncredited_return"

Pairs = tuple[tuple[MatchableDocument, MatchableDocument, Money], ...]
"""Debits and credits with how much of each is matched with the other; also those of which nothing is."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund as it stands in the books of the entity that paid it; ``returned`` is set when the money came back."""

    books: EntityBooks
    refund: Refund
    posted: MatchableDocument
    returned: MatchableDocument | None

    @property
    def is_own(self) -> bool:
        """Whether the refund itself is decided, and not what it pays out: only then it waits, and is a problem."""
        return self.books.draft.event.subject == REFUND.ref(self.refund.id)

    def is_linked_with(self, credit_note: CreditNote) -> bool:
        """Tell whether the refund itself was ever to be matched with a credit note."""
        return any(self.books.draft.past.mode_of(name, id) is not None for name, id in self._links_with(credit_note))

    def _links_with(self, credit_note: CreditNote) -> tuple[tuple[str, str], ...]:
        pair = self._pair_with(credit_note)
        return (MATCH, pair), (MODE_SWITCH, pair), ("intercompany_payer", f"{self.refund.id}+{credit_note.id}")

    def _pair_with(self, credit_note: CreditNote) -> str:
        return pair_of(self.posted.key, CREDIT_NOTE.ref(credit_note.id).key)

    def is_done_with(self, credit_note: CreditNote) -> bool:
        """Tell whether the money had come back, and was booked so, before anything linked the refund with a credit note, or another refund
        took the note before this one could: it pays nothing of that note out.
        """
        later = (_CREDITED_LATER, f"{self.refund.id}+{credit_note.id}")
        if self.returned is None or self.books.draft.past.booked(*later) is not None:
            return False
        if self._is_taken(credit_note):
            return True
        if self.is_linked_with(credit_note) or self.books.draft.past.mode_of(*later) is not None:
            return False
        return bool(self.books.made(self.posted, self.returned)) or self.books.booked(_TAKEN_BACK, self.refund.id, RECEIVABLE) is not None

    def _is_taken(self, credit_note: CreditNote) -> bool:
        """Tell whether another refund may have been matched with a credit note and this one was not: nothing of it may be left."""
        booked = self.books.draft.past.booked
        owned = ("intercompany_owner", f"{self.refund.id}+{credit_note.id}")
        if any(booked(name, id) is not None for name, id in (*self._links_with(credit_note), owned)):
            return False
        others = (debit for id in credit_note.refund_ids if id != self.refund.id for debit in debits_of(id, credit_note.id))
        note = CREDIT_NOTE.ref(credit_note.id).key
        return any(booked(MATCH, pair_of(other, note)) is not None for other in others)

    def let_go_of(self, credit_note: CreditNote) -> bool:
        """Tell whether the refund is done with a credit note (``is_done_with``); withdraw then what was wished of both and not done."""
        is_done = self.is_done_with(credit_note)
        for name in (MATCH, UNMATCH) if is_done else ():
            self.books.draft.outbox.withdraw(name, self._pair_with(credit_note))
        return is_done


@dataclass(frozen=True, slots=True)
class Draw:
    """What a refund gives back of its payment's open money. ``day``: since when, at the latest, so much of it is open for the refund."""

    credit: MatchableDocument
    amount: Money
    day: date


@dataclass(frozen=True, slots=True)
class RefundsEntry:
    """One entry that books to the refunds account or takes back from it, and how much."""

    amount: Money
    entry: MatchableDocument


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What becomes of a refund: how much it pays out itself, by credit note; the entry that does so in its place, for what had been booked
    to the refunds account; and what is matched of the rest.
    """

    direct: Mapping[str, Money]
    later: Mapping[str, RefundsEntry]
    pairs: Pairs


def taken_back_before(books: EntityBooks, refund: Refund, day: date) -> tuple[RefundsEntry, ...]:
    """Return the entries that took something of a refund back from the refunds account, oldest first."""
    return _booked(books, _TAKEN_BACK, refund, day)


def plan(given: GivenBack, notes: Sequence[CreditNote], draw: Draw | None, needed: Money, *, has_invoice: bool) -> RefundPlan:
    """Book ``needed``, what neither credit notes nor open money of the payment account for, to the refunds account, or ask.
    ``has_invoice``: a credit note could still account for it.

    What was booked there stays booked. When it turns out to be too much, because a credit note comes, or more of the payment is open than
    before, an entry takes that part back and is matched in the refund's place; when it is too little, one more entry is booked.
    """
    books, refund, zero = given.books, given.refund, Money(0, given.refund.amount.currency)
    uncredited = list(_booked(books, _UNCREDITED, refund, given.posted.day))
    taken_back = list(taken_back_before(books, refund, given.posted.day))
    later = _later(given, notes, _sum(uncredited, zero) - needed)
    missing = needed + _sum(later.values(), zero) + _sum(taken_back, zero) - _sum(uncredited, zero)
    if missing.minor > 0 and books.entity.uncredited_refund_policy is UncreditedRefundPolicy.CASE:
        _ask(given, missing, has_invoice=has_invoice)
    elif missing.minor > 0:
        uncredited.append(_part(_UNCREDITED, refund, len(uncredited) + 1, missing, given.posted.day))
    elif missing.minor < 0:
        day = given.returned.day if given.returned is not None else draw.day if draw is not None else given.posted.day
        taken_back.append(_part(_TAKEN_BACK, refund, len(taken_back) + 1, -missing, day))
    _book(given, uncredited, taken_back, [(note, later[note.id]) for note in notes if note.id in later])
    direct = {note.id: part_of(refund, note) - (later[note.id].amount if note.id in later else zero) for note in notes}
    own = refund.amount - total(direct.values(), zero.currency) if given.returned is None else zero
    standing_in = [(part.entry, part.amount) for part in (*(later.values() if given.returned is not None else ()), *taken_back)]
    credits = [(part.entry, part.amount) for part in uncredited]
    if draw is not None:
        credits.append((draw.credit, draw.amount))
    found = RefundPlan(direct, later, _spread([(given.posted, own), *standing_in], credits))
    _withdraw_next(given, found, len(uncredited), len(taken_back))
    return found


def _withdraw_next(given: GivenBack, found: RefundPlan, uncredited: int, taken_back: int) -> None:
    """Withdraw the entries that would come next, and their matches: they may have been wished, and are not any more."""
    books, day = given.books, given.posted.day
    for name, number in ((_UNCREDITED, uncredited + 1), (_TAKEN_BACK, taken_back + 1)):
        books.draft.outbox.withdraw(name, _row_id(given.refund, number))
        entry = _entry(name, given.refund, number, day)
        for debit, credit in {(debit, credit) for debit, credit, _ in found.pairs} | {(given.posted, entry)}:
            books.withdraw(*((debit, entry) if name == _UNCREDITED else (entry, credit)))


def later_entry(given: GivenBack, note: CreditNote) -> MatchableDocument:
    """Return the entry that takes a credit note's part back from the refunds account, whether there is one or not."""
    day = given.books.entity.day_of(note.issued_at)
    return MatchableDocument(entry_need(_CREDITED_LATER, _later_id(given, note)), day)


def _spread(debits: Sequence[tuple[MatchableDocument, Money]], credits: Sequence[tuple[MatchableDocument, Money]]) -> Pairs:
    """Match debits with credits in their order, each as far as it goes."""
    left = dict(credits)
    found = []
    for debit, amount in debits:
        for credit in left:
            part = min(amount, left[credit])
            found.append((debit, credit, part))
            amount, left[credit] = amount - part, left[credit] - part
    return tuple(found)


def _later(given: GivenBack, notes: Sequence[CreditNote], spare: Money) -> dict[str, RefundsEntry]:
    """Return, by credit note, the entry that takes its part back from the refunds account, of the ``spare`` money there.

    A note the refund itself was to be matched with has its part from the refund.
    """
    found: dict[str, RefundsEntry] = {}
    booked = {note.id: given.books.booked(_CREDITED_LATER, _later_id(given, note), RECEIVABLE) for note in notes}
    left = spare - total((abs(one.amount) for one in booked.values() if one is not None), spare.currency)
    for note in sorted(notes, key=lambda note: (note.issued_at, note.id)):
        earlier = booked[note.id]
        amount = abs(earlier.amount) if earlier is not None else min(part_of(given.refund, note), left)
        is_direct = given.is_linked_with(note) and given.books.draft.past.mode_of(_CREDITED_LATER, _later_id(given, note)) is None
        if earlier is None and (amount.minor <= 0 or is_direct):
            given.books.draft.outbox.withdraw(_CREDITED_LATER, _later_id(given, note))
            continue
        found[note.id] = RefundsEntry(amount, later_entry(given, note))
        left = left if earlier is not None else left - amount
    return found


def _book(
    given: GivenBack,
    uncredited: Sequence[RefundsEntry],
    taken_back: Sequence[RefundsEntry],
    later: Sequence[tuple[CreditNote, RefundsEntry]],
) -> None:
    """Wish all entries, those booked before as they were."""
    books, refund, account = given.books, given.refund, _account_of(given)
    for number, part in enumerate(uncredited, start=1):
        lines = transfer_lines(account, RECEIVABLE, part.amount, credit_customer=books.customer_id)
        memo = f"refund {refund.id} without a credit note"
        books.entry(_UNCREDITED, _row_id(refund, number), lines, part.entry.day, memo=memo)
    for note, part in later:
        lines = transfer_lines(RECEIVABLE, account, part.amount, debit_customer=books.customer_id)
        memo = f"refund {refund.id}: credit note {note.number or note.id} came later"
        books.entry(_CREDITED_LATER, _later_id(given, note), lines, part.entry.day, memo=memo)
    for number, part in enumerate(taken_back, start=1):
        lines = transfer_lines(RECEIVABLE, account, part.amount, debit_customer=books.customer_id)
        memo = f"refund {refund.id} came back" if given.returned is not None else f"refund {refund.id}: its payment had that much open"
        books.entry(_TAKEN_BACK, _row_id(refund, number), lines, part.entry.day, memo=memo)


def _booked(books: EntityBooks, name: str, refund: Refund, day: date) -> tuple[RefundsEntry, ...]:
    found: list[RefundsEntry] = []
    while (booked := books.booked(name, _row_id(refund, len(found) + 1), RECEIVABLE)) is not None:
        found.append(_part(name, refund, len(found) + 1, abs(booked.amount), day))
    return tuple(found)


def _part(name: str, refund: Refund, number: int, amount: Money, day: date) -> RefundsEntry:
    return RefundsEntry(amount, _entry(name, refund, number, day))


def _entry(name: str, refund: Refund, number: int, day: date) -> MatchableDocument:
    return MatchableDocument(entry_need(name, _row_id(refund, number)), day)


def _row_id(refund: Refund, number: int) -> str:
    return refund.id if number == 1 else f"{refund.id}.{number}"


def _later_id(given: GivenBack, note: CreditNote) -> str:
    return f"{given.refund.id}+{note.id}"


def _account_of(given: GivenBack) -> Account:
    """Return the account refunds are booked to: for one that was booked before, the one it is on."""
    earlier = given.books.booked(_UNCREDITED, given.refund.id, RECEIVABLE)
    return Account(AccountRole.REFUNDS) if earlier is None else earlier.account


def _sum(parts: Iterable[RefundsEntry], zero: Money) -> Money:
    return total((part.amount for part in parts), zero.currency)


def _ask(given: GivenBack, amount: Money, *, has_invoice: bool) -> None:
    """Report what nothing accounts for. Where there is no invoice, no credit note can be issued: that is a cause of its own."""
    if not given.is_own:
        return
    name, refund = given.books.entity.name, given.refund
    rule = f'set uncredited_refunds = "account" under [entities.{name}] and start again: it is booked to the refunds account'
    if has_invoice:
        words = f"refund/{refund.id} gave {amount} back, and no credit note accounts for it: the customer seems to owe it."
        remedy = f"Issue a credit note at the source that names this refund; or, if refunds are made without credit notes, {rule}."
    else:
        of = "a payment that paid no invoice" if refund.payment_id else "no payment and no invoice"
        words = f"refund/{refund.id} gave {amount} back, of {of}: the customer seems to owe it."
        remedy = (
            "No credit note can account for it, as there is no invoice. Find out at the source what it was given back for. If the customer"
            f" owes nothing, {rule}. If it was sent by mistake, collect it and match what comes in with this refund in the books; then"
            " waive this case."
        )
    key = wait_for_entity(name, "uncredited_refunds", *(() if has_invoice else ("without_invoice",)))
    code = "decide.refund_without_credit_note"
    problem = Problem(CaseClass.RECONCILIATION_BREAK, code, words, remedy, amount, releases_on=key, entity=name)
    given.books.draft.findings.problem(problem)
