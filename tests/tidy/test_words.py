"""One word, one meaning: no name of a type is given twice, nothing is there for tests alone, and every long SQL statement says why."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.sources import PACKAGE, ROOT, name_of, python_files, text_files

from counterfoil.cli.wording import CAUSES
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.policies.exceptions import HANDLING

TWICE: dict[str, str] = {}
"""Types that may share a name although they mean different things, each with the reason."""

SQL = re.compile(r"(?:^|\n)\s*(?:with|select|insert into|update|delete from|create table)\b", re.IGNORECASE)
LONG_SQL_LINES = 6

FOR_OTHERS: dict[str, str] = {
    "DatabaseClient": "what a connector over a database driver is made of; none of those here is one",
    "unary": "the same over gRPC",
    "advance_to": "the clock that a connector's own tests are given",
    "forward": "what a process over several postings is made of, with the undo of each; none of those here makes postings",
    "backward": "see forward",
    "capture_signals": "uvicorn calls it",
}
"""Names that nothing in production says, each with who does."""
PLAIN = frozenset(
    {"dataclass", "property", "classmethod", "staticmethod", "contextmanager", "asynccontextmanager", "cache", "abstractmethod"}
)
"""Decorators that make nothing known to anybody; others hand a function to who calls it."""


def test_every_class_of_cases_has_an_owner_and_words() -> None:
    assert set(HANDLING) == set(CAUSES) == set(CaseClass)


def test_no_text_stands_for_a_class_of_cases() -> None:
    text = re.compile("|".join(f'"{one.value}"' for one in CaseClass if one is not CaseClass.PERIOD_LOCKED))
    own = PACKAGE / "core" / "language" / "case_class.py"
    found = [
        f"{name_of(path)}: {line.strip()}"
        for path, source, _ in python_files(with_tests=False)
        if path != own and "sandbox" not in path.parts
        for line in source.splitlines()
        if text.search(line)
    ]
    assert found == []


def _world(path: Path) -> str:
    """Return where a name is understood: the house, a vendor's folder, its payloads in its own words, or its simulator."""
    parts = path.relative_to(PACKAGE).parts
    if parts[0] != "connectors" or len(parts) == 2:
        return "house"
    return f"{parts[1]}/{'sandbox' if 'sandbox' in parts else 'wire' if parts[2].startswith('wire') else ''}"


def _types(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the public types of a module with what each is: a class is one of its own, an alias is what it stands for."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, f"class {node.name} at {id(node)}"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and re.match(r"[A-Z]\w*[a-z]", node.targets[0].id):
            yield node.targets[0].id, ast.unparse(node.value)


def _twice(files: tuple[tuple[Path, str, ast.Module], ...]) -> dict[str, list[str]]:
    """Return the names that mean two things in one world, or in a vendor's folder another thing than in the house."""
    meant: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for path, _, tree in files:
        for name, meaning in _types(tree):
            meant[_world(path), name][meaning] = name_of(path)
    found: dict[str, list[str]] = {}
    for (world, name), meanings in meant.items():
        told = meanings | (meant.get(("house", name), {}) if world.endswith("/") else {})
        if len(told) > 1 and name not in TWICE:
            found[f"{world} {name}"] = sorted(told.values())
    return found


def test_a_name_of_a_type_means_one_thing() -> None:
    """In the house, and in each connector: its own types beside the house's. Vendors' payloads bear their names, and so do simulators."""
    assert _twice(python_files(with_tests=False)) == {}


def test_a_name_given_twice_is_found_wherever_it_is() -> None:
    def file(path: str, text: str) -> tuple[Path, str, ast.Module]:
        return PACKAGE / path, text, ast.parse(text)

    house, other = file("core/wait.py", "class Wait: ..."), file("store/wait.py", "class Wait: ...")
    vendor, wire = file("connectors/acme/pull.py", "class Wait: ..."), file("connectors/acme/wire.py", "class Wait: ...")
    aliases = [file(f"app/{name}.py", "Rows = list[str]") for name in ("one", "two")]
    assert list(_twice((house, other))) == ["house Wait"]
    assert list(_twice((house, vendor))) == ["acme/ Wait"]
    assert list(_twice((house, wire, *aliases))) == []
    assert list(_twice((aliases[0], file("app/three.py", "Rows = list[int]")))) == ["house Rows"]


def _statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.stmt | None]]:
    """Yield every simple statement with the one below it."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement, below in zip(body, [*body[1:], None], strict=True):
                if not hasattr(statement, "body"):
                    yield statement, below


def _silent(text: str, tree: ast.Module) -> Iterator[int]:
    """Yield the first line of each long SQL statement of a module without a word of why it is as it is: above, below, or in it."""
    lines = text.splitlines()
    for statement, below in _statements(tree):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # the words below another statement
        for node in ast.walk(statement):
            if not isinstance(node, ast.Constant | ast.JoinedStr) or (node.end_lineno or 0) - node.lineno + 1 < LONG_SQL_LINES:
                continue
            said = ast.get_source_segment(text, node) or ""
            is_told = "-- " in said or any(lines[line - 2].lstrip().startswith("#") for line in (statement.lineno, node.lineno))
            if SQL.search(said.lstrip("f").strip('"')) and not is_told:
                yield node.lineno


def test_every_long_sql_statement_says_why_it_is_as_it_is() -> None:
    found = {name_of(path): silent for path, text, tree in python_files(with_tests=False) if (silent := sorted(set(_silent(text, tree))))}
    assert found == {}


def test_a_long_sql_statement_without_a_word_is_found_wherever_it_stands() -> None:
    statement = '"""\nselect a\nfrom b\nwhere c\norder by d\n"""'
    silent = f"_ONE = {statement}\n_TWO = {statement}\n\ndef read():\n    go({statement})\n"
    assert list(_silent(silent, ast.parse(silent))) == [1, 7, 15]
    told = f'_ONE = {statement}\n"""Why."""\n# why\n_TWO = {statement}\n\ndef read():\n    # why\n    go({statement})\n'
    assert list(_silent(told, ast.parse(told))) == []


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the functions, classes and methods of a module that nothing but their name leads to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("__"):
            named = (ast.unparse(one).split("(")[0] for one in node.decorator_list)
            if all(name.rpartition(".")[2] in PLAIN for name in named):
                yield node.name


def test_nothing_is_there_for_tests_alone() -> None:
    """What only tests say is theirs, and what nobody says is nobody's. Simulators are left out: vendors' clients call them by name."""
    said: Counter[str] = Counter()
    for path, text in text_files():
        is_ours = PACKAGE in path.parents and "tests" not in path.parts
        if is_ours or path.parent == ROOT or path.is_relative_to(ROOT / "deploy"):
            said.update(re.findall(r"[A-Za-z_]\w*", text) if path.suffix in (".py", ".tmpl", ".toml", ".yaml") else ())
    found = {
        f"{name_of(path)} {name}"
        for path, _, tree in python_files(with_tests=False)
        if "sandbox" not in path.parts
        for name in _defined(tree)
        if said[name] <= 1 and name not in FOR_OTHERS
    }
    assert found == set()
