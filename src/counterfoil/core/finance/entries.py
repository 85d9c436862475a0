"""Journal entries as data: one function per kind of movement, each returning balanced lines (domain: postings)."""

from __future__ import annotations

from collections.abc import Iterable

from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.language.money import Money
from counterfoil.core.language.settlement import Settlement

from .invariants import InvariantError, check_balanced


def _balanced(lines: Iterable[EntryLine]) -> tuple[EntryLine, ...]:
    kept = tuple(line for line in lines if line.amount)
    if kept:
        check_balanced(kept)
    return kept


def transfer_lines(
    debit: Account, credit: Account, amount: Money, *, debit_customer: str = "", credit_customer: str = ""
) -> tuple[EntryLine, ...]:
    """Return Dr debit / Cr credit; a negative amount goes the other way, a zero gives no lines."""
    lines = (EntryLine(debit, amount, customer_id=debit_customer), EntryLine(credit, -amount, customer_id=credit_customer))
    return _balanced(lines)


def check_settlement(settlement: Settlement) -> None:
    """Check that gross - fee = net and that the tax on the fee is in one currency with it.

    Raises:
        InvariantError: it is not so.
    """
    if settlement.gross - settlement.fee != settlement.net:
        raise InvariantError(
            f"balance transaction {settlement.id}: gross {settlement.gross} less fee {settlement.fee} is not net {settlement.net}"
        )


def _fee_parts(settlement: Settlement) -> tuple[EntryLine, ...]:
    zero = Money(0, settlement.fee.currency)
    tax, withheld = settlement.fee_tax or zero, settlement.withheld_tax or zero
    return (
        EntryLine(Account(AccountRole.FEES), settlement.fee - tax - withheld, "fee"),
        EntryLine(Account(AccountRole.FEE_TAX), tax, "tax on fee"),
        EntryLine(Account(AccountRole.WITHHELD_TAX), withheld, "tax withheld"),
    )


def fee_lines(settlement: Settlement, clearing: Account) -> tuple[EntryLine, ...]:
    """Return the fee of a movement whose gross is booked elsewhere: Dr fees, Dr input tax, Dr withheld tax / Cr clearing; a fee given
    back the other way.
    """
    check_settlement(settlement)
    return _balanced((*_fee_parts(settlement), EntryLine(clearing, -settlement.fee, settlement.id)))


def movement_lines(settlement: Settlement, clearing: Account, counterpart: Account) -> tuple[EntryLine, ...]:
    """Return a movement with its fee: clearing moves by net, the counterpart by gross, fees and their tax by the difference.

    Money out (gross negative): Dr counterpart, Dr fees / Cr clearing. Money in: Dr clearing, Dr fees / Cr counterpart.
    """
    check_settlement(settlement)
    lines = (
        EntryLine(counterpart, -settlement.gross, settlement.id),
        *_fee_parts(settlement),
        EntryLine(clearing, settlement.net, settlement.id),
    )
    return _balanced(lines)


def customer_balance_lines(change: Money, customer_id: str, counterpart: Account) -> tuple[EntryLine, ...]:
    """Return a change of a customer's balance (negative = more credit): Dr customer credit / Cr counterpart, so that the customer
    credit account always equals the balance at the source. The customer is set on both lines where the counterpart is the receivable.
    """
    partner = customer_id if counterpart.role is AccountRole.RECEIVABLE else ""
    credit = Account(AccountRole.CUSTOMER_CREDIT)
    return transfer_lines(credit, counterpart, change, debit_customer=customer_id, credit_customer=partner)


BALANCE_COUNTERPARTS: dict[str, AccountRole] = {
    "fee": AccountRole.FEES,
    "fee_tax": AccountRole.FEE_TAX,
    "adjustment": AccountRole.ADJUSTMENT,
    "topup": AccountRole.BANK_IN_TRANSIT,
    "reserve": AccountRole.RESERVE,
    "transfer": AccountRole.ADJUSTMENT,
    "other": AccountRole.ADJUSTMENT,
}
"""The account a balance entry of a category is booked against."""
