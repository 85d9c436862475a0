"""Webhooks: batches of events, signed, tried again, and all that may go wrong with them on the way.

Delivery: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide (arrays of up to 100 events, ten tries in 24 hours).
Signature: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from .types import Obj

BATCH_MAX = 100
TRIES_MAX = 11


@dataclass
class Policy:
    """What happens to deliveries on the way.

    ``retry_after_s``: how long after each failure, in real seconds. ``signed_url``: the address the app names, where a proxy stands before
    the one that is delivered to.
    """

    is_held: bool = False
    duplicate_rate: float = 0.0
    drop_rate: float = 0.0
    is_shuffled: bool = False
    batch_max: int = BATCH_MAX
    retry_after_s: float = 0.2
    signing_clock: str = "wall"
    signed_url: str = ""


@dataclass
class Posted:
    """One delivery: its events and how each try ended (a status, or what failed)."""

    url: str
    events: list[Obj]
    outcomes: list[str] = field(default_factory=list)

    @property
    def is_delivered(self) -> bool:
        """Whether the other side took it."""
        return bool(self.outcomes) and self.outcomes[-1].startswith("2")


def sign_v3(secret: str, url: str, body: str, stamp_ms: str) -> str:
    """Return the signature of a posted body."""
    return base64.b64encode(hmac.digest(secret.encode(), f"POST{url}{body}{stamp_ms}".encode(), "sha256")).decode()


def _wall_ms() -> int:
    return int(time.time() * 1000)


class Courier:
    """Delivers what happens to the address the app names; one delivery after the other."""

    def __init__(self, secret: str, seed: int) -> None:
        self.secret = secret
        self.url = ""
        self.policy = Policy()
        self.posted: list[Posted] = []
        self.now_ms: Callable[[], int] = _wall_ms
        self._random = random.Random(seed)
        self._waiting: list[Obj] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_busy = False

    def add(self, event: Obj) -> None:
        """Take an event to be delivered; before there is an address, nothing is kept."""
        if self.url:
            self._waiting.append(event)
            self._wake.set()

    async def start(self) -> None:
        """Begin delivering."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop delivering; what waits is lost."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """Go on after the policy changed."""
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Whether everything was delivered, or given up."""
        return not self._waiting and not self._is_busy

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting and not self.policy.is_held:
                    self._is_busy = True
                    for posted in self._batch():
                        await self._deliver(session, posted)
                    self._is_busy = False

    def _batch(self) -> list[Posted]:
        policy = self.policy
        events, self._waiting = self._waiting[: policy.batch_max], self._waiting[policy.batch_max :]
        events = [event for event in events if self._random.random() >= policy.drop_rate]
        if policy.is_shuffled:
            self._random.shuffle(events)
        copies = 2 if self._random.random() < policy.duplicate_rate else 1
        made = [Posted(self.url, [dict(event) for event in events]) for _ in range(copies if events else 0)]
        self.posted += made
        return made

    async def _deliver(self, session: aiohttp.ClientSession, posted: Posted) -> None:
        for number in range(TRIES_MAX):
            for event in posted.events:
                event["attemptNumber"] = number
            posted.outcomes.append(await self._post(session, posted))
            if posted.is_delivered:
                return
            await asyncio.sleep(self.policy.retry_after_s)

    async def _post(self, session: aiohttp.ClientSession, posted: Posted) -> str:
        body = json.dumps(posted.events, separators=(",", ":"))
        stamp = str(_wall_ms() if self.policy.signing_clock == "wall" else self.now_ms())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)",
            "X-HubSpot-Signature": hashlib.sha256((self.secret + body).encode()).hexdigest(),
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": sign_v3(self.secret, self.policy.signed_url or posted.url, body, stamp),
            "X-HubSpot-Request-Timestamp": stamp,
        }
        try:
            async with session.post(posted.url, data=body.encode(), headers=headers) as answer:
                return str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__
