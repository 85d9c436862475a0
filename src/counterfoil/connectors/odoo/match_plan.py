"""Pure: which receivable lines an allocation matches, by how much, and how Odoo is to be asked. Never more than is open on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.wire import OpenLine, ref
from counterfoil.core.commands.books import Allocate
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

DocumentId = tuple[str, int]
"""Model and database id, e.g. ("account.payment", 8)."""


@dataclass(slots=True)
class Side:
    """One receivable line with what is still open, unsigned: ``open`` in the line's currency, ``balance`` in the company's.

    Nothing is open on a line that is matched beyond its amount (``is_over``).
    """

    line: OpenLine
    open: Money
    balance: Money
    is_over: bool = False

    @property
    def partner_id(self) -> int:
        """The partner of the line."""
        return ref(self.line.partner_id)


class Way(Enum):
    """How a match is made."""

    PARTIAL = auto()  # our own partial, inserted if absent under our external id
    RECONCILE = auto()  # Odoo's reconcile, which also books exchange differences and cash-basis taxes


@dataclass(frozen=True, slots=True)
class PlannedMatch:
    """One planned match. ``balance``: company currency."""

    command: Command
    debit: Side
    credit: Side
    amount: Money
    balance: Money
    way: Way


@dataclass(frozen=True, slots=True)
class Short:
    """An allocation whose lines have too little open: done already if the very pair is matched by that amount, otherwise refused."""

    command: Command
    error: RejectedError
    debit_lines: tuple[int, ...]
    credit_lines: tuple[int, ...]


@dataclass(slots=True)
class OpenLines:
    """The receivable lines of a batch's documents, with what is open on them as the plan proceeds."""

    company: CompanyCatalog
    currency_names: Mapping[int, str]
    sides: dict[DocumentId, list[Side]] = field(default_factory=dict)

    def add(self, line: OpenLine) -> None:
        """Note a line under its move and, if it is a payment's, under the payment."""
        currency = self.currency_names.get(ref(line.currency_id), self.company.currency)
        side = Side(
            line,
            abs(from_number(line.amount_residual_currency, currency)),
            abs(from_number(line.amount_residual, self.company.currency)),
        )
        if is_overmatched(line):
            side = Side(line, Money(0, side.open.currency), Money(0, side.balance.currency), is_over=True)
        self.sides.setdefault(("account.move", ref(line.move_id)), []).append(side)
        if ref(line.payment_id):
            self.sides.setdefault(("account.payment", ref(line.payment_id)), []).append(side)

    def of(self, document: DocumentId, *, is_debit: bool) -> list[Side]:
        """Return a document's lines on one side; a line without balance is on neither."""
        return [side for side in self.sides.get(document, []) if (side.line.balance > 0) is is_debit and is_signed(side.line)]


def is_signed(line: OpenLine) -> bool:
    """Whether a line is a debit or a credit at all; a line of a foreign currency may have no company balance after rounding."""
    return line.balance != 0 or line.amount_currency != 0


def is_overmatched(line: OpenLine) -> bool:
    """Whether a line is matched beyond its amount: what is open on it has the wrong sign. Odoo does not check partials given to it."""
    return line.amount_residual_currency * line.amount_currency < 0


def plan_match(command: Command, lines: OpenLines, debit: DocumentId, credit: DocumentId) -> PlannedMatch | Short:
    """Return the match an allocation calls for and take it off what is open, or why it cannot be made."""
    allocation = command.arguments
    if not isinstance(allocation, Allocate):
        raise TypeError(f"{command.kind} does not carry an allocation")
    debits, credits = lines.of(debit, is_debit=True), lines.of(credit, is_debit=False)
    pair = _pair(debits, credits, allocation.amount)
    if pair is None:
        return _over(command, allocation.amount, debits, credits, lines.company) or Short(
            command, _short(allocation, debits, credits), _ids(debits), _ids(credits)
        )
    match = _match(command, allocation.amount, *pair, lines.company)
    if match is None:
        return Short(command, _indivisible(allocation), _ids(debits), _ids(credits))
    for side in (match.debit, match.credit):
        side.open -= match.amount
        side.balance -= min(match.balance, side.balance) if side.open else side.balance
    return match


def _ids(sides: Sequence[Side]) -> tuple[int, ...]:
    return tuple(side.line.id for side in sides)


