"""Mutation testing: small changes are made to the code one at a time, and its tests run; a change that no test notices has survived.

Usage, by ``make mutate``, which installs mutmut (BSD-3-Clause, https://github.com/boxed/mutmut) from its own lock file first::

    make mutate ARGS="--only core/policies --sample 400 --seed 7"

The files under version control are copied into a temporary folder, with a TMPDIR of its own; mutmut runs there, each mutant in a process
of its own with the tests that reach its function, the quickest first. ``core/finance`` and ``core/policies`` are tried whole, by the
tests of ``tests/core`` that play examples: the laws over generated stories take far longer, and what only they notice has survived here.
Of ``delivery``, whose tests need a database, a seeded sample is tried; one server runs for all of them. Prints for each module how many
mutants there were and what became of them, the surviving rate, and the survivors as diffs. Ends with status 1 if more than 5 % survived.
Asked to end (Ctrl-C, SIGTERM, SIGHUP), it stops mutmut and its children first and removes the folder.

The rate is (survived + without a test + unclear) / counted. A mutant that hangs until it is stopped is a killed one, told by itself.
Not counted: mutants that change nothing but wording, and declared equivalents (``benchmarks/mutants.py``). mutmut makes no mutants of
constants of a module, of decorated functions (properties among them), of classes' fields, and of f-strings' texts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.measuring import report
from benchmarks.mutants import Change, Mutant, Verdict, equivalents, mutants_of
from counterfoil.store.embedded import embedded_sync

ROOT = Path(__file__).parent.parent
PACKAGE = Path("src/counterfoil")
GOAL_PERCENT = 5.0
LEFT_OUT = (
    "tests/core/test_purity.py",
    "tests/core/policies/test_laws.py",
    "tests/core/policies/test_bill_laws.py",
    "tests/core/policies/test_refund_laws.py",
    "tests/core/policies/test_laws_of_waiting.py",
)
"""Tests that are not asked: the one of imports reads the source itself, into which mutmut writes imports of its own; laws take long."""
NAMELESS = "*__mutmut_none"
"""A name no mutant has. Asked for it, mutmut makes all mutants, runs the tests once to see which reach what, and stops."""
REPORT_EVERY_S = 60
END_TIMEOUT_S = 30
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the package, the tests that are to kill its mutants, and how many of its mutants are tried (None: all)."""

    folder: str
    tests: tuple[str, ...]
    sample: int | None = None
    needs_database: bool = False


PARTS = (
    Part("core/finance", ("tests/core",)),
    Part("core/policies", ("tests/core",)),
    Part("delivery", ("tests/integration/delivery",), 150, needs_database=True),
)


def configured(part: Part) -> str:
    """Return mutmut's configuration for a part.

    Chance in the tests (hypothesis) begins at the same place for every mutant.
    """
    arguments = ["-p", "no:xdist", "-x", "--hypothesis-seed=0", *(f"--ignore={path}" for path in LEFT_OUT)]
    return f"""
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["{PACKAGE}/{part.folder}/*.py"]
also_copy = ["README.md", "docs"]
pytest_add_cli_args_test_selection = {list(part.tests)}
pytest_add_cli_args = {arguments}
"""


