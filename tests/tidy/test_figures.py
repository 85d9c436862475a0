"""What the explanation says of a constant or a setting is so: the name exists, and a figure right before it is its value."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from tests.tidy.settings_reference import every_model
from tests.tidy.sources import ROOT, name_of, python_files

PAGES = sorted((ROOT / "docs" / "explanation").glob("*.md"))
CONSTANT = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")
OF_ENVIRONMENT = "COUNTERFOIL_"
FIGURE = re.compile(r"(?P<number>\d[\d,.]*)\s+(?P<unit>s|ms|minutes|hours|days|MiB)?(?: \w+){0,3}?\s*\(`(?P<name>\w+)`")
"""A number with its unit, words at most three, and the name that says it: ``less than 24 hours of that are left (`RISK_BELOW`)``."""
UNITS = {None: 1, "s": 1, "ms": 0.001, "minutes": 60, "hours": 3600, "days": 86400, "MiB": 1024 * 1024}


def value_of(node: ast.expr) -> float | None:
    """Return what a constant comes to, in seconds or as it is; None: it is no number."""
    try:
        value: Any = eval(compile(ast.Expression(node), "constant", "eval"), {"timedelta": timedelta})
    except (NameError, TypeError, AttributeError):
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, int | float) else None


@cache
def constants() -> dict[str, set[float | None]]:
    """Return every constant of the program by name, with the values it has in the files that define it."""
    found: dict[str, set[float | None]] = defaultdict(set)
    for _, _, tree in python_files(with_tests=False):
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            for target in targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    value = getattr(node, "value", None)
                    found[target.id].add(None if value is None else value_of(value))
    return found


@cache
def settings() -> dict[str, set[float]]:
    """Return every setting with a number as its default, in seconds where its name ends with ``_days``."""
    found: dict[str, set[float]] = defaultdict(set)
    for _, _, model in every_model():
        for name, field in model.model_fields.items():
            if isinstance(field.default, int | float):
                found[name].add(float(field.default) * (86400 if name.endswith("_days") else 1))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_constant_an_explanation_names_exists(page: Any) -> None:
    named = set(CONSTANT.findall(page.read_text(encoding="utf-8")))
    assert sorted(name for name in named if name not in constants() and not name.startswith(OF_ENVIRONMENT)) == [], name_of(page)


def test_every_figure_an_explanation_gives_is_that_of_the_program() -> None:
    read, wrong = 0, []
    for page in PAGES:
        for match in FIGURE.finditer(page.read_text(encoding="utf-8")):
            name, number, unit = match["name"], float(match["number"].replace(",", "")), match["unit"]
            values = constants().get(name) or settings().get(name)
            if values is None:
                continue
            read += 1
            if number * UNITS[unit] not in values:
                wrong.append(f"{name_of(page)}: {match[0]} is {values}")
    assert wrong == []
    assert read >= 20, "figures are no longer found in the pages: the pattern looks for something else than is written"
