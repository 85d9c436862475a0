"""Webhooks: events that happen while one delivery is on its way go out together with the next, signed.

Delivery: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide (arrays of up to 100 events, ten retries in a day).
Signature: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from counterfoil.kit.sandbox import courier
from counterfoil.kit.sandbox.courier import Obj

BATCH_MAX = 100
RETRIES_MAX = 10


@dataclass
class Policy(courier.DeliveryPolicy):
    """What happens to deliveries on the way; ``lose`` is of each event.

    Attributes:
        is_shuffled: whether the events of a delivery are in no order.
        batch_max: how many of them one holds at most.
        signed_url: the address the app names, where a proxy stands before the one that is delivered to.
    """

    concurrency: int = 1
    timeout_s: float = 5.0
    retry_delays_s: list[float] = field(default_factory=lambda: [0.2] * RETRIES_MAX)
    is_shuffled: bool = False
    batch_max: int = BATCH_MAX
    signed_url: str = ""


@dataclass(slots=True, kw_only=True)
class Delivery(courier.Parcel):
    """One delivery: where it goes, and its events."""

    url: str
    events: list[Obj]

    @property
    def outcomes(self) -> list[str]:
        """How each try ended: a status, or what failed."""
        return [one["error"].partition(":")[0] if one["status"] is None else str(one["status"]) for one in self.attempts]


def sign_v3(secret: str, url: str, body: str, stamp_ms: str) -> str:
    """Return the signature of a posted body."""
    return base64.b64encode(hmac.digest(secret.encode(), f"POST{url}{body}{stamp_ms}".encode(), "sha256")).decode()


def _wall_ms() -> int:
    return int(time.time() * 1000)


class Courier(courier.Courier[Policy, Delivery]):
    """Delivers what happens to the address the app names."""

    def __init__(self, secret: str, seed: int) -> None:
        super().__init__(Policy(), seed)
        self.secret = secret
        self.url = ""
        self.now_ms: Callable[[], int] = _wall_ms
        self._events: list[Obj] = []

    def add(self, event: Obj) -> None:
        """Take an event to be delivered; before there is an address, nothing is kept."""
        if self.url:
            self._events.append(event)
            self.wake()

    @property
    def has_more(self) -> bool:
        """Whether events wait for the next delivery."""
        return bool(self._events)

    def gather(self) -> None:
        """Hand in the events that wait, as one delivery."""
        events, self._events = self._events[: self.policy.batch_max], self._events[self.policy.batch_max :]
        events = [event for event in events if not self.is_lost()]
        if self.policy.is_shuffled:
            self.random.shuffle(events)
        for is_duplicate in ((False, True) if self.is_doubled() else (False,)) if events else ():
            copy = [dict(event) for event in events]
            self.hand_in(Delivery(id=next(self.ids), url=self.url, events=copy, is_duplicate=is_duplicate))

    async def post_one(self, delivery: Delivery) -> Obj:
        """Post the events, each with the number of the try."""
        for event in delivery.events:
            event["attemptNumber"] = len(delivery.attempts)
        body = json.dumps(delivery.events, separators=(",", ":"))
        stamp = str(_wall_ms() if self.policy.signing_clock == "wall" else self.now_ms())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)",
            "X-HubSpot-Signature": hashlib.sha256((self.secret + body).encode()).hexdigest(),
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": sign_v3(self.secret, self.policy.signed_url or delivery.url, body, stamp),
            "X-HubSpot-Request-Timestamp": stamp,
        }
        return await self.post(delivery.url, body.encode(), headers)

    def forget(self) -> None:
        """Drop all deliveries, and what waits for one."""
        super().forget()
        self._events.clear()