@contextlib.contextmanager
def copy(part: Part) -> Iterator[Path]:
    """Give a temporary copy of the files under version control, configured for a part; it is removed once nothing runs in it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="counterfoil-mutate-", ignore_cleanup_errors=True) as directory:
        folder = Path(directory, "tree")
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(configured(part))
        Path(directory, "tmp").mkdir()
        # The database's server does not run as root; whom it runs as must be able to reach the folder of its files.
        Path(directory).chmod(0o755)
        try:
            yield folder
        finally:
            until = time.monotonic() + END_TIMEOUT_S
            while servers(Path(directory)) and time.monotonic() < until:
                time.sleep(0.05)


def servers(directory: Path) -> list[int]:
    """Return the process ids of the databases of a copy's tests that still run: they are of no group of ours, and end without users."""
    running = []
    for file in directory.glob("tmp/**/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text(encoding="utf-8").splitlines()[0])
            os.kill(pid, 0)
            running.append(pid)
    return running


@contextlib.contextmanager
def database(part: Part, folder: Path) -> Iterator[dict[str, str]]:
    """Run the server of a part's tests beside its copy and give the environment that names it: thousands of sessions need not start one."""
    if not part.needs_database:
        yield {}
        return
    home = folder.parent / "server"
    home.mkdir(mode=0o755)
    with embedded_sync(home, {"fsync": "off", "max_connections": "200"}) as url:
        yield {"COUNTERFOIL_TESTS_SERVER": url}


def mutmut(folder: Path, names: Sequence[str], processes: int, given: Mapping[str, str]) -> tuple[int, str]:
    """Run mutmut in a copy and return its status and the end of what it said; its progress is told every minute."""
    command = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", str(processes), *names]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**inherited, "TMPDIR": str(folder.parent / "tmp"), **given}
    log = folder.parent / "mutmut.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True)
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(REPORT_EVERY_S)
                    break
                print(f"   {sum(1 for _ in tried(folder))} mutants tried", file=sys.stderr, flush=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(END_TIMEOUT_S)
    return process.returncode, log.read_text(encoding="utf-8", errors="replace")[-3000:]


def metas(folder: Path) -> list[Path]:
    """Return the files in which mutmut keeps what became of each mutant."""
    return sorted((folder / "mutants" / PACKAGE).rglob("*.py.meta"))


def tried(folder: Path) -> Iterator[Mutant]:
    """Yield the mutants that were tried in a copy."""
    for meta in metas(folder):
        source = meta.with_suffix("")
        module = ".".join(source.relative_to(folder / "mutants" / PACKAGE).with_suffix("").parts)
        yield from mutants_of(source, meta, module)


def names_in(folder: Path, only: Sequence[str]) -> list[str]:
    """Return the names of all mutants in a copy that lie in one of the folders or modules, in their order."""
    wanted = tuple(f"counterfoil.{one.replace('/', '.')}." for one in only)
    return [
        name
        for meta in metas(folder)
        for name in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if name.startswith(wanted)
    ]


def run(part: Part, only: Sequence[str], sample: int | None, seed: int, processes: int) -> list[Mutant]:
    """Try the mutants of a part: those in ``only`` (folders or modules), or a seeded sample of them.

    Raises:
        RuntimeError: mutmut did not come to its end, e.g. because a test fails without any mutant.
    """
    print(f"== {part.folder}", file=sys.stderr, flush=True)
    with copy(part) as folder, database(part, folder) as given:
        status, said = mutmut(folder, [NAMELESS], processes, given)
        if "nothing matches" not in said:
            raise RuntimeError(f"mutmut made no mutants of {part.folder} (status {status}):\n{said}")
        names = names_in(folder, only)
        if not names:
            return []
        if sample is not None and sample < len(names):
            names = sorted(random.Random(seed).sample(names, sample))
        status, said = mutmut(folder, names, processes, given)
        if status:
            raise RuntimeError(f"mutmut failed in {part.folder} (status {status}):\n{said}")
        return list(tried(folder))


SURVIVED = (Verdict.SURVIVED, Verdict.NO_TEST, Verdict.UNCLEAR)


def percent(mutants: Sequence[Mutant]) -> float:
    """Return how many of the mutants survived, of a hundred; 0 of none."""
    survived = sum(mutant.verdict in SURVIVED for mutant in mutants)
    return round(100 * survived / len(mutants), 1) if mutants else 0.0


def tell(mutants: Sequence[Mutant], declared: dict[Change, str]) -> float:
    """Print the table, what was not counted and the survivors; return the surviving rate in percent."""
    counted = [one for one in mutants if not one.is_wording and one.change not in declared]
    modules = sorted({one.module for one in counted})
    columns = ("mutants", *(verdict.value for verdict in Verdict), "rate, %")
    width = max(len(name) for name in [*modules, "all"])
    print(f"{'module':{width}}  " + "  ".join(columns))
    for name in [*modules, "all"]:
        own = [one for one in counted if name in (one.module, "all")]
        by_verdict = Counter(one.verdict for one in own)
        cells = (len(own), *(by_verdict[verdict] for verdict in Verdict), percent(own))
        print(f"{name:{width}}  " + "  ".join(f"{cell:>{len(column)}}" for cell, column in zip(cells, columns, strict=True)))
    equal = [one for one in mutants if not one.is_wording and one.change in declared]
    print(f"\nNot counted: {sum(one.is_wording for one in mutants)} that change wording only, {len(equal)} declared equivalent.")
    for change in sorted({one.change for one in equal}, key=lambda one: (one.function, one.was)):
        print(f"  {change.function}: {change.was!r} -> {change.becomes!r}: {declared[change]}")
    for one in counted:
        if one.verdict in SURVIVED:
            print(f"\n{one.verdict.value}: {one.change.function}\n{one.diff}")
    rate = percent(counted)
    report("mutate", "surviving rate", percent=rate, goal=GOAL_PERCENT, counted=len(counted))
    return rate


def end_tidily() -> None:
    """Have every signal that asks for the end unwind the program, so that nothing it began outlives it. One that is ignored stays so."""
    for number in END_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    for one in END_SIGNALS:
        signal.signal(one, signal.SIG_IGN)  # asked twice, by a terminal and by make, it tidies up all the same
    raise SystemExit(128 + number)


def main() -> int:
    """Run the parts and tell."""
    end_tidily()
    parser = argparse.ArgumentParser(prog="mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[part.folder for part in PARTS], metavar="FOLDER", help="e.g. core/policies/refunds")
    parser.add_argument("--sample", type=int, help="how many mutants of each part are tried; by default all of core, 150 of delivery")
    parser.add_argument("--seed", type=int, default=7, help="which ones the sample is made of")
    parser.add_argument("--processes", type=int, default=1, help="how many mutants are tried at once")
    given = parser.parse_args()
    mutants: list[Mutant] = []
    for part in PARTS:
        only = [one.strip("/") for one in given.only if one.startswith(part.folder) or part.folder.startswith(one.strip("/") + "/")]
        if only:
            mutants += run(part, only, given.sample or part.sample, given.seed, given.processes)
    if not mutants:
        parser.error(f"no mutants in {', '.join(given.only)}; there are {', '.join(part.folder for part in PARTS)}")
    return 0 if tell(mutants, equivalents()) <= GOAL_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
