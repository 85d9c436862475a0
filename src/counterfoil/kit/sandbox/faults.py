"""Faults on command: what breaks, where, how often; chance in it is seeded."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

FAULT_KINDS = ("drop_before", "drop_after", "stall_before", "stall_after", "status", "status_after", "truncate_after")
"""drop: cut the connection before or after the request took effect; stall: wait ``delay_s``; status: answer ``status`` instead of, or
after, doing the work; truncate_after: do the work and send half of the answer."""


@dataclass
class Fault:
    """One armed fault. ``path`` is a regular expression searched in ``METHOD /path``; ``times`` how often it still strikes (-1: always)."""

    kind: str
    path: str = ".*"
    times: int = 1
    probability: float = 1.0
    status: int = 503
    delay_s: float = 0.0
    retry_after_s: float | None = None
    skip: int = 0  # let this many matching requests pass first
    body: str = ""  # body to answer with, for status faults; empty: the vendor's own error shape
    name: str = ""  # to take it away again by, among others

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}; one of {', '.join(FAULT_KINDS)}")
        re.compile(self.path)


class FaultSwitch:
    """Holds the armed faults and strikes with them; chance is seeded, so the same requests meet the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self.faults: list[Fault] = []
        self.struck: list[tuple[str, str]] = []
        self._random = random.Random(seed)

    def reseed(self, seed: int) -> None:
        """Start the sequence of chance anew."""
        self._random = random.Random(seed)

    def pick(self, line: str) -> Fault | None:
        """Return the fault that strikes this request line (``POST /path``), using it up, or None."""
        for fault in self.faults:
            if fault.times == 0 or not re.search(fault.path, line):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            if fault.times > 0:
                fault.times -= 1
            self.struck.append((fault.kind, line))
            return fault
        return None
