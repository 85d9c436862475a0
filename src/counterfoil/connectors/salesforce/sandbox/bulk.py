"""Bulk API 2.0: queries as jobs with results by locator, and tables of records that are written as a job.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0.htm
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import tables
from .errors import SalesforceError, not_found
from .ids import make_id
from .query import Answers
from .rest import Answer, Call, Rest
from .schema import SObject
from .world import stamp

Obj = dict[str, Any]

CHUNK = 200
"""Rows that are written in one transaction."""
UPLOAD_MAX = 150_000_000
CSV = {"Content-Type": "text/csv; charset=UTF-8"}
OPERATIONS = ("insert", "update", "upsert", "delete")
NULL = "#N/A"


@dataclass
class Job:
    """One job. ``given``: what it was made of; ``table``: of a query its results, of a load what is to be written; ``by``: another user."""

    id: str
    given: Obj
    created_ms: int
    state: str
    columns: list[str] = field(default_factory=list)
    table: list[list[str]] = field(default_factory=list)
    text: str | None = None
    begins_at: float = 0.0
    message: str = ""
    done: list[tuple[list[str], str, bool]] = field(default_factory=list)
    failed: list[tuple[list[str], str, str]] = field(default_factory=list)
    processed: int = 0
    by: str = ""

    @property
    def is_query(self) -> bool:
        """Whether it reads."""
        return "query" in self.given

    def shown(self, version: str, user_id: str) -> Obj:
        """Return it as the API does."""
        what = "query" if self.is_query else "ingest"
        known: Obj = {
            "id": self.id,
            **{key: value for key, value in self.given.items() if key != "query"},
            "createdById": self.by or user_id,
            "createdDate": stamp(self.created_ms),
            "systemModstamp": stamp(self.created_ms),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version),
            "jobType": "V2Query" if self.is_query else "V2Ingest",
            "lineEnding": self.given.get("lineEnding", "LF"),
            "columnDelimiter": self.given.get("columnDelimiter", "COMMA"),
        }
        if not self.is_query:
            known["contentUrl"] = f"services/data/v{version}/jobs/{what}/{self.id}/batches"
            known |= {"numberRecordsProcessed": self.processed, "numberRecordsFailed": len(self.failed), "retries": 0}
        else:
            known["numberRecordsProcessed"] = len(self.table) if self.state == "JobComplete" else 0
        return {**known, "errorMessage": self.message} if self.message else known


@dataclass
class Pace:
    """How jobs go on.

    ``job_s``: how long one takes at least; ``rows_per_s``: how many rows all of them together read or write in a second, one job after the
    other (0: all at once). ``is_held``: jobs stand still. ``fails``: so many of the next fail. ``results_max``: rows of one page of results
    at most.
    """

    job_s: float = 0.0
    rows_per_s: int = 0
    is_held: bool = False
    fails: int = 0
    results_max: int = 100_000


class Bulk:
    """The jobs of one org."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._world = rest.world
        self.jobs: dict[str, Job] = {}
        self.pace = Pace()
        self.now: Callable[[], float] = time.monotonic
        self._busy_until = 0.0

    def answer(self, call: Call) -> Answer:
        """Answer a call. Raises SalesforceError."""
        match (call.method, call.parts[1:]):
            case ("POST", ("query",)):
                return Answer(200, self._shown(call, self._queried(call)))
            case ("POST", ("ingest",)):
                return Answer(200, self._shown(call, self._begun(call)))
            case ("GET", ("query" | "ingest" as what,)):
                found = [one for one in self.jobs.values() if one.is_query == (what == "query")]
                return Answer(
                    200, {"done": True, "records": [self._shown(call, self._settled(one)) for one in found], "nextRecordsUrl": None}
                )
            case ("GET", ("query", id, "results")):
                return self._results(call, self._job(id))
            case ("GET", ("ingest", id, what)):
                return self._outcomes(self._job(id), what)
            case ("PUT", ("ingest", id, "batches")):
                return self._uploaded(call, self._job(id))
            case (method, ("query" | "ingest", id)):
                return self._one(call, method, self._job(id))
        raise not_found()

    def _job(self, id: str) -> Job:
        found = self.jobs.get(id)
        if found is None:
            raise not_found("The requested resource does not exist")
        return self._settled(found)

    def _shown(self, call: Call, job: Job) -> Obj:
        return job.shown(call.version, self._world.user_id)

    def _one(self, call: Call, method: str, job: Job) -> Answer:
        match method:
            case "GET":
                return Answer(200, self._shown(call, job))
            case "DELETE":
                if job.state not in ("JobComplete", "Failed", "Aborted"):
                    raise SalesforceError(400, "INVALIDJOBSTATE", "Job must be in a final state to be deleted")
                del self.jobs[job.id]
                return Answer(204)
            case "PATCH":
                wanted = call.values.get("state")
                is_open = job.state == "Open"
                if wanted == "UploadComplete" and is_open and job.text is not None:
                    job.state = "UploadComplete"
                    self._queue(job)
                elif wanted == "Aborted" and job.state in ("Open", "UploadComplete", "InProgress"):
                    job.state = "Aborted"
                else:
                    raise SalesforceError(400, "INVALIDJOBSTATE", f"Transition from {job.state} to {wanted} is not allowed")
                return Answer(200, self._shown(call, job))
        raise SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed")

    def _made(self, given: Mapping[str, Any], state: str) -> Job:
        if given.get("columnDelimiter", "COMMA") not in tables.DELIMITERS or given.get("lineEnding", "LF") not in tables.LINE_ENDINGS:
            raise SalesforceError(400, "INVALIDJOB", "columnDelimiter or lineEnding is none of those there are")
        job = Job(make_id("750", len(self.jobs) + 1), dict(given), self._world.tick(), state)
        self.jobs[job.id] = job
        return job

    # Progress

    def _queue(self, job: Job) -> None:
        """Let a job begin once those before it have ended."""
        job.begins_at = max(self.now(), self._busy_until)
        self._busy_until = job.begins_at + self._takes_s(job)

    def _takes_s(self, job: Job) -> float:
        rows = len(job.table) if job.is_query else (job.text or "").count("\n")
        return rows / self.pace.rows_per_s if self.pace.rows_per_s else 0.0

    def _settled(self, job: Job) -> Job:
        """Let a job go on as far as its time has come."""
        if job.state not in ("UploadComplete", "InProgress") or self.pace.is_held:
            return job
        if self.pace.fails:
            self.pace.fails -= 1
            job.state, job.message = "Failed", "InternalServerError : the job failed for no reason of yours"
            return job
        if self.now() < job.begins_at + self.pace.job_s + self._takes_s(job):
            job.state = "InProgress"
        elif job.is_query:
            job.state = "JobComplete"
        else:
            self._written(job)
        return job

    # Queries

    def _queried(self, call: Call) -> Job:
        given = call.values
        if given.get("operation") not in ("query", "queryAll"):
            raise SalesforceError(400, "INVALIDJOB", "operation must be query or queryAll")
        query, rows = Answers(self._world, call.version).run(str(given["query"]), is_all=given["operation"] == "queryAll")
        if query.children or query.is_count:
            raise SalesforceError(400, "API_ERROR", "Nested queries and aggregates are not supported by the Bulk API")
        job = self._made({**given, "object": query.source}, "UploadComplete")
        job.columns = list(query.fields)
        job.table = [[_value_of(row, name) for name in query.fields] for row in rows]
        self._queue(job)
        return job

    def _results(self, call: Call, job: Job) -> Answer:
        if job.state != "JobComplete":
            raise SalesforceError(400, "INVALIDJOBSTATE", "the job is not complete")
        locator = call.query.get("locator", "")
        start = int(base64.b64decode(locator + "=" * (-len(locator) % 4))) if locator else 0
        end = start + min(int(call.query.get("maxRecords", self.pace.results_max)), self.pace.results_max)
        page, rest = job.table[start:end], job.table[end:]
        following = base64.b64encode(str(end).encode()).decode().rstrip("=") if rest else "null"
        delimiter, line_ending = job.given.get("columnDelimiter", "COMMA"), job.given.get("lineEnding", "LF")
        text = tables.written(job.columns, page, delimiter, line_ending)
        return Answer(200, text, {**CSV, "Sforce-Locator": following, "Sforce-NumberOfRecords": str(len(page))})

    # Loads

    def _begun(self, call: Call) -> Job:
        given = call.values
        type_ = self._world.type_of(str(given.get("object") or ""), "INVALID_TYPE")
        if given.get("operation") not in OPERATIONS or given.get("contentType", "CSV") != "CSV":
            raise SalesforceError(400, "INVALIDJOB", f"operation must be one of {', '.join(OPERATIONS)}, contentType CSV")
        if given["operation"] == "upsert":
            self._rest.with_value(type_, str(given.get("externalIdFieldName") or ""), "")
        return self._made({**given, "object": type_.name}, "Open")

    def _uploaded(self, call: Call, job: Job) -> Answer:
        if job.state != "Open" or job.text is not None:
            raise SalesforceError(400, "INVALIDJOBSTATE", f"a job that is {job.state}, or was uploaded to, takes no data")
        if not isinstance(call.body, str) or not call.body or len(call.body.encode()) > UPLOAD_MAX:
            raise SalesforceError(400, "INVALIDJOB", "the data must be CSV of at most 150 MB")
        job.text = call.body
        return Answer(201)

    def _written(self, job: Job) -> None:
        type_ = self._world.types[job.given["object"]]
        try:
            job.columns, job.table = tables.read(job.text or "", job.given.get("columnDelimiter", "COMMA"))
            for name in job.columns:
                if type_.find(name) is None:
                    raise ValueError(f"InvalidBatch : Field name not found : {name}")
        except ValueError as error:
            job.state, job.message = "Failed", str(error)
            return
        origin = f"com/salesforce/api/bulk2/{job.given.get('apiVersion', '')};client=hub"
        for start in range(0, len(job.table), CHUNK):
            with self._world.acting(self._world.user_id, origin):
                for row in job.table[start : start + CHUNK]:
                    self._write(job, type_, row)
        job.state, job.processed = "JobComplete", len(job.table)

    def _write(self, job: Job, type_: SObject, row: list[str]) -> None:
        values = {
            name: None if text == NULL else _typed(type_, name, text) for name, text in zip(job.columns, row, strict=True) if text != ""
        }
        try:
            id, is_new = self._saved(job, type_, values)
            job.done.append((row, id, is_new))
        except SalesforceError as error:
            job.failed.append((row, str(values.get("Id") or ""), f"{error.code}:{error}:{','.join(error.fields)} --"))

    def _saved(self, job: Job, type_: SObject, values: Obj) -> tuple[str, bool]:
        operation = job.given["operation"]
        id = str(values.pop("Id", "") or "")
        if operation == "insert":
            return self._world.create(type_.name, values).id, True
        if operation == "delete":
            self._world.delete(type_.name, id)
            return id, False
        if operation == "upsert":
            name = str(job.given["externalIdFieldName"])
            if not values.get(name):
                raise SalesforceError(400, "MISSING_ARGUMENT", f"{name} not specified")
            found = self._rest.with_value(type_, name, values[name])
            if len(found) > 1:
                raise SalesforceError(400, "DUPLICATE_EXTERNAL_ID", f"{name}: more than one record found for external id field")
            if not found:
                return self._world.create(type_.name, values).id, True
            id = found[0].id
        if not id:
            raise SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call")
        return self._world.update(type_.name, id, values).id, False

    def _outcomes(self, job: Job, what: str) -> Answer:
        delimiter, line_ending = job.given.get("columnDelimiter", "COMMA"), job.given.get("lineEnding", "LF")
        if job.state not in ("JobComplete", "Failed", "Aborted"):
            raise SalesforceError(400, "INVALIDJOBSTATE", "the job is not complete")
        match what.lower():
            case "successfulresults":
                rows = [[id, "true" if is_new else "false", *row] for row, id, is_new in job.done]
                return Answer(200, tables.written(["sf__Id", "sf__Created", *job.columns], rows, delimiter, line_ending), CSV)
            case "failedresults":
                rows = [[id, why, *row] for row, id, why in job.failed]
                return Answer(200, tables.written(["sf__Id", "sf__Error", *job.columns], rows, delimiter, line_ending), CSV)
            case "unprocessedrecords":
                columns, table = tables.read(job.text, delimiter) if job.text and job.state in ("Aborted", "Failed") else (job.columns, [])
                return Answer(200, tables.written(columns, table, delimiter, line_ending), CSV)
        raise not_found()


def _value_of(row: Obj, name: str) -> str:
    value: Any = row
    for step in name.split("."):
        value = next((inner for key, inner in value.items() if key.lower() == step.lower()), None) if isinstance(value, dict) else None
    return tables.shown(value)


def _typed(type_: SObject, name: str, text: str) -> Any:
    field = type_.find(name)
    return text.lower() == "true" if field is not None and field.type == "boolean" else text
