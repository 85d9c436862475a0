"""Records over HTTP: one by one, in lists, searches and batches, and what belongs together.

https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm and .../crm/associations/guide; the paths of versions by
date and those of v3 and v4 lead to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .errors import HubspotError, malformed, not_found
from .search import search
from .types import ASSOCIATIONS, Obj, Type, find
from .world import Record, World, iso

BATCH_MAX = 100
ASSOCIATED_MAX = 1_000
LIST_MAX = 100
LINKS_MAX = 500
"""Other ends of one record that one page shows."""


class Crm:
    """The calls on one account's records; each returns a status and a body.

    ``is_split_by_trace``: whether a batch whose inputs have traces is refused input by input; else as a whole, as one without traces is.
    ``primary_label``: what the account's language calls the primary association.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_split_by_trace = True
        self.primary_label = "Primary"

    def type_of(self, name: str) -> Type:
        """Return a type. Raises HubspotError."""
        found = find(name)
        if found is None:
            raise HubspotError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {name}")
        return found

    def shown(self, record: Record, wanted: Iterable[str] = ()) -> Obj:
        """Return a record as answers show it."""
        values = record.values()
        names = (*(wanted or record.type.shown), "hs_object_id", "createdate", record.type.changed_at)
        body = {
            "id": record.id,
            "properties": {name: values.get(name) or None for name in names if self.world.properties.has(record.type, name)},
            "createdAt": iso(record.created_ms),
            "updatedAt": iso(record.updated_ms),
            "archived": record.archived_ms is not None,
        }
        return body if record.archived_ms is None else {**body, "archivedAt": iso(record.archived_ms)}

    def page(self, name: str, query: Obj) -> tuple[int, Obj]:
        """Return a page of a list, in the order of numbers."""
        type_, limit = self.type_of(name), _number(query, "limit", 10)
        if not 0 < limit <= LIST_MAX:
            raise malformed(f"limit must be at most {LIST_MAX}")
        after = _number(query, "after", 0)
        rows = [one for one in self.world.all(type_, is_archived=_is_true(query, "archived")) if int(one.id) > after]
        body: Obj = {"results": [self._with_links(one, query) for one in rows[:limit]]}
        if len(rows) > limit:
            body["paging"] = {"next": {"after": rows[limit - 1].id, "link": "?after=" + rows[limit - 1].id}}
        return 200, body

    def get(self, name: str, id: str, query: Obj) -> tuple[int, Obj]:
        """Return one record; by ``idProperty`` where that is given."""
        type_ = self.type_of(name)
        found = self._found(type_, id, str(query.get("idProperty") or ""), is_archived=_is_true(query, "archived"))
        if found is None:
            raise not_found("resource not found")
        return 200, self._with_links(found, query)

    def create(self, name: str, body: Obj) -> tuple[int, Obj]:
        """Make a record, with what it belongs to."""
        type_ = self.type_of(name)
        record = self.world.create(type_, _properties(body))
        for link in body.get("associations") or []:
            kind = (link.get("types") or [{}])[0].get("associationTypeId")
            other = next((find(to) for (path, to), ids in ASSOCIATIONS.items() if path == type_.path and kind in ids), None)
            if other is None:
                raise malformed(f"there is no association type {kind}")
            self.world.associate(type_, record.id, other, str(link["to"]["id"]))
        return 201, self.shown(record)

    def update(self, name: str, id: str, body: Obj, query: Obj) -> tuple[int, Obj]:
        """Change a record."""
        type_ = self.type_of(name)
        found = self._found(type_, id, str(query.get("idProperty") or ""))
        if found is None:
            raise not_found("resource not found")
        return 200, self.shown(self.world.update(type_, found.id, _properties(body)))

    def archive(self, name: str, id: str) -> tuple[int, Obj]:
        """Delete a record."""
        self.world.archive(self.type_of(name), id)
        return 204, {}

    def search(self, name: str, body: Obj) -> tuple[int, Obj]:
        """Search; what is shown is what the index knows, which may be old."""
        type_ = self.type_of(name)
        total, found, following = search(self.world, type_, body)
        wanted = [str(one) for one in body.get("properties") or []]
        results = []
        for record, known in found:
            shown = self.shown(record, wanted)
            shown["properties"] = {name: known.get(name) or None for name in shown["properties"]}
            results.append({**shown, "updatedAt": known[type_.changed_at], "archived": False})
        answer: Obj = {"total": total, "results": results}
        return 200, answer if following is None else {**answer, "paging": {"next": {"after": str(following)}}}

    def batch(self, name: str, what: str, body: Obj, query: Obj) -> tuple[int, Obj]:
        """Read, make, change, upsert or delete up to a hundred records."""
        type_, inputs = self.type_of(name), body.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise malformed("inputs is required")
        if len(inputs) > BATCH_MAX:
            raise HubspotError(400, "VALIDATION_ERROR", f"No more than {BATCH_MAX} inputs are allowed")
        do = {"read": self._read, "create": self._create, "update": self._update, "upsert": self._upsert, "archive": self._archive}.get(
            what
        )
        if do is None:
            raise not_found(f"there is no batch {what}")
        status, results, errors = do(type_, inputs, {**body, **query})
        if what == "archive":
            return 204, {}
        return self.batched(status, results, errors)

    def batched(self, status: int, results: list[Obj], errors: list[Obj]) -> tuple[int, Obj]:
        """Return the answer of a batch: 207 with what was not done, else the status."""
        answer: Obj = {"status": "COMPLETE", "results": results, "startedAt": iso(self.world.now_ms), "completedAt": iso(self.world.now_ms)}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (status, answer)

    def merge(self, name: str, body: Obj) -> tuple[int, Obj]:
        """Merge a record into another."""
        return 200, self.shown(self.world.merge(self.type_of(name), str(body.get("primaryObjectId")), str(body.get("objectIdToMerge"))))

    def erase(self, name: str, body: Obj) -> tuple[int, Obj]:
        """Delete a contact for good."""
        type_ = self.type_of(name)
        found = self._found(type_, str(body.get("objectId")), str(body.get("idProperty") or ""))
        self.world.erase(type_, found.id if found else str(body.get("objectId")))
        return 204, {}

    def associations(self, from_: str, to: str, what: str, body: Obj) -> tuple[int, Obj]:
        """Read, make or end associations in a batch."""
        types, inputs = (self.type_of(from_), self.type_of(to)), body.get("inputs")
        if not isinstance(inputs, list) or not inputs or len(inputs) > ASSOCIATED_MAX:
            raise malformed(f"inputs must be 1 to {ASSOCIATED_MAX}")
        if what != "read":
            for one in inputs:
                self._change_link(*types, what, one)
            return 201, {"status": "COMPLETE", "results": []}
        results: list[Obj] = []
        errors: list[Obj] = []
        for one in inputs:
            ends = self._ends(*types, str(one["id"]), int(one.get("after") or 0))
            (results if ends else errors).append(ends or _no_links(*types, str(one["id"])))
        answer: Obj = {"status": "COMPLETE", "results": results, "startedAt": iso(self.world.now_ms), "completedAt": iso(self.world.now_ms)}
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def link(self, from_: str, id: str, to: str, other_id: str) -> tuple[int, Obj]:
        """Let two records belong together, in the plain way."""
        types = self.type_of(from_), self.type_of(to)
        self.world.associate(types[0], id, types[1], other_id)
        ends = {"from": {"id": id}, "to": {"id": other_id}}
        plain = ASSOCIATIONS.get((types[0].path, types[1].path), (0, 0))[0]
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": plain}
        result = {**ends, "associationSpec": spec}
        return 200, {"status": "COMPLETE", "results": [result], "startedAt": iso(self.world.now_ms), "completedAt": iso(self.world.now_ms)}

    def mark(self, from_: str, id: str, to: str, other_id: str, specs: list[Obj]) -> tuple[int, Obj]:
        """Let two records belong together in the ways that are named."""
        types = self.type_of(from_), self.type_of(to)
        self.world.mark(types[0], id, types[1], other_id, _type_ids(specs))
        labels = [one["label"] for one in self.world.labels.of(types[0], id, types[1], other_id)]
        ends = {"fromObjectTypeId": types[0].type_id, "fromObjectId": id, "toObjectTypeId": types[1].type_id, "toObjectId": other_id}
        return 201, {**ends, "labels": labels}

    def labels(self, method: str, from_: str, to: str, body: Obj) -> tuple[int, Obj]:
        """List or make labels of associations."""
        types, known = (self.type_of(from_), self.type_of(to)), self.world.labels
        if method == "GET":
            return 200, {"results": known.listed(*types)}
        made = known.define(*types, str(body["label"]), str(body.get("inverseLabel") or ""))
        shown = [*known.listed(*types), *known.listed(types[1], types[0])]
        return 200, {"results": [one for one in shown if one["typeId"] in made]}

    def unlink(self, from_: str, id: str, to: str, other_id: str) -> tuple[int, Obj]:
        """Let two records not belong together any more."""
        self.world.dissociate(self.type_of(from_), id, self.type_of(to), other_id)
        return 204, {}

    # Details

    def _found(self, type_: Type, id: str, id_property: str, *, is_archived: bool = False) -> Record | None:
        if id_property and id_property != "hs_object_id":
            id = self.world.by_property(type_, id_property, id)
        return self.world.find(type_, id, is_archived=is_archived)

    def _with_links(self, record: Record, query: Obj) -> Obj:
        shown = self.shown(record, _names(query.get("properties")))
        for name in _names(query.get("associations")):
            other = self.type_of(name)
            ends = self.world.associated(record.type, record.id, other)
            rows = [{"id": end, "type": f"{record.type.name}_to_{other.name}"} for end in ends]
            if rows:
                shown.setdefault("associations", {})[other.path] = {"results": rows}
        return shown

    def _read(self, type_: Type, inputs: list[Obj], body: Obj) -> tuple[int, list[Obj], list[Obj]]:
        wanted, by = [str(one) for one in body.get("properties") or []], str(body.get("idProperty") or "")
        is_archived = _is_true(body, "archived")
        found = {str(one["id"]): self._found(type_, str(one["id"]), by, is_archived=is_archived) for one in inputs}
        missing = [id for id, record in found.items() if record is None]
        rows = {record.id: self.shown(record, wanted) for record in found.values() if record is not None}
        return 200, list(rows.values()), [_missing(type_, missing)] if missing else []

    def _create(self, type_: Type, inputs: list[Obj], _body: Obj) -> tuple[int, list[Obj], list[Obj]]:
        return self._each(201, type_, inputs, lambda one: self.create(type_.path, one)[1])

    def _update(self, type_: Type, inputs: list[Obj], _body: Obj) -> tuple[int, list[Obj], list[Obj]]:
        records = [self._found(type_, str(one["id"]), str(one.get("idProperty") or "")) for one in inputs]
        pairs = [(record, one) for record, one in zip(records, inputs, strict=True) if record is not None]
        by_input = {id(one): record for record, one in pairs}
        missing = [str(one["id"]) for record, one in zip(records, inputs, strict=True) if record is None]
        status, rows, errors = self._each(
            200, type_, [one for _, one in pairs], lambda one: self.shown(self.world.update(type_, by_input[id(one)].id, _properties(one)))
        )
        return status, rows, [*errors, *([_missing(type_, missing)] if missing else [])]

    def _upsert(self, type_: Type, inputs: list[Obj], _body: Obj) -> tuple[int, list[Obj], list[Obj]]:
        def upsert(one: Obj) -> Obj:
            by, value = str(one.get("idProperty") or "hs_object_id"), str(one["id"])
            known = self._found(type_, value, by)
            given = {by: value, **_properties(one)} if by != "hs_object_id" else _properties(one)
            record = self.world.create(type_, given) if known is None else self.world.update(type_, known.id, _properties(one))
            return {**self.shown(record), "new": known is None}

        return self._each(200, type_, inputs, upsert)

    def _each(self, status: int, type_: Type, inputs: list[Obj], do: Callable[[Obj], Obj]) -> tuple[int, list[Obj], list[Obj]]:
        """Do something for each input: a value that is wrong has all refused, before anything is written, or, of traced ones, its own."""
        traces = [str(one.get("objectWriteTraceId") or "") for one in inputs]
        if not self.is_split_by_trace or not all(traces) or len(set(traces)) < len(traces):
            for one in inputs:
                self.world.check(type_, _properties(one))
            return status, [do(one) for one in inputs], []
        rows, errors = [], []
        for trace, one in zip(traces, inputs, strict=True):
            try:
                rows.append({**do(one), "objectWriteTraceId": trace})
            except HubspotError as error:
                told = {"links": {}, "errors": [], **error.body}
                errors.append({**told, "context": {"objectWriteTraceId": [trace]}})
        return status, rows, errors

    def _archive(self, type_: Type, inputs: list[Obj], _body: Obj) -> tuple[int, list[Obj], list[Obj]]:
        for one in inputs:
            self.world.archive(type_, str(one["id"]))
        return 204, [], []

    def _ends(self, type_: Type, other: Type, id: str, after: int) -> Obj:
        known = self.world.associated(type_, id, other)
        rows = sorted(known, key=int)[after : after + LINKS_MAX]
        plain, primary = ASSOCIATIONS.get((type_.path, other.path), (0, 0))
        to = [
            {
                "toObjectId": end,
                "associationTypes": [
                    *([{"category": "HUBSPOT_DEFINED", "typeId": primary, "label": self.primary_label}] if known[end] and primary else []),
                    {"category": "HUBSPOT_DEFINED", "typeId": plain, "label": None},
                    *self.world.labels.of(type_, self.world.resolve(type_, id), other, end),
                ],
            }
            for end in rows
        ]
        found: Obj = {"from": {"id": self.world.resolve(type_, id)}, "to": to}
        if len(known) > after + LINKS_MAX:
            found["paging"] = {"next": {"after": str(after + LINKS_MAX)}}
        return found if to else {}

    def _change_link(self, type_: Type, other: Type, what: str, one: Obj) -> None:
        ends = one["to"] if isinstance(one["to"], list) else [one["to"]]
        for end in ends:
            if what == "archive":
                self.world.dissociate(type_, str(one["from"]["id"]), other, str(end["id"]))
            else:
                self.world.mark(type_, str(one["from"]["id"]), other, str(end["id"]), _type_ids(one.get("types") or []))


def _properties(body: Obj) -> Obj:
    found = body.get("properties")
    if not isinstance(found, dict):
        raise malformed("properties is required")
    return found


def _type_ids(specs: list[Obj]) -> list[int]:
    return [int(one["associationTypeId"]) for one in specs]


def _names(value: Any) -> list[str]:
    return [one for one in str(value).split(",") if one] if value else []


def _is_true(query: Obj, name: str) -> bool:
    return str(query.get(name, "")).lower() == "true"


def _number(query: Obj, name: str, default: int) -> int:
    try:
        return int(query.get(name) or default)
    except ValueError:
        raise malformed(f"{name} must be a number") from None


def _missing(type_: Type, ids: list[str]) -> Obj:
    message = f"Could not get some {type_.name.upper()} objects, they may be deleted or not exist. Check that ids are valid."
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}, "errors": [], "links": {}}


def _no_links(type_: Type, other: Type, id: str) -> Obj:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {other.name} is associated with {type_.name} {id}.",
        "context": {"fromObjectId": [id], "fromObjectType": [type_.name], "toObjectType": [other.name]},
        "errors": [],
        "links": {},
    }
