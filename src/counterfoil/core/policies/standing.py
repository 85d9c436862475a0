"""How a customer stands: what its documents, in any order, come to at an instant. Pure; nothing is kept but the documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import TypeVar

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteState
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.payment import Payment, PaymentState
from counterfoil.core.kinds.refund import Refund, RefundState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record

R = TypeVar("R", bound=Record)

_BILLED = frozenset({InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID, InvoiceState.PAID, InvoiceState.UNCOLLECTIBLE})
_OPEN = frozenset({InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID})
_UNDECIDED = frozenset({DisputeState.WARNING, DisputeState.OPEN})


@dataclass(slots=True)
class _Sums:
    """Minor units by currency."""

    invoiced: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    overdue: dict[str, int] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)


def _add(to: dict[str, int], money: Money, sign: int = 1) -> None:
    to[money.currency] = to.get(money.currency, 0) + sign * money.minor


def status_of(record: ObjectRef, documents: Iterable[Record], now: datetime, zone: tzinfo) -> ShowStatus:
    """Return what a record shows of all documents of its customers, as of now; days are those of ``zone``.

    Documents of which the source says nothing that counts yet (drafts, pending payments) count for nothing.
    """
    known = tuple({(type(one), one.id): one for one in documents}.values())
    bills = [bill for bill in _of(known, Invoice) if bill.state in _BILLED]
    payments = [one for one in _of(known, Payment) if one.state is PaymentState.SUCCEEDED]
    if not bills and not payments:
        return ShowStatus(record, Standing.CURRENT)
    sums = _summed(known, bills, payments, now)
    last = max(bills, key=lambda bill: (issued_at(bill), bill.id), default=None)
    paid = max(payments, key=lambda one: (one.occurred_at, one.id), default=None)
    return ShowStatus(
        record,
        _standing(known, bills, sums),
        _balances(sums, "" if last is None else last.currency, zone),
        "" if last is None else last.number or last.id.partition(":")[2],
        None if last is None or last.issued_at is None else last.issued_at.astimezone(zone).date(),
        None if paid is None else paid.amount,
        None if paid is None else paid.occurred_at.astimezone(zone).date(),
    )


def next_due(documents: Iterable[Record], now: datetime) -> datetime | None:
    """Return when the next open invoice becomes due; None: nothing changes by time alone."""
    return min((bill.due_at for bill in _of(documents, Invoice) if bill.state in _OPEN and bill.due_at and bill.due_at > now), default=None)


def open_of(bill: Invoice, documents: Iterable[Record]) -> Money:
    """Return what is still to be paid of an invoice: as its source says, else its total less what was paid and credited of it.

    A credit note takes off what it says to be before payment; what it says to be after is given back, and nothing less is to be paid.
    """
    if bill.state not in _OPEN:
        return Money(0, bill.currency)
    if bill.amount_remaining is not None:
        return bill.amount_remaining
    left = bill.total.minor
    for one in documents:
        match one:
            case CreditNote(invoice_id=bill.id, state=CreditNoteState.ISSUED):
                left -= (one.total if one.before_payment is None else one.before_payment).minor
            case Payment(state=PaymentState.SUCCEEDED):
                left -= sum(part.amount.minor for part in one.applications if part.invoice_id == bill.id)
    return Money(max(left, 0), bill.currency)


def issued_at(bill: Invoice) -> float:
    """Return when an invoice was issued, as a number to be ordered by; what the source does not say comes first."""
    return 0.0 if bill.issued_at is None else bill.issued_at.timestamp()


def _of(documents: Iterable[Record], type_: type[R]) -> Iterator[R]:
    return (one for one in documents if isinstance(one, type_))


def _by_invoice(documents: Iterable[Record]) -> dict[str, list[Record]]:
    """Return what credits or pays each invoice: of a customer with thousands, not all is read for each."""
    found: dict[str, list[Record]] = {}
    for one in documents:
        ids = [one.invoice_id] if isinstance(one, CreditNote) else []
        ids += [part.invoice_id for part in one.applications] if isinstance(one, Payment) else []
        for id in dict.fromkeys(ids):
            found.setdefault(id, []).append(one)
    return found


def _summed(known: tuple[Record, ...], bills: list[Invoice], payments: list[Payment], now: datetime) -> _Sums:
    sums, about = _Sums(), _by_invoice(known)
    for bill in bills:
        _add(sums.invoiced, bill.total)
        left = open_of(bill, about.get(bill.id, ()))
        _add(sums.open, left)
        if left.minor and bill.due_at is not None and bill.due_at <= now:
            _add(sums.overdue, left)
            sums.since[left.currency] = min(bill.due_at, sums.since.get(left.currency, bill.due_at))
    voided = {bill.id for bill in _of(known, Invoice) if bill.state is InvoiceState.VOID}
    for note in _of(known, CreditNote):
        if note.state is CreditNoteState.ISSUED and note.invoice_id not in voided:
            _add(sums.invoiced, note.total, -1)
    for payment in payments:
        _add(sums.paid, payment.amount)
    for refund in _of(known, Refund):
        if refund.state is RefundState.SUCCEEDED:
            _add(sums.paid, refund.amount, -1)
    for dispute in _of(known, Dispute):
        if dispute.state is DisputeState.LOST:
            _add(sums.paid, dispute.amount, -1)
    return sums


def _standing(known: tuple[Record, ...], bills: list[Invoice], sums: _Sums) -> Standing:
    if any(bill.state is InvoiceState.UNCOLLECTIBLE for bill in bills):
        return Standing.WRITTEN_OFF
    if any(dispute.state in _UNDECIDED for dispute in _of(known, Dispute)):
        return Standing.DISPUTED
    return Standing.OVERDUE if any(sums.overdue.values()) else Standing.CURRENT


def _balances(sums: _Sums, first: str, zone: tzinfo) -> tuple[Balance, ...]:
    currencies = sorted({*sums.invoiced, *sums.paid, *sums.open}, key=lambda currency: (currency != first, currency))

    def money(of: Mapping[str, int], currency: str) -> Money:
        return Money(of.get(currency, 0), currency)

    return tuple(
        Balance(
            money(sums.invoiced, currency),
            money(sums.paid, currency),
            money(sums.open, currency),
            money(sums.overdue, currency),
            sums.since[currency].astimezone(zone).date() if currency in sums.since else None,
        )
        for currency in currencies
    )
