"""Error codes and finding codes in the sources, found by reading the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from tests.tidy.sources import CODE, PACKAGE, python_files

CODED_CALLS = {
    "Finding": 1,
    "Problem": 1,
    "_refusal": 1,
    "_Rule": 2,
    "StatusRule": 2,
    "FailureRule": 2,
    "GrpcRule": 1,
    "StateRule": 2,
    "rejected": 1,
}
"""Calls that take a code by position, and at which."""
PREFIXED_CALLS = {"rejected": "stripe."}
"""Calls that put the vendor's name in front."""


def _strings(node: ast.expr) -> Iterator[str]:
    """Yield the texts an expression may be: itself, or either side of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body)
        yield from _strings(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _strings(value)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
    for keyword in call.keywords:
        if keyword.arg == "code":
            yield from _strings(keyword.value)
    position = CODED_CALLS.get(name)
    if position is not None and len(call.args) > position:
        prefix = PREFIXED_CALLS.get(name, "")
        yield from (prefix + text for text in _strings(call.args[position]))


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            if any(isinstance(target, ast.Name) and target.id == "code" for target in targets):
                yield from _strings(part.value)


@cache
def codes() -> Mapping[str, str]:
    """Return every code used in the program and the file it is first used in."""
    found: dict[str, str] = {}
    for path, _, tree in python_files(with_tests=False):
        if "sandbox" in path.parts or "templates" in path.parts:
            continue
        for node in ast.walk(tree):
            given: Iterator[str] = iter(())
            if isinstance(node, ast.Call):
                given = _of_call(node)
            elif isinstance(node, ast.ClassDef):
                given = _of_class(node)
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                given = _strings(node.value) if "code" in names else iter(())
            elif isinstance(node, ast.FunctionDef) and "code" in [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]:
                given = (
                    text for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None for text in _strings(default)
                )
            for code in given:
                if CODE.fullmatch(code):
                    found.setdefault(code, path.relative_to(PACKAGE).as_posix())
    return MappingProxyType(found)
