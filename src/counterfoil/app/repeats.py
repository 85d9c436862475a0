"""Lines that come again and again (a full disk, a database that is away) are written once, then counted, and written once a minute."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import structlog

EVERY_S = 60.0
"""So often a line that keeps coming is written, with how often it came in between."""
KEYS_MAX = 500
"""Lines told apart at once; the one that came first is forgotten for a new one."""
_TELLS = ("level", "event", "code", "connection", "target", "source", "partition", "channel", "worker")
"""What makes two structured lines the same; numbers, sizes and ids do not."""


@dataclass(slots=True)
class _Seen:
    written_at: float
    left_out: int = 0


@dataclass
class Repeats:
    """Which lines came lately. ``clock``: seconds that only rise."""

    clock: Callable[[], float] = time.monotonic
    _seen: dict[Hashable, _Seen] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, key: Hashable) -> int | None:
        """Return how often a line was left out since it was last written, None if it is to be left out now, too."""
        now = self.clock()
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None and now - seen.written_at < EVERY_S:
                seen.left_out += 1
                return None
            self._seen.pop(key, None)
            while len(self._seen) >= KEYS_MAX:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = _Seen(now)
            return 0 if seen is None else seen.left_out

    def structured(self, _logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Be a structlog processor: drop a warning or error that was written a moment ago. Others are asked for, and stay."""
        if method not in ("warning", "error", "exception", "critical"):
            return line
        failure = repr(sys.exc_info()[1]) if line.get("exc_info") else ""
        left_out = self.count((failure, *(str(line.get(name, "")) for name in _TELLS)))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            line["left_out"] = left_out
        return line


class RepeatsFilter(logging.Filter):
    """The same for lines of libraries, which are the same if their words are, whatever is filled in."""

    def __init__(self, repeats: Repeats) -> None:
        super().__init__()
        self._repeats = repeats

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written, with how often it was left out."""
        failure = repr(record.exc_info[1]) if record.exc_info else ""
        left_out = self._repeats.count((record.name, record.levelno, str(record.msg), failure))
        if left_out:
            record.msg = f"{record.msg} (left out {left_out} times)"
        return left_out is not None
