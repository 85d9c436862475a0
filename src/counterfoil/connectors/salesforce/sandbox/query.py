"""Queries answered: which records, in which order, and what of them is shown.

A query is made into functions once, which are then run on each record.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from .errors import SalesforceError
from .ids import to_18
from .schema import Field, SObject
from .soql import Comparison, Literal, Logic, Query, parse
from .world import Record, World, stamp

Obj = dict[str, Any]
Reads = Callable[[Record], Any]


class Answers:
    """Answers the queries of one user of an org."""

    def __init__(self, world: World, version: str) -> None:
        self._world = world
        self._version = version

    def run(self, text: str, *, is_all: bool = False) -> tuple[Query, list[Obj]]:
        """Return a query and its rows, as JSON has them; of ``queryAll`` also what is deleted. Raises SalesforceError."""
        query = parse(text)
        type_ = self._world.type_of(query.source, "INVALID_TYPE")
        show = self._shows(type_, query, is_all=is_all)
        return query, [show(record) for record in self._chosen(type_, query)(self._world.all(type_.name, is_all=is_all))]

    def _chosen(self, type_: SObject, query: Query) -> Callable[[Iterable[Record]], list[Record]]:
        """Return what picks the records of a query, in its order."""
        holds = self._holds(type_, query.where) if query.where is not None else lambda record: True
        order = [(self._reads(type_, name)[1], is_descending) for name, is_descending in reversed(query.order)]

        def choose(records: Iterable[Record]) -> list[Record]:
            found = [record for record in records if holds(record)]
            for read, is_descending in order:
                found.sort(key=lambda one: _sortable(read(one)), reverse=is_descending)
            return found if query.limit is None else found[: query.limit]

        return choose

    def _reads(self, type_: SObject, name: str) -> tuple[Field, Reads]:
        """Return the field a path of names leads to, and what reads it. Raises SalesforceError."""
        *way, last = name.split(".")
        links: list[str] = []
        owner = type_
        for step in way:
            link = _link(owner, step)
            if link is None or link.to not in self._world.types:
                raise _no_field(type_, name)
            links.append(link.name)
            owner = self._world.types[link.to]
        field = owner.find(last)
        if field is None or self._world.is_hidden(owner.name, field.name):
            raise _no_field(type_, name)
        return field, self._follows(links, field.name)

    def _follows(self, links: list[str], name: str) -> Reads:
        if not links:
            return lambda record: record.get(name)

        def read(record: Record) -> Any:
            at: Record | None = record
            for link in links:
                at = None if at is None else self._world.records.get(at.get(link) or "")
            return None if at is None else at.get(name)

        return read

    def _shows(self, type_: SObject, query: Query, *, is_all: bool) -> Callable[[Record], Obj]:
        """Return what makes a record's row."""
        plain = [(field, read) for name in query.fields if "." not in name for field, read in (self._reads(type_, name),)]
        parents = [self._parent(type_, name) for name in query.fields if "." in name]
        children = [self._child(type_, child, is_all=is_all) for child in query.children]

        def show(record: Record) -> Obj:
            url = f"/services/data/v{self._version}/sobjects/{type_.name}/{record.id}"
            row: Obj = {"attributes": {"type": type_.name, "url": url}}
            for field, read in plain:
                row[field.name] = shown_value(field, read(record))
            for put in (*parents, *children):
                put(row, record)
            return row

        return show

    def _parent(self, type_: SObject, name: str) -> Callable[[Obj, Record], None]:
        field, read = self._reads(type_, name)
        link = _link(type_, name.split(".")[0])

        def put(row: Obj, record: Record) -> None:
            if link is None or record.get(link.name) is None:
                row[link.relationship if link else name] = None
                return
            inner = row.setdefault(link.relationship, {"attributes": {"type": link.to, "url": ""}})
            inner[field.name] = shown_value(field, read(record))

        return put

    def _child(self, type_: SObject, child: Query, *, is_all: bool) -> Callable[[Obj, Record], None]:
        relationship = next((key for key in type_.children if key.lower() == child.source.lower()), None)
        if relationship is None:
            raise SalesforceError(400, "INVALID_TYPE", f"Didn't understand relationship '{child.source}' in FROM part of query call.")
        other, field = type_.children[relationship]
        choose, show = self._chosen(self._world.types[other], child), self._shows(self._world.types[other], child, is_all=is_all)
        belonging: dict[str, list[Record]] = defaultdict(list)
        for one in self._world.all(other, is_all=is_all):
            belonging[one.get(field) or ""].append(one)

        def put(row: Obj, record: Record) -> None:
            rows = [show(one) for one in choose(belonging.get(record.id, ()))]
            row[relationship] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None

        return put

    def _holds(self, type_: SObject, where: Any) -> Callable[[Record], bool]:
        """Return what tells whether a condition holds of a record. Raises SalesforceError."""
        if isinstance(where, Logic):
            parts = [self._holds(type_, part) for part in where.parts]
            match where.operator:
                case "AND":
                    return lambda record: all(part(record) for part in parts)
                case "OR":
                    return lambda record: any(part(record) for part in parts)
            return lambda record: not parts[0](record)
        field, read = self._reads(type_, where.field)
        return _compares(field, read, where)


def _compares(field: Field, read: Reads, one: Comparison) -> Callable[[Record], bool]:
    wanted = [_literal(field, literal) for literal in one.values]
    first, every = wanted[0], frozenset(wanted)
    match one.operator:
        case "=" | "IN":
            return lambda record: _comparable(field, read(record)) in every
        case "!=" | "NOT IN":
            return lambda record: _comparable(field, read(record)) not in every
        case "LIKE":
            pattern = re.compile(re.escape(str(first)).replace("%", ".*").replace("_", "."), re.DOTALL)
            return lambda record: pattern.fullmatch(str(_comparable(field, read(record)) or "")) is not None

    def compare(record: Record) -> bool:
        value = _comparable(field, read(record))
        if value is None or first is None:
            return False
        return bool({">": value > first, "<": value < first, ">=": value >= first, "<=": value <= first}[one.operator])

    return compare


def _link(type_: SObject, name: str) -> Field | None:
    """Return the field whose other end has a name in queries."""
    return next((one for one in type_.fields.values() if one.relationship and one.relationship.lower() == name.lower()), None)


def shown_value(field: Field, value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or value == "":
        return None
    return stamp(value) if field.type == "datetime" else value


def _no_field(type_: SObject, name: str) -> SalesforceError:
    words = f"\nSELECT {name}\n       ^\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{type_.name}'."
    more = " If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
    return SalesforceError(400, "INVALID_FIELD", words + more)


def _comparable(field: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    if field.type in ("id", "reference"):
        return to_18(value)
    return value.lower() if isinstance(value, str) and field.type not in ("date",) else value


def _literal(field: Field, literal: Literal) -> Any:
    if literal.kind == "null":
        return None
    is_of_time = field.type == "datetime"
    if is_of_time != (literal.kind == "instant") or (field.type == "date") != (literal.kind == "date"):
        raise SalesforceError(400, "INVALID_FIELD", f"value of filter criterion for field '{field.name}' must be of type {field.type}")
    if is_of_time:
        at = datetime.fromisoformat(literal.value.replace("Z", "+00:00"))
        return int(at.timestamp() * 1000)
    return _comparable(field, literal.value)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
