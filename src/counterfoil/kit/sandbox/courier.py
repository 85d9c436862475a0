"""Delivering to webhooks over real HTTP: at least once, in whatever order and with whatever losses a policy says.

What a delivery holds, how it is signed and what may be set beside is the vendor's own; everything on the way is here.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

import aiohttp
import msgspec

Obj = dict[str, Any]

OVERTAKING_S = 0.02
"""What may be overtaken waits so long at least."""
CONNECTIONS_MAX = 64


@dataclass
class DeliveryPolicy:
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


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One delivery on its way. ``status``: pending, delivered, failed (retries used up), lost, canceled.

    ``key``: its turn among those that are due. ``attempts``: how each try ended, ``status`` (None without an answer) and ``error``.
    """

    id: int
    is_duplicate: bool = False
    status: str = "pending"
    key: int = 0
    attempts: list[Obj] = field(default_factory=list)
    is_dropped_once: bool = False


P = TypeVar("P", bound=DeliveryPolicy)
D = TypeVar("D", bound=Parcel)


class Courier(ABC, Generic[P, D]):
    """Makes the deliveries. They are handed in at any time, and go out while the courier is started.

    A vendor's courier says how one is posted (:meth:`post_one`), and hands each in by :meth:`hand_in`, with its copy if :meth:`is_doubled`.
    """

    def __init__(self, policy: P, seed: int) -> None:
        self.policy = policy
        self.deliveries: list[D] = []
        self.random = random.Random(seed)
        self.ids = count(1)
        self._ready: list[tuple[int, int, D]] = []
        self._waiting: list[tuple[float, int, D]] = []
        self._busy = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    # The vendor's part

    @abstractmethod
    async def post_one(self, delivery: D) -> Obj:
        """Post a delivery once, by :meth:`post`, and return how that ended."""

    def is_wanted(self, delivery: D) -> bool:
        """Tell whether a delivery is still to be made when its turn comes."""
        del delivery
        return True

    def note(self, delivery: D) -> None:
        """Hear that a delivery was lost, or that a try of it ended."""

    def again(self, delivery: D, delay_s: float) -> None:
        """Have a delivery that failed made again after some seconds."""
        self.schedule(delivery, delay_s)

    def gather(self) -> None:
        """Hand in what waited to be sent together, when there is room for a delivery and none is due."""

    @property
    def has_more(self) -> bool:
        """Whether something is not handed in yet, or waits for another clock than the machine's."""
        return False

    def hurry(self) -> None:
        """Make due at once what waits for another clock than the machine's."""

    # Handing in

    def is_lost(self) -> bool:
        """Draw whether the next delivery is never made."""
        return bool(self.policy.lose and self.random.random() < self.policy.lose)

    def is_doubled(self) -> bool:
        """Draw whether a delivery is made twice."""
        return bool(self.policy.duplicate and self.random.random() < self.policy.duplicate)

    def hand_in(self, delivery: D) -> None:
        """Have a delivery made, as the policy says."""
        self.deliveries.append(delivery)
        if not delivery.is_duplicate:
            delivery.is_dropped_once = bool(self.policy.drop and self.random.random() < self.policy.drop)
        self.schedule(delivery, self._delay())

    def lose(self, delivery: D) -> None:
        """Note a delivery that is never made."""
        delivery.status = "lost"
        self.deliveries.append(delivery)
        self.note(delivery)

    def _delay(self) -> float:
        policy = self.policy
        wait = self.random.uniform(policy.delay_min_s, policy.delay_max_s) if policy.delay_max_s else 0.0
        return max(wait, OVERTAKING_S) if policy.reorder_window else wait

    def schedule(self, delivery: D, delay_s: float) -> None:
        """Make a delivery due after some seconds."""
        window = self.policy.reorder_window
        delivery.key = delivery.id + (self.random.randint(0, window) if window else 0)
        heapq.heappush(self._waiting, (time.monotonic() + delay_s, delivery.id, delivery))
        self.wake()

    def make_due(self, delivery: D) -> None:
        """Make a delivery due at once, in its turn."""
        heapq.heappush(self._ready, (delivery.key, delivery.id, delivery))
        self.wake()

    def resend(self, deliveries: Iterable[D]) -> int:
        """Make deliveries due again that were lost or failed, and return how many."""
        several = list(deliveries)
        for delivery in several:
            delivery.status = "pending"
            delivery.is_dropped_once = False
            self.schedule(delivery, 0.0)
        return len(several)

    # Making them

    async def start(self) -> None:
        """Begin delivering."""
        self._wake = asyncio.Event()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX))
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

    def wake(self) -> None:
        """Look at once what there is to do, as after a change of the policy."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._promote()
            while self._busy < self.policy.concurrency and not self.policy.is_held:
                if not self._ready:
                    self.gather()
                    self._promote()
                if not self._ready:
                    break
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

    async def _attempt(self, delivery: D) -> None:
        try:
            await self._try_once(delivery)
        finally:
            self._busy -= 1
            self._wake.set()

    async def _try_once(self, delivery: D) -> None:
        if not self.is_wanted(delivery):
            delivery.status = "canceled"
            return
        if delivery.is_dropped_once and not delivery.attempts:
            outcome: Obj = {"status": None, "error": "dropped by policy"}
        else:
            outcome = await self.post_one(delivery)
        delivery.attempts.append(outcome)
        tries = len(delivery.attempts)
        if outcome["status"] is not None and 200 <= outcome["status"] < 300:
            delivery.status = "delivered"
        elif tries > len(self.policy.retry_delays_s):
            delivery.status = "failed"
        self.note(delivery)
        if delivery.status == "pending":
            self.again(delivery, self.policy.retry_delays_s[tries - 1])

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Obj:
        """Make one POST and return its outcome: ``status`` (None without an answer) and ``error``."""
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

    # Looking on

    @property
    def is_idle(self) -> bool:
        """Whether everything was delivered, or given up."""
        return not (self._ready or self._waiting or self._busy or self.has_more)

    async def drain(self, *, is_fast_forwarded: bool = True, timeout_s: float = 60.0) -> dict[str, int]:
        """Wait until nothing is pending and return how many deliveries ended how; fast-forwarding makes waits and retries due at once."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self.policy.is_held:
            if is_fast_forwarded:
                self._promote(is_all=True)
                self.hurry()
                self._wake.set()
            if self.is_idle:
                break
            await asyncio.sleep(0.005)
        return self.summary()

    def summary(self) -> dict[str, int]:
        """Return the number of deliveries per status."""
        counts: dict[str, int] = {"pending": 0, "delivered": 0, "failed": 0, "lost": 0, "canceled": 0}
        for delivery in self.deliveries:
            counts[delivery.status] += 1
        return counts

    def set_policy(self, **changes: Any) -> P:
        """Change the policy. Raises ValueError for a name it does not have or a value of the wrong type."""
        known = msgspec.to_builtins(self.policy)
        unknown = set(changes) - set(known)
        if unknown:
            raise ValueError(f"unknown delivery setting: {', '.join(sorted(unknown))}")
        self.policy = msgspec.convert(known | changes, type(self.policy))
        self._wake.set()
        return self.policy

    def forget(self) -> None:
        """Drop all deliveries."""
        self.deliveries.clear()
        self._ready.clear()
        self._waiting.clear()
