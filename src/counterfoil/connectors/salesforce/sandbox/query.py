"""Queries answered: which records, in which order, and what of them is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from .errors import SalesforceError
from .ids import to_18
from .schema import Field, SObject
from .soql import Comparison, Literal, Logic, Query, parse
from .world import Record, World, stamp

Obj = dict[str, Any]


class Answers:
    """Answers the queries of one user of an org."""

    def __init__(self, world: World, version: str) -> None:
        self._world = world
        self._version = version

    def run(self, text: str, *, is_all: bool = False) -> tuple[Query, list[Obj]]:
        """Return a query and its rows, as JSON has them; of ``queryAll`` also what is deleted. Raises SalesforceError."""
        query = parse(text)
        type_ = self._world.type_of(query.source, "INVALID_TYPE")
        records = self._chosen(type_, query, self._world.all(type_.name, is_all=is_all))
        return query, [self.shown(type_, record, query, is_all=is_all) for record in records]

    def _chosen(self, type_: SObject, query: Query, records: Iterable[Record]) -> list[Record]:
        self._checked(type_, query)
        found = [record for record in records if query.where is None or self._holds(type_, record, query.where)]
        for name, is_descending in reversed(query.order):
            found.sort(key=lambda one, name=name: _sortable(self._value(type_, one, name)), reverse=is_descending)  # type: ignore[misc]
        return found if query.limit is None else found[: query.limit]

    def _checked(self, type_: SObject, query: Query) -> None:
        for name in (*query.fields, *(name for name, _ in query.order)):
            self._field(type_, name)
        for one in _comparisons(query.where):
            _, field, _ = self._field(type_, one.field)
            for literal in one.values:
                _literal(field, literal)

    def _field(self, type_: SObject, name: str) -> tuple[SObject, Field, str]:
        """Return the type a path of names leads to, its field, and the way there. Raises SalesforceError."""
        *way, last = name.split(".")
        for step in way:
            link = next((one for one in type_.fields.values() if one.relationship.lower() == step.lower()), None)
            if link is None or link.to not in self._world.types:
                raise _no_field(type_, name)
            type_ = self._world.types[link.to]
        found = type_.find(last)
        if found is None or self._world.is_hidden(type_.name, found.name):
            raise _no_field(type_, name)
        return type_, found, ".".join(way)

    def _value(self, type_: SObject, record: Record | None, name: str) -> Any:
        *way, last = name.split(".")
        for step in way:
            link = next(one for one in type_.fields.values() if one.relationship.lower() == step.lower())
            record = None if record is None else self._world.records.get(record.get(link.name) or "")
            type_ = self._world.types[link.to]
        found = type_.find(last)
        return None if record is None or found is None else record.get(found.name)

    def shown(self, type_: SObject, record: Record, query: Query, *, is_all: bool) -> Obj:
        """Return a record as a query shows it."""
        row: Obj = {"attributes": {"type": type_.name, "url": f"/services/data/v{self._version}/sobjects/{type_.name}/{record.id}"}}
        for name in query.fields:
            self._put(row, type_, record, name)
        for child in query.children:
            relationship = next((key for key in type_.children if key.lower() == child.source.lower()), None)
            if relationship is None:
                raise SalesforceError(400, "INVALID_TYPE", f"Didn't understand relationship '{child.source}' in FROM part of query call.")
            other, field = type_.children[relationship]
            inner = self._world.types[other]
            candidates = [one for one in self._world.all(other, is_all=is_all) if one.get(field) == record.id]
            rows = [self.shown(inner, one, child, is_all=is_all) for one in self._chosen(inner, child, candidates)]
            row[relationship] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None
        return row

    def _put(self, row: Obj, type_: SObject, record: Record, name: str) -> None:
        owner, field, way = self._field(type_, name)
        value = shown_value(field, self._value(type_, record, name))
        if not way:
            row[field.name] = value
            return
        link = next(one for one in type_.fields.values() if one.relationship.lower() == way.split(".")[0].lower())
        if record.get(link.name) is None:
            row[link.relationship] = None
            return
        inner = row.setdefault(link.relationship, {"attributes": {"type": owner.name, "url": ""}})
        inner[field.name] = value

    def _holds(self, type_: SObject, record: Record, where: Any) -> bool:
        if isinstance(where, Logic):
            parts = (self._holds(type_, record, part) for part in where.parts)
            match where.operator:
                case "AND":
                    return all(parts)
                case "OR":
                    return any(parts)
            return not next(iter(parts))
        return self._compares(type_, record, where)

    def _compares(self, type_: SObject, record: Record, one: Comparison) -> bool:
        _, field, _ = self._field(type_, one.field)
        value = _comparable(field, self._value(type_, record, one.field))
        wanted = [_literal(field, literal) for literal in one.values]
        match one.operator:
            case "=" | "IN":
                return value in wanted
            case "!=" | "NOT IN":
                return value not in wanted
            case "LIKE":
                pattern = re.escape(str(wanted[0])).replace("%", ".*").replace("_", ".")
                return value is not None and re.fullmatch(pattern, str(value), re.DOTALL) is not None
        if value is None or wanted[0] is None:
            return False
        return bool({">": value > wanted[0], "<": value < wanted[0], ">=": value >= wanted[0], "<=": value <= wanted[0]}[one.operator])


def shown_value(field: Field, value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or value == "":
        return None
    return stamp(value) if field.type == "datetime" else value


def _comparisons(where: Any) -> Iterable[Comparison]:
    if isinstance(where, Logic):
        for part in where.parts:
            yield from _comparisons(part)
    elif isinstance(where, Comparison):
        yield where


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
