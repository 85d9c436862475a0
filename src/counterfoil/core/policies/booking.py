"""What policies say most often: post an entry, match two documents, undo a match; and the accounts they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from counterfoil.core.canonical.commands import Account, AccountRole, Allocate, CommandKind, EntryLine, Lane, PostEntry, Unmatch
from counterfoil.core.canonical.ids import ObjectKind
from counterfoil.core.canonical.money import Money

from .draft import Draft, Wanted
from .rules import EntityRules, PostingMode

RECEIVABLE = Account(AccountRole.RECEIVABLE)
CUSTOMER_CREDIT = Account(AccountRole.CUSTOMER_CREDIT)
BAD_DEBT = Account(AccountRole.BAD_DEBT)
OUT_OF_BAND = Account(AccountRole.OUT_OF_BAND)
GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Posted:
    """A document as others match it: its binding key and its accounting date before any lock."""

    key: str
    day: date


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

    def _matchable(self, debit: Posted, credit: Posted) -> bool:
        return all(self.entity.mode_on(document.day) is PostingMode.DETAILED for document in (debit, credit))

    def match(self, debit: Posted, credit: Posted, amount: Money, after: Sequence[Posted] = ()) -> None:
        """Wish to match two documents, if both exist as documents and there is something to match.

        ``after`` are further documents that must be there first: those whose match with one of the two comes, and is undone, before.
        """
        if amount.minor <= 0 or not self._matchable(debit, credit):
            return
        arguments = Allocate(debit.key, credit.key, amount)
        self._pair(CommandKind.ALLOCATE, "alloc", debit, credit, arguments, after)

    def unmatch(self, debit: Posted, credit: Posted) -> None:
        """Wish to undo the match of two documents."""
        if self._matchable(debit, credit):
            self._pair(CommandKind.UNMATCH, "unmatch", debit, credit, Unmatch(debit.key, credit.key), ())

    def _pair(
        self, kind: CommandKind, name: str, debit: Posted, credit: Posted, arguments: Allocate | Unmatch, after: Sequence[Posted]
    ) -> None:
        object_id = f"{debit.key}+{credit.key}"
        needs = (debit.key, credit.key, *(posted.key for posted in after))
        self.draft.wish(Wanted(self.entity, kind, name, object_id, arguments, needs, order_key=self.customer_id))
