"""Pure: a journal entry as rows for ``account.move.load``: every line with its currency, signed amount and its debit or credit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from counterfoil.connectors.odoo.amounts import to_text
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.entry_lines import EntryPlace, PlaceSum, Sums, summed
from counterfoil.connectors.odoo.load import LoadRow
from counterfoil.connectors.odoo.partners import Customers
from counterfoil.connectors.odoo.readback import Expected
from counterfoil.core.commands.books import AccountRole, EntryLine, PostEntry
from counterfoil.core.kinds.journal_entry import JOURNAL_ENTRY
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

_CONNECTION = re.compile(r"\b[a-z][a-z0-9_]*:(?=[a-z]+_\w)")

COLUMNS = (
    "id",
    "move_type",
    "journal_id/.id",
    "date",
    "ref",
    "line_ids/account_id/.id",
    "line_ids/partner_id/.id",
    "line_ids/name",
    "line_ids/currency_id/.id",
    "line_ids/amount_currency",
    "line_ids/debit",
    "line_ids/credit",
)


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """One entry to load, its row and what must come of it."""

    command: Command
    row: LoadRow
    expected: Expected


@dataclass(frozen=True, slots=True)
class Weighed:
    """An entry line with its balance in the company's currency; ``is_converted``: by Odoo's rate, so it may carry the rest of rounding."""

    line: EntryLine
    balance: Money
    is_converted: bool


def plan_entry(command: Command, entry: PostEntry, company: CompanyCatalog, customers: Customers, namespace: str) -> EntryPlan:
    """Return the plan of one entry.

    Raises MissingDependency, RejectedError (unmapped account or journal, no rate, lines that do not sum to zero).
    """
    company.require_whole(*(line.amount for line in entry.lines), *(line.company_amount for line in entry.lines if line.company_amount))
    lines = balanced(weigh(entry, company), company.currency, company.unit_of(company.currency))
    source_id = command.subject.id.rpartition(":")[2]
    header = (
        f"{namespace}.{command.external_key}",
        "entry",
        str(company.journal(entry.journal).id),
        entry.accounting_on.isoformat(),
        f"{source_id} {entry.memo}".strip(),
    )
    blank = ("",) * len(header)
    # A journal entry of its own (a day's summary, an opening balance) may hold the receivables of many customers in one line; and one that
    # moves a receivable between a customer and such a line owes nobody anything.
    is_collective = command.subject.kind == JOURNAL_ENTRY.name or _is_transfer(entry)
    cells = [_line_cells(line, label_of(line.line, entry, command), company, customers, is_collective=is_collective) for line in lines]
    row = LoadRow(command.id, tuple((*(header if index == 0 else blank), *line) for index, line in enumerate(cells)))
    debits = Money(sum(line.balance.minor for line in lines if line.balance.minor > 0), company.currency)
    sums = _sums(lines, company, customers)
    expected = Expected(
        debits,
        None,
        company.currency_id,
        entry.accounting_on,
        is_document=False,
        is_taxed=False,
        lines=sums,
        receivables=_receivables(entry, company, customers),
    )
    return EntryPlan(command, row, expected)


def _is_transfer(entry: PostEntry) -> bool:
    """Whether what customers owe stays the same in all."""
    owed = [line.amount for line in entry.lines if line.account.role is AccountRole.RECEIVABLE]
    return len({amount.currency for amount in owed}) == 1 and sum(amount.minor for amount in owed) == 0


def label_of(line: EntryLine, entry: PostEntry, command: Command) -> str:
    """Return a line's label as a controller reads it: without the connection an id of the source is kept under, and never empty."""
    words = line.description or entry.memo or f"{command.subject.kind.replace('_', ' ')} {command.subject.id}"
    return _CONNECTION.sub("", words)


def _receivables(entry: PostEntry, company: CompanyCatalog, customers: Customers) -> frozenset[int]:
    return frozenset(account_id(line, company, customers) for line in entry.lines if line.account.role is AccountRole.RECEIVABLE)


def _sums(lines: Sequence[Weighed], company: CompanyCatalog, customers: Customers) -> Sums:
    """Return what the lines must come to by account, partner and currency."""
    return summed(
        (
            EntryPlace(
                account_id(one.line, company, customers), _partner_id(one.line, customers), company.currency_id_of(one.line.amount.currency)
            ),
            PlaceSum(one.balance.minor, one.line.amount.minor),
        )
        for one in lines
    )


def weigh(entry: PostEntry, company: CompanyCatalog) -> list[Weighed]:
    """Return the lines with their balances: given, equal to the amount, or converted at Odoo's rate of the day."""
    return [_weighed(line, entry, company) for line in entry.lines]


def _weighed(line: EntryLine, entry: PostEntry, company: CompanyCatalog) -> Weighed:
    if line.amount.currency == company.currency:
        return Weighed(line, line.amount, is_converted=False)
    if line.company_amount is not None and line.company_amount.currency == company.currency:
        return Weighed(line, line.company_amount, is_converted=False)
    return Weighed(line, company.to_company(line.amount, entry.accounting_on), is_converted=True)


def balanced(lines: Sequence[Weighed], currency: str, unit: int = 1) -> list[Weighed]:
    """Return the lines summing to zero: a rest of rounding goes to the largest converted one; at most ``unit`` (minor units) for each.

    Raises RejectedError if the rest is larger or no line was converted.
    """
    rest = sum(line.balance.minor for line in lines)
    converted = [index for index, line in enumerate(lines) if line.is_converted]
    if rest == 0:
        return list(lines)
    if abs(rest) > len(converted) * unit:
        raise RejectedError(
            f"the entry's lines sum to {Money(rest, currency)}, not to zero; give the company amounts of its foreign lines",
            code="odoo.entry_unbalanced",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
    largest = max(converted, key=lambda index: abs(lines[index].balance.minor))
    found = list(lines)
    line = found[largest]
    found[largest] = Weighed(line.line, line.balance - Money(rest, currency), is_converted=True)
    return found


def _line_cells(weighed: Weighed, label: str, company: CompanyCatalog, customers: Customers, *, is_collective: bool) -> tuple[str, ...]:
    line, balance = weighed.line, weighed.balance
    zero = Money(0, balance.currency)
    return (
        str(account_id(line, company, customers)),
        _partner(line, customers, is_collective=is_collective),
        label,
        str(company.currency_id_of(line.amount.currency)),
        to_text(line.amount),
        to_text(max(balance, zero)),
        to_text(max(-balance, zero)),
    )


def account_id(line: EntryLine, company: CompanyCatalog, customers: Customers) -> int:
    """Return a line's account: what a customer owes is on the account its documents and payments are on, which Odoo takes from its partner.

    Raises RejectedError (unmapped account), MissingDependency.
    """
    if line.account.role is AccountRole.RECEIVABLE and line.customer_id:
        return customers.receivable_id(line.customer_id) or company.account_id(line.account)
    return company.account_id(line.account)


def _partner(line: EntryLine, customers: Customers, *, is_collective: bool) -> str:
    if not line.customer_id:
        if line.account.role is AccountRole.RECEIVABLE and not is_collective:
            raise RejectedError(
                "a line on the receivable account names no customer", code="odoo.customer_missing", case_class=CaseClass.MISSING_FIELD
            )
        return ""
    return str(_partner_id(line, customers))


def _partner_id(line: EntryLine, customers: Customers) -> int:
    return customers.partner_id(line.customer_id) if line.customer_id else 0
