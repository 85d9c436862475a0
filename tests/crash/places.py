"""Where the Odoo connector makes writing calls: as its source says, and as the stack says while one is made."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from counterfoil.connectors import odoo

HOME = Path(odoo.__file__).parent
CARRIERS = frozenset({"client", "load"})
"""Modules that carry calls for others: who calls them is who writes."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a module of the connector, as the stack shows it."""

    module: str
    line: int


@dataclass(frozen=True, slots=True)
class Written:
    """A writing call in the source, with the lines it takes up."""

    module: str
    function: str
    first: int
    last: int

    def is_among(self, places: Iterable[Place]) -> bool:
        """Tell whether it was made."""
        return any(place.module == self.module and self.first <= place.line <= self.last for place in places)


def places_now() -> set[Place]:
    """Return the lines of the connector that are being executed."""
    found, frame = set(), sys._getframe(1)
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent == HOME:
            found.add(Place(path.stem, frame.f_lineno))
        frame = frame.f_back
    return found


def in_source() -> list[Written]:
    """Return every writing call of the connector: those said to be (``is_write``), and those of ``load``."""
    paths = sorted(path for path in HOME.glob("*.py") if path.stem not in CARRIERS)
    return [written for path in paths for written in _in_module(path.stem, ast.parse(path.read_text()))]


def _in_module(module: str, tree: ast.Module) -> list[Written]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = []
    for function in functions:
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_write(node)]
        found += [Written(module, function.name, node.lineno, node.end_lineno or node.lineno) for node in calls]
    return found


def _is_write(call: ast.Call) -> bool:
    is_load = isinstance(call.func, ast.Name) and call.func.id == "load"
    return is_load or any(
        keyword.arg == "is_write" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True for keyword in call.keywords
    )
