"""How soon a fact should have its effect in the books, by what is posted (domain: data domains and service levels)."""

from __future__ import annotations

from datetime import timedelta

SERVICE_LEVELS: dict[str, timedelta] = {
    "upsert_customer": timedelta(seconds=60),
    "upsert_product": timedelta(days=1),
    "post_invoice": timedelta(minutes=5),
    "post_credit_note": timedelta(seconds=60),
    "post_payment": timedelta(seconds=10),
    "post_entry": timedelta(days=1),
    "allocate": timedelta(seconds=10),
    "unmatch": timedelta(seconds=60),
}
"""95 % of a kind of command should be done within so long of being called for."""

WAIT_LIMITS: dict[str, timedelta] = {
    "payout": timedelta(days=1),
    "dispute": timedelta(days=3),  # what was won comes back days after the decision
}
"""How long an object of a kind may wait for what its source is to tell before people are told, where that is longer than for others."""


def wait_limits(limit: timedelta) -> dict[str, timedelta]:
    """Return the limits by kind of object, none shorter than the general one."""
    return {kind: max(own, limit) for kind, own in WAIT_LIMITS.items()}


OTHERWISE = timedelta(minutes=5)


def service_level(kind: str) -> timedelta:
    """Return the service level of a kind of command; five minutes for one that is not in the table."""
    return SERVICE_LEVELS.get(kind, OTHERWISE)
