"""Delivering events to webhooks over real HTTP: signed, at least once, in whatever order and with whatever losses the policy says.

Sources: https://docs.stripe.com/webhooks#verify-manually (signature), https://docs.stripe.com/webhooks#retries.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import hmac
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import aiohttp
import msgspec

from .events import Recorded
from .forms import Obj
from .planning import Plan
from .world import Account, World


@dataclass
class Policy:
    """How deliveries behave. Probabilities are per delivery and seeded; times are wall seconds.

    Attributes:
        duplicate: chance that a delivery is made twice.
        drop: chance that the first attempt never leaves; the retry does.
        lose: chance that a delivery is never made at all.
        reorder_window: a delivery may overtake up to that many later ones.
        delay_min_s, delay_max_s: wait before the first attempt.
        retry_delays_s: waits before the retries after an attempt that failed or was answered with anything but 2xx.
        concurrency: deliveries under way at once; 1 keeps the order.
        is_held: collect deliveries without making any.
        signing_clock: ``wall`` or ``sandbox``: the time in the signature.
        plan: decides copies, losses and delays instead of the chances above; then ``retry_delays_s`` too are of the sandbox's clock.
    """

    duplicate: float = 0.0
    drop: float = 0.0
    lose: float = 0.0
    reorder_window: int = 0
    delay_min_s: float = 0.0
    delay_max_s: float = 0.0
    retry_delays_s: list[float] = field(default_factory=lambda: [2.0, 10.0, 60.0])
    concurrency: int = 4
    timeout_s: float = 20.0
    is_held: bool = False
    signing_clock: str = "wall"
    plan: Plan | None = None


@dataclass(slots=True)
class Delivery:
    """One event on its way to one endpoint. ``status``: pending, delivered, failed (retries used up), lost, canceled.

    ``planned_at``: when a plan has it made first, by the sandbox's clock.
    """

    id: int
    event: Recorded
    endpoint: Obj
    is_duplicate: bool = False
    status: str = "pending"
    key: int = 0
    attempts: list[Obj] = field(default_factory=list)
    is_dropped_once: bool = False
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


class Courier:
    """Makes the deliveries. Events are handed in at any time; they go out while the courier is started."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.policy = Policy()
        self.deliveries: list[Delivery] = []
        self._random = random.Random(seed)
        self._count = count(1)
        self._ready: list[tuple[int, int, Delivery]] = []
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._planned: dict[int, Delivery] = {}
        self._turns = count(1)
        self._busy = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def publish(self, account: Account, event: Recorded) -> None:
        """Queue an event for every endpoint of its account that wants it."""
        for kind in ("webhook_endpoint", "v2.core.event_destination"):
            for endpoint in account.rows(kind):
                if endpoint["status"] == "enabled" and wants(endpoint, event):
                    self._queue(event, endpoint)

    def _queue(self, event: Recorded, endpoint: Obj) -> None:
        policy = self.policy
        if policy.plan is not None:
            self._queue_by(policy.plan, event, endpoint)
            return
        delivery = Delivery(next(self._count), event, endpoint)
        self.deliveries.append(delivery)
        event.undelivered += 1
        if policy.lose and self._random.random() < policy.lose:
            delivery.status = "lost"
            event.failed += 1
            return
        delivery.is_dropped_once = bool(policy.drop and self._random.random() < policy.drop)
        self._schedule(delivery, self._delay())
        if policy.duplicate and self._random.random() < policy.duplicate:
            twin = Delivery(next(self._count), event, endpoint, is_duplicate=True)
            self.deliveries.append(twin)
            self._schedule(twin, self._delay())

    def _queue_by(self, plan: Plan, event: Recorded, endpoint: Obj) -> None:
        delays = plan.delays_of(event.id)
        event.undelivered += 1
        if not delays:
            self.deliveries.append(Delivery(next(self._count), event, endpoint, status="lost"))
            event.failed += 1
        for copy, delay_s in enumerate(delays):
            delivery = Delivery(next(self._count), event, endpoint, is_duplicate=copy > 0, planned_at=event.created + delay_s)
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
        if self._planned.pop(delivery.id, None) is None:
            return
        delivery.key = next(self._turns)
        heapq.heappush(self._ready, (delivery.key, delivery.id, delivery))
        self._wake.set()

    def _delay(self) -> float:
        policy = self.policy
        wait = self._random.uniform(policy.delay_min_s, policy.delay_max_s) if policy.delay_max_s else 0.0
        return max(wait, 0.02) if policy.reorder_window else wait

    def _schedule(self, delivery: Delivery, delay_s: float) -> None:
        window = self.policy.reorder_window
        delivery.key = delivery.id + (self._random.randint(0, window) if window else 0)
        heapq.heappush(self._waiting, (time.monotonic() + delay_s, delivery.id, delivery))
        self._wake.set()

    async def start(self) -> None:
        """Begin delivering."""
        self._wake = asyncio.Event()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop delivering; what is pending stays pending."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._running, return_exceptions=True)
            self._task = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _run(self) -> None:
        while True:
            self._promote()
            while self._ready and self._busy < self.policy.concurrency and not self.policy.is_held:
                _, _, delivery = heapq.heappop(self._ready)
                self._busy += 1
                task = asyncio.create_task(self._attempt(delivery))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            self._wake.clear()
            wait = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _promote(self, is_all: bool = False) -> None:
        now = time.monotonic()
        while self._waiting and (is_all or self._waiting[0][0] <= now):
            _, _, delivery = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (delivery.key, delivery.id, delivery))

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await self._try_once(delivery)
        finally:
            self._busy -= 1
            self._wake.set()

    async def _try_once(self, delivery: Delivery) -> None:
        if delivery.endpoint["status"] != "enabled":
            delivery.status = "canceled"
            return
        if delivery.is_dropped_once and not delivery.attempts:
            outcome: Obj = {"status": None, "error": "dropped by policy"}
        else:
            outcome = await self.post(delivery.event, delivery.endpoint["url"], delivery.endpoint)
        outcome["at"] = self.world.timeline.now
        delivery.attempts.append(outcome)
        if outcome["status"] is not None and 200 <= outcome["status"] < 300:
            delivery.status = "delivered"
            if not delivery.is_duplicate:
                delivery.event.undelivered -= 1
            return
        tries = len(delivery.attempts)
        if tries > len(self.policy.retry_delays_s):
            delivery.status = "failed"
            delivery.event.failed += 1
            return
        again = self._schedule if self.policy.plan is None else self._plan
        again(delivery, self.policy.retry_delays_s[tries - 1])

    async def post(self, event: Recorded, url: str, endpoint: Obj) -> Obj:
        """Make one signed POST and return its outcome: ``status`` (None without an answer) and ``error``."""
        body = self.body_of(event, endpoint)
        now = int(time.time()) if self.policy.signing_clock == "wall" else self.world.timeline.now
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, endpoint["_secrets"], now),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
        }
        session = self._session
        if session is None:
            return {"status": None, "error": "the courier is not started"}
        try:
            timeout = aiohttp.ClientTimeout(total=self.policy.timeout_s)
            async with session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
                await answer.read()
                return {"status": answer.status, "error": ""}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return {"status": None, "error": f"{type(error).__name__}: {error}"}

    def body_of(self, event: Recorded, endpoint: Obj) -> bytes:
        """Return the bytes an endpoint is sent for an event."""
        if endpoint.get("event_payload") == "thin":
            return msgspec.json.encode(event.thin())
        return msgspec.json.encode(event.snapshot(endpoint["_version"]))

    async def drain(self, *, is_fast_forwarded: bool = True, timeout_s: float = 60.0) -> dict[str, int]:
        """Wait until nothing is pending and return how many deliveries ended how; fast-forwarding makes waits and retries due at once."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self.policy.is_held:
            if is_fast_forwarded:
                self._promote(is_all=True)
                for delivery in list(self._planned.values()):
                    self._release(delivery)
                self._wake.set()
            if not (self._ready or self._waiting or self._planned or self._busy):
                break
            await asyncio.sleep(0.005)
        return self.summary()

    def summary(self) -> dict[str, int]:
        """Return the number of deliveries per status."""
        counts: dict[str, int] = {"pending": 0, "delivered": 0, "failed": 0, "lost": 0, "canceled": 0}
        for delivery in self.deliveries:
            counts[delivery.status] += 1
        return counts

    def set_policy(self, **changes: Any) -> Policy:
        """Change the policy. Raises ValueError for a name it does not have or a value of the wrong type."""
        known = msgspec.to_builtins(self.policy)
        unknown = set(changes) - set(known)
        if unknown:
            raise ValueError(f"unknown delivery setting: {', '.join(sorted(unknown))}")
        self.policy = msgspec.convert(known | changes, Policy)
        self._wake.set()
        return self.policy

    def forget(self) -> None:
        """Drop all deliveries."""
        self.deliveries.clear()
        self._ready.clear()
        self._waiting.clear()
        self._planned.clear()

    def resend(self, deliveries: Sequence[Delivery]) -> int:
        """Make deliveries due again that were lost or failed, and return how many."""
        for delivery in deliveries:
            delivery.status = "pending"
            delivery.is_dropped_once = False
            self._schedule(delivery, 0.0)
        return len(deliveries)


def wants(endpoint: Obj, event: Recorded) -> bool:
    """Return whether an endpoint is enabled for a type of event."""
    enabled = endpoint["enabled_events"]
    prefix = "v1." if endpoint.get("event_payload") == "thin" else ""
    return "*" in enabled or f"{prefix}{event.type}" in enabled or event.type in enabled
