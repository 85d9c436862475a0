"""What `make mutate` does not count: wording only, and declared equivalents that still stand in the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from benchmarks.mutants import Change, Mutant, Verdict, change_of, equivalents, is_wording, mutants_of
from tests.tidy.sources import PACKAGE


@pytest.mark.parametrize(
    ("original", "mutant", "expected"),
    [
        ('raise ValueError("no such day")', 'raise ValueError("XXno such dayXX")', True),
        ('raise ValueError("no such day")', 'raise ValueError("NO SUCH DAY")', True),
        ('say(f"{n} lines in all" "and more")', 'say(f"{n} lines in all" "AND MORE")', True),
        ('raise ValueError("no such day")', "raise ValueError(None)", False),
        ('code = "refund.unknown"', 'code = "REFUND.UNKNOWN"', False),
        ('" ".join(parts)', '"XX XX".join(parts)', False),
        ('total(1, "two words")', 'total(2, "two words")', False),
        ('total(1, "two words")', 'total(2, "TWO WORDS")', False),
        ('total(1, "two words")', 'total(1, "two words")', False),
    ],
)
def test_only_a_change_of_a_text_of_several_words_is_wording(original: str, mutant: str, expected: bool) -> None:
    assert is_wording(ast.parse(original), ast.parse(mutant)) is expected


MUTATED = """
def x_half__mutmut_orig(n: int) -> int:
    if n < 0:
        raise ValueError("not below zero")
    return n // 2
def x_half__mutmut_1(n: int) -> int:
    if n <= 0:
        raise ValueError("not below zero")
    return n // 2
def x_half__mutmut_2(n: int) -> int:
    if n < 0:
        raise ValueError("XXnot below zeroXX")
    return n // 2
class View:
    def xǁViewǁget__mutmut_orig(self, n: int) -> int:
        return n
    def xǁViewǁget__mutmut_1(self, n: int) -> int:
        return None
    def xǁViewǁget__mutmut_2(self, n: int) -> int:
        return -n
"""
CODES = """{"exit_code_by_key": {"a.half.x_half__mutmut_1": 0, "a.half.x_half__mutmut_2": 1, "a.half.xǁViewǁget__mutmut_1": 33,
"a.half.xǁViewǁget__mutmut_2": null}}"""


def test_what_was_tried_is_read_with_what_it_changes_and_what_became_of_it(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(MUTATED, encoding="utf-8")
    (tmp_path / "half.py.meta").write_text(CODES, encoding="utf-8")
    compared, worded, missed = mutants_of(tmp_path / "half.py", tmp_path / "half.py.meta", "half")
    assert compared == Mutant(
        "half",
        Change("half.half", "if n < 0:", "if n <= 0:"),
        ' def function(n: int) -> int:\n-    if n < 0:\n+    if n <= 0:\n         raise ValueError("not below zero")',
        Verdict.SURVIVED,
        False,
    )
    assert (worded.verdict, worded.is_wording) == (Verdict.KILLED, True)
    assert (missed.change, missed.verdict) == (Change("half.View.get", "return n", "return None"), Verdict.NO_TEST)


def test_a_change_of_several_lines_is_known_by_its_lines() -> None:
    change, _ = change_of(
        "f", "def function():\n    return g(\n        1,\n        2,\n    )", "def function():\n    return g(\n        1,\n    )"
    )
    assert change == Change("f", "2,", "")


def test_every_declared_equivalent_still_stands_in_the_code() -> None:
    found = []
    for change in equivalents():
        module, name = next(
            (path, change.function.removeprefix(dotted + "."))
            for path in PACKAGE.rglob("*.py")
            if change.function.startswith((dotted := ".".join(path.relative_to(PACKAGE).with_suffix("").parts)) + ".")
        )
        text = module.read_text(encoding="utf-8").replace(f"def {name.rpartition('.')[2]}(", "def function(")
        lines = {line.strip() for line in text.splitlines()}
        if "def function(" not in text or not set(change.was.splitlines()) <= lines:
            found.append(change)
    assert found == []
