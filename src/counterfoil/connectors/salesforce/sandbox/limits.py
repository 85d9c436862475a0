"""How many calls an org may make in a day, and what each answer tells of it.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import SalesforceError


@dataclass
class Limits:
    """``daily``: calls in 24 hours. Nothing is refused until ``is_enforced``; ``used``: calls so far; ``call_s``: how long each takes."""

    daily: int = 100_000
    used: int = 0
    is_enforced: bool = False
    call_s: float = 0.0

    def count(self) -> dict[str, str]:
        """Count a call, and return the headers of its answer. Raises SalesforceError (403)."""
        if self.is_enforced and self.used >= self.daily:
            raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1
        return {"Sforce-Limit-Info": f"api-usage={self.used}/{self.daily}"}

    def shown(self) -> dict[str, dict[str, int]]:
        """Return what ``limits`` shows."""
        left = max(self.daily - self.used, 0)
        return {
            "DailyApiRequests": {"Max": self.daily, "Remaining": left},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "HourlyPublishedPlatformEvents": {"Max": 50_000, "Remaining": 50_000},
        }
