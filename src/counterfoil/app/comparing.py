"""Two lists of customers compared: who of the one is who of the other."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from counterfoil.core.identity.matching.judging import Judgment, Thresholds
from counterfoil.core.identity.matching.matcher import match

from .customer_lists import CustomerList


def compare(left: CustomerList, right: CustomerList, thresholds: Thresholds) -> list[Judgment]:
    """Return the pairs of two lists, the surest first. Raises SetupError: a row is wrong."""
    with _without_searching():
        return match(left.records(), right.records(), thresholds)


@contextmanager
def _without_searching() -> Iterator[None]:
    """Let nobody search for circles meanwhile: millions of small things are made, none in a circle, and each search goes through all."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
