"""The REST API: records one by one, upsert, queries, descriptions, limits. Each call is one transaction; composite ones are elsewhere.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .errors import SalesforceError, malformed, not_found
from .query import Answers, shown_value
from .schema import Field, SObject
from .world import START_MS, Record, World, stamp

Obj = dict[str, Any]

PAGE_MIN, PAGE_MAX = 200, 2_000
"""Rows of one page of a query (header ``Sforce-Query-Options``)."""
_BATCH = re.compile(r"batchSize=(\d+)")


@dataclass(frozen=True)
class Call:
    """One call: the path behind the version, its parts decoded."""

    method: str
    version: str
    parts: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> Obj:
        """The body as an object. Raises SalesforceError."""
        if not isinstance(self.body, dict):
            raise malformed("Unexpected character: the body must be an object")
        return self.body

    def at(self, url: str, method: str, body: Any) -> Call:
        """Return the call of a part of a composite one. Raises SalesforceError."""
        found = urlsplit(url)
        path = re.fullmatch(r"/?(?:services/data/)?v(\d+\.\d)/(.*)", found.path.lstrip("/"))
        if path is None:
            raise SalesforceError(400, "INVALID_URL", f"{url} is no address of this API")
        return call_of(method, path[1], path[2], dict(parse_qsl(found.query)), body, self.headers)


@dataclass(frozen=True)
class Answer:
    """Status, body and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def call_of(method: str, version: str, path: str, query: Mapping[str, str], body: Any, headers: Mapping[str, str]) -> Call:
    """Return a call of a path behind the version."""
    return Call(method, version, tuple(unquote(part) for part in path.split("/") if part), query, body, headers)


