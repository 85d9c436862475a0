"""What a dispute that is over leaves behind: a loss, or an exchange difference; disputed funds end at zero, whatever comes later.

What was booked stays as it was booked. Every movement that comes after it moves the loss by an entry of its own, on its own day: lost and
then won takes the loss back, lost and then partly returned lowers it, a second withdrawal raises it.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.finance.entries import transfer_lines
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.language.money import Money, total
from counterfoil.core.language.settlement import Settlement

from .booking import DISPUTED_FUNDS, Booked, EntityBooks
from .draft import Draft
from .routing import owner_of_balance
from .rules import DisputeLostAccount, EntityRules

OVER = frozenset({DisputeState.LOST, DisputeState.WON, DisputeState.PREVENTED})
"""States in which nobody argues any more: what is not back by then stays away."""

_LOSS, _EXCHANGE = "dispute_loss", "dispute_exchange"
_MEMOS = {
    "dispute_loss": "dispute {} lost",
    "dispute_loss_change": "dispute {}, moved after it was lost",
    "dispute_exchange": "dispute {} won at another exchange rate",
    "dispute_exchange_change": "dispute {}, moved after it was won",
}


def close(draft: Draft, state: Dispute, unowned: Set[str] = frozenset()) -> None:
    """Book what a dispute that is over does not give back, in every currency it moved in but those whose balance nobody owns (yet).

    It is a loss. Only what a won one gives back at another exchange rate is an exchange difference.

    Raises:
        InvariantError: a movement changed after the entry it led to was sent.
    """
    movements = sorted((*state.withdrawals, *state.reinstatements), key=lambda one: (one.occurred_at, one.id))
    currencies = tuple(dict.fromkeys(one.gross.currency for one in (*state.withdrawals, *state.reinstatements)))
    for currency in currencies:
        if currency in unowned:
            continue
        own = tuple(one for one in movements if one.gross.currency == currency)
        missing = -total((one.gross for one in own), currency)
        entity = owner_of_balance(draft, own, missing)
        if entity is None:
            continue
        rest = _Rest(EntityBooks(draft, entity), state, state.id if currency == currencies[0] else f"{state.id}.{currency}", own)
        is_exchanged = state.state is DisputeState.WON and currency != state.amount.currency
        if is_exchanged:
            rest.book(_EXCHANGE, Account(AccountRole.EXCHANGE_DIFFERENCE), missing)
        lost = Money(0, currency) if is_exchanged else missing - rest.booked(_EXCHANGE)
        rest.book(_LOSS, _loss_account(entity), lost)


def _loss_account(entity: EntityRules) -> Account:
    is_bad_debt = entity.dispute_lost_account is DisputeLostAccount.BAD_DEBT
    return Account(AccountRole.BAD_DEBT if is_bad_debt else AccountRole.ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What one dispute moved in one currency, oldest first, and what was booked of its end."""

    books: EntityBooks
    state: Dispute
    object_id: str
    movements: tuple[Settlement, ...]

    @property
    def _currency(self) -> str:
        return self.movements[0].gross.currency

    def booked(self, name: str) -> Money:
        """Return what is booked under a name so far, with all changes."""
        found = (self._found(name, self.object_id), *self._changes(name).values())
        return total((entry.amount for entry in found if entry is not None), self._currency)

    def book(self, name: str, account: Account, wanted: Money) -> None:
        """Bring what is booked under a name to ``wanted``: one entry of the day it ended, one more for each movement after that."""
        main, changes = self._found(name, self.object_id), self._changes(name)
        if main is None and not changes and not wanted:
            return
        later = self.movements[self._count_at_end(main) :]
        entry = main or Booked(account, wanted + total((one.gross for one in later), self._currency))
        self._entry(name, self.object_id, entry, self.state.closed_at or self.state.opened_at)
        left = wanted - entry.amount - total((change.amount for change in changes.values()), self._currency)
        fresh = [one for one in later or self.movements[-1:] if one.id not in changes]
        for one in fresh:
            part = left if one is fresh[-1] else -one.gross
            changes[one.id] = Booked(entry.account, part)
            left = left - part
        if left:
            raise InvariantError(f"dispute {self.state.id}: {wanted} is to stay as {name}, but its movements lead to {left} less")
        for one in self.movements:
            if one.id in changes:
                self._entry(f"{name}_change", one.id, changes[one.id], one.occurred_at)

    def _count_at_end(self, main: Booked | None) -> int:
        """Return how many movements there were when the dispute ended: those that come to what was booked, or those until then."""
        running = Money(0, self._currency)
        for count, one in enumerate(self.movements, start=1):
            running = running - one.gross
            if main is not None and running == main.amount:
                return count
        ended_at = self.state.closed_at
        return sum(1 for one in self.movements if ended_at is None or one.occurred_at <= ended_at)

    def _changes(self, name: str) -> dict[str, Booked]:
        found = {one.id: self._found(f"{name}_change", one.id) for one in self.movements}
        return {key: entry for key, entry in found.items() if entry is not None}

    def _entry(self, name: str, object_id: str, entry: Booked, at: datetime) -> None:
        books = self.books
        lines = transfer_lines(entry.account, DISPUTED_FUNDS, entry.amount)
        books.entry(name, object_id, lines, books.entity.day_of(at), memo=_MEMOS[name].format(self.state.id))

    def _found(self, name: str, object_id: str) -> Booked | None:
        return self.books.booked(name, object_id, DISPUTED_FUNDS)
