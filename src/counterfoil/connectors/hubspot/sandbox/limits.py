"""Limits of calls and what headers tell of them: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines."""

from __future__ import annotations

from dataclasses import dataclass, field

from counterfoil.kit.sandbox.rates import RollingWindow

from .errors import HubspotError


@dataclass
class Limits:
    """What is allowed: calls per interval and day, searches per second. Nothing is refused until ``is_enforced``."""

    per_interval: int = 190
    interval_ms: int = 10_000
    daily: int = 650_000
    searches_per_s: int = 5
    is_enforced: bool = False
    used_today: int = 0
    _calls: RollingWindow = field(default_factory=RollingWindow)
    _searches: RollingWindow = field(default_factory=RollingWindow)

    def count(self, *, is_search: bool) -> dict[str, str]:
        """Count a call and return the headers of its answer; of searches there are none. Raises HubspotError (429)."""
        self._calls.seconds = self.interval_ms / 1000
        if self.is_enforced:
            if self.used_today >= self.daily:
                raise _refused("DAILY", "You have reached your daily limit.")
            if is_search and self._searches.count >= self.searches_per_s:
                raise _refused("SECONDLY", "You have reached your secondly limit.")
            if self._calls.count >= self.per_interval:
                raise _refused("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.")
        self.used_today += 1
        self._calls.note()
        if is_search:
            self._searches.note()
            return {}
        return {
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(self.daily - self.used_today, 0)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(self.interval_ms),
            "X-HubSpot-RateLimit-Max": str(self.per_interval),
            "X-HubSpot-RateLimit-Remaining": str(max(self.per_interval - self._calls.count, 0)),
        }


def _refused(policy: str, message: str) -> HubspotError:
    return HubspotError(429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName=policy)
