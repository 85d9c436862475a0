"""What every source file must keep to: sizes, docstrings, no loose ends, no words about where it was made, sandboxes apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import LONG_FILES
from tests.tidy.sources import PACKAGE, ROOT, kept_files, name_of, python_files, text_files

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SELF = ROOT / "tests" / "tidy"

LOOSE_ENDS = {
    "a bare type: ignore": re.compile(r"#\s*type:\s*ignore(?!\[)"),
    "a bare noqa": re.compile(r"#\s*noqa(?!:\s*[A-Z]+[0-9]+)", re.IGNORECASE),
    "a note to oneself": re.compile(r"\b(TODO|FIXME|HACK)\b|#\s*XXX"),
}
PLACES = {
    "a machine's path": re.compile(r"(?<![\w.<{}$/])/(work|opt|home/\w+|root|Users/\w+)/"),
    "a package registry": re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs|proxy\.golang|index-url|extra-index", re.IGNORECASE),
}
ABSTRACT = {"kit/sandbox/server.py": {"routes"}}
"""Methods that exist to be overridden, by file."""


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_tests_begun_first_are_there() -> None:
    kept = {name_of(path) for path in kept_files()}
    assert [place for place in LONG_FILES if not any(name.startswith(place) for name in kept)] == []


def test_no_file_is_longer_than_one_room() -> None:
    found = {name_of(path): text.count("\n") for path, text, _ in python_files() if text.count("\n") > LINES_MAX}
    assert found == {}


def test_no_function_is_longer_than_a_page() -> None:
    found = {
        f"{name_of(path)}:{node.lineno} {node.name}": length
        for path, _, tree in python_files()
        for node in functions(tree)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert found == {}


def _undocumented(tree: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(tree):
        yield "the module"
    for node in tree.body:
        yield from _undocumented_in(node, "")


def _undocumented_in(node: ast.stmt, prefix: str) -> Iterator[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return
    is_overload = any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)
    if not ast.get_docstring(node) and not is_overload:
        yield prefix + node.name
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            yield from _undocumented_in(part, f"{prefix}{node.name}.")


def test_every_public_module_class_and_function_says_what_it_gives() -> None:
    found = {
        name_of(path): missing
        for path, _, tree in python_files(with_tests=False)
        if "sandbox" not in path.parts and (missing := list(_undocumented(tree)))
    }
    assert found == {}


def test_every_test_file_says_what_it_proves() -> None:
    found = [name_of(path) for path, _, tree in python_files() if path.name.startswith("test_") and not ast.get_docstring(tree)]
    assert found == []


@pytest.mark.parametrize("what", LOOSE_ENDS)
def test_no_loose_ends(what: str) -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path, text, _ in python_files()
        if SELF not in path.parents
        for number, line in enumerate(text.splitlines(), 1)
        if LOOSE_ENDS[what].search(line)
    ]
    assert found == []


def _raises_not_implemented(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "NotImplementedError"


def test_nothing_is_left_to_be_implemented() -> None:
    found = [
        f"{name_of(path)}: {function.name}"
        for path, _, tree in python_files(with_tests=False)
        for function in functions(tree)
        if any(_raises_not_implemented(node) for node in ast.walk(function))
        and function.name not in ABSTRACT.get(path.relative_to(PACKAGE).as_posix(), set())
    ]
    assert found == []


@pytest.mark.parametrize("what", PLACES)
def test_nothing_tells_where_it_was_made(what: str) -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for path, text in text_files()
        if SELF not in path.parents and path.name != "Makefile"
        for number, line in enumerate(text.splitlines(), 1)
        if PLACES[what].search(line)
    ]
    assert found == []


def _imported(path: Path, node: ast.AST) -> Iterator[str]:
    """Yield the absolute names a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = path.relative_to(PACKAGE.parent).parts[: -node.level]
            base = ".".join([*parts, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def test_a_sandbox_imports_nothing_of_the_connector_beside_it() -> None:
    found = []
    for path, _, tree in python_files(with_tests=False):
        if "sandbox" not in path.parts or PACKAGE / "connectors" not in path.parents:
            continue
        own = ".".join(path.relative_to(PACKAGE.parent).parts[:3])
        for node in ast.walk(tree):
            for name in _imported(path, node):
                is_inside = name == f"{own}.sandbox" or name.startswith((f"{own}.sandbox.", "counterfoil.kit"))
                if name.startswith("counterfoil.") and not is_inside and name != own:
                    found.append(f"{name_of(path)}: {name}")
    assert found == []


def test_every_connector_and_every_sandbox_of_a_vendor_has_a_readme() -> None:
    folders = [path for path in (PACKAGE / "connectors").iterdir() if (path / "__init__.py").exists()]
    assert [folder.name for folder in folders if not (folder / "README.md").exists()] == []
    sandboxes = [folder / "sandbox" for folder in folders if (folder / "sandbox" / "server.py").exists()]
    assert [name_of(folder) for folder in sandboxes if not (folder / "README.md").exists()] == []