def _pair(debits: Sequence[Side], credits: Sequence[Side], amount: Money) -> tuple[Side, Side] | None:
    """Return the first two lines that fit each other with enough open."""
    return next((pair for pair in _fitting(debits, credits) if all(_covers(side, amount) for side in pair)), None)


def _fitting(debits: Sequence[Side], credits: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """Yield pairs of lines of one account, and of one partner where the documents leave a choice."""
    for debit in debits:
        for credit in credits:
            is_only = len(debits) == 1 and len(credits) == 1
            if ref(debit.line.account_id) == ref(credit.line.account_id) and (is_only or debit.partner_id == credit.partner_id):
                yield debit, credit


def _over(command: Command, amount: Money, debits: Sequence[Side], credits: Sequence[Side], company: CompanyCatalog) -> PlannedMatch | None:
    """Return the match once more where a line is matched beyond its amount: an earlier try may have made it and not taken it back.

    Inserted if absent it is found, or made, and either way seen to go beyond what is open and taken back; none of it is taken off here.
    """
    pair = next((pair for pair in _fitting(debits, credits) if any(side.is_over for side in pair)), None)
    if pair is None or company.is_cash_basis or any(side.open.currency != amount.currency for side in pair):
        return None
    shares = [_share(_whole(side), amount) for side in pair]
    return PlannedMatch(command, *pair, amount, min(shares), Way.PARTIAL)


def _whole(side: Side) -> Side:
    """Return a line as if nothing of it were matched."""
    open_currency, balance_currency = side.open.currency, side.balance.currency
    whole = abs(from_number(side.line.amount_currency, open_currency))
    return Side(side.line, whole, abs(from_number(side.line.balance, balance_currency)))


def _covers(side: Side, amount: Money) -> bool:
    return side.open.currency == amount.currency and side.open.minor >= amount.minor


def _match(command: Command, amount: Money, debit: Side, credit: Side, company: CompanyCatalog) -> PlannedMatch | None:
    """Choose the way; None if neither can make exactly this match."""
    shares = (_share(debit, amount), _share(credit, amount))
    closes = amount.minor == min(debit.open.minor, credit.open.minor)
    is_plain = amount.currency == company.currency or shares[0] == shares[1]
    if is_plain and not company.is_cash_basis:
        return PlannedMatch(command, debit, credit, amount, shares[0], Way.PARTIAL)
    if closes:
        return PlannedMatch(command, debit, credit, amount, min(shares), Way.RECONCILE)
    if company.is_cash_basis:
        return None
    # Neither line closes: the smaller share leaves the exchange difference on the lines until their last match books it.
    return PlannedMatch(command, debit, credit, amount, min(shares), Way.PARTIAL)


def _share(side: Side, amount: Money) -> Money:
    """Return the company-currency part of an amount on a line: in proportion, half up, and all of it when the line closes."""
    if amount.currency == side.balance.currency:
        return Money(amount.minor, side.balance.currency)
    if amount == side.open:
        return side.balance
    return Money((2 * side.balance.minor * amount.minor + side.open.minor) // (2 * side.open.minor), side.balance.currency)


def _short(allocation: Allocate, debits: Sequence[Side], credits: Sequence[Side]) -> RejectedError:
    words = []
    for name, key, sides in (("debit", allocation.debit, debits), ("credit", allocation.credit, credits)):
        open_now = " and ".join(str(side.open) for side in sides) if sides else "no posted receivable line"
        words.append(f"{name} {key} has {open_now}{' open' if sides else ''}")
    accounts = {ref(side.line.account_id) for side in (*debits, *credits)}
    other = "; they are on different receivable accounts" if len(accounts) > 1 else ""
    return RejectedError(
        f"cannot match {allocation.amount}: {', '.join(words)}{other}; see in Odoo what it was matched with instead",
        code="odoo.allocation_short",
        case_class=CaseClass.RECONCILIATION_BREAK,
    )


def _indivisible(allocation: Allocate) -> RejectedError:
    return RejectedError(
        f"cannot match {allocation.amount} of {allocation.debit} and {allocation.credit}: with cash-basis taxes Odoo only matches all"
        " that is open on one of them; match it there",
        code="odoo.allocation_cash_basis",
    )
