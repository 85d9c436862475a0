"""The project's own files as tidy tests read them: Python sources parsed once, and every text file that is kept."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "counterfoil"
CODE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
"""A stable error code: ``area.what``."""


@cache
def kept_files() -> tuple[Path, ...]:
    """Return every file under version control, and those not ignored that are about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(path for path in (ROOT / name for name in listed) if path.is_file())


def text_files() -> Iterator[tuple[Path, str]]:
    """Yield every kept file that is text, with its text; copies of other people's files (fixtures) are left out."""
    for path in kept_files():
        if "fixtures" in path.parts:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@cache
def _parsed(path: Path) -> tuple[Path, str, ast.Module]:
    text = path.read_text(encoding="utf-8")
    return path, text, ast.parse(text)


def python_files(*, with_tests: bool = True) -> tuple[tuple[Path, str, ast.Module], ...]:
    """Return every Python file of ours with its text and syntax tree; copies of other people's files (fixtures) are left out."""
    ours = (path for path in kept_files() if path.suffix == ".py" and "fixtures" not in path.parts)
    # Millions of nodes that stay to the end: searched for garbage again and again they would cost three times their reading.
    gc.disable()
    try:
        return tuple(_parsed(path) for path in ours if with_tests or (PACKAGE in path.parents and "tests" not in path.parts))
    finally:
        gc.freeze()
        gc.enable()


def name_of(path: Path) -> str:
    """Return a path as messages show it."""
    return path.relative_to(ROOT).as_posix()
