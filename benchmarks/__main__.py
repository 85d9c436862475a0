"""``python -m benchmarks [names...] [--odoo-url ...]``: run benchmarks one after the other, each in a process of its own.

Without names all of them, against the sandboxes. An Odoo's address is for the writer only: it is then measured against that server. Every
figure is one JSON line; lines of text are for people. Stops with status 1 after all if one of them failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMANDS: dict[str, list[str]] = {
    "intake": [str(Path(__file__).parent / "intake.py")],
    "stages": ["-m", "benchmarks.stages"],
    "latency": ["-m", "benchmarks.latency"],
    "writer": ["-m", "benchmarks.writer"],
    "memory": ["-m", "benchmarks.memory"],
    "history": ["-m", "benchmarks.history"],
}
TIMEOUT_S = 900


def run(name: str, more: list[str]) -> bool:
    """Run one benchmark and return whether it measured; say how long it took."""
    print(f"== {name}", flush=True)
    began = time.monotonic()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    try:
        status = subprocess.run([sys.executable, *COMMANDS[name], *more], check=False, timeout=TIMEOUT_S, env=environment).returncode
    except subprocess.TimeoutExpired:
        print(f"{name}: stopped after {TIMEOUT_S} s", file=sys.stderr)
        return False
    print(f"   {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(COMMANDS))
    for option in ("--odoo-url", "--odoo-db", "--odoo-key", "--odoo-login"):
        parser.add_argument(option, default="")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in COMMANDS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
    odoo = []
    for option in ("url", "db", "key", "login"):
        value = getattr(given, f"odoo_{option}")
        odoo += [f"--odoo-{option}", value] if value else []
    names = given.names or list(COMMANDS)
    good = [run(name, odoo if name == "writer" else []) for name in names]
    print("`make demo` and `make test` print their own durations.")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
