"""Mutants as mutmut leaves them: what each changes, what became of it, and which of them are not counted.

mutmut writes every function of a mutated file once as it is (``x_scale__mutmut_orig``; of a class: ``xǁViewǁget__mutmut_orig``) and
once for each mutant (``x_scale__mutmut_7``), and beside the file a JSON of exit codes by mutant.

Not counted are mutants that change nothing but wording: both functions are the same once every text of several words (messages of errors
and cases, labels) is blanked. Not counted either are those declared in ``kept/equivalent_mutants.toml``: nothing can tell them from
the original; each has its reason, and is named by its function and the lines it changes, never by a number.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

EQUIVALENT = Path(__file__).parent / "kept" / "equivalent_mutants.toml"
_WORDS = re.compile(r"\w\S* \S*\w")
_FUNCTION = re.compile(r"x(?:ǁ(?P<owner>\w+)ǁ|_)(?P<name>\w+?)__mutmut_(?P<which>orig|\d+)")


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    NO_TEST = "without a test"
    TIMED_OUT = "timed out"
    UNCLEAR = "unclear"
    """Its tests ended in no way mutmut knows; counted as survived."""


_VERDICTS = {
    1: Verdict.KILLED,
    3: Verdict.KILLED,  # pytest's own exit code for an internal error
    0: Verdict.SURVIVED,
    5: Verdict.NO_TEST,
    33: Verdict.NO_TEST,
    36: Verdict.TIMED_OUT,
    24: Verdict.TIMED_OUT,
    152: Verdict.TIMED_OUT,
    255: Verdict.TIMED_OUT,
    -24: Verdict.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a mutant changes: the function (``core.finance.proportion.scale``), the lines as they were and as they become, stripped."""

    function: str
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant that was tried. ``diff`` is for people."""

    module: str
    change: Change
    diff: str
    verdict: Verdict
    is_wording: bool


def is_wording(original: ast.AST, mutant: ast.AST) -> bool:
    """Return whether two pieces of code differ, and in nothing but texts of several words."""
    if ast.dump(original) == ast.dump(mutant):
        return False
    return ast.dump(_blanked(original)) == ast.dump(_blanked(mutant))


def _blanked(tree: ast.AST) -> ast.AST:
    tree = ast.parse(ast.unparse(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WORDS.search(node.value):
            node.value = "words"
    return tree


def change_of(function: str, original: str, mutant: str) -> tuple[Change, str]:
    """Return what differs between two texts of a function, and the difference as a unified diff without its heading."""
    told = difflib.unified_diff(original.splitlines(), mutant.splitlines(), lineterm="", n=1)
    diff = [line for line in told if not line.startswith(("---", "+++", "@@"))]
    was = "\n".join(line[1:].strip() for line in diff if line.startswith("-"))
    becomes = "\n".join(line[1:].strip() for line in diff if line.startswith("+"))
    return Change(function, was, becomes), "\n".join(diff)


def mutants_of(source: Path, meta: Path, module: str) -> Iterator[Mutant]:
    """Yield the mutants of one mutated file that were tried, in their order."""
    codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    text = source.read_text(encoding="utf-8")
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _FUNCTION.fullmatch(node.name)
    }
    lines = text.splitlines()
    for key, code in codes.items():
        if code is None:
            continue
        name = key.rpartition(".")[2]
        found = _FUNCTION.fullmatch(name)
        if found is None:
            raise ValueError(f"{key} is no mutant's name: mutmut names them in another way now")
        original = _plain(functions[f"{name.rpartition('_')[0]}_orig"], lines)
        mutated = _plain(functions[name], lines)
        function = ".".join(part for part in (module, found["owner"], found["name"]) if part)
        change, diff = change_of(function, original, mutated)
        wording = is_wording(ast.parse(original), ast.parse(mutated))
        yield Mutant(module, change, diff, _VERDICTS.get(code, Verdict.UNCLEAR), wording)


def _plain(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    """Return a function's text under one name, at the left edge: what is compared are bodies and arguments."""
    indent = len(lines[node.lineno - 1]) - len(lines[node.lineno - 1].lstrip())
    own = [line[indent:] for line in lines[node.lineno - 1 : node.end_lineno]]
    return "\n".join(own).replace(node.name, "function", 1)


def equivalents(path: Path = EQUIVALENT) -> dict[Change, str]:
    """Return the declared equivalent mutants with the reason of each."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return {Change(one["function"], one["was"], one["becomes"]): one["reason"] for one in declared}
