"""HTTP with HubSpot: the token, dated paths, searches at their own pace, what answers and headers mean. No business meaning."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.deal import DEAL
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, StatusRule
from counterfoil.kit.limits import Feedback, LocalBudget, Now, Verdict
from counterfoil.kit.rate_headers import RateSeen

from .authorizing import AppClient
from .config import HubspotConfig
from .refs import BATCH_MAX, PATHS
from .wire import PROPERTIES, BatchError, Rows

T = TypeVar("T")

SEARCH_MAX = 200
"""Records of one page of a search: https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm."""

WAITS_S: Mapping[str, float] = {"DAILY": 900.0, "TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0}
"""How long to leave it alone after a 429, by the policy it names; the daily limit ends at midnight of the account's time zone."""
_SEARCHES, _LAST_ASKED = "hubspot.searches", "hubspot.last_asked"


class _Refusal(msgspec.Struct, frozen=True):
    category: str = ""
    subCategory: str = ""
    policyName: str = ""
    correlationId: str = ""


_REFUSAL = msgspec.json.Decoder(_Refusal)


def refusal(response: Response) -> _Refusal:
    """Return HubSpot's own classification of an error answer, empty if it has none."""
    try:
        return _REFUSAL.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Refusal()


def explain(response: Response) -> str:
    """Return category and correlation id of an error. HubSpot's message is left out, it may name persons."""
    seen = refusal(response)
    return " ".join(part for part in (seen.category, seen.subCategory, seen.correlationId and f"correlation {seen.correlationId}") if part)


def _throttled(response: Response) -> TransientError:
    policy = refusal(response).policyName
    wait_s = response.retry_after_s if response.retry_after_s is not None else WAITS_S.get(policy, 10.0)
    return TransientError(
        f"{response.where}: status 429, limit {policy[:40] or 'not named'}",
        code="hubspot.rate_limited",
        retry_after_s=wait_s,
        is_unavailable=True,
    )


class RefusedError(RejectedError):
    """A write that was refused as a whole, with what HubSpot says of it."""

    def __init__(self, message: str, error: BatchError) -> None:
        super().__init__(message, code="hubspot.values_refused")
        self.error = error


def _values_refused(response: Response) -> RejectedError:
    try:
        error = msgspec.json.decode(response.body, type=BatchError)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = BatchError(refusal(response).category)
    return RefusedError(f"{response.where}: status {response.status}. {explain(response)}", error)


STATUSES = (
    StatusRule(404, None, verdict=Verdict.OK),
    StatusRule(lambda response: response.is_write and response.status in (400, 409), _values_refused),
    StatusRule(
        401, SetupError, "hubspot.token_refused", remedy="Set access_token, or refresh_token, anew: it is wrong, expired or revoked"
    ),
    StatusRule(403, SetupError, "hubspot.scope_missing", remedy="Give the token the scopes named in the connector's README"),
    StatusRule(423, TransientError, "hubspot.locked", Verdict.NEUTRAL),
    StatusRule(429, _throttled, verdict=Verdict.THROTTLED),
    StatusRule(477, TransientError, "hubspot.account_moving", Verdict.NEUTRAL),
    StatusRule(
        range(400, 500), SetupError, "hubspot.request_refused", remedy="The API may have changed; report this with the correlation id"
    ),
)
"""What an answer means, beside the kit's own table: https://developers.hubspot.com/docs/api-reference/latest/error-handling"""


def rate_seen(headers: Mapping[str, str], _now_epoch_s: float) -> RateSeen | None:
    """Return what is left of the ten-second limit once it gets short; of searches no header tells.

    A window begins with its first call, and how much of it is over is not told: while a quarter is left there is no reason to slow down.
    """
    limit, remaining = _number(headers, "Max"), _number(headers, "Remaining")
    interval_ms = _number(headers, "Interval-Milliseconds")
    if limit is None or remaining is None or interval_ms is None or remaining > limit / 4:
        return None
    return RateSeen(float(remaining), interval_ms / 1000)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"X-HubSpot-RateLimit-{name}", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def client(settings: HubspotConfig, now: Now = time.monotonic) -> HttpClient:
    """Return the (unopened) HTTP client of one connection. The token is sent with every request and never appears in a message."""
    pace = settings.requests_per_s
    options: dict[str, Any] = {
        "budget": LocalBudget(rate_per_s=pace, burst=max(int(pace), 1), concurrency_max=settings.concurrency_max),
        "statuses": STATUSES,
        "explain": explain,
        "pool_size": settings.concurrency_max,
        "rate_seen": rate_seen,
    }
    key = settings.access_token
    if key is None:
        return AppClient(settings, now, **options)
    return HttpClient(settings.base_url, auth=lambda: {"Authorization": f"Bearer {key.get_secret_value()}"}, **options)


