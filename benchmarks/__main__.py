"""``python -m benchmarks [names...]`` or ``python -m benchmarks NAME --option ...``: run them in turn, each in a process of its own.

Without names all of them, against the sandboxes; one name may have its own options after it (``writer --odoo-url ...``, ``cost --against
FILE``); ``against --ref COMMIT`` compares two builds. Every figure is one JSON line; lines of text are for people. Stops with status 1
after all if one of them failed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMANDS: dict[str, list[str]] = {
    "intake": [str(Path(__file__).parent / "intake.py")],
    "stages": ["-m", "benchmarks.stages"],
    "latency": ["-m", "benchmarks.latency"],
    "peak": ["-m", "benchmarks.peak"],
    "writer": ["-m", "benchmarks.writer"],
    "scaling": ["-m", "benchmarks.scaling"],
    "takeover": ["-m", "benchmarks.takeover"],
    "cost": ["-m", "benchmarks.cost"],
    "memory": ["-m", "benchmarks.memory"],
    "replay": ["-m", "benchmarks.replay"],
    "history": ["-m", "benchmarks.history"],
    "prove": ["-m", "benchmarks.prove"],
    "matching": ["-m", "benchmarks.matching"],
    "known": ["-m", "benchmarks.known"],
    "salesforce": ["-m", "benchmarks.salesforce"],
}
AGAINST = "against"
"""Not one of all: it runs others, of another commit's build and this one's in turns."""
TIMEOUT_S = 900
LONGER_S = {"known": 3600, AGAINST: 7200}
"""Those that may take longer: a million customers are made first, or every figure is measured several times."""
END_TIMEOUT_S = 60


def run(name: str, more: list[str]) -> bool:
    """Run one benchmark and return whether it measured; say how long it took. Whatever it started is ended with it."""
    print(f"== {name}", flush=True)
    began = time.monotonic()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    command = ["-m", "benchmarks.against"] if name == AGAINST else COMMANDS[name]
    timeout_s = LONGER_S.get(name, TIMEOUT_S)
    process = subprocess.Popen([sys.executable, *command, *more], env=environment, start_new_session=True)
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        print(f"{name}: stopped after {timeout_s} s", file=sys.stderr)
        status = 1
    finally:
        end_all(process)
    print(f"   {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def end_all(process: subprocess.Popen[bytes]) -> None:
    """End a benchmark that still runs, and all it started; its database's server ends by itself once nobody uses it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_TIMEOUT_S)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(COMMANDS))
    if sys.argv[1:2] and sys.argv[1] in (*COMMANDS, AGAINST) and sys.argv[2:3] and sys.argv[2].startswith("-"):
        return 0 if run(sys.argv[1], sys.argv[2:]) else 1
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in COMMANDS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
    good = [run(name, []) for name in given.names or COMMANDS]
    print("`make demo` and `make test` print their own durations.")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
