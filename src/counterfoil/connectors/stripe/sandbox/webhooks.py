"""Events on their way to webhooks: which endpoint wants which, what it is sent and how that is signed, and plans by the sandbox's clock.

Sources: https://docs.stripe.com/webhooks#verify-manually (signature), https://docs.stripe.com/webhooks#retries.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import msgspec

from counterfoil.kit.sandbox import courier
from counterfoil.kit.sandbox.courier import Obj

from .events import Recorded
from .planning import Plan
from .world import Account, World


@dataclass
class Policy(courier.DeliveryPolicy):
    """How deliveries behave.

    Attributes:
        plan: decides copies, losses and delays instead of the chances; then ``retry_delays_s`` too are of the sandbox's clock.
    """

    plan: Plan | None = None


@dataclass(slots=True, kw_only=True)
class Delivery(courier.Parcel):
    """One event on its way to one endpoint. ``planned_at``: when a plan has it made first, by the sandbox's clock."""

    event: Recorded
    endpoint: Obj
    planned_at: int | None = None

    def as_json(self) -> Obj:
        """Return what the control interface shows."""
        return {
            "id": self.id,
            "event": self.event.id,
            "type": self.event.type,
            "object": self.event.object_id,
            "account": self.event.account,
            "endpoint": self.endpoint["id"],
            "url": self.endpoint["url"],
            "status": self.status,
            "is_duplicate": self.is_duplicate,
            "planned_at": self.planned_at,
            "attempts": self.attempts,
        }


def sign(body: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """Return a Stripe-Signature header; one v1 per secret (two while a secret is being rotated)."""
    signed = str(timestamp).encode() + b"." + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])


class Courier(courier.Courier[Policy, Delivery]):
    """Makes the deliveries of a world's events."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(Policy(), seed)
        self.world = world
        self._planned: dict[int, Delivery] = {}
        self._turns = count(1)

    def publish(self, account: Account, event: Recorded) -> None:
        """Queue an event for every endpoint of its account that wants it."""
        for kind in ("webhook_endpoint", "v2.core.event_destination"):
            for endpoint in account.rows(kind):
                if endpoint["status"] == "enabled" and wants(endpoint, event):
                    self._queue(event, endpoint)

    def _queue(self, event: Recorded, endpoint: Obj) -> None:
        event.undelivered += 1
        if self.policy.plan is not None:
            self._queue_by(self.policy.plan, event, endpoint)
            return
        delivery = Delivery(id=next(self.ids), event=event, endpoint=endpoint)
        if self.is_lost():
            self.lose(delivery)
            return
        self.hand_in(delivery)
        if self.is_doubled():
            self.hand_in(Delivery(id=next(self.ids), event=event, endpoint=endpoint, is_duplicate=True))

    def _queue_by(self, plan: Plan, event: Recorded, endpoint: Obj) -> None:
        delays = plan.delays_of(event.id)
        if not delays:
            self.lose(Delivery(id=next(self.ids), event=event, endpoint=endpoint))
        for copy, delay_s in enumerate(delays):
            planned_at = event.created + delay_s
            delivery = Delivery(id=next(self.ids), event=event, endpoint=endpoint, is_duplicate=copy > 0, planned_at=planned_at)
            self.deliveries.append(delivery)
            self._plan(delivery, delay_s)

    def _plan(self, delivery: Delivery, delay_s: float) -> None:
        """Have a delivery made when the sandbox's clock has moved on by so much."""
        self._planned[delivery.id] = delivery
        if delay_s <= 0:
            self._release(delivery)
        else:
            self.world.timeline.at(self.world.timeline.now + int(delay_s), partial(self._release, delivery))

    def _release(self, delivery: Delivery) -> None:
        """Make a planned delivery due, in the order in which they become so; once only."""
        if self._planned.pop(delivery.id, None) is not None:
            delivery.key = next(self._turns)
            self.make_due(delivery)

    @property
    def has_more(self) -> bool:
        """Whether a delivery waits for the sandbox's clock."""
        return bool(self._planned)

    def hurry(self) -> None:
        """Make due at once what waits for the sandbox's clock."""
        for delivery in list(self._planned.values()):
            self._release(delivery)

    def is_wanted(self, delivery: Delivery) -> bool:
        """Tell whether the endpoint is still enabled."""
        return bool(delivery.endpoint["status"] == "enabled")

    def note(self, delivery: Delivery) -> None:
        """Date a try, and count at the event what came of it."""
        if delivery.attempts:
            delivery.attempts[-1]["at"] = self.world.timeline.now
        if delivery.status == "delivered" and not delivery.is_duplicate:
            delivery.event.undelivered -= 1
        elif delivery.status in ("failed", "lost"):
            delivery.event.failed += 1

    def again(self, delivery: Delivery, delay_s: float) -> None:
        """Have a delivery made again, by a plan at an instant of the sandbox's clock."""
        (self.schedule if self.policy.plan is None else self._plan)(delivery, delay_s)

    async def post_one(self, delivery: Delivery) -> Obj:
        """Post an event to its endpoint."""
        return await self.post_event(delivery.event, delivery.endpoint["url"], delivery.endpoint)

    async def post_event(self, event: Recorded, url: str, endpoint: Obj) -> Obj:
        """Make one signed POST of an event and return its outcome."""
        body = self.body_of(event, endpoint)
        now = int(time.time()) if self.policy.signing_clock == "wall" else self.world.timeline.now
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, endpoint["_secrets"], now),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
        }
        return await self.post(url, body, headers)

    def body_of(self, event: Recorded, endpoint: Obj) -> bytes:
        """Return the bytes an endpoint is sent for an event."""
        if endpoint.get("event_payload") == "thin":
            return msgspec.json.encode(event.thin())
        return msgspec.json.encode(event.snapshot(endpoint["_version"]))

    def forget(self) -> None:
        """Drop all deliveries."""
        super().forget()
        self._planned.clear()


def wants(endpoint: Obj, event: Recorded) -> bool:
    """Return whether an endpoint is enabled for a type of event."""
    enabled = endpoint["enabled_events"]
    prefix = "v1." if endpoint.get("event_payload") == "thin" else ""
    return "*" in enabled or f"{prefix}{event.type}" in enabled or event.type in enabled
