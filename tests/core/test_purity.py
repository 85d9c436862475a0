"""The core is pure: the standard library and a few pure tables, and of that nothing that knows time, chance or the outside world."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from tests.core.builders import invoice, payment, usd, world

from counterfoil import core

CORE = Path(core.__path__[0])
IMPURE = {"asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid", "zoneinfo"}
TABLES = {"identity/matching": {"anyascii", "cleanco", "iso3166", "publicsuffixlist", "rapidfuzz", "stdnum"}}
"""Libraries that are tables and arithmetic, by the one folder that may use them (ADR 50)."""
CLOCKS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_a_module_imports_only_pure_standard_library_and_never_asks_the_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module]
    roots = {name.split(".")[0] for name in names if not name.startswith("counterfoil.core")}
    tables = TABLES.get(path.parent.relative_to(CORE).as_posix(), set())
    assert roots <= (set(sys.stdlib_module_names) - IMPURE) | tables
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not calls & CLOCKS


def test_the_arguments_of_every_command_survive_canonical_json() -> None:
    from counterfoil.kit.codec import decode_arguments, encode

    books = world()
    books.decide(invoice(usd(9900), starting_balance=usd(-100), ending_balance=usd(0)))
    books.decide(payment(usd(9800), ("stripe:in_1", 9800), fee=300))
    assert len(books.sent) == 6
    arguments = [command.arguments for command in books.sent]
    assert [decode_arguments(command.kind, encode(command.arguments)) for command in books.sent] == arguments
