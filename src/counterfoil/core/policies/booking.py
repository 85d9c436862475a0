"""What policies say most often: post an entry, match two documents, undo a match; and the accounts they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from counterfoil.core.canonical.commands import (
    MATCH,
    UNMATCH,
    Account,
    AccountRole,
    Allocate,
    CommandKind,
    EntryLine,
    Lane,
    PostEntry,
    Unmatch,
    pair_of,
)
from counterfoil.core.canonical.ids import ObjectKind, external_key
from counterfoil.core.canonical.money import Money, total

from .draft import Draft, Wanted
from .rules import EntityRules, PostingMode

RECEIVABLE = Account(AccountRole.RECEIVABLE)
CUSTOMER_CREDIT = Account(AccountRole.CUSTOMER_CREDIT)
BAD_DEBT = Account(AccountRole.BAD_DEBT)
OUT_OF_BAND = Account(AccountRole.OUT_OF_BAND)
DISPUTED_FUNDS = Account(AccountRole.DISPUTED_FUNDS)
GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Posted:
    """A document as others match it: its binding key and its accounting date before any lock."""

    key: str
    day: date


@dataclass(frozen=True, slots=True)
class Booked:
    """What an entry of two accounts that was sent or summed up did: the account on its first line, and how much it was debited."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Books:
    """Whose books are written, for which customer (the survivor of all merges; empty where none is involved)."""

    draft: Draft
    entity: EntityRules
    customer_id: str = ""

    @property
    def customer_key(self) -> str:
        """The dependency key of the customer."""
        return f"{ObjectKind.CUSTOMER.value}/{self.customer_id}"

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
    ) -> Posted:
        """Wish a journal entry, unless it has no lines; its binding key is ``entry/<name>.<object id>``."""
        key = f"entry/{name}.{object_id}"
        if lines:
            partners = tuple(f"{ObjectKind.CUSTOMER.value}/{line.customer_id}" for line in lines if line.customer_id)
            arguments = PostEntry(day, tuple(lines), memo, journal)
            order_key = self.customer_id or object_id
            self.draft.wish(Wanted(self.entity, CommandKind.POST_ENTRY, name, object_id, arguments, partners, key, order_key, lane))
        return Posted(key, day)

    def booked(self, name: str, object_id: str, counterpart: Account) -> Booked | None:
        """Return an entry between an account and ``counterpart`` as it was sent or summed up; None if it certainly was not."""
        view, key = self.draft.view, external_key(name, object_id)
        wish = view.wished(key, self.entity.target)
        if wish is not None and isinstance(wish.command.arguments, PostEntry):
            line = wish.command.arguments.lines[0]
            return None if wish.is_open else Booked(line.account, line.amount)
        items = [item for item in view.summarized(key) if item.account != counterpart]
        return Booked(items[0].account, total((item.amount for item in items), items[0].currency)) if items else None

    def has_document(self, posted: Posted) -> bool:
        """Tell whether a fact of these books is a document of its own, and not summed up with its day."""
        return self.entity.mode_on(posted.day) is PostingMode.DETAILED

    def match(self, debit: Posted, credit: Posted, amount: Money, after: Sequence[str] = (), *, is_undoable: bool = False) -> None:
        """Wish to match two documents, if both exist as documents and there is something to match.

        ``after`` are the dependency keys of what must come before (releases by ``unmatch``). Only an ``is_undoable`` match can be waited
        for, and so be undone: a command may overtake another unless it needs it.
        """
        if amount.minor <= 0 or not (self.has_document(debit) and self.has_document(credit)):
            return
        produces = f"match/{_pair(debit, credit)}" if is_undoable else ""
        needs = (debit.key, credit.key, *after)
        self._wish(CommandKind.ALLOCATE, MATCH, debit, credit, Allocate(debit.key, credit.key, amount), needs, produces)

    def may_be_matched(self, debit: Posted, credit: Posted) -> bool:
        """Tell whether the two documents may have been matched by us."""
        return self.draft.may_have_acted(MATCH, _pair(debit, credit))

    def released(self, debit_key: str, credit_key: str) -> tuple[str, ...]:
        """Return the key of the release of a match, nothing if none was wished: what must come before another match takes its place."""
        pair = pair_of(debit_key, credit_key)
        return (f"unmatch/{pair}",) if self.draft.has_wished(UNMATCH, pair) else ()

    def unmatch(self, debit: Posted, credit: Posted) -> tuple[str, ...]:
        """Wish to undo a match that may have been made; return the key of the release, nothing if there is none to undo.

        A match that was wished but certainly not made needs no undoing: it is not wished again, and so canceled.
        """
        pair = _pair(debit, credit)
        if not self.draft.may_have_acted(MATCH, pair):
            return ()
        needs = (debit.key, credit.key, f"match/{pair}")
        self._wish(CommandKind.UNMATCH, UNMATCH, debit, credit, Unmatch(debit.key, credit.key), needs, f"unmatch/{pair}")
        return (f"unmatch/{pair}",)

    def _wish(
        self,
        kind: CommandKind,
        name: str,
        debit: Posted,
        credit: Posted,
        arguments: Allocate | Unmatch,
        needs: tuple[str, ...],
        produces: str,
    ) -> None:
        pair = _pair(debit, credit)
        self.draft.wish(Wanted(self.entity, kind, name, pair, arguments, needs, produces, self.customer_id))


def _pair(debit: Posted, credit: Posted) -> str:
    return pair_of(debit.key, credit.key)
