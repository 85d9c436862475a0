"""Several calls in one: collections of 200 records, composite and batch of 25. The answer is 200 whatever became of each.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite.htm
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import SalesforceError, malformed, not_found
from .rest import Answer, Call, Rest
from .world import Transaction

Obj = dict[str, Any]

COLLECTION_MAX = 200
RETRIEVE_MAX = 2_000
PARTS_MAX = 25
_NAMED = re.compile(r"@\{(\w+)\.([\w.\[\]]+)\}")


class Composite:
    """Composite calls on one org."""

    def __init__(self, rest: Rest, answer: Callable[[Call], Answer]) -> None:
        self._rest = rest
        self._world = rest.world
        self._answer = answer

    def answer(self, call: Call) -> Answer:
        """Answer a call. Raises SalesforceError."""
        match (call.method, call.parts):
            case ("POST", ("composite",)):
                return self._composite(call)
            case ("POST", ("composite", "batch")):
                return self._batch(call)
            case ("POST" | "PATCH" as method, ("composite", "sobjects")):
                return self._collection(call, self._create if method == "POST" else self._update)
            case ("PATCH", ("composite", "sobjects", name, field_name)):
                return self._collection(call, lambda row: self._upsert(name, field_name, row))
            case ("DELETE", ("composite", "sobjects")):
                rows = [{"id": id} for id in call.query.get("ids", "").split(",")]
                is_whole = call.query.get("allOrNone") == "true"
                return self._collection(Call("DELETE", call.version, (), body={"records": rows, "allOrNone": is_whole}), self._delete)
            case ("POST", ("composite", "sobjects", name)):
                return self._retrieved(call, name)
        raise not_found()

    # Collections

    def _collection(self, call: Call, write: Callable[[Obj], Obj]) -> Answer:
        rows = call.values.get("records")
        if not isinstance(rows, list) or not 0 < len(rows) <= COLLECTION_MAX:
            raise SalesforceError(400, "INVALID_INPUT", f"Maximum number of {COLLECTION_MAX} records can be submitted in a single request.")
        with self._whole(call, is_whole=bool(call.values.get("allOrNone"))) as undo:
            results = [self._result(write, row) for row in rows]
            failed = [one for one in results if not one["success"]]
            if failed and undo():
                rolled = SalesforceError(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid")
                results = [one if not one["success"] else rolled.result for one in results]
        return Answer(200, results)

    def _result(self, write: Callable[[Obj], Obj], row: Any) -> Obj:
        try:
            if not isinstance(row, dict):
                raise malformed("a record must be an object")
            return write(row)
        except SalesforceError as error:
            id = row.get("id") or row.get("Id") if isinstance(row, dict) else None
            return {**({"id": id} if id else {}), **error.result}

    def _type(self, row: Obj) -> str:
        attributes = row.get("attributes")
        if not isinstance(attributes, dict) or "type" not in attributes:
            raise SalesforceError(400, "INVALID_TYPE", "Could not find type value of the sobject in the record")
        return self._world.type_of(str(attributes["type"]), "INVALID_TYPE").name

    def _create(self, row: Obj) -> Obj:
        return {"id": self._world.create(self._type(row), row).id, "success": True, "errors": []}

    def _update(self, row: Obj) -> Obj:
        id = str(row.get("id") or row.get("Id") or "")
        if not id:
            raise SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call")
        return {"id": self._world.update(self._type(row), id, row).id, "success": True, "errors": []}

    def _upsert(self, name: str, field_name: str, row: Obj) -> Obj:
        type_ = self._world.type_of(name)
        if self._type(row) != type_.name:
            raise SalesforceError(400, "INVALID_TYPE", "the type of a record is not the one of the address")
        value = row.get(field_name)
        if value in (None, ""):
            raise SalesforceError(400, "MISSING_ARGUMENT", f"{field_name} not specified")
        found = self._rest.with_value(type_, field_name, value)
        if len(found) > 1:
            raise SalesforceError(400, "DUPLICATE_EXTERNAL_ID", f"{field_name}: more than one record found for external id field")
        if found:
            return {"id": self._world.update(type_.name, found[0].id, row).id, "success": True, "errors": [], "created": False}
        return {"id": self._world.create(type_.name, row).id, "success": True, "errors": [], "created": True}

    def _delete(self, row: Obj) -> Obj:
        record = self._world.records.get(str(row["id"]))
        if record is None:
            raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
        self._world.delete(record.type, record.id)
        return {"id": record.id, "success": True, "errors": []}

    def _retrieved(self, call: Call, name: str) -> Answer:
        ids, fields = call.values.get("ids"), call.values.get("fields")
        if not isinstance(ids, list) or not isinstance(fields, list) or len(ids) > RETRIEVE_MAX:
            raise malformed("ids and fields are needed")
        found = []
        for id in ids:
            try:
                one = Call("GET", call.version, ("sobjects", name, str(id)), {"fields": ",".join(map(str, fields))})
                found.append(self._answer(one).body)
            except SalesforceError as error:
                if error.status != 404:
                    raise
                found.append(None)
        return Answer(200, found)

    # Composite and batch

    def _composite(self, call: Call) -> Answer:
        parts = call.values.get("compositeRequest")
        if not isinstance(parts, list) or not 0 < len(parts) <= PARTS_MAX:
            raise SalesforceError(400, "INVALID_INPUT", f"Limit of {PARTS_MAX} subrequests exceeded")
        known: Obj = {}
        with self._whole(call, is_whole=bool(call.values.get("allOrNone"))) as undo:
            answers = [self._part(call, part, known) for part in parts]
            if any(one["httpStatusCode"] >= 400 for one in answers) and undo():
                words = "The transaction was rolled back since another operation in the same transaction failed."
                halted = [{"errorCode": "PROCESSING_HALTED", "message": words}]
                answers = [
                    one if one["httpStatusCode"] >= 400 else {**one, "body": halted, "httpHeaders": {}, "httpStatusCode": 400}
                    for one in answers
                ]
        return Answer(200, {"compositeResponse": answers})

    def _part(self, call: Call, part: Obj, known: Obj) -> Obj:
        reference = str(part.get("referenceId"))
        try:
            text = _NAMED.sub(lambda one: _looked_up(known, one[1], one[2]), json.dumps([part["url"], part.get("body")]))
            url, body = json.loads(text)
            answer = self._answer(call.at(url, str(part["method"]), body))
        except SalesforceError as error:
            answer = Answer(error.status, error.body)
        known[reference] = answer.body
        return {"body": answer.body, "httpHeaders": dict(answer.headers), "httpStatusCode": answer.status, "referenceId": reference}

    def _batch(self, call: Call) -> Answer:
        parts = call.values.get("batchRequests")
        if not isinstance(parts, list) or not 0 < len(parts) <= PARTS_MAX:
            raise SalesforceError(400, "INVALID_INPUT", f"Limit of {PARTS_MAX} subrequests exceeded")
        results, has_failed = [], False
        for part in parts:
            try:
                answer = self._answer(call.at(str(part["url"]), str(part["method"]), part.get("richInput")))
                results.append({"statusCode": answer.status, "result": answer.body})
            except SalesforceError as error:
                has_failed = True
                results.append({"statusCode": error.status, "result": error.body})
        return Answer(200, {"hasErrors": has_failed, "results": results})

    @contextmanager
    def _whole(self, call: Call, *, is_whole: bool) -> Iterator[Callable[[], bool]]:
        """Do all as one transaction; what is given undoes all of it, if all or none was asked for."""
        before = copy.deepcopy(self._world.records) if is_whole else None
        with self._world.acting(self._world.user_id, self._rest.origin(call)) as by:
            yield lambda: self._undo(before, by)

    def _undo(self, before: Any, by: Transaction) -> bool:
        if before is None:
            return False
        self._world.records = before
        by.changes.clear()
        return True


def _looked_up(known: Obj, reference: str, path: str) -> str:
    found = known.get(reference)
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if found is None:
        raise SalesforceError(400, "PROCESSING_HALTED", f"Invalid reference specified. No value for {reference}.{path} found")
    return str(found)