class Rest:
    """Answers calls on one org. ``page_size``: rows of a page of a query unless the caller says otherwise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.page_size = PAGE_MAX
        self._rest_of: dict[str, list[Obj]] = {}
        self._cursors = 0

    def origin(self, call: Call) -> str:
        """Return where a change that a call makes comes from, as change events tell it."""
        return f"com/salesforce/api/rest/{call.version};client=hub"

    def answer(self, call: Call) -> Answer:
        """Answer a call. Raises SalesforceError."""
        match (call.method, call.parts):
            case ("GET", ("sobjects",)):
                return Answer(200, {"encoding": "UTF-8", "sobjects": [self._head(one) for one in self.world.types.values()]})
            case ("GET", ("sobjects", name)):
                return Answer(200, {"objectDescribe": self._head(self.world.type_of(name)), "recentItems": []})
            case ("POST", ("sobjects", name)):
                return Answer(201, self._made(self.world.create(name, call.values)))
            case ("GET", ("sobjects", name, "describe")):
                return self._described(self.world.type_of(name))
            case ("GET", ("query" | "queryAll" as what,)):
                return self._query(call, what)
            case ("GET", ("query" | "queryAll", cursor)):
                return self._more(call, cursor)
            case ("GET", ("sobjects", name, "deleted" | "updated" as what)):
                return self._changes(call, self.world.type_of(name), is_deleted=what == "deleted")
            case (method, ("sobjects", name, id)):
                return self._record(call, method, self.world.type_of(name), id)
            case (method, ("sobjects", name, field_name, value)):
                return self._by_value(call, method, self.world.type_of(name), field_name, value)
        raise not_found()

    # Records

    def _record(self, call: Call, method: str, type_: SObject, id: str) -> Answer:
        record = self.world.find(type_.name, id)
        match method:
            case "GET":
                return Answer(200, self._shown(call, type_, record))
            case "PATCH":
                self.world.update(type_.name, id, call.values)
                return Answer(204)
            case "DELETE":
                self.world.delete(type_.name, id)
                return Answer(204)
        raise SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are HEAD,GET,PATCH,DELETE")

    def _by_value(self, call: Call, method: str, type_: SObject, field_name: str, value: str) -> Answer:
        found = self.with_value(type_, field_name, value)
        addresses = [f"/services/data/v{call.version}/sobjects/{type_.name}/{one.id}" for one in found]
        if len(found) > 1:
            raise SalesforceError(300, "", "several", body=addresses)
        match method:
            case "GET" if found:
                return Answer(200, self._shown(call, type_, found[0]))
            case "PATCH" if found:
                self.world.update(type_.name, found[0].id, call.values)
                return Answer(200, {**self._made(found[0]), "created": False})
            case "PATCH":
                return Answer(201, {**self._made(self.world.create(type_.name, {**call.values, field_name: value})), "created": True})
        raise not_found("The requested resource does not exist")

    def with_value(self, type_: SObject, field_name: str, value: Any) -> list[Record]:
        """Return the records an external id names. Raises SalesforceError."""
        field = type_.find(field_name)
        if field is None or not (field.external or field.type == "id"):
            raise not_found("Provided external ID field does not exist or is not accessible: " + field_name)
        return [one for one in self.world.by_value(type_.name, field.name, value) if not self.world.is_hidden(type_.name, field.name)]

    def _made(self, record: Record) -> Obj:
        return {"id": record.id, "success": True, "errors": []}

    def _changes(self, call: Call, type_: SObject, *, is_deleted: bool) -> Answer:
        start, end = (int(datetime.fromisoformat(call.query[name]).timestamp() * 1000) for name in ("start", "end"))
        found = [one for one in self.world.all(type_.name, is_all=True) if start <= one.system_ms < end]
        told: Obj = {"latestDateCovered": stamp(end)}
        if not is_deleted:
            return Answer(200, {**told, "ids": [one.id for one in found if one.deleted_ms is None]})
        rows = [{"id": one.id, "deletedDate": stamp(one.deleted_ms)} for one in found if one.deleted_ms is not None]
        return Answer(200, {**told, "earliestDateAvailable": stamp(START_MS), "deletedRecords": rows})

    def _shown(self, call: Call, type_: SObject, record: Record) -> Obj:
        asked = call.query.get("fields", "")
        fields = [self._field(type_, name.strip()) for name in asked.split(",")] if asked else self.visible(type_)
        url = f"/services/data/v{call.version}/sobjects/{type_.name}/{record.id}"
        row: Obj = {"attributes": {"type": type_.name, "url": url}}
        return {**row, **{one.name: shown_value(one, record.get(one.name)) for one in fields}}

    def _field(self, type_: SObject, name: str) -> Field:
        found = type_.find(name)
        if found is None or self.world.is_hidden(type_.name, found.name):
            raise SalesforceError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {type_.name}")
        return found

    def visible(self, type_: SObject) -> list[Field]:
        """Return the fields the hub's user may see."""
        return [one for one in type_.fields.values() if not self.world.is_hidden(type_.name, one.name)]

    # Descriptions

    def _head(self, type_: SObject) -> Obj:
        return {
            "name": type_.name,
            "label": type_.name,
            "keyPrefix": type_.prefix,
            "custom": type_.name.endswith("__c"),
            "queryable": True,
            "createable": True,
            "updateable": True,
            "deletable": True,
            "mergeable": type_.can_merge,
        }

    def _described(self, type_: SObject) -> Answer:
        closed = self.world.closed
        fields = [one.described(is_closed=(type_.name, one.name) in closed) for one in self.visible(type_)]
        children = [
            {"relationshipName": name, "childSObject": other, "field": field_name, "cascadeDelete": True}
            for name, (other, field_name) in type_.children.items()
        ]
        return Answer(200, {**self._head(type_), "fields": fields, "childRelationships": children})

    # Queries

    def _query(self, call: Call, what: str) -> Answer:
        query, rows = Answers(self.world, call.version).run(call.query.get("q", ""), is_all=what == "queryAll")
        if query.is_count:
            return Answer(200, {"totalSize": len(rows), "done": True, "records": []})
        given = _BATCH.search(call.headers.get("Sforce-Query-Options", ""))
        size = min(max(int(given[1]), PAGE_MIN), PAGE_MAX) if given else self.page_size
        return Answer(200, self._page(call, rows, len(rows), 0, size, what))

    def _page(self, call: Call, rows: list[Obj], total: int, start: int, size: int, what: str) -> Obj:
        page: Obj = {"totalSize": total, "done": len(rows) <= size, "records": rows[:size]}
        if rows[size:]:
            self._cursors += 1
            cursor = f"01gxx{self._cursors:09d}AAA-{start + size}"
            self._rest_of[cursor] = rows[size:]
            page["nextRecordsUrl"] = f"/services/data/v{call.version}/{what}/{cursor}"
        return page

    def _more(self, call: Call, cursor: str) -> Answer:
        rows = self._rest_of.get(cursor)
        if rows is None:
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        start = int(cursor.rpartition("-")[2])
        return Answer(200, self._page(call, rows, start + len(rows), start, self.page_size, call.parts[0]))
