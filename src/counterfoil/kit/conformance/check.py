"""One check of the suite: its name is a sentence, its part says what passing it proves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from counterfoil.kit.conformance.harness import Harness


class Part(StrEnum):
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
    part: Part
    run: Callable[[type[Harness]], Coroutine[Any, Any, None]]
    applies: Callable[[Harness], bool]


def has_source(harness: Harness) -> bool:
    """Whether the connector reads."""
    return harness.connector.source is not None


def has_target(harness: Harness) -> bool:
    """Whether the connector writes."""
    return harness.connector.target is not None or bool(harness.connector.deliver)


def has_webhooks(harness: Harness) -> bool:
    """Whether the connector takes webhooks."""
    return has_source(harness) and bool(harness.webhooks())


def always(_harness: Harness) -> bool:
    """Every connector."""
    return True
