"""How a customer stands: what its documents, in any order, come to at an instant. Pure; nothing is kept but the documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TypeVar

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteState
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.dunning import Block, Dunning, DunningState
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import Payment, PaymentState
from counterfoil.core.kinds.refund import Refund, RefundState
from counterfoil.core.kinds.subscription import SUBSCRIPTION, Subscription, SubscriptionState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record

from .due import OPEN, due_at, open_of, overdue_of

R = TypeVar("R", bound=Record)

_BILLED = frozenset({InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID, InvoiceState.PAID, InvoiceState.UNCOLLECTIBLE})
_FURTHEST_FROM_OVER = (
    SubscriptionState.ACTIVE,
    SubscriptionState.TRIALING,
    SubscriptionState.PAST_DUE,
    SubscriptionState.UNPAID,
    SubscriptionState.PAUSED,
    SubscriptionState.CANCELED,
)
"""Of several subscriptions the first of these is shown; what never began is none."""
_RENEWING = frozenset({SubscriptionState.ACTIVE, SubscriptionState.TRIALING, SubscriptionState.PAST_DUE, SubscriptionState.UNPAID})
"""A paused one bills nothing until it is resumed: it has no next period."""
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


def dunned(status: ShowStatus, documents: Iterable[Record], days_of: Callable[[Dunning], int]) -> ShowStatus:
    """Return a status with how far the dunning of its customers has come, and all that is blocked by it.

    Args:
        status: what is shown otherwise.
        documents: all that is known of its customers.
        days_of: how many days after an invoice was due the stage begins in which its dunning is.
    """
    running = [one for one in _of(documents, Dunning) if one.state is not DunningState.ENDED and one.stage]
    if not running:
        return status
    furthest = max(running, key=lambda one: (days_of(one), one.stage))
    blocked = {block for one in running for block in one.blocks}
    return replace(status, dunning_stage=furthest.stage, blocked=tuple(block for block in Block if block in blocked))


def subscribed(status: ShowStatus, documents: Iterable[Record], zone: tzinfo) -> ShowStatus:
    """Return a status with how its customers are subscribed; days are those of ``zone``.

    A subscription renews when the first of its positions begins another period, unless it ends then or before.
    """
    began = [one for one in _of(documents, Subscription) if one.state in _FURTHEST_FROM_OVER]
    if not began:
        return status
    running = [one for one in began if one.state is not SubscriptionState.CANCELED]
    renewals = [at for one in running if (at := _renews_at(one)) is not None]
    ends = [one.cancel_at for one in running if one.cancel_at is not None]
    return replace(
        status,
        subscription=min((one.state for one in began), key=_FURTHEST_FROM_OVER.index),
        renews_on=min(renewals).astimezone(zone).date() if renewals else None,
        ends_on=min(ends).astimezone(zone).date() if ends else None,
    )


def _renews_at(one: Subscription) -> datetime | None:
    ends = [item.period_end for item in one.items if item.period_end is not None]
    if not ends or one.state not in _RENEWING or (one.cancel_at is not None and one.cancel_at <= min(ends)):
        return None
    return min(ends)


def about(documents: Iterable[Record], billed_as: Collection[str]) -> list[Record]:
    """Return of documents some invoices and subscriptions, named by kind and id, what is about them, and of payments the part that paid
    those.

    What was given back or is disputed of a payment that paid other invoices as well is left out: of which of them, nobody says.
    """
    known = tuple(documents)
    bills = {bill.id: bill for bill in _of(known, Invoice) if _is_named(bill, billed_as)}
    tried = {part.payment_id for bill in bills.values() for part in bill.parts_under_way or ()}
    whole: set[str] = set()
    found: list[Record] = [*bills.values()]
    for one in known:
        match one:
            case CreditNote() if one.invoice_id in bills:
                found.append(one)
            case Dunning() if one.id in bills:
                found.append(one)
            case Subscription() if SUBSCRIPTION.ref(one.id).key in billed_as:
                found.append(one)
            case Payment():
                parts = [part.amount.minor for part in one.applications if part.invoice_id in bills]
                if parts:
                    found.append(replace(one, amount=Money(sum(parts), one.amount.currency)))
                    whole |= {one.id} if len(parts) == len(one.applications) else set()
                elif one.id in tried:
                    found.append(one)
    return [*found, *(one for one in known if isinstance(one, Refund | Dispute) and one.payment_id in whole)]


def _is_named(bill: Invoice, billed_as: Collection[str]) -> bool:
    subscription = SUBSCRIPTION.ref(bill.subscription_id).key if bill.subscription_id else ""
    return INVOICE.ref(bill.id).key in billed_as or subscription in billed_as


def next_due(documents: Iterable[Record], now: datetime) -> datetime | None:
    """Return when the next open invoice becomes due; None: nothing changes by time alone."""
    return min((bill.due_at for bill in _of(documents, Invoice) if bill.state in OPEN and bill.due_at and bill.due_at > now), default=None)


def issued_at(bill: Invoice) -> float:
    """Return when an invoice was issued, as a number to be ordered by; what the source does not say comes first."""
    return 0.0 if bill.issued_at is None else bill.issued_at.timestamp()


def _of(documents: Iterable[Record], type_: type[R]) -> Iterator[R]:
    return (one for one in documents if isinstance(one, type_))


def _by_invoice(documents: Sequence[Record]) -> dict[str, list[Record]]:
    """Return what credits or pays each invoice, or is to: of a customer with thousands, not all is read for each."""
    found: dict[str, list[Record]] = {}
    tried: dict[str, list[str]] = {}
    for bill in _of(documents, Invoice):
        for part in bill.parts_under_way or ():
            tried.setdefault(part.payment_id, []).append(bill.id)
    for one in documents:
        ids = [one.invoice_id] if isinstance(one, CreditNote) else []
        ids += [part.invoice_id for part in one.applications] if isinstance(one, Payment) else []
        ids += tried.get(one.id, ()) if isinstance(one, Payment) else ()
        for id in dict.fromkeys(ids):
            found.setdefault(id, []).append(one)
    return found


def _summed(known: tuple[Record, ...], bills: list[Invoice], payments: list[Payment], now: datetime) -> _Sums:
    sums, about = _Sums(), _by_invoice(known)
    for bill in bills:
        _add(sums.invoiced, bill.total)
        beside = about.get(bill.id, ())
        _add(sums.open, open_of(bill, beside))
        late, due = overdue_of(bill, beside, now), due_at(bill)
        if late and due is not None:
            _add(sums.overdue, late)
            sums.since[late.currency] = min(due, sums.since.get(late.currency, due))
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
