"""A token that ends: got once however many calls need it, and again before it ends, or as soon as a call finds that it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from counterfoil.kit.errors import HubError
from counterfoil.kit.limits import Now

EARLY_S = 60.0
"""How long before its end a token is not used any more; of a short-lived one, half of its life."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and for how many seconds from now on it is good."""

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
