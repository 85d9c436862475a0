"""Settings of [retention]: how many days each payload class is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _at_least(days_min: int) -> Callable[[int], int]:
    def checked(days: int) -> int:
        if days != 0 and days < days_min:
            raise ValueError(f"{days} days are too few: at least {days_min}, or 0 for ever")
        return days

    return checked


class RetentionSettings(BaseModel):
    """How many days each payload class is kept; 0: for ever. The financial record (commands, bindings, objects, sums) always is.

    Attributes:
        bodies_days: deliveries as they came, with what was fetched for them, once they are read and decided. An erased one cannot be
            replayed; it stays known, so that it is never taken twice. At least 35: sources tell again what they told in the last 30 days.
        events_days: what deliveries were read as; `counterfoil trace` shows them. At least 35.
        attempts_days: tries at targets; those of postings that are still open stay. At least 30.
        cases_days: records and history of closed cases, from their closing on; the case's own line stays. At least 30.
        audit_days: who did what; kept for its own purpose, longer than the rest. At least 365.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bodies_days: Annotated[int, AfterValidator(_at_least(35))] = 400
    events_days: Annotated[int, AfterValidator(_at_least(35))] = 400
    attempts_days: Annotated[int, AfterValidator(_at_least(30))] = 90
    cases_days: Annotated[int, AfterValidator(_at_least(30))] = 400
    audit_days: Annotated[int, AfterValidator(_at_least(365))] = 3650

    @property
    def by_payload(self) -> dict[str, int]:
        """Payload class -> days."""
        return {
            "bodies": self.bodies_days,
            "events": self.events_days,
            "attempts": self.attempts_days,
            "cases": self.cases_days,
            "audit": self.audit_days,
        }
