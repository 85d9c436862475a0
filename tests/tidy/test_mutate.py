"""What `make mutate` leaves behind when it is stopped: nothing that runs, and no copy of the project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.mutate import ROOT

GIT = r"printf 'pyproject.toml\0'"
MUTMUT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)"], start_new_session=True)
os.makedirs(os.path.join(os.environ["TMPDIR"], "home", "postgres", "data"))
with open(os.path.join(os.environ["TMPDIR"], "home", "postgres", "data", "postmaster.pid"), "w") as file:
    file.write(f"{server.pid}\\n/data\\n")
with open(os.environ["STARTED"] + ".draft", "w") as file:
    file.write(f"{os.getpid()} {child.pid} {server.pid}")
os.rename(os.environ["STARTED"] + ".draft", os.environ["STARTED"])
time.sleep(600)
"""
"""It has a child in its group, and one apart that ends by itself a little later, as a test's database does."""
RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.executable = sys.argv.pop(1)
from benchmarks.mutate import main
sys.exit(main())
"""


def program(path: Path, interpreter: str, text: str) -> None:
    path.write_text(f"#!{interpreter}\n{text}", encoding="utf-8")
    path.chmod(0o755)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has collected does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that a server may reach that runs as a user of its own; pytest's own are shut."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize(
    ("number", "only"), [(signal.SIGTERM, "delivery"), (signal.SIGINT, "core/finance"), (signal.SIGHUP, "core/finance")]
)
def test_a_run_that_is_stopped_stops_all_it_began_and_removes_its_copy(place: Path, number: int, only: str) -> None:
    programs, temporary, started = place / "bin", place / "tmp", place / "started"
    programs.mkdir()
    temporary.mkdir()
    program(programs / "git", "/bin/sh", GIT)
    program(programs / "python", "/bin/sh", f'exec {sys.executable} "$@"')
    program(programs / "mutmut", sys.executable, MUTMUT)
    changed = {"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(temporary), "STARTED": str(started)}
    changed["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT}"
    command = [sys.executable, "-c", RUN, str(programs / "python"), "--only", only]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | changed, start_new_session=True, stderr=subprocess.PIPE)
    wait_until(lambda: started.exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    pids = [int(pid) for pid in started.read_text(encoding="utf-8").split()]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [pid for pid in pids if is_alive(pid)] == []
    assert list(temporary.iterdir()) == []
