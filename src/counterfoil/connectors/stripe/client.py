"""HTTP with Stripe: the key, the pinned version, one account's GETs, lists page by page, what errors mean. No business meaning."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, StatusRule
from counterfoil.kit.limits import LocalBudget, Verdict

from .config import StripeConfig
from .wire import API_VERSION

PAGE_SIZE = 100
PAGES_MAX = 1_000


class _Refusal(msgspec.Struct, frozen=True):
    type: str = ""
    message: str = ""
    code: str | None = None
    param: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    error: _Refusal = _Refusal()


_ANSWER = msgspec.json.Decoder(_Answer)
_LACKING = re.compile(r"\brak_[a-z_]+|\bacct_[A-Za-z0-9_]+")
"""The permission a restricted key lacks, and the account it is of, in Stripe's words about it."""


def refusal(response: Response) -> _Refusal:
    """Return Stripe's own classification of an error answer, empty if it has none."""
    try:
        return _ANSWER.decode(response.body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Refusal()


def explain(response: Response) -> str:
    """Return type, code, parameter and request id of an error, and of a missing permission its name and the key's account.

    Stripe's message is left out, it may name persons.
    """
    seen = refusal(response)
    lacking = _LACKING.findall(seen.message) if response.status == 403 else ()
    parts = [part for part in (seen.type, seen.code, seen.param and f"parameter {seen.param}", *lacking) if part]
    request_id = response.headers.get("Request-Id", "")
    return " ".join([*parts, *([f"request {request_id}"] if request_id else [])])


def _is_missing(response: Response) -> bool:
    return response.status == 404 or (response.status == 400 and refusal(response).code == "resource_missing")


def _is_retry_asked(response: Response) -> bool:
    return 400 <= response.status < 500 and response.headers.get("Stripe-Should-Retry") == "true"


STATUSES = (
    StatusRule(_is_missing, None, verdict=Verdict.OK),
    StatusRule(401, SetupError, "stripe.key_refused", remedy="Set api_key to a valid key: it is wrong, expired or rolled"),
    StatusRule(403, SetupError, "stripe.permission_missing", remedy="Give the key the read scopes named in the connector's README"),
    StatusRule(409, TransientError, "stripe.lock_timeout", Verdict.NEUTRAL),
    StatusRule(424, TransientError, "stripe.dependency_failed", Verdict.NEUTRAL),
    StatusRule(429, TransientError, "stripe.rate_limited", Verdict.THROTTLED),
    StatusRule(_is_retry_asked, TransientError, "stripe.retry_asked", Verdict.NEUTRAL),
    StatusRule(range(400, 403), SetupError, "stripe.request_refused", remedy="The API may have changed; report this with the request id"),
)
"""What an answer means, beside the kit's own table: https://docs.stripe.com/api/errors, https://docs.stripe.com/rate-limits"""


def client(settings: StripeConfig) -> HttpClient:
    """Return the (unopened) HTTP client of one connection. The key is sent with every request and never appears in a message."""
    pace = settings.pace_per_s
    budget = LocalBudget(rate_per_s=pace, burst=max(int(pace / 4), 1), concurrency_max=settings.concurrency_max)
    return HttpClient(
        settings.base_url,
        budget=budget,
        headers={"Stripe-Version": API_VERSION},
        auth=lambda: {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
        statuses=STATUSES,
        explain=explain,
        pool_size=settings.concurrency_max,
    )


LAST_ASKED = "stripe.last_asked"


def asked_at(ctx: Context) -> datetime:
    """Return now, but later than every instant given to this process before: two states of one object never claim the same instant."""
    at = ctx.clock.now()
    last = ctx.state.get(LAST_ASKED)
    if isinstance(last, datetime) and at <= last:
        at = last + timedelta(microseconds=1)
    ctx.state[LAST_ASKED] = at
    return at


QueryParameters = Sequence[tuple[str, str]]
ListPage = Mapping[str, Any]


class Api:
    """One account's GETs. The same GET twice is made once: an instance lives for one batch and remembers its answers."""

    def __init__(self, ctx: Context, account: str) -> None:
        self.ctx = ctx
        self.account = account
        own = ctx.settings.account
        self._headers = {} if account == own else {"Stripe-Account": account}
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], asyncio.Task[dict[str, Any] | None]] = {}

    async def get(self, path: str, params: QueryParameters = (), *, is_kept: bool = True, version: str = "") -> dict[str, Any] | None:
        """Return one object or list as plain values (fractions as Decimal), None if Stripe does not know it.

        Raises TransientError and SetupError. ``is_kept`` False: asked anew, for lists that grow. ``version``: another than the pinned one,
        for what only that tells.
        """
        headers = {**self._headers, "Stripe-Version": version} if version else self._headers
        if not is_kept:
            return await self._get(path, params, headers)
        key = (path, (*params, ("version", version)))
        task = self._made.get(key)
        if task is None:
            task = asyncio.ensure_future(self._get(path, params, headers))
            self._made[key] = task
        return await asyncio.shield(task)

    async def _get(self, path: str, params: QueryParameters, headers: Mapping[str, str]) -> dict[str, Any] | None:
        response = await self.ctx.http.request("GET", path, params=list(params), headers=headers, is_write=False)
        if _is_missing(response):
            return None
        found = response.json()
        if not isinstance(found, dict):
            raise TransientError(f"{response.where}: the answer is not an object", code="stripe.answer_shape")
        return found

    async def page(self, path: str, params: QueryParameters, after: str = "") -> ListPage:
        """Return one page of a list, the newest objects first, at most 100, after the given id."""
        cursor = [("starting_after", after)] if after else []
        found = await self.get(path, [*params, ("limit", str(PAGE_SIZE)), *cursor], is_kept=False)
        return found if found is not None else {"data": [], "has_more": False}

    async def pages(self, path: str, params: QueryParameters, after: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        """Yield a list page by page. Raises TransientError if it does not end or repeats itself."""
        for _ in range(PAGES_MAX):
            page = await self.page(path, params, after)
            rows = page["data"]
            yield rows
            if not page.get("has_more") or not rows:
                return
            if rows[-1]["id"] == after:
                break
            after = rows[-1]["id"]
        raise TransientError(f"{path}: the list does not end; stopped after {PAGES_MAX} pages", code="stripe.endless_list")

    async def all(self, path: str, params: QueryParameters = (), after: str = "") -> list[dict[str, Any]]:
        """Return a whole list."""
        return [row async for rows in self.pages(path, params, after) for row in rows]


def expand(*fields: str) -> list[tuple[str, str]]:
    """Return the parameters that expand fields: https://docs.stripe.com/api/expanding_objects."""
    return [("expand[]", field) for field in fields]
