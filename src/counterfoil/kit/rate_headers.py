"""What a vendor tells about its limits in headers: RateLimit (IETF drafts) and X-RateLimit; Retry-After is in ``responses``.

Sources: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (one structured field, ``"default";r=50;t=30``,
before that ``limit=100, remaining=50, reset=30`` or three fields), https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
(X-RateLimit-Reset is an instant in epoch seconds; others give seconds to go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_EPOCH_FROM = 1_000_000_000
_MILLISECONDS_FROM = 100_000_000_000
RESET_MAX_S = 3600.0
"""A window that is said to end later than this is not waited for in advance; a refusal will say so if it comes to that."""
_PARAMETER = re.compile(r"(?<![\w-])(r|remaining|t|reset)\s*=\s*\"?(\d+(?:\.\d+)?)")
_NAMES = {"r": "remaining", "remaining": "remaining", "t": "reset", "reset": "reset"}


@dataclass(frozen=True, slots=True)
class RateSeen:
    """``remaining`` calls may be made within the next ``reset_s`` seconds."""

    remaining: float
    reset_s: float

    @property
    def rate_per_s(self) -> float:
        """Calls per second that use up what remains exactly when the window ends."""
        return self.remaining / max(self.reset_s, 1.0)


def read_rate(headers: Mapping[str, str], now_epoch_s: float) -> RateSeen | None:
    """Return the tightest limit the headers speak of, None if they speak of none or not of when it ends."""
    seen = [*_structured(headers.get("RateLimit", "")), *_single(headers, now_epoch_s)]
    known = [one for one in seen if 0 <= one.reset_s <= RESET_MAX_S]
    return min(known, key=lambda one: one.rate_per_s, default=None)


def _structured(value: str) -> list[RateSeen]:
    """Return the items of a RateLimit field: policies apart by commas, or one policy whose parameters are."""
    items = value.split(",") if re.search(r"(?<![\w-])r\s*=", value) else [value]
    found = []
    for item in items:
        known = {_NAMES[name]: float(number) for name, number in _PARAMETER.findall(item)}
        if {"remaining", "reset"} <= known.keys():
            found.append(RateSeen(known["remaining"], known["reset"]))
    return found


def _single(headers: Mapping[str, str], now_epoch_s: float) -> list[RateSeen]:
    found = []
    for prefix in ("RateLimit-", "X-RateLimit-", "X-Rate-Limit-"):
        remaining, reset = _number(headers.get(f"{prefix}Remaining", "")), _number(headers.get(f"{prefix}Reset", ""))
        if remaining is None or reset is None:
            continue
        if reset >= _MILLISECONDS_FROM:
            reset = reset / 1000
        if reset >= _EPOCH_FROM:
            reset = max(reset - now_epoch_s, 0.0)
        found.append(RateSeen(remaining, reset))
    return found


def _number(text: str) -> float | None:
    head = text.split(",")[0].split(";")[0].strip()
    return float(head) if re.fullmatch(r"\d+(\.\d+)?", head) else None
