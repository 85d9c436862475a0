"""How soon a fact should have its effect in a target, by what is posted (domain: data domains and service levels)."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.core.commands import SPECS
from counterfoil.core.kinds import KINDS

_LEVELS = {kind.value: spec.service_level for kind, spec in SPECS.items()}

OTHERWISE = timedelta(minutes=5)


def wait_limits(limit: timedelta) -> dict[str, timedelta]:
    """Return how long an object of a kind may wait for what its source is to tell before people are told, where that may be longer than
    for others; none shorter than the general limit.
    """
    return {name: max(kind.wait_limit, limit) for name, kind in KINDS.items() if kind.wait_limit is not None}


def service_level(kind: str) -> timedelta:
    """Return the service level of a kind of command; five minutes for one that this version does not know."""
    return _LEVELS.get(kind, OTHERWISE)


def service_level_of(kind: str) -> timedelta | None:
    """Return the service level of a kind of record; None where nothing comes of it, five minutes for one this version does not know."""
    return KINDS[kind].service_level if kind in KINDS else OTHERWISE
