"""What policies say most often: post an entry, match two documents, undo a match; and the accounts they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from counterfoil.core.commands.books import (
    MATCH,
    MATCHES_MAX,
    UNMATCH,
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    EntryLine,
    PostEntry,
    Unmatch,
    pair_of,
)
from counterfoil.core.finance.entries import transfer_lines
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.commands import Arguments, CommandKind, Lane
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.keys import BINDS_NOTHING, NeedKey, entry_need, match_need, need_of, unmatch_need
from counterfoil.core.language.money import Money, total

from .draft import Draft
from .requests import BookingRequest
from .rules import EntityRules, PostingMode

RECEIVABLE = Account(AccountRole.RECEIVABLE)
CUSTOMER_CREDIT = Account(AccountRole.CUSTOMER_CREDIT)
BAD_DEBT = Account(AccountRole.BAD_DEBT)
OUT_OF_BAND = Account(AccountRole.OUT_OF_BAND)
DISPUTED_FUNDS = Account(AccountRole.DISPUTED_FUNDS)
GENERAL = "general"
MODE_SWITCH, MODE_SWITCH_BACK = "mode_switch", "mode_switch_back"


@dataclass(frozen=True, slots=True)
class MatchableDocument:
    """A document as others match it: its binding key and its accounting date before any lock."""

    key: NeedKey
    day: date


@dataclass(frozen=True, slots=True)
class Booked:
    """What an entry of two accounts that was sent or summed up did: the account on its first line, and how much it was debited."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Made:
    """One match of two documents that may have been made: which of theirs, from 1, for how much, and whether it is to be undone."""

    number: int
    amount: Money
    is_undone: bool


