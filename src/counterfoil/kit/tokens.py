"""A token that ends, and a client that calls with one.

It is got once however many calls need it, and again before it ends, or as soon as a call finds that it has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from counterfoil.kit.errors import HubError, SetupError
from counterfoil.kit.http import HttpClient, Response, StatusRule
from counterfoil.kit.limits import LocalBudget, Now

EARLY_S = 60.0
"""How long before its end a token is not used any more; of a short-lived one, half of its life."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and for how many seconds from now on it is good: ``inf`` where only a call tells that it has ended."""

    token: str
    life_s: float


class Tokens:
    """The token of one connection, for as long as the process lasts.

    Args:
        get: asks for a token. Raises TransientError, SetupError.
        now: seconds on a clock that never goes back.
    """

    def __init__(self, get: Callable[[], Awaitable[IssuedToken]], *, now: Now = time.monotonic) -> None:
        self._get = get
        self._now = now
        self._token = ""
        self._until_s = 0.0
        self._count = 0
        self._failure: HubError | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return the token; another one where there is none, or its end is near. Raises TransientError, SetupError."""
        if not self._token or self._now() >= self._until_s:
            await self.renew(self._token)
        return self._token

    async def renew(self, ended: str) -> None:
        """Get another token if the one that ended is still the current one: of many calls that find it ended, one asks.

        Raises TransientError, SetupError.
        """
        before = self._count
        async with self._lock:
            if self._count != before and self._failure is not None:
                raise self._failure  # whoever waited meanwhile is told the same, and does not ask once more
            if self._token == ended:
                await self._replace()

    async def _replace(self) -> None:
        self._token, self._failure = "", None
        asked_s = self._now()
        try:
            issued = await self._get()
        except HubError as error:
            self._failure = error
            raise
        finally:
            self._count += 1
        self._token, self._until_s = issued.token, asked_s + issued.life_s - min(EARLY_S, issued.life_s / 2)


_used: ContextVar[str] = ContextVar("token", default="")
"""The token the call under way was sent with: another may be the current one by the time it is refused."""


class TokenClient(HttpClient):
    """Calls with a token that ends. A call whose token is refused is made once more, with another.

    Args:
        base_url: the system's address, also where tokens are got.
        get: asks ``login``, which calls without a token, for one. Raises TransientError, SetupError.
        refused: the code of the error that says a token is not good any more.
        statuses: what refusals mean where a token is asked for.
        now: seconds on a clock that never goes back.
        options: of every client.
    """

    def __init__(
        self,
        base_url: str,
        get: Callable[[], Awaitable[IssuedToken]],
        *,
        refused: str,
        statuses: Sequence[StatusRule],
        now: Now = time.monotonic,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(base_url, auth=self._authorized, **options)
        budget = LocalBudget(rate_per_s=1.0, burst=10, concurrency_max=1)
        self.login = HttpClient(base_url, budget=budget, statuses=tuple(statuses), pool_size=1)
        self.tokens = Tokens(get, now=now)
        self._refused = refused

    async def open(self) -> None:
        """Open the connection pools."""
        await self.login.open()
        await super().open()

    async def close(self) -> None:
        """Close the connection pools; harmless twice."""
        await super().close()
        await self.login.close()

    async def request(self, method: str, path: str, **options: Any) -> Response:
        """Send one request as every client does; if its token was refused, once more with another. Raises as it does."""
        try:
            return await super().request(method, path, **options)
        except SetupError as error:
            if error.code != self._refused:
                raise
            ended = error
        try:
            await self.tokens.renew(_used.get())
            return await super().request(method, path, **options)
        except HubError as error:  # also if nobody is let in any more: what was sent before that may have been done
            error.is_outcome_unknown |= ended.is_outcome_unknown
            raise

    async def _authorized(self) -> Mapping[str, str]:
        token = await self.tokens.token()
        _used.set(token)
        return {"Authorization": f"Bearer {token}"}
