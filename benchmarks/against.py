"""Another commit's build and this one in turns, in one run: ratios of this one to that, figure by figure.

``make bench ARGS="against --ref 10262cf"``. Both run their own benchmarks by their own code, that of the other commit in a work tree and
an environment of its own, installed from its lock file and removed at the end. Machines are never equally quick twice, so only figures of
a pair are divided; which build begins changes from pair to pair. Printed for each figure: the ratios in order, and their median.

Of benchmarks both have. Needs git and the package index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import report

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 900.0
_COST = ("worker_cpu_ms", "database_cpu_ms", "log_bytes", "rows", "target_calls", "worker_at_rest_cores", "database_at_rest_cores")
ASKED = {"cost": _COST, "latency": ("own_p50_ms", "own_p95_ms"), "writer": ("ratio",)}
"""What is compared unless all figures are asked for."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Build:
    """A checked-out tree and the Python that has what it needs."""

    tree: Path
    python: str

    def measure(self, name: str, more: list[str]) -> Figures:
        """Run one benchmark; return its figures, those with one name of several lines under the line's name.

        Raises:
            RuntimeError: it failed, or took longer than a quarter of an hour.
        """
        path = os.pathsep.join([str(self.tree), str(self.tree / "src")])
        done = subprocess.run(
            [self.python, "-m", "benchmarks", name, *more],
            cwd=self.tree,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        figures = figures_in(done.stdout)
        if not figures:
            raise RuntimeError(f"{name} of {self.tree} measured nothing (status {done.returncode})")
        return figures


def figures_in(output: str) -> Figures:
    """Return the numbers of a benchmark's JSON lines; rows written of each kind are summed up as ``rows``."""
    found: Figures = {}
    for line in output.splitlines():
        if not line.startswith('{"benchmark"'):
            continue
        values: dict[str, Any] = json.loads(line)
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[name if name not in found else f"{values['figure']}.{name}"] = float(value)
    rows = [found[name] for name in ("rows_inserted", "rows_updated", "rows_deleted") if name in found]
    return found | ({"rows": sum(rows)} if rows else {})


@contextmanager
def build_of(ref: str) -> Iterator[Build]:
    """Check out a commit beside this tree and install what it needs; remove both at the end."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-against-") as folder:
        tree, home = Path(folder, "tree"), Path(folder, "env")
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), ref], check=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            python, lock = str(home / "bin" / "python"), str(tree / "requirements" / "dev.lock")
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
            yield Build(tree, python)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


def ratios(pairs: list[tuple[Figures, Figures]]) -> dict[str, list[float]]:
    """Return, by figure that each run of both has, this build's divided by the other's, pair by pair; those that were 0 are left out."""
    names = [name for name in pairs[0][0] if all(name in theirs and name in ours and theirs[name] for theirs, ours in pairs)]
    return {name: [ours[name] / theirs[name] for theirs, ours in pairs] for name in names}


def tell(name: str, pairs: list[tuple[Figures, Figures]], wanted: tuple[str, ...]) -> Mapping[str, float]:
    """Print the ratios of a benchmark and return their medians."""
    found = {figure: values for figure, values in ratios(pairs).items() if not wanted or figure in wanted}
    print(f"{name}: this build divided by the other, {len(pairs)} pairs")
    for figure, values in found.items():
        theirs, ours = (median(one[figure] for one in side) for side in zip(*pairs, strict=True))
        row = " ".join(f"{value:.2f}" for value in values)
        print(f"   {figure:<28}{median(values):>6.2f}   ({row})   medians {ours:.2f} of {theirs:.2f}")
    medians = {figure: round(median(values), 3) for figure, values in found.items()}
    report("against", name, pairs=len(pairs), **medians)
    return medians


def main() -> int:
    """Measure both in turns, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks against", description=__doc__)
    parser.add_argument("--ref", required=True, help="the other commit")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--of", nargs="+", default=["cost", "latency"], metavar="BENCHMARK")
    parser.add_argument("--all-figures", action="store_true")
    parser.add_argument("--options", default="", help="given to every benchmark, e.g. '--samples 40'")
    given = parser.parse_args()
    here = Build(ROOT, sys.executable)
    with build_of(given.ref) as other:
        for name in given.of:
            pairs = []
            for number in range(given.pairs):
                first, second = (other, here) if number % 2 == 0 else (here, other)
                runs = {build: build.measure(name, given.options.split()) for build in (first, second)}
                pairs.append((runs[other], runs[here]))
            tell(name, pairs, () if given.all_figures else ASKED.get(name, ()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