@dataclass(frozen=True, slots=True)
class EntityBooks:
    """Whose books are written, for which customer: the survivor of all merges, or who that was booked for which is settled; empty where
    none is involved.
    """

    draft: Draft
    entity: EntityRules
    customer_id: str = ""

    @property
    def customer_key(self) -> NeedKey:
        """The binding key of the customer."""
        return need_of(CUSTOMER.ref(self.customer_id))

    def entry(
        self,
        name: str,
        object_id: str,
        lines: Sequence[EntryLine],
        day: date,
        *,
        memo: str = "",
        journal: str = GENERAL,
        lane: Lane = Lane.REAL_TIME,
    ) -> MatchableDocument:
        """Wish a journal entry, unless it has no lines; its binding key is ``entry/<name>.<object id>``."""
        key = entry_need(name, object_id)
        if lines:
            partners = tuple(need_of(CUSTOMER.ref(line.customer_id)) for line in lines if line.customer_id)
            arguments = PostEntry(day, tuple(lines), memo, journal)
            order_key = self.customer_id or object_id
            request = BookingRequest(self.entity, BookCommand.POST_ENTRY, name, object_id, arguments, partners, key, order_key, lane)
            self.draft.outbox.wish(request)
        return MatchableDocument(key, day)

    def booked(self, name: str, object_id: str, counterpart: Account) -> Booked | None:
        """Return an entry between an account and ``counterpart`` as it was sent or summed up; None if it certainly was not."""
        view, key = self.draft.view, external_key(name, object_id)
        wish = view.wished(key, self.entity.target)
        if wish is not None and isinstance(wish.command.arguments, PostEntry):
            line = wish.command.arguments.lines[0]
            return None if wish.is_open else Booked(line.account, line.amount)
        items = [item for item in view.summarized(key) if item.account != counterpart]
        return Booked(items[0].account, total((item.amount for item in items), items[0].currency)) if items else None

    def has_document(self, posted: MatchableDocument) -> bool:
        """Tell whether a fact of these books is a document of its own, and not summed up with its day: as it was booked, or will be."""
        booked = (self.draft.past.mode_of(name, object_id) for name, object_id in _booked_as(posted.key))
        mode = next((mode for mode in booked if mode is not None), None) or self.entity.mode_on(posted.day)
        return mode is PostingMode.DETAILED

    def is_direct(self, debit: MatchableDocument, credit: MatchableDocument) -> bool:
        """Tell whether two facts are matched with each other if they are, and not through an entry: both are documents, or neither."""
        return self.has_document(debit) == self.has_document(credit)

    def match(
        self,
        debit: MatchableDocument,
        credit: MatchableDocument,
        amount: Money,
        after: Sequence[NeedKey] = (),
        *,
        is_undoable: bool = False,
        number: int = 1,
    ) -> None:
        """Wish to match two documents, if there is something to match and they are documents. One that was summed up is matched
        through an entry that takes its part out of the sum.

        ``after`` are the keys of what must come before (releases by ``unmatch``). Only an ``is_undoable`` match can be waited
        for, and so be undone: a command may overtake another unless it needs it. ``number``: which match of the two it is, see ``rematch``.
        """
        is_debit, is_credit = self.has_document(debit), self.has_document(credit)
        if amount.minor <= 0 or not (is_debit or is_credit):
            return
        pair = pair_of(debit.key, credit.key, number)
        if is_debit != is_credit:
            self._switch(debit, credit, amount, after, pair, is_undoable=is_undoable)
            return
        produces = match_need(pair) if is_undoable else BINDS_NOTHING
        needs = (debit.key, credit.key, *after)
        self._wish(BookCommand.ALLOCATE, MATCH, pair, Allocate(debit.key, credit.key, amount), needs, produces)

    def made(self, debit: MatchableDocument, credit: MatchableDocument) -> tuple[Made, ...]:
        """Return the matches of two documents that may have been made, oldest first. All but the last one are undone, or to be."""
        name, undone = (MATCH, UNMATCH) if self.is_direct(debit, credit) else (MODE_SWITCH, MODE_SWITCH_BACK)
        found: list[Made] = []
        while True:
            pair = pair_of(debit.key, credit.key, len(found) + 1)
            amount = _matched_by(self.draft.past.booked_arguments(name, pair))
            if amount is None:
                return tuple(found)
            found.append(Made(len(found) + 1, amount, self.draft.past.has_wished(undone, pair)))

    def standing(self, debit: MatchableDocument, credit: MatchableDocument) -> int:
        """Return how many minor units of two documents are matched, or wished to be, and not to be undone."""
        made = self.made(debit, credit)
        pair = pair_of(debit.key, credit.key, len(made) + 1)
        names = (MATCH, MODE_SWITCH)
        wishes = (self.draft.past.wished(external_key(name, pair)) for name in names)
        amounts = [_matched_by(wish.command.arguments) for wish in wishes if wish is not None]
        return sum(one.amount.minor for one in made if not one.is_undone) + sum(amount.minor for amount in amounts if amount)

    def releases(self, debit: MatchableDocument, credit: MatchableDocument) -> tuple[NeedKey, ...]:
        """Go on wishing to undo what is to be undone of two documents; return the keys of the releases."""
        return tuple(key for one in self.made(debit, credit) if one.is_undone for key in self._undo(debit, credit, one))

    def loosen(self, debit: MatchableDocument, credit: MatchableDocument, amount: Money | None = None) -> tuple[NeedKey, ...]:
        """Wish to undo what may have been matched of two documents unless it is exactly this amount (None: whatever it is); return the
        keys of all releases.

        What was only wished is withdrawn. A match that is to be undone once stays so, whatever is wanted of the two later: others may have
        been told to come after that.
        """
        self.withdraw(debit, credit)
        undone = [one for one in self.made(debit, credit) if one.is_undone or one.amount != amount]
        return tuple(key for one in undone for key in self._undo(debit, credit, one))

    def _undo(self, debit: MatchableDocument, credit: MatchableDocument, one: Made) -> tuple[NeedKey, ...]:
        """Wish to undo one match. Of one through an entry, the entry was booked, and what was to be matched with it may not have been."""
        pair = pair_of(debit.key, credit.key, one.number)
        switched = () if self.is_direct(debit, credit) else _switched(debit, credit, pair)
        if switched and not any(self.draft.past.booked(MATCH, inner) for inner in switched):
            for inner in switched:
                self.draft.outbox.withdraw(MATCH, inner)
        else:
            self.match(debit, credit, one.amount, number=one.number)
        return self.unmatch(debit, credit, number=one.number)

    def rematch(self, debit: MatchableDocument, credit: MatchableDocument, amount: Money, after: Sequence[NeedKey] = ()) -> None:
        """Wish that two documents are matched for exactly this amount, whatever was matched of them before: see ``loosen``.

        Raises:
            InvariantError: they were matched anew too often. Nothing is not matched, however often something was.
        """
        released, made = self.loosen(debit, credit, amount), self.made(debit, credit)
        stands = next((one.number for one in made if not one.is_undone and one.amount == amount), None)
        number = stands or len(made) + 1
        if number > MATCHES_MAX and amount:
            raise InvariantError(f"{debit.key} and {credit.key} were matched {MATCHES_MAX} times, each time for another amount")
        self.match(debit, credit, amount, (*after, *released), is_undoable=True, number=number)

    def may_be_matched(self, debit: MatchableDocument, credit: MatchableDocument) -> bool:
        """Tell whether the two documents may have been matched by us."""
        return self.draft.past.may_have_acted(MATCH, pair_of(debit.key, credit.key))

    def released(self, debit_key: str, credit_key: str) -> tuple[NeedKey, ...]:
        """Return the keys of the releases of all matches of two documents that were wished: they come before others take their place."""
        pairs = (pair_of(debit_key, credit_key, number) for number in range(1, MATCHES_MAX + 1))
        return tuple(unmatch_need(pair) for pair in pairs if self.draft.past.has_wished(UNMATCH, pair))

    def unmatch(self, debit: MatchableDocument, credit: MatchableDocument, *, number: int = 1) -> tuple[NeedKey, ...]:
        """Wish to undo a match that may have been made; return the key of the release, nothing if there is none to undo.

        A match that was wished but certainly not made needs no undoing: it is not wished again, and so canceled.
        """
        pair = pair_of(debit.key, credit.key, number)
        if not self.is_direct(debit, credit):
            return self._switch_back(debit, credit, pair)
        if not self.draft.past.may_have_acted(MATCH, pair):
            return ()
        needs = (debit.key, credit.key, match_need(pair))
        self._wish(BookCommand.UNMATCH, UNMATCH, pair, Unmatch(debit.key, credit.key), needs, unmatch_need(pair))
        return (unmatch_need(pair),)

    def withdraw(self, debit: MatchableDocument, credit: MatchableDocument) -> None:
        """Withdraw a match of two documents that was wished and not made, and the entry that was to take a part out of a sum for it."""
        pair = pair_of(debit.key, credit.key, len(self.made(debit, credit)) + 1)
        self.draft.outbox.withdraw(MODE_SWITCH, pair)
        for matched in (pair, *_switched(debit, credit, pair)):
            self.draft.outbox.withdraw(MATCH, matched)

    def _switch(
        self, debit: MatchableDocument, credit: MatchableDocument, amount: Money, after: Sequence[NeedKey], pair: str, *, is_undoable: bool
    ) -> None:
        """Match a document with something that was summed up: an entry gives the customer his part of the sum, and that is matched.

        Dr receivable of the customer / Cr receivable of the sum where the document is the credit, else the other way: what the receivable
        account comes to stays as it is. The entry is of the later day of both.
        """
        is_debit = self.has_document(debit)
        owing = transfer_lines(RECEIVABLE, RECEIVABLE, -amount if is_debit else amount, debit_customer=self.customer_id)
        posted = _posted_switch(debit, credit, pair)
        self._document(MODE_SWITCH, debit, credit, owing, posted, pair)
        both = (debit, posted) if is_debit else (posted, credit)
        self.match(*both, amount, after, is_undoable=is_undoable)

    def _switch_back(self, debit: MatchableDocument, credit: MatchableDocument, pair: str) -> tuple[NeedKey, ...]:
        """Undo that: the document is let go, and the customer's part goes back into the sum."""
        booked = self.draft.past.booked_arguments(MODE_SWITCH, pair)
        if not isinstance(booked, PostEntry):
            return ()
        posted = _posted_switch(debit, credit, pair)
        self._document(MODE_SWITCH, debit, credit, booked.lines, posted, pair)
        is_debit = self.has_document(debit)
        released = self.unmatch(debit, posted) if is_debit else self.unmatch(posted, credit)
        back = MatchableDocument(entry_need(MODE_SWITCH_BACK, pair), posted.day)
        lines = tuple(replace(line, amount=-line.amount) for line in booked.lines)
        self._document(MODE_SWITCH_BACK, debit, credit, lines, back, pair)
        self.match(*((back, posted) if is_debit else (posted, back)), max(line.amount for line in lines), released)
        return released

    def _document(
        self,
        name: str,
        debit: MatchableDocument,
        credit: MatchableDocument,
        lines: Sequence[EntryLine],
        posted: MatchableDocument,
        pair: str,
    ) -> None:
        """Wish an entry that is a document whatever the entity's posting mode."""
        memo = f"posting mode changed between {debit.key} and {credit.key}"
        arguments = PostEntry(posted.day, tuple(lines), memo)
        request = BookingRequest(
            self.entity, BookCommand.POST_ENTRY, name, pair, arguments, (self.customer_key,), posted.key, self.customer_id
        )
        self.draft.outbox.wish(request, PostingMode.DETAILED)

    def _wish(
        self,
        kind: CommandKind,
        name: str,
        pair: str,
        arguments: Allocate | Unmatch,
        needs: tuple[NeedKey, ...],
        produces: NeedKey,
    ) -> None:
        self.draft.outbox.wish(BookingRequest(self.entity, kind, name, pair, arguments, needs, produces, self.customer_id))


