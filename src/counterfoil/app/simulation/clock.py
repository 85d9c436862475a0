"""One virtual clock for many processes: whoever plays writes it to a small file, whoever works reads it there.

It runs at the machine's speed from where it was set, so that waits within the hub stay real and short, and never goes back.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.kit.clock import FollowingClock


class WrittenClock(FollowingClock):
    """The clock of the process that plays: every move ahead is written to ``path``."""

    def __init__(self, start: datetime, path: Path) -> None:
        super().__init__(start)
        self.path = path
        self._write()

    def follow(self, instant: datetime) -> None:
        """Move ahead to instant; one that has passed already changes nothing."""
        if instant > self.now():
            super().follow(instant)
            self._write()

    def _write(self) -> None:
        """Write where the clock stands and when it stood there: the machine's monotonic clock is the same in all its processes."""
        draft = self.path.with_suffix(".new")
        draft.write_text(f"{self.now().timestamp()!r} {time.monotonic()!r}")
        draft.replace(self.path)


class ReadClock:
    """The clock of a process that works: what the file says, and what has passed since.

    Raises:
        FileNotFoundError: nobody has written the file yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = -1
        self._base = self._since = self._last = 0.0

    def now(self) -> datetime:
        """Return the virtual instant, aware UTC."""
        inode = os.stat(self.path)
        mark = hash((inode.st_ino, inode.st_mtime_ns))
        if mark != self._seen:
            self._base, self._since = map(float, self.path.read_text().split())
            self._seen = mark
        self._last = max(self._last, self._base + time.monotonic() - self._since)
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._last)
