"""An independent, deliberately plain Stripe client for proof and demonstration: it shares no code with the connector beside it.

Form-encoded calls and paged lists: what the connector read is read again by somebody else.

Source: https://docs.stripe.com/api (form-encoded requests, cursor pagination, idempotent requests).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import aiohttp

from counterfoil.kit.forms import Nested, encode_form, flatten

API_VERSION = "2026-10-28.endive"
TRIES_MAX = 6
PAGE_SIZE = 100
DECLINED = 402


class StripePlainError(Exception):
    """Stripe refused a call, or did not answer it after several tries. ``status`` is 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class StripePlain:
    """One account of one Stripe server. Use as an async context manager.

    Every call may be repeated after a fault: reads by nature, writes because each carries its own idempotency key.
    """

    def __init__(self, url: str, key: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self.timeout_s = timeout_s
        self._run = secrets.token_hex(6)
        self._count = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.key}", "Stripe-Version": API_VERSION}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=self.timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **parameters: Nested) -> dict[str, Any]:
        """Return one object, e.g. ``get("/v1/balance")``."""
        return await self._call("GET", path, parameters)

    async def post(self, path: str, **parameters: Nested) -> dict[str, Any]:
        """Create or change something. Raises StripePlainError with status 402 where a card is declined."""
        self._count += 1
        return await self._call("POST", path, parameters, {"Idempotency-Key": f"{self._run}-{self._count}"})

    async def delete(self, path: str, **parameters: Nested) -> dict[str, Any]:
        """Delete or cancel something."""
        return await self._call("DELETE", path, parameters)

    async def every(self, path: str, **parameters: Nested) -> AsyncIterator[dict[str, Any]]:
        """Yield every object of a list, newest first, page by page."""
        after: dict[str, Nested] = {}
        while True:
            page = await self._call("GET", path, {**parameters, "limit": PAGE_SIZE, **after})
            for item in page["data"]:
                yield item
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    async def _call(
        self, method: str, path: str, parameters: Mapping[str, Nested], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        problem = ""
        for attempt in range(TRIES_MAX):
            try:
                status, body = await self._once(method, path, parameters, headers or {})
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem = type(error).__name__
            else:
                if status < 400:
                    return body
                problem = str(body.get("error", {}).get("message", body))
                if status not in (409, 429) and status < 500:
                    raise StripePlainError(f"{method} {path}: status {status}: {problem}", status)
            await asyncio.sleep(0.02 * 2**attempt)
        raise StripePlainError(f"{method} {path}: no answer after {TRIES_MAX} tries, last: {problem}")

    async def _once(
        self, method: str, path: str, parameters: Mapping[str, Nested], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            raise StripePlainError("the client is not open; use it in 'async with'")
        is_form = method == "POST"
        query = None if is_form else flatten(parameters)
        data = encode_form(parameters) if is_form else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if is_form else {}
        async with self._session.request(method, self.url + path, params=query, data=data, headers={**headers, **kind}) as response:
            body = json.loads(await response.text())
            return response.status, body