def properties_of(settings: HubspotConfig, kind: str) -> list[str]:
    """Return the properties of a record that are read: also those that name a company's customers, or what was billed of a deal."""
    naming = {COMPANY.name: settings.customer_ids, DEAL.name: settings.deal_documents}.get(kind, {})
    return list(dict.fromkeys((*PROPERTIES[kind], *naming)))


def asked_at(ctx: Context) -> datetime:
    """Return now, but later than every instant given to this process before: two states of one record never claim the same instant."""
    at = ctx.clock.now()
    last = ctx.state.get(_LAST_ASKED)
    if isinstance(last, datetime) and at <= last:
        at = last + timedelta(microseconds=1)
    ctx.state[_LAST_ASKED] = at
    return at


class Api:
    """The calls on one account. All but ``write`` leave HubSpot as it is, those that are posted too."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._version = ctx.settings.api_version

    async def rows(self, kind: str, *, after: str = "", is_archived: bool = False) -> Rows:
        """Return a page of a list of all records, with no more than when each changed."""
        params = [("limit", str(BATCH_MAX)), ("archived", "true" if is_archived else "false"), ("properties", "hs_object_id")]
        answer = await self.get(f"/crm/objects/{self._version}/{PATHS[kind]}", [*params, *([("after", after)] if after else [])])
        return self.decoded(answer, Rows)

    async def search(self, kind: str, filters: Sequence[Mapping[str, str]], sort: str, properties: Sequence[str]) -> Rows:
        """Return the first page of a search, ascending."""
        body = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": SEARCH_MAX,
        }
        budget: LocalBudget = self._ctx.state.setdefault(_SEARCHES, self._search_budget())
        permit = await budget.acquire()
        try:
            answer = await self.post(f"/crm/objects/{self._version}/{PATHS[kind]}/search", body)
        finally:
            await budget.release(permit, Feedback(Verdict.NEUTRAL))
        return self.decoded(answer, Rows)

    async def batch(self, kind: str, ids: Sequence[str], *, is_archived: bool = False) -> list[dict[str, Any]]:
        """Return the records of a type that are there (or deleted), as plain values; at most 100. What is not found is left out."""
        body = {"properties": properties_of(self._ctx.settings, kind), "propertiesWithHistory": [], "inputs": [{"id": id} for id in ids]}
        flag = "true" if is_archived else "false"
        answer = await self.post(f"/crm/objects/{self._version}/{PATHS[kind]}/batch/read", body, [("archived", flag)])
        found = answer.json()
        results = found.get("results") if isinstance(found, dict) else None
        if not isinstance(results, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in results):
            raise TransientError(f"{answer.where}: the answer is no batch of records", code="hubspot.answer_shape")
        return results

    async def associations(self, kind: str, other: str, inputs: Sequence[Mapping[str, str]]) -> Response:
        """Return what belongs to records of a type."""
        path = f"/crm/associations/{self._version}/{PATHS[kind]}/{PATHS[other]}/batch/read"
        return await self.post(path, {"inputs": list(inputs)})

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Response:
        """Return the answer of a read. Raises TransientError, SetupError."""
        return self._there(await self._ctx.http.request("GET", path, params=params, is_write=False))

    async def post(self, path: str, body: Mapping[str, Any], params: Sequence[tuple[str, str]] = ()) -> Response:
        """Return the answer of a read that is posted. Raises TransientError, SetupError."""
        return self._there(await self._ctx.http.request("POST", path, params=params, json=body, is_write=False))

    async def write(self, path: str, body: Mapping[str, Any]) -> Response:
        """Return the answer of a write that may be sent twice: the same values are the same.

        Raises TransientError, SetupError, RejectedError: values are refused, or what is to be made is there.
        """
        return self._there(await self._ctx.http.request("POST", path, json=body, is_write=True, is_idempotent=True))

    def decoded(self, answer: Response, type_: type[T]) -> T:
        """Return an answer as a type. Raises TransientError if it is of another shape."""
        try:
            return msgspec.json.decode(answer.body, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{answer.where}: the answer has another shape: {error}"
            raise TransientError(message, code="hubspot.answer_shape", is_outcome_unknown=answer.is_write) from error

    def _there(self, answer: Response) -> Response:
        if answer.status == 404:
            raise SetupError(f"{answer.where}: there is no such address; check api_version", code="hubspot.address_unknown")
        return answer

    def _search_budget(self) -> LocalBudget:
        return LocalBudget(rate_per_s=self._ctx.settings.searches_per_s, burst=1, concurrency_max=1)
