"""What the benchmarks share: figures as JSON lines, percentiles, memory, and waiting with a bound."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any


def report(benchmark: str, figure: str, **values: Any) -> None:
    """Print one figure as a JSON line."""
    print(json.dumps({"benchmark": benchmark, "figure": figure, **values}), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float], digits: int = 2) -> dict[str, Any]:
    """Return median, least and greatest of repeated measurements."""
    return {"median": round(median(values), digits), "min": round(min(values), digits), "max": round(max(values), digits)}


def resident_mb() -> float:
    """Return the resident memory of this process now, in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Timed:
    """Seconds that passed, and seconds of processor time this process used."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0


@contextmanager
def timed() -> Iterator[Timed]:
    """Measure a block."""
    result = Timed()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield result
    finally:
        result.wall_s = time.perf_counter() - wall
        result.cpu_s = time.process_time() - cpu


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, timeout_s: float, every_s: float = 0.05) -> None:
    """Wait for a condition. Raises TimeoutError naming what did not happen."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        await asyncio.sleep(every_s)
