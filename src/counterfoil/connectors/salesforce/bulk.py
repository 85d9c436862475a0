"""Bulk API 2.0: query jobs, whose results are read page by page, by locator.

A query job changes nothing: one whose answer was lost is made again. Jobs and their results are kept for seven days.
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.http import Response

from . import tables
from .api import Api
from .wire import Row, plain

UNFINISHED = frozenset({"Open", "UploadComplete", "InProgress"})
COMPLETE = "JobComplete"
GONE = "Gone"
"""Said of a job that Salesforce does not know any more."""
_LOCATOR, _COUNT = "Sforce-Locator", "Sforce-NumberOfRecords"


class Job(msgspec.Struct, frozen=True):
    """A job as it stands."""

    id: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """A page of a query's results. ``locator``: where they go on; empty: they have ended."""

    rows: tuple[Row, ...]
    locator: str


async def begin(ctx: Context, query: str) -> str:
    """Begin a query job and return its id. Raises TransientError, SetupError."""
    api = Api(ctx)
    body = {"operation": "query", "query": query, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"}
    answer = await ctx.http.request("POST", f"{api.root}/jobs/query", json=body, is_write=False)
    return api.decoded(answer, Job).id


async def state_of(ctx: Context, id: str) -> str:
    """Return how a query job stands. Raises TransientError, SetupError."""
    api = Api(ctx)
    answer = await api.get(f"/jobs/query/{id}")
    return GONE if answer.status == 404 else api.decoded(answer, Job).state


async def results(ctx: Context, id: str, locator: str, rows_max: int) -> Results | None:
    """Return the next page of a complete query job's results; None: Salesforce does not know the job any more.

    Raises TransientError (also if it is not whole), SetupError.
    """
    params = [("maxRecords", str(rows_max)), *([("locator", locator)] if locator else [])]
    answer = await ctx.http.request(
        "GET", f"{Api(ctx).root}/jobs/query/{id}/results", params=params, headers={"Accept": "text/csv"}, content_type="csv", is_write=False
    )
    return None if answer.status == 404 else Results(tuple(_rows(answer)), _locator(answer))


def _rows(answer: Response) -> list[Row]:
    try:
        rows = tables.read(answer.body)
        count = int(answer.headers.get(_COUNT, len(rows)))
    except ValueError as error:
        raise TransientError(f"{answer.where}: {error}", code="salesforce.answer_shape") from error
    if count != len(rows):
        raise TransientError(f"{answer.where}: {len(rows)} rows were read of {count}", code="salesforce.answer_shape")
    return [{name: plain(text) for name, text in row.items()} for row in rows]


def _locator(answer: Response) -> str:
    text = answer.headers.get(_LOCATOR, "").strip()
    return "" if text in ("", "null") else text
