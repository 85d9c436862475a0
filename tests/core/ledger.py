"""A small ledger that takes commands: balances by account, and what every document leaves open on the receivable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from counterfoil.core.commands.books import AccountRole, Allocate, BookCommand, Unmatch
from counterfoil.core.finance.postings import postings_of
from counterfoil.core.language.commands import Command

_DOCUMENTS = {BookCommand.POST_INVOICE, BookCommand.POST_CREDIT_NOTE, BookCommand.POST_PAYMENT, BookCommand.POST_ENTRY}


@dataclass
class Ledger:
    """Books as a target would keep them. ``open`` holds the signed residual of each document by its binding key."""

    balances: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    matches: dict[tuple[str, str], int] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)

    def take(self, commands: Iterable[Command]) -> Ledger:
        """Take commands in order."""
        for command in commands:
            self._take(command)
        return self

    def _take(self, command: Command) -> None:
        arguments = command.arguments
        receivable = 0
        for posting in postings_of(command.kind, arguments):
            self.balances[command.entity, str(posting.account), posting.amount.currency] += posting.amount.minor
            if posting.account.role is AccountRole.RECEIVABLE and posting.customer_id:  # what no customer is named for is a sum over many
                receivable += posting.amount.minor
        if command.kind in _DOCUMENTS:
            assert command.produces not in self.open, f"{command.produces} was posted twice"
            self.totals[command.produces] = self.open[command.produces] = receivable
        match arguments:
            case Allocate():
                self._match(arguments.debit, arguments.credit, arguments.amount.minor)
            case Unmatch():
                amount = self.matches.pop((arguments.debit, arguments.credit))
                self._move(arguments.debit, arguments.credit, -amount)
            case _:
                pass

    def _match(self, debit: str, credit: str, amount: int) -> None:
        assert (debit, credit) not in self.matches, f"{debit} and {credit} were matched twice"
        self.matches[debit, credit] = amount
        self._move(debit, credit, amount)
        assert self.open[debit] >= 0, f"{debit} is overpaid: {self.open[debit]}"
        assert self.open[credit] <= 0, f"{credit} is overused: {self.open[credit]}"

    def _move(self, debit: str, credit: str, amount: int) -> None:
        self.open[debit] -= amount
        self.open[credit] += amount

    def balance(self, account: str, currency: str = "USD", entity: str = "US") -> int:
        """Return the balance of an account in minor units, debit > 0."""
        return self.balances[entity, account, currency]

    def left_open(self) -> dict[str, int]:
        """Return what is open, by document, without what is settled."""
        return {key: minor for key, minor in self.open.items() if minor}