def is_nothing(draft: Draft, name: str, object_id: str, money: Money | Sequence[object]) -> bool:
    """Tell whether no money is to be booked under this name and id, and none was: that alone is the rule by which a fact has no
    counterpart.
    """
    is_nothing = not money and draft.past.place(object_id, name) is None
    if is_nothing:
        draft.findings.note_nothing()
    return is_nothing


def _booked_as(key: str) -> tuple[tuple[str, str], ...]:
    """Return the names and ids by which what has this binding key may have been booked."""
    kind, _, rest = key.partition("/")
    head, _, tail = rest.partition(".")
    if kind == "entry":
        return ((head, tail),)
    special = {"void": ("invoice_void", "credit_note_void"), "reversal": ("refund_reversal",), "out_of_band": ("out_of_band",)}
    return tuple((name, tail) for name in special[head]) if head in special else ((kind, rest),)


def _matched_by(arguments: Arguments | None) -> Money | None:
    """Return how much is matched by a match, or by the entry that stands for the part of a sum in it; None if nothing was booked."""
    match arguments:
        case Allocate():
            return arguments.amount
        case PostEntry():
            return max(line.amount for line in arguments.lines)
        case _:
            return None


def _switched(debit: MatchableDocument, credit: MatchableDocument, pair: str) -> tuple[str, str]:
    """Return how the match of a document with the entry that stands for the other side may be named."""
    switch = _posted_switch(debit, credit, pair)
    return pair_of(switch.key, credit.key), pair_of(debit.key, switch.key)


def _posted_switch(debit: MatchableDocument, credit: MatchableDocument, pair: str) -> MatchableDocument:
    return MatchableDocument(entry_need(MODE_SWITCH, pair), max(debit.day, credit.day))
