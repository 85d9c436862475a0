"""The sandboxes' control interface over HTTP: accounts, clock, webhooks, deliveries, faults. Only demonstrations and tests hold it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import aiohttp

TIMEOUT_S = 120.0


class ControlError(Exception):
    """The control interface refused a call; the message says why."""


class SandboxControl:
    """The control interface of one sandbox (see its README). Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, path: str, /, **body: Any) -> Any:
        """Call ``/_control`` and return its answer. Raises ControlError."""
        if self._session is None:
            raise ControlError("the control interface is not open; use it in 'async with'")
        async with self._session.request(method, f"{self.url}/_control{path}", json=body) as response:
            answer = await response.json()
            if response.status >= 400:
                raise ControlError(f"{method} {path}: {answer.get('error', answer)}")
            return answer

    async def details(self) -> dict[str, Any]:
        """Return what a client needs: address, keys, secrets."""
        return dict(await self.call("GET", ""))

    async def arm(self, kind: str, requests: str, probability: float, **fault: Any) -> None:
        """Arm a fault that strikes again and again, with a probability, at requests that match a regular expression."""
        await self.call("POST", "/faults", **{"kind": kind, "path": requests, "probability": probability, "times": -1, **fault})

    async def disarm(self) -> int:
        """Take all faults away and return how often they struck."""
        struck = len((await self.call("GET", "/faults"))["struck"])
        await self.call("DELETE", "/faults")
        return struck


class StripeControl(SandboxControl):
    """The Stripe sandbox's own moves."""

    async def open_account(self, account: str, country: str, currency: str, key: str, **terms: Any) -> None:
        """Open an account; terms are its fees, payout schedule, exchange rates..."""
        await self.call("POST", "/accounts", id=account, country=country, currency=currency.lower(), api_key=key, **terms)

    async def advance(self, to: datetime) -> None:
        """Move the clock to an instant; all that is due until then happens. Raises ControlError if it lies in the past."""
        await self.call("POST", "/clock", to=int(to.timestamp()))

    async def add_webhook(self, url: str, account: str) -> str:
        """Register a webhook for all events of an account and return its signing secret."""
        return str((await self.call("POST", "/webhooks", url=url, account=account))["secret"])

    async def deliveries(self, **policy: Any) -> None:
        """Change how deliveries behave."""
        await self.call("POST", "/deliveries/policy", **policy)

    async def drain(self, timeout_s: float = 60.0) -> dict[str, int]:
        """Wait until every delivery was made, given up or lost, without waiting out delays; return how many ended how."""
        return dict(await self.call("POST", "/deliveries/drain", timeout_s=timeout_s))

    async def charge_fee(self, account: str, amount: int, currency: str, description: str, kind: str = "stripe_fee") -> None:
        """Have the processor take a fee of its own (or ``tax_fee``, ``adjustment``) of so many minor units."""
        await self.call("POST", "/entries", account=account, type=kind, amount=-amount, currency=currency.lower(), description=description)

    async def fail_payout(self, account: str, payout: str) -> None:
        """Fail a payout, sent or arrived: the money comes back."""
        await self.call("POST", f"/payouts/{payout}/fail", account=account)
