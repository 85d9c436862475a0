"""How receipts, subjects and commands stand is asked where it stands: what is in a bundle says nothing of it in its own row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.tidy.sources import name_of, python_files

OWNERS = {
    "src/counterfoil/store/agenda.py",
    "src/counterfoil/store/bundles.py",
    "src/counterfoil/store/receipts.py",
    "tests/integration/store/test_bundles.py",
    "tests/tidy/test_states.py",
}
"""Who puts rows and bundles together for all others."""
OF_BUNDLES = re.compile(r"\{(bundles\.)?(STATE|UNREAD)\}|\breceipt_bundle\b|\bagenda_bundle\b|\bto_read\b|\bto_decide\b")
RECEIPTS = re.compile(r"\b(from|join|update)\s+receipt\b", re.IGNORECASE)
STATE = re.compile(r"(?<![\w{])(\w+\.)?state\b(?!\s*=\s*'(parked|ignored)')(?!::receipt_state)", re.IGNORECASE)
"""A word of a receipt's state; parked and ignored are only ever told by its own row."""
SUBJECTS = re.compile(r"\b(from|join)\s+agenda\b", re.IGNORECASE)
ANOTHERS = re.compile(r'"case"|\breplay\b|\brelearning\b|\bcommand\b')
"""Tables beside receipts that have a state of their own; those statements are looked at by the tests of what they give."""
TAKEN_EFFECT = re.compile(r"'done',\s*'unknown'")
"""What may have taken effect: so may what is under way, of which a command's own row says nothing (store/sending.py)."""
UNDER_WAY = re.compile(r"\bstarted_at is not null|\bIN_FLIGHT\b")


def _statements(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each text of a file as it is written, names of what is put in standing in braces."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner):
            yield node.lineno, _text(node)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "{" + ast.unparse(node.value) + "}"
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _forgets_bundles(statement: str) -> bool:
    if OF_BUNDLES.search(statement):
        return False
    of_receipts = RECEIPTS.search(statement) and STATE.search(statement) and not ANOTHERS.search(statement)
    return bool(of_receipts or SUBJECTS.search(statement))


def test_whoever_asks_what_may_have_taken_effect_asks_what_is_under_way_too() -> None:
    found = [
        f"{name_of(path)}:{line}: {' '.join(statement.split())[:90]}"
        for path, _, tree in python_files()
        if name_of(path) not in OWNERS
        for line, statement in _statements(tree)
        if TAKEN_EFFECT.search(statement) and not UNDER_WAY.search(statement)
    ]
    assert found == []


def test_whoever_asks_how_a_receipt_or_a_subject_stands_asks_the_bundles_too() -> None:
    found = [
        f"{name_of(path)}:{line}: {' '.join(statement.split())[:90]}"
        for path, _, tree in python_files()
        if name_of(path) not in OWNERS
        for line, statement in _statements(tree)
        if _forgets_bundles(statement)
    ]
    assert found == []


def test_what_forgets_bundles_is_found() -> None:
    assert _forgets_bundles("select count(*) from receipt r where r.state = 'pending'")
    assert _forgets_bundles("select state::text, count(*) from receipt group by 1")
    assert _forgets_bundles("select exists (select from agenda)")
    assert not _forgets_bundles("select count(*) from receipt where state = 'parked'")
    assert not _forgets_bundles("select {bundles.STATE} from receipt r")
    assert not _forgets_bundles("select id from receipt order by id")
