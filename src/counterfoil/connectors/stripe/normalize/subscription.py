"""Subscriptions, and what an update of one means: started, renewed, amended, paused or resumed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.catalog import FormerItem, FormerSubscription
from counterfoil.connectors.stripe.wire.catalog import Subscription as WireSubscription
from counterfoil.connectors.stripe.wire.catalog import SubscriptionItem as WireItem
from counterfoil.core.kinds.subscription import Subscription, SubscriptionEvent, SubscriptionItem, SubscriptionState
from counterfoil.core.language.records import EventType
from counterfoil.kit.connector import Normalized

from .amounts import currency_code, instant, optional_instant
from .deals import deals_of
from .reading import DeliveryNotice, FetchedNotice, decode, look_up

_SUBSCRIPTION = msgspec.json.Decoder(WireSubscription)
_FORMER = msgspec.json.Decoder(FormerSubscription)

STATES = {
    "incomplete": SubscriptionState.INCOMPLETE,
    "incomplete_expired": SubscriptionState.EXPIRED,
    "trialing": SubscriptionState.TRIALING,
    "active": SubscriptionState.ACTIVE,
    "past_due": SubscriptionState.PAST_DUE,
    "unpaid": SubscriptionState.UNPAID,
    "paused": SubscriptionState.PAUSED,
    "canceled": SubscriptionState.CANCELED,
}
"""https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses"""

STARTED = frozenset({SubscriptionState.TRIALING, SubscriptionState.ACTIVE})
"""Before one of these a subscription has not begun (it may stay incomplete for 23 hours and expire)."""

AMENDING = frozenset({"quantity", "plan", "discount", "discounts"})


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """Nothing is fetched but what a thin event only names, or a subscription whose items did not fit into the event."""
    if notice.snapshot and not decode(_SUBSCRIPTION, notice.snapshot).items.has_more:
        return ()
    return (notice.ref("subscription", notice.object_id),)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the subscription as the event or list tells it."""
    state = fetched.own("subscription")
    seen = decode(_SUBSCRIPTION, state.body)
    subscription = subscription_of(seen, fetched.settings)
    kind = meaning(fetched.notice, seen, subscription.state)
    own_time = subscription.ended_at or subscription.started_at
    return (fetched.fact(kind, subscription, state, own_time, subscription.id),)


def subscription_of(seen: WireSubscription, settings: StripeConfig) -> Subscription:
    """Return the canonical subscription. Raises DriftError for an unknown status."""
    prices = [item.price.currency for item in seen.items.data if item.price is not None]
    currency = seen.currency or (prices[0] if prices else "")
    return Subscription(
        id=canonical(seen.id),
        customer_id=canonical(id_of(seen.customer)),
        state=look_up(STATES, seen.status, "subscription.status"),
        currency=currency_code(currency),
        started_at=instant(seen.start_date),
        items=tuple(_item(item, seen) for item in seen.items.data),
        trial_end=optional_instant(seen.trial_end),
        cancel_at=optional_instant(seen.cancel_at),
        canceled_at=optional_instant(seen.canceled_at),
        ended_at=optional_instant(seen.ended_at),
        deal_ids=deals_of(settings, seen.metadata),
    )


def meaning(notice: DeliveryNotice, seen: WireSubscription, state: SubscriptionState) -> EventType:
    """Return what a delivery says of a subscription, by the event's name, the state now and the former values of what changed."""
    if state is SubscriptionState.EXPIRED:
        return SubscriptionEvent.EXPIRED
    if state is SubscriptionState.CANCELED:
        return SubscriptionEvent.CANCELED
    by_name = {
        "customer.subscription.paused": SubscriptionEvent.PAUSED,
        "customer.subscription.resumed": SubscriptionEvent.RESUMED,
    }.get(notice.kind)
    if by_name is not None:
        return by_name
    if notice.kind == "customer.subscription.created":
        return SubscriptionEvent.STARTED if state in STARTED else SubscriptionEvent.UPDATED
    return _change(notice.previous, seen, state)


def _change(previous: Mapping[str, bytes], seen: WireSubscription, state: SubscriptionState) -> EventType:
    if not previous:
        return SubscriptionEvent.UPDATED
    known = {name: previous[name] for name in FormerSubscription.__struct_fields__ if name in previous and previous[name] != b"null"}
    body = b",".join(msgspec.json.encode(name) + b":" + value for name, value in known.items())
    former = decode(_FORMER, b"{" + body + b"}")
    if former.status in ("incomplete", "paused") and state in STARTED:
        return SubscriptionEvent.STARTED if former.status == "incomplete" else SubscriptionEvent.RESUMED
    if "pause_collection" in previous:
        return SubscriptionEvent.PAUSED if previous["pause_collection"] == b"null" else SubscriptionEvent.RESUMED
    items = {item.id: item for item in former.items.data} if former.items is not None else {}
    if previous.keys() & AMENDING or _is_amended(items, seen):
        return SubscriptionEvent.AMENDED
    is_renewed = former.current_period_start is not None or any(
        i.current_period_start not in (None, _start(seen, item_id)) for item_id, i in items.items()
    )
    return SubscriptionEvent.RENEWED if is_renewed else SubscriptionEvent.UPDATED


def _is_amended(former: Mapping[str | None, FormerItem], seen: WireSubscription) -> bool:
    """Whether positions came, went, or changed their price or quantity."""
    if not former:
        return False
    now = {item.id: item for item in seen.items.data}
    if former.keys() != now.keys():
        return True
    return any(_differs(before, now[str(item_id)]) for item_id, before in former.items())


def _differs(before: FormerItem, now: WireItem) -> bool:
    is_repriced = before.price is not None and now.price is not None and before.price.id != now.price.id
    return is_repriced or (before.quantity is not None and before.quantity != now.quantity)


def _start(seen: WireSubscription, item_id: str | None) -> int | None:
    return next((i.current_period_start for i in seen.items.data if i.id == item_id), None)


def _item(item: WireItem, of: WireSubscription) -> SubscriptionItem:
    price = item.price or item.plan
    start = item.current_period_start if item.current_period_start is not None else of.current_period_start
    end = item.current_period_end if item.current_period_end is not None else of.current_period_end
    return SubscriptionItem(
        id=canonical(item.id),
        price_id=canonical(price.id) if price is not None else "",
        product_id=canonical(id_of(price.product)) if price is not None else "",
        quantity=1 if item.quantity is None else item.quantity,
        period_start=optional_instant(start),
        period_end=optional_instant(end),
    )
