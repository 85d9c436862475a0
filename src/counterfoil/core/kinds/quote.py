"""Quotes: on what terms something is offered, and how far the offer has come. No document: nothing of it is booked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Purpose, Record, Reference, Survivorship, never, nothing, of_nobody
from counterfoil.core.language.states import States


class QuoteState(StrEnum):
    """Canonical states of quotes. Each may follow each: a quote may be taken back and worked on again until it is accepted, and after.

    That its time is over is no state: it is over once ``expires_on`` is, whatever was told last.
    """

    DRAFT = "draft"
    SUBMITTED = "submitted"  # for approval
    APPROVED = "approved"  # or needing no approval: the buyer may have it
    REJECTED = "rejected"  # by who approves
    ACCEPTED = "accepted"  # signed by all who must, or paid
    DELETED = "deleted"  # may be restored


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One position of a quote, with the price as it is written there: it may have more decimals than its currency.

    ``net_amount``: what the position comes to after its discounts, as the system says; None: not said.
    """

    id: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    net_amount: Decimal | None = None
    product_id: str = ""
    sku: str = ""
    billing_period: str = ""  # ISO 8601 duration; empty: once
    starts_on: date | None = None


@dataclass(frozen=True, slots=True)
class Quote(Record):
    """What is offered to whom, for which deal.

    Attributes:
        number: as people call it, empty if it has none.
        amount: as the sales system sums it up; None: not said yet.
        expires_on: the last day on which it may be accepted.
        accepted_on: the day it was, as far as that is told.
        company_ids: whom it is offered to, as the quote itself says; empty: as its deal does.
    """

    id: str
    name: str
    state: QuoteState
    number: str = ""
    amount: Money | None = None
    currency: str = ""
    expires_on: date | None = None
    accepted_on: date | None = None
    deal_ids: tuple[str, ...] = ()
    company_ids: tuple[str, ...] = ()
    contact_ids: tuple[str, ...] = ()
    lines: tuple[QuoteLine, ...] = ()


class QuoteEvent(EventType):
    """What happens to a quote."""

    CREATED = "quote.created"
    UPDATED = "quote.updated"
    SUBMITTED = "quote.submitted"
    APPROVED = "quote.approved"
    REJECTED = "quote.rejected"
    ACCEPTED = "quote.accepted"
    DELETED = "quote.deleted"
    RESTORED = "quote.restored"


_S = QuoteState


def _keeps(newer: Quote, older: Quote) -> Quote:
    """Keep of a deleted quote what was known: what is told of it now may be no more than its id."""
    if newer.state is not _S.DELETED:
        return newer
    return replace(
        newer,
        name=newer.name or older.name,
        number=newer.number or older.number,
        amount=older.amount if newer.amount is None else newer.amount,
        currency=newer.currency or older.currency,
        expires_on=newer.expires_on or older.expires_on,
        accepted_on=newer.accepted_on or older.accepted_on,
        deal_ids=newer.deal_ids or older.deal_ids,
        company_ids=newer.company_ids or older.company_ids,
        contact_ids=newer.contact_ids or older.contact_ids,
        lines=newer.lines or older.lines,
    )


QUOTE = Kind(
    name="quote",
    record=Quote,
    noun="quote",
    events=QuoteEvent,
    lifecycle=States(QuoteState, {state: tuple(_S) for state in _S}),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(
        Reference("deal", lambda quote: quote.deal_ids),
        Reference("company", lambda quote: quote.company_ids),
        Reference("contact", lambda quote: quote.contact_ids),
    ),
    affects=(),
    is_looked_back_from=never,
    total=lambda quote: quote.amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=lambda quote: tuple(text for text in (quote.name, quote.number) if text),
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "quote_has_no_counterpart"},
)
