"""The calls on one org. All but ``write`` leave it as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import Response

from .refs import naming_fields
from .wire import FIELDS, OPTIONAL, Description, FieldDefinition, QueryPage, Row, flat

T = TypeVar("T")

PAGES_MAX = 500
"""Pages of one query that are followed."""
FIELDS_KEPT_S = 600.0
"""How long a process goes by what it knows of an org's fields; an error about one has them looked at again."""
_LAST_ASKED = "salesforce.last_asked"


def asked_at(ctx: Context) -> datetime:
    """Return now, but later than every instant given to this process before: two states of one record never claim the same instant."""
    at = ctx.clock.now()
    last = ctx.state.get(_LAST_ASKED)
    if isinstance(last, datetime) and at <= last:
        at = last + timedelta(microseconds=1)
    ctx.state[_LAST_ASKED] = at
    return at


class Api:
    """The calls on one org."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.root = f"/services/data/v{ctx.settings.api_version}"

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Response:
        """Return the answer of a read; ``path`` begins behind the version. Raises TransientError, SetupError."""
        return await self._ctx.http.request("GET", self.root + path, params=params, is_write=False)

    async def post(self, path: str, body: Mapping[str, Any]) -> Response:
        """Return the answer of a read that is posted. Raises TransientError, SetupError."""
        return await self._ctx.http.request("POST", self.root + path, json=body, is_write=False)

    async def write(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
        """Return the answer of a write that may be sent twice: the same values are the same.

        Raises TransientError, SetupError, RejectedError: the values are refused.
        """
        return await self._ctx.http.request(method, self.root + path, json=body, headers=headers, is_write=True, is_idempotent=True)

    async def page(self, query: str, *, with_deleted: bool = True) -> QueryPage:
        """Return the first page of a query, also of what is deleted and merged. Raises TransientError, SetupError."""
        answer = await self.get("/queryAll" if with_deleted else "/query", [("q", query)])
        return self._page(answer)

    async def rows(self, query: str, *, with_deleted: bool = True) -> list[Row]:
        """Return all rows of a query. Raises TransientError, SetupError."""
        return [flat(one) for one in await self.records(query, with_deleted=with_deleted)]

    async def records(self, query: str, *, with_deleted: bool = True) -> list[dict[str, Any]]:
        """Return all records of a query, as JSON has them. Raises TransientError, SetupError."""
        page = await self.page(query, with_deleted=with_deleted)
        return await self.rest_of(page)

    async def rest_of(self, page: QueryPage) -> list[dict[str, Any]]:
        """Return the records of a page and of all that follow. Raises TransientError, SetupError."""
        found = list(page.records)
        for _ in range(PAGES_MAX):
            if page.done:
                return found
            page = self._page(await self._ctx.http.request("GET", page.nextRecordsUrl, is_write=False))
            found += page.records
        raise TransientError(f"a query did not end within {PAGES_MAX} pages", code="salesforce.endless_list")

    def _page(self, answer: Response) -> QueryPage:
        try:
            page = msgspec.convert(answer.json(), QueryPage)
        except msgspec.ValidationError as error:
            raise TransientError(f"{answer.where}: the answer has another shape: {error}", code="salesforce.answer_shape") from error
        if not page.done and not page.nextRecordsUrl.startswith("/services/data/"):
            raise TransientError(f"{answer.where}: the answer does not say where it goes on", code="salesforce.answer_shape")
        return page

    def objects(self, answer: Response) -> tuple[dict[str, Any] | None, ...]:
        """Return an answer that is a list of records, with null for each that is not there. Raises TransientError if it is none."""
        try:
            return msgspec.convert(answer.json(), tuple[dict[str, Any] | None, ...])
        except msgspec.ValidationError as error:
            raise TransientError(f"{answer.where}: the answer has another shape: {error}", code="salesforce.answer_shape") from error

    def decoded(self, answer: Response, type_: type[T]) -> T:
        """Return an answer as a type. Raises TransientError if it is of another shape."""
        try:
            return msgspec.json.decode(answer.body, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TransientError(f"{answer.where}: the answer has another shape: {error}", code="salesforce.answer_shape") from error

    # Fields

    async def described(self, name: str) -> dict[str, FieldDefinition]:
        """Return the fields of a type that the integration user may see, by name. Raises TransientError, SetupError."""
        answer = await self.get(f"/sobjects/{name}/describe")
        return {one.name: one for one in self.decoded(answer, Description).fields}

    async def fields(self, name: str) -> tuple[str, ...]:
        """Return the fields of a type that are read: those every org has, those of the settings, and others where this org has them.

        Raises SetupError naming one that is gone or hidden: what it says would be taken for empty.
        """
        known = await self._known(name)
        own = tuple(naming_fields(self._ctx.settings, name))
        if missing := [field for field in (*FIELDS[name], *own) if field not in known]:
            message = f"{name} has no field {', '.join(missing)}, or the integration user may not see it"
            remedy = "Make it visible to the user, or, if it was deleted and stands in customer_ids or deal_documents, take it out of there"
            raise SetupError(f"{message}. {remedy}", code="salesforce.field_missing")
        return tuple(dict.fromkeys((*FIELDS[name], *own, *(field for field in OPTIONAL.get(name, ()) if field in known))))

    async def _known(self, name: str) -> dict[str, FieldDefinition]:
        key, now = f"salesforce.fields.{name}", self._ctx.clock.now()
        kept = self._ctx.state.get(key)
        if kept is not None and timedelta(0) <= now - kept[0] < timedelta(seconds=FIELDS_KEPT_S):
            return dict(kept[1])
        found = await self.described(name)
        self._ctx.state[key] = (now, found)
        return found

    def forget_fields(self) -> None:
        """Have all fields looked at again."""
        for key in [key for key in self._ctx.state if key.startswith("salesforce.fields.")]:
            del self._ctx.state[key]
