"""Queries: a text becomes what is asked for. Subset: fields also of parents, one level of children, conditions, order, limit, count.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .errors import SalesforceError

LENGTH_MAX = 100_000
"""Characters of one statement."""
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<sign>>=|<=|!=|<>|[=<>(),]))"
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Literal:
    """A value in a condition: string, instant, date, number, boolean or null."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Comparison:
    """``field operator value``; of IN and NOT IN the values."""

    field: str
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Logic:
    """AND, OR and NOT of conditions."""

    operator: str
    parts: tuple[Any, ...]


@dataclass
class Query:
    """One SELECT. ``is_count``: COUNT() alone."""

    fields: list[str] = field(default_factory=list)
    children: list[Query] = field(default_factory=list)
    source: str = ""
    where: Any = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    is_count: bool = False


def parse(text: str) -> Query:
    """Return a query. Raises SalesforceError."""
    if len(text) > LENGTH_MAX:
        raise SalesforceError(400, "QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000 characters.")
    parser = _Parser(_tokens(text))
    found = parser.select()
    if not parser.is_over:
        raise parser.unexpected()
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SalesforceError(400, "MALFORMED_QUERY", f"unexpected character at position {at}: {text[at : at + 10]!r}")
        kind = match.lastgroup or ""
        found.append((kind, match.group(kind)))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._tokens)

    def unexpected(self) -> SalesforceError:
        seen = "the end" if self.is_over else f"{self._tokens[self._at][1]!r}"
        return SalesforceError(400, "MALFORMED_QUERY", f"unexpected token: {seen}")

    def _peek(self) -> str:
        return "" if self.is_over else self._tokens[self._at][1].upper()

    def _take(self, *wanted: str) -> bool:
        if self._peek() not in wanted or self._tokens[self._at][0] == "string":
            return False
        self._at += 1
        return True

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise self.unexpected()

    def _name(self) -> str:
        if self.is_over or self._tokens[self._at][0] != "name":
            raise self.unexpected()
        self._at += 1
        return self._tokens[self._at - 1][1]

    def select(self) -> Query:
        self._need("SELECT")
        found = Query()
        while True:
            self._one_field(found)
            if not self._take(","):
                break
        self._need("FROM")
        found.source = self._name()
        if self._take("WHERE"):
            found.where = self._any()
        if self._take("ORDER"):
            self._need("BY")
            found.order = self._order()
        if self._take("LIMIT"):
            kind, text = self._tokens[self._at] if not self.is_over else ("", "")
            if kind != "number":
                raise self.unexpected()
            found.limit, self._at = int(text), self._at + 1
        return found

    def _one_field(self, found: Query) -> None:
        if self._take("("):
            found.children.append(self.select())
            self._need(")")
            return
        name = self._name()
        if name.upper() == "COUNT" and self._take("("):
            self._need(")")
            found.is_count = True
            return
        found.fields.append(name)

    def _order(self) -> list[tuple[str, bool]]:
        found = []
        while True:
            name, is_descending = self._name(), self._take("DESC")
            if not is_descending:
                self._take("ASC")
            found.append((name, is_descending))
            if not self._take(","):
                return found

    def _any(self) -> Any:
        parts = [self._all()]
        while self._take("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Logic("OR", tuple(parts))

    def _all(self) -> Any:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Logic("AND", tuple(parts))

    def _one(self) -> Any:
        if self._take("NOT"):
            return Logic("NOT", (self._one(),))
        if self._take("("):
            found = self._any()
            self._need(")")
            return found
        name = self._name()
        if self._take("IN"):
            return Comparison(name, "IN", self._list())
        if self._take("NOT"):
            self._need("IN")
            return Comparison(name, "NOT IN", self._list())
        for operator in (">=", "<=", "!=", "<>", "=", "<", ">", "LIKE"):
            if self._take(operator):
                return Comparison(name, "!=" if operator == "<>" else operator, (self._literal(),))
        raise self.unexpected()

    def _list(self) -> tuple[Literal, ...]:
        self._need("(")
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        self._need(")")
        return tuple(found)

    def _literal(self) -> Literal:
        if self.is_over:
            raise self.unexpected()
        kind, text = self._tokens[self._at]
        self._at += 1
        match kind:
            case "string":
                return Literal("string", re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), text[1:-1]))
            case "instant" | "date":
                return Literal(kind, text)
            case "number":
                return Literal("number", float(text))
            case "name" if text.lower() in ("true", "false"):
                return Literal("boolean", text.lower() == "true")
            case "name" if text.lower() == "null":
                return Literal("null", None)
        self._at -= 1
        raise self.unexpected()
