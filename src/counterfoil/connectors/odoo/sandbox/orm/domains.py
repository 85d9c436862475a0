"""Domains: from prefix notation to a set of rows, by index where one serves and by predicate for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.orm.errors import PythonError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field
from counterfoil.connectors.odoo.sandbox.orm.store import Row

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.orm.core import Core
    from counterfoil.connectors.odoo.sandbox.orm.env import Env

Node = tuple[Any, ...]  # ("&", nodes) | ("|", nodes) | ("!", node) | ("leaf", path, operator, value) | ("true",) | ("false",)
Predicate = Callable[[Row], bool]
OPERATORS = (
    "=",
    "!=",
    "<>",
    "==",
    ">",
    ">=",
    "<",
    "<=",
    "in",
    "not in",
    "like",
    "not like",
    "ilike",
    "not ilike",
    "=like",
    "=ilike",
    "child_of",
    "parent_of",
    "any",
    "not any",
    "=?",
    "not =like",
    "not =ilike",
)


def parse(domain: Any, version: int = 19) -> Node:
    """Return the tree of a domain in prefix notation; consecutive terms are joined by and. Errors are worded by version."""
    if not isinstance(domain, list | tuple):
        raise PythonError(f"Domain() invalid item in domain: {domain!r}", "ValueError")
    stack: list[Node] = []
    for item in reversed(list(domain)):
        if item in ("&", "|"):
            if len(stack) < 2:
                raise PythonError(f"Domain {domain!r} is not valid: missing operand")
            left, right = stack.pop(), stack.pop()
            stack.append((item, (left, right)))
        elif item == "!":
            if not stack:
                raise PythonError(f"Domain {domain!r} is not valid: missing operand")
            stack.append(("!", stack.pop()))
        else:
            stack.append(_leaf(item, version))
    if not stack:
        return ("true",)
    return stack[0] if len(stack) == 1 else ("&", tuple(reversed(stack)))


def _leaf(item: Any, version: int) -> Node:
    if not isinstance(item, list | tuple) or len(item) != 3:
        if version < 19 and isinstance(item, list | tuple):
            raise PythonError(f"not enough values to unpack (expected 3, got {len(item)})")
        raise PythonError(f"Domain() invalid item in domain: {item!r}")
    path, operator, value = item
    if path == 1 and operator == "=" and value == 1:
        return ("true",)
    if path == 0 and operator == "=" and value == 1:
        return ("false",)
    if operator not in OPERATORS:
        raise PythonError(f"Invalid {'operator in condition' if version >= 19 else 'leaf'} {tuple(item)!r}")
    operator = {"<>": "!=", "==": "="}.get(operator, operator)
    return ("leaf", str(path), operator, value)


def mentions(node: Node, name: str) -> bool:
    """Return whether a domain says anything about a field of the model itself."""
    if node[0] == "leaf":
        return bool(node[1] == name)
    if node[0] == "!":
        return mentions(node[1], name)
    return any(mentions(child, name) for child in node[1]) if node[0] in "&|" else False


class Search:
    """Evaluates one domain on one model."""

    def __init__(self, env: Env, model: Core) -> None:
        self.env = env
        self.model = model
        self.table = env.store.tables[model.name]

    def rows(self, node: Node) -> list[Row]:
        """Return the matching rows in id order."""
        candidates = self.candidates(node)
        predicate = self.predicate(node)
        table = self.table.rows
        if candidates is None:
            return [row for row in table.values() if predicate(row)]
        return [table[i] for i in sorted(candidates) if i in table and predicate(table[i])]

    def candidates(self, node: Node) -> Collection[int] | None:
        """Return ids that include all matches, or None where no index serves."""
        kind = node[0]
        if kind == "false":
            return ()
        if kind == "&":
            found = [c for c in (self.candidates(child) for child in node[1]) if c is not None]
            return min(found, key=len) if found else None
        if kind == "|":
            parts = [self.candidates(child) for child in node[1]]
            return None if any(p is None for p in parts) else {i for p in parts if p is not None for i in p}
        return self._leaf_candidates(node[1], node[2], node[3]) if kind == "leaf" else None

    def _leaf_candidates(self, path: str, operator: str, value: Any) -> Collection[int] | None:
        first, _, rest = path.partition(".")
        if rest:
            declared = self.model.field(first)
            if declared.kind != "many2one" or first not in self.table.indexes or operator in ("!=", "not in") or value is False:
                return None
            other = Search(self.env, self.env.model(declared.relation))
            inner: Node = ("leaf", rest, operator, value)
            if other.candidates(inner) is None and len(other.table.rows) > 500:
                return None
            return {i for row in other.rows(inner) for i in self.table.indexes[first].get(row["id"], ())}
        if operator not in ("=", "in"):
            return None
        values = value if operator == "in" and isinstance(value, list | tuple) else (value,)
        if any(v is False or v is None or not isinstance(v, str | int) for v in values):
            return None
        if first == "id":
            return {v for v in values if isinstance(v, int)}
        if first not in self.table.indexes or (isinstance(value, str) and self.model.field(first).relation):
            return None
        index = self.table.indexes[first]
        return {i for v in values for i in index.get(v, ())}

    def predicate(self, node: Node) -> Predicate:
        """Return the test of a row."""
        kind = node[0]
        if kind == "true":
            return lambda _row: True
        if kind == "false":
            return lambda _row: False
        if kind == "!":
            inner = self.predicate(node[1])
            return lambda row: not inner(row)
        if kind == "leaf":
            return self._leaf(node[1], node[2], node[3])
        tests = [self.predicate(child) for child in node[1]]
        if kind == "&":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)

    def _leaf(self, path: str, operator: str, value: Any) -> Predicate:
        env, model = self.env, self.model
        first, _, rest = path.partition(".")
        declared = model.field(first) if first in model.fields else self._unknown(path, operator, value)
        if rest:
            return self._dotted(declared, rest, operator, value)
        if operator in ("any", "not any"):
            inner = Search(env, env.model(declared.relation))
            ids = {row["id"] for row in inner.rows(parse(value, env.version))}
            return _to_ids(lambda row: model.value(env, row, first), "in" if operator == "any" else "not in", ids)
        if operator in ("child_of", "parent_of"):
            ids = self._family(declared, operator, value)
            return _to_ids(lambda row: model.value(env, row, first), "in", ids)
        if declared.relation and first != "id":
            return self._relational(declared, operator, value)
        plain = first in model.stored and not declared.company_dependent
        if plain:
            get: Callable[[Row], Any] = lambda row: row[first]  # noqa: E731
        else:
            get = lambda row: model.value(env, row, first)  # noqa: E731
        return compare(get, declared, operator, value, env.version)

    def _unknown(self, path: str, operator: str, value: Any) -> Field:
        where = "condition" if self.env.version >= 19 else "leaf"
        raise PythonError(f"Invalid field {self.model.name}.{path.split('.')[0]} in {where} {(path, operator, value)!r}")

    def _dotted(self, declared: Field, rest: str, operator: str, value: Any) -> Predicate:
        if not declared.relation:
            raise PythonError(f"Invalid field {self.model.name}.{declared.name}.{rest} in condition")
        env, model = self.env, self.model
        other = env.model(declared.relation)
        test = Search(env, other).predicate(("leaf", rest, operator, value))
        rows = env.rows(declared.relation)
        known: dict[int, bool] = {}

        def one(i: int) -> bool:
            if i not in known:
                known[i] = i in rows and test(rows[i])
            return known[i]

        empty = operator in ("=", "in") and (value is False or (isinstance(value, list | tuple) and False in value))

        def check(row: Row) -> bool:
            held = model.value(env, row, declared.name)
            ids = held if isinstance(held, list | tuple) else ((held,) if held else ())
            return any(one(i) for i in ids) or (empty and not ids)

        return check

    def _family(self, declared: Field, operator: str, value: Any) -> set[int]:
        other = declared.relation or self.model.name
        rows = self.env.rows(other)
        link = "parent_id"
        start = [value] if isinstance(value, int) and value is not True else list(value or [])
        if isinstance(value, str):
            start = [i for i, _name in self.env.model(other).name_search(self.env, value, limit=0)]
        found = set(start)
        queue = list(start)
        while queue:
            i = queue.pop()
            if operator == "parent_of":
                near = [rows[i][link]] if i in rows and rows[i].get(link) else []
            else:
                near = self.env.find(other, link, i) if link in self.env.model(other).stored else []
            queue += [n for n in near if n not in found]
            found.update(near)
        return found

    def _relational(self, declared: Field, operator: str, value: Any) -> Predicate:
        env, model, name = self.env, self.model, declared.name
        if name in model.stored and not declared.company_dependent:
            get: Callable[[Row], Any] = lambda row: row[name]  # noqa: E731
        else:
            get = lambda row: model.value(env, row, name)  # noqa: E731
        texts = isinstance(value, str) or (isinstance(value, list | tuple) and any(isinstance(v, str) for v in value))
        if operator in ("like", "ilike", "not like", "not ilike", "=like", "=ilike") or texts:
            negative = operator in ("!=", "not in", "not like", "not ilike")
            wanted = [value] if isinstance(value, str) or not isinstance(value, list | tuple) else [v for v in value if isinstance(v, str)]
            op = {"!=": "=", "in": "=", "not in": "=", "not like": "like", "not ilike": "ilike"}.get(operator, operator)
            other = env.model(declared.relation)
            ids = (
                {i for v in wanted for i, _n in other.name_search(env, v, operator=op, limit=0)}
                if value
                else set(env.rows(declared.relation))
            )
            return _to_ids(get, "not in" if negative else "in", ids)
        if operator in (">", ">=", "<", "<="):
            return compare(get, declared, operator, value, env.version)
        items = set(value) if isinstance(value, list | tuple | set) else {value if value is not None else False}
        return _to_ids(get, "in" if operator in ("=", "in", "=?") else "not in", items)


def _to_ids(get: Callable[[Row], Any], operator: str, ids: set[Any]) -> Predicate:
    positive = operator == "in"

    def check(row: Row) -> bool:
        held = get(row)
        if isinstance(held, list | tuple):
            found = any(i in ids for i in held) or (not held and False in ids)
        else:
            found = (held or False) in ids
        return found == positive

    return check


@lru_cache(maxsize=512)
def _pattern(value: str, whole: bool, fold: bool) -> re.Pattern[str]:
    body = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in value)
    return re.compile(f"^{body}$" if whole else body, re.DOTALL | (re.IGNORECASE if fold else 0))


def _like(get: Callable[[Row], Any], operator: str, value: Any) -> Predicate:
    negative = operator.startswith("not ")
    operator = operator.removeprefix("not ")
    if not value:
        return lambda _row: not negative
    pattern = _pattern(str(value), operator.startswith("="), operator.endswith("ilike"))

    def check(row: Row) -> bool:
        held = get(row)
        found = held is not False and held is not None and pattern.search(str(held)) is not None
        return found != negative

    return check


def compare(get: Callable[[Row], Any], declared: Field, operator: str, value: Any, version: int) -> Predicate:
    """Return the test of a plain field against a value, with the instant precision of the version."""
    if operator.endswith("like"):
        return _like(get, operator, value)
    if operator == "=?":
        return (lambda _row: True) if value in (False, None) else compare(get, declared, "=", value, version)
    if declared.kind in ("date", "datetime"):
        return _when(get, declared, operator, value, version)
    if operator in ("=", "!=", "in", "not in"):
        return _among(get, declared, operator, value)
    numeric = declared.kind in ("integer", "float", "monetary", "many2one")

    def check(row: Row) -> bool:
        held = get(row)
        if held is False and not numeric:
            return False
        return _ordered(held, operator, value)

    return check


def _among(get: Callable[[Row], Any], declared: Field, operator: str, value: Any) -> Predicate:
    if operator in ("in", "not in") and not isinstance(value, list | tuple | set):
        value = [value] if value is not False else []
    items = list(value) if operator in ("in", "not in") else [value]
    positive = operator in ("=", "in")
    if declared.kind == "boolean":
        truths = {bool(v) for v in items}
        return lambda row: (bool(get(row)) in truths) == positive
    if declared.kind in ("integer", "float", "monetary"):
        numbers = {0 if v is False or v is None else v for v in items}
        return lambda row: ((get(row) or 0) in numbers) == positive
    texts = {v for v in items if v is not False and v is not None}
    empty = any(v is False or v is None or v == "" for v in items)

    def check(row: Row) -> bool:
        held = get(row)
        found = (held in texts) if held is not False and held != "" else (empty or held in texts)
        return found == positive

    return check


def _ordered(left: Any, operator: str, right: Any) -> bool:
    try:
        if operator == ">":
            return bool(left > right)
        if operator == ">=":
            return bool(left >= right)
        if operator == "<":
            return bool(left < right)
        return bool(left <= right)
    except TypeError:
        return False


def _instant(value: Any, version: int) -> str:
    text = str(value).replace("T", " ")
    if version < 19:  # compared as PostgreSQL reads it: a zone is dropped
        return re.sub(r"(Z|[+-]\d{2}:?\d{2})$", "", text) if len(text) > 10 else text
    if text.endswith("Z") or re.search(r"[+-]\d{2}:?\d{2}$", text[10:]):
        raise PythonError(f"expecting only datetimes with no timezone: {value!r}")
    return text


def _when(get: Callable[[Row], Any], declared: Field, operator: str, value: Any, version: int) -> Predicate:
    if operator in ("in", "not in") or value is False or value is None:
        return _among(get, declared, operator, value)
    text = _instant(value, version)
    if declared.kind == "date":
        return lambda row: get(row) is not False and _dated(get(row), operator, text[:10])
    if len(text) == 10:
        text += " 00:00:00"
    if version >= 19 and len(text) == 19:  # whole-second comparison
        return lambda row: get(row) is not False and _dated(get(row)[:19], operator, text)
    text = text if "." in text else text + ".000000"
    return lambda row: get(row) is not False and _dated(get(row), operator, text)


def _dated(held: str, operator: str, value: str) -> bool:
    if operator == "=":
        return held == value
    if operator == "!=":
        return held != value
    return _ordered(held, operator, value)


def _prefix(node: Node) -> list[Any]:
    if node[0] == "leaf":
        return [list(node[1:])]
    if node[0] == "!":
        return ["!", *_prefix(node[1])]
    if node[0] in "&|":
        children = [_prefix(child) for child in node[1]]
        return [node[0]] * (len(children) - 1) + [item for child in children for item in child]
    return [[1, "=", 1]] if node[0] == "true" else [[0, "=", 1]]
