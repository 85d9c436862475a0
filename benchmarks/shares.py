"""A fixed share of a processor core for a process, so that several workers fit on few cores and none is in another's way.

By a control group of its own where one can be made (version 2: ``cpu.max``, version 1: ``cpu.cfs_quota_us``), otherwise by stopping and
continuing the process in turns, as cpulimit does: that is a share of the time, which is at least the share of the processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 25_000
DUTY_PERIOD_S = 0.05
LEAVE_TRIES = 50


@asynccontextmanager
async def share_of_core(pid: int, share: float) -> AsyncIterator[str]:
    """Hold a process to ``share`` (0 to 1) of one core for as long as the context lasts, and give the name of the means."""
    group = _group(pid, share)
    if group is not None:
        try:
            yield "control group"
        finally:
            await _leave(group, pid)
        return
    task = asyncio.create_task(_duty(pid, share))
    try:
        yield "stop and continue"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _group(pid: int, share: float) -> Path | None:
    """Put the process into a new group with a quota; None: not possible here."""
    quota = int(PERIOD_US * share)
    for parent, limits in (
        (GROUPS / "cpu", (("cpu.cfs_period_us", f"{PERIOD_US}"), ("cpu.cfs_quota_us", f"{quota}"))),
        (GROUPS, (("cpu.max", f"{quota} {PERIOD_US}"),)),
    ):
        if not (parent / "cgroup.procs").exists():
            continue
        group = parent / f"counterfoil-bench-{os.getpid()}-{pid}"
        try:
            group.mkdir()
            for name, value in (*limits, ("cgroup.procs", f"{pid}")):
                with (group / name).open("r+", encoding="ascii") as file:  # never made by us: a kernel without it has no such limit
                    file.write(value)
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        return group
    return None


async def _leave(group: Path, pid: int) -> None:
    """Put the process back and remove the group; a process that is just ending may keep it for a moment."""
    with contextlib.suppress(OSError):
        (group.parent / "cgroup.procs").write_text(f"{pid}", encoding="ascii")
    for _ in range(LEAVE_TRIES):
        if _is_removed(group):
            return
        await asyncio.sleep(0.1)


def _is_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


async def _duty(pid: int, share: float) -> None:
    """Let the process run for its share of every period, until canceled or the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(DUTY_PERIOD_S * share)
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(DUTY_PERIOD_S * (1 - share))
