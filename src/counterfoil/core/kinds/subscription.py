"""Subscriptions: what a customer has bought to run on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from counterfoil.core.language.records import (
    EventType,
    Kind,
    Purpose,
    Record,
    Reference,
    Survivorship,
    never,
    newest,
    nothing,
    of_no_amount,
)
from counterfoil.core.language.states import States


class SubscriptionState(StrEnum):
    """Canonical subscription states; only ``trialing`` and later ones were ever started."""

    INCOMPLETE = "incomplete"
    EXPIRED = "expired"  # never started
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """One priced position of a subscription, with the current service period [start, end)."""

    id: str
    price_id: str
    product_id: str
    quantity: int
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription(Record):
    """What a customer has bought to run on. ``deal_ids``: the deals of sales systems it came of, by canonical id, as the source says."""

    id: str
    customer_id: str
    state: SubscriptionState
    currency: str
    started_at: datetime
    items: tuple[SubscriptionItem, ...] = ()
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    deal_ids: tuple[str, ...] = ()


class SubscriptionEvent(EventType):
    """What happens to a subscription."""

    STARTED = "subscription.started"
    AMENDED = "subscription.amended"
    RENEWED = "subscription.renewed"
    PAUSED = "subscription.paused"
    RESUMED = "subscription.resumed"
    CANCELED = "subscription.canceled"
    EXPIRED = "subscription.expired"
    UPDATED = "subscription.updated"


_S = SubscriptionState
_RUNNING = (_S.TRIALING, _S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.PAUSED)

SUBSCRIPTION = Kind(
    name="subscription",
    record=Subscription,
    noun="subscription",
    events=SubscriptionEvent,
    lifecycle=States(
        SubscriptionState,
        {
            _S.INCOMPLETE: (*_RUNNING, _S.EXPIRED, _S.CANCELED),
            _S.EXPIRED: (),
            **dict.fromkeys(_RUNNING, (*_RUNNING, _S.CANCELED)),
            _S.CANCELED: (),
        },
    ),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(),
    affects=(
        Reference("customer", lambda subscription: (subscription.customer_id,)),
        Reference("deal", lambda subscription: subscription.deal_ids),
    ),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=lambda subscription: subscription.customer_id,
    found_by=nothing,
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "subscription_has_no_counterpart"},
)
