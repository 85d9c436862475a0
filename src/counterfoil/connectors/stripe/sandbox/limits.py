"""Rate limits, remembered answers (idempotency keys), and deliberate trouble inside a call.

Sources: https://docs.stripe.com/rate-limits, https://docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

from counterfoil.kit.sandbox.rates import RollingWindow

from .errors import StripeError, too_many

KEPT_S = 24 * 3600


@dataclass
class RateLimit:
    """Requests per second and account, over all and per endpoint; 0 switches a limiter off."""

    global_per_s: float = 0.0
    endpoint_per_s: float = 0.0
    _seconds: dict[str, RollingWindow] = field(default_factory=dict)

    def check(self, account: str, endpoint: str) -> None:
        """Raise Stripe's 429 if a limit is reached."""
        for name, most in ((f"{account}", self.global_per_s), (f"{account} {endpoint}", self.endpoint_per_s)):
            if most and not self._seconds.setdefault(name, RollingWindow()).take(most):
                raise too_many("global-rate" if name == account else "endpoint-rate")


@dataclass(slots=True)
class Remembered:
    """The first answer under an idempotency key; ``answer`` is None while the call is still running."""

    fingerprint: str
    at: int
    status: int = 0
    answer: bytes | None = None


class Memory:
    """Idempotency keys per account with the answers first given, kept for a day of sandbox time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Remembered] = {}

    def recall(self, account: str, key: str, fingerprint: str, now: int) -> Remembered | None:
        """Return the remembered answer of a key, or None and remember that the call has begun.

        Raises StripeError: 400 for other parameters under the same key, 409 while the first call still runs.
        """
        if len(key) > 255:
            raise StripeError("Idempotency keys may be at most 255 characters.", kind="idempotency_error", is_stored=False)
        found = self._kept.get((account, key))
        if found is None or found.at < now - KEPT_S:
            self._kept[account, key] = Remembered(fingerprint, now)
            return None
        if found.fingerprint != fingerprint:
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key "
                f"other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error", is_stored=False,
            )  # fmt: skip
        if found.answer is None:
            raise StripeError(
                f"There is currently another in-progress request using this Idempotent Key ({key}). Please try again later.",
                status=409, kind="idempotency_error", code="idempotency_key_in_use", is_stored=False,
            )  # fmt: skip
        return found

    def keep(self, account: str, key: str, status: int, answer: bytes) -> None:
        """Remember an answer."""
        found = self._kept[account, key]
        found.status, found.answer = status, answer

    def forget(self, account: str, key: str) -> None:
        """Forget a key whose call never began to execute."""
        self._kept.pop((account, key), None)


@dataclass
class Trouble:
    """Trouble inside a call, under its idempotency key: a wait, then optionally an error before or after the work is done.

    ``path`` is searched in ``METHOD /path``; ``times`` -1 means always. A 500 made here is remembered by the key, as Stripe's are.
    """

    path: str
    times: int = 1
    delay_s: float = 0.0
    status: int = 0
    is_after: bool = False

    def __post_init__(self) -> None:
        re.compile(self.path)


class Troubles:
    """The armed troubles."""

    def __init__(self) -> None:
        self.armed: list[Trouble] = []

    def pick(self, line: str) -> Trouble | None:
        """Return the trouble that strikes a request line, using it up."""
        for trouble in self.armed:
            if trouble.times != 0 and re.search(trouble.path, line):
                trouble.times -= 1 if trouble.times > 0 else 0
                return trouble
        return None

    async def before(self, trouble: Trouble) -> None:
        """Wait, and raise the error of a trouble that strikes before the work."""
        if trouble.delay_s:
            await asyncio.sleep(trouble.delay_s)
        if trouble.status and not trouble.is_after:
            raise internal(trouble.status)


def internal(status: int) -> StripeError:
    """Return Stripe's error about itself."""
    message = "An unknown error occurred" if status == 500 else "Stripe is temporarily unavailable."
    return StripeError(message, status=status, kind="api_error")
