"""Many statuses as one load job of Bulk API 2.0: a table is uploaded, closed, waited for; what was refused is told of each record.

Nothing is written before a job is closed. From then on what got no answer may be done: whoever looks waits until no job of the hub's is
under way. https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/walkthrough_upload_data.htm
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, TransientError

from . import tables
from .api import Api
from .bulk import COMPLETE, UNFINISHED
from .client import user_of
from .refs import to_18
from .refusals import NOUNS, RecordRefusal, refused
from .shown import BY_NAME
from .wire import Row

WAIT_S, WAIT_MAX_S = 0.25, 2.0
WAITED_MAX_S = 900.0
"""How long a job is waited for by the one who began it; later by whoever looks what became of it."""
ABANDONED = timedelta(minutes=1)
"""A job that nobody closed by then is aborted: whoever began it got no answer, or is gone."""
PAGES_MAX = 20


class Load(msgspec.Struct, frozen=True):
    """A load job as it stands."""

    id: str
    state: str = ""
    object: str = ""
    createdById: str = ""
    createdDate: str = ""


class Loads(msgspec.Struct, frozen=True):
    """A page of the list of load jobs."""

    records: tuple[Load, ...] = ()
    nextRecordsUrl: str | None = None


async def load(ctx: Context, name: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, RecordRefusal]:
    """Write changes of records of one type, by their ids, as one job; return what was not taken, and why.

    Raises TransientError (in doubt once the job may have been closed), SetupError.
    """
    api = Api(ctx)
    given = {"object": name, "operation": "update", "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA"}
    job = api.decoded(await api.write("POST", "/jobs/ingest", given), Load).id
    table = tables.written(["Id", *BY_NAME], ({"Id": id, **values} for id, values in changes.items()))
    await ctx.http.request(
        "PUT", f"{api.root}/jobs/ingest/{job}/batches", data=table, headers={"Content-Type": "text/csv"}, is_write=True, content_type=""
    )
    try:
        await api.write("PATCH", f"/jobs/ingest/{job}", {"state": "UploadComplete"})
    except RejectedError as error:
        raise TransientError(f"load job {job} was aborted before it was closed", code="salesforce.job_under_way") from error
    try:
        state = await _ended(ctx, api, job)
        return await _problems(ctx, name, job, state)
    except HubError as error:
        error.is_outcome_unknown = True
        raise


async def _ended(ctx: Context, api: Api, job: str) -> str:
    """Wait for a job to end and return how it did. Raises TransientError if it takes too long."""
    waited, wait_s = 0.0, WAIT_S
    while True:
        state = api.decoded(await api.get(f"/jobs/ingest/{job}"), Load).state
        if state not in UNFINISHED:
            return state
        if waited >= WAITED_MAX_S:
            raise TransientError(
                f"load job {job} has not ended after {WAITED_MAX_S:.0f} s", code="salesforce.job_under_way", retry_after_s=60.0
            )
        await asyncio.sleep(wait_s)
        waited, wait_s = waited + wait_s, min(wait_s * 2, WAIT_MAX_S)


async def _problems(ctx: Context, name: str, job: str, state: str) -> dict[str, RecordRefusal]:
    """Return what a job that ended did not take."""
    failed = await _table(ctx, job, "failedResults")
    problems = {to_18(row.get("Id", "")): _refused(name, row) for row in failed}
    if state != COMPLETE:
        for row in await _table(ctx, job, "unprocessedrecords"):
            id = to_18(row.get("Id", ""))
            message = f"{NOUNS[name].one} {id}: load job {job} ended {state} before it"
            problems[id] = RecordRefusal(code="salesforce.not_now", message=message, is_to_be_tried_again=True)
    return problems


def _refused(name: str, row: Row) -> RecordRefusal:
    """Return why one record was not taken: ``CODE:words:fields --``."""
    code, _, rest = row.get("sf__Error", "").partition(":")
    words, _, fields = rest.rpartition(":")
    shown = (
        f"{code} «{words[:200]}»" if code == "FIELD_CUSTOM_VALIDATION_EXCEPTION" else f"{code} {fields.removesuffix('--').strip()}".strip()
    )
    return refused(name, to_18(row.get("Id", "")), code, shown)


async def _table(ctx: Context, job: str, what: str) -> list[Row]:
    answer = await ctx.http.request(
        "GET", f"{Api(ctx).root}/jobs/ingest/{job}/{what}", headers={"Accept": "text/csv"}, content_type="csv", is_write=False
    )
    if answer.status == 404:
        raise TransientError(f"{answer.where}: Salesforce does not know the job any more", code="salesforce.job_under_way")
    try:
        return tables.read(answer.body)
    except ValueError as error:
        raise TransientError(f"{answer.where}: {error}", code="salesforce.answer_shape") from error


async def is_under_way(ctx: Context, name: str) -> bool:
    """Tell whether a load job of the hub's user may still write records of a type. Raises TransientError, SetupError."""
    api, user = Api(ctx), await user_of(ctx)
    now, path = ctx.clock.now(), "/jobs/ingest"
    answer = await api.get(path)
    for _ in range(PAGES_MAX):
        page = api.decoded(answer, Loads)
        own = [one for one in page.records if one.object == name and to_18(one.createdById) == user and one.state in UNFINISHED]
        for one in own:
            if one.state != "Open" or now - _made_at(one, now) < ABANDONED or not await _aborted(api, one):
                return True
        if not page.nextRecordsUrl:
            return False
        answer = await ctx.http.request("GET", page.nextRecordsUrl, is_write=False)
    return False


async def _aborted(api: Api, job: Load) -> bool:
    """Abort a job that was never closed, so that it never will be; tell whether that is so."""
    try:
        await api.write("PATCH", f"/jobs/ingest/{job.id}", {"state": "Aborted"})
    except RejectedError:
        return False  # it was closed meanwhile
    return True


def _made_at(job: Load, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(job.createdDate)
    except ValueError:
        return now
    return found if found.tzinfo else now
