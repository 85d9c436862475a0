"""One check of the suite: its name is a sentence, its part says what passing it proves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from counterfoil.kit.conformance.harness import Harness


class CheckedPart(StrEnum):
    """What a check is about."""

    DECLARATION = "declaration"
    READS = "reads"
    WRITES = "writes"
    PROVEN = "proven"


class ConformanceError(AssertionError):
    """A rule a connector breaks, in words that say which and how."""


def require(condition: object, words: str) -> None:
    """Raise ConformanceError with these words unless the condition holds."""
    if not condition:
        raise ConformanceError(words)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: ``run`` raises ConformanceError when it is broken. ``applies`` says whether the connector has what it is about."""

    name: str
    part: CheckedPart
    run: Callable[[type[Harness]], Coroutine[Any, Any, None]]
    applies: Callable[[Harness], bool]


def has_source(harness: Harness) -> bool:
    """Whether the connector reads."""
    return harness.connector.source is not None


def has_target(harness: Harness) -> bool:
    """Whether the connector writes."""
    return bool(harness.connector.deliver)


def has_webhooks(harness: Harness) -> bool:
    """Whether the connector takes webhooks."""
    return harness.connector.webhooks is not None


def can_poll(harness: Harness) -> bool:
    """Whether changes can be listed."""
    return harness.connector.is_polled


def can_listen(harness: Harness) -> bool:
    """Whether changes are streamed."""
    return harness.connector.listens is not None


def can_backfill(harness: Harness) -> bool:
    """Whether the history can be listed."""
    return harness.connector.backfills is not None


def can_fetch(harness: Harness) -> bool:
    """Whether single objects can be read, of deliveries that a poll brings."""
    return harness.connector.fetches is not None and can_poll(harness)


def lists(harness: Harness) -> bool:
    """Whether the target lists what bears our keys."""
    return harness.connector.lists is not None


def always(_harness: Harness) -> bool:
    """Every connector."""
    return True
