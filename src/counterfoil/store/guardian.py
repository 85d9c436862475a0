"""Runs as its own small process, by path, with the standard library only: keeps one embedded server as long as somebody uses it.

Users hold a shared lock on ``users.lock``; the system drops it however they end. When the guardian gets that lock exclusively, nobody is
left, and it stops the server. A server that dies while in use is started again, for as long as it takes: a full disk has room again some
time. On Linux the server is told to stop should the guardian
die.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

POLL_S = 0.5
STOP_WAIT_S = 60.0
RESTART_WAIT_MAX_S = 15.0
"""Between starts of a server that dies again at most; it begins with half a second, and anew after one that ran for WELL_AFTER_S."""
WELL_AFTER_S = 60.0
_PR_SET_PDEATHSIG = 1


def stop_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before exec so that it gets SIGINT (a fast shutdown) when its parent's main thread ends; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be asked
            os._exit(1)

    return ask


def start(command: list[str], log_path: str, user: int | None, group: int | None) -> subprocess.Popen[bytes]:
    """Start the server, as another user if one is given."""
    identity: dict[str, object] = {} if user is None else {"user": user, "group": group, "extra_groups": []}
    with open(log_path, "ab") as log:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603 - the command is our starter's
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=stop_with_parent(), cwd="/", **identity
        )


def is_unused(lock: int) -> bool:
    """Try to get the users' lock exclusively; it is kept if so, and new users wait until this process has ended."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def guard(command: list[str], lock_path: str, log_path: str, user: int | None, group: int | None) -> int:
    """Run the server until nobody uses it; return an exit status."""
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)  # whoever is asked to stop first, the server outlives its users
    lock = os.open(lock_path, os.O_RDWR)
    server = start(command, log_path, user, group)
    failures, started_at = 0, time.monotonic()
    while True:
        if is_unused(lock):
            if server.poll() is None:
                server.send_signal(signal.SIGINT)
                server.wait(STOP_WAIT_S)
            return 0
        try:
            status = server.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue
        if status == 0:
            return status
        failures = 1 if time.monotonic() - started_at > WELL_AFTER_S else failures + 1
        if wait_in_use(lock, min(RESTART_WAIT_MAX_S, failures * POLL_S)):
            server, started_at = start(command, log_path, user, group), time.monotonic()


def wait_in_use(lock: int, seconds: float) -> bool:
    """Wait before the next start; return False as soon as nobody uses the server any more (the lock is kept then)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_unused(lock):
            return False
        time.sleep(POLL_S)
    return True


if __name__ == "__main__":
    sys.exit(guard(**json.loads(sys.argv[1])))
