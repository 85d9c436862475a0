"""Deals: what a sales system hopes to sell, and what of it was won. No document: nothing of it is booked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Purpose, Record, Reference, Survivorship, never, nothing, of_nobody
from counterfoil.core.language.states import States


class DealState(StrEnum):
    """Canonical states of deals. A deal that was decided may be opened again, and decided otherwise."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    DELETED = "deleted"  # may be restored
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class DealLine:
    """One position of a deal, with the price as it is written there: it may have more decimals than its currency."""

    id: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    product_id: str = ""
    sku: str = ""
    billing_period: str = ""  # ISO 8601 duration; empty: once
    starts_on: date | None = None


@dataclass(frozen=True, slots=True)
class Deal(Record):
    """What is sold or hoped to be, with whom.

    Attributes:
        amount: as the sales system sums it up; None: not said yet.
        pipeline, stage: the system's own ids.
        billed_as: the invoices and subscriptions of other systems that came of it, by kind and canonical id (``invoice/billing:in_1``), as
            its own system says.
        merged_into: the survivor's id once this one was merged.
        buying_company_ids: which of ``company_ids`` is the customer, as its own system marks it; several: it marks more than one, and it
            cannot be told which; none: nothing is marked, and all of them are.
    """

    id: str
    name: str
    state: DealState
    amount: Money | None = None
    currency: str = ""
    pipeline: str = ""
    stage: str = ""
    closes_on: date | None = None
    company_ids: tuple[str, ...] = ()
    contact_ids: tuple[str, ...] = ()
    lines: tuple[DealLine, ...] = ()
    merged_into: str = ""
    billed_as: tuple[str, ...] = ()
    buying_company_ids: tuple[str, ...] = ()


class DealEvent(EventType):
    """What happens to a deal."""

    CREATED = "deal.created"
    UPDATED = "deal.updated"
    WON = "deal.won"
    LOST = "deal.lost"
    MERGED = "deal.merged"
    DELETED = "deal.deleted"
    RESTORED = "deal.restored"


_S = DealState


def _keeps(newer: Deal, older: Deal) -> Deal:
    """Keep the survivor of a merge, and of a deleted or merged deal what was known: what is told of it now may be no more than its id."""
    if newer.state not in (_S.DELETED, _S.MERGED):
        return newer
    return replace(
        newer,
        state=_S.MERGED if older.state is _S.MERGED else newer.state,
        name=newer.name or older.name,
        amount=older.amount if newer.amount is None else newer.amount,
        currency=newer.currency or older.currency,
        pipeline=newer.pipeline or older.pipeline,
        stage=newer.stage or older.stage,
        closes_on=newer.closes_on or older.closes_on,
        company_ids=newer.company_ids or older.company_ids,
        contact_ids=newer.contact_ids or older.contact_ids,
        lines=newer.lines or older.lines,
        merged_into=newer.merged_into or older.merged_into,
        billed_as=newer.billed_as or older.billed_as,
        buying_company_ids=newer.buying_company_ids or older.buying_company_ids,
    )


_ALIVE = (_S.OPEN, _S.WON, _S.LOST)

DEAL = Kind(
    name="deal",
    record=Deal,
    noun="deal",
    events=DealEvent,
    lifecycle=States(
        DealState,
        {**dict.fromkeys(_ALIVE, (*_ALIVE, _S.DELETED, _S.MERGED)), _S.DELETED: (*_ALIVE, _S.MERGED), _S.MERGED: ()},
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(
        Reference("deal", lambda deal: (deal.merged_into,)),
        Reference("company", lambda deal: deal.company_ids),
        Reference("contact", lambda deal: deal.contact_ids),
        # What is billed of it is of the customers that its companies are: it is decided after those.
        Reference("company", lambda deal: deal.company_ids if deal.billed_as else (), is_link=True),
    ),
    affects=(),
    is_looked_back_from=never,
    total=lambda deal: deal.amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=lambda deal: (deal.name,) if deal.name else (),
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "deal_has_no_counterpart"},
)
