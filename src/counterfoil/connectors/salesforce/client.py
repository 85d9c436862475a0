"""HTTP with Salesforce: the session, what answers and headers mean. No business meaning.

Errors: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm, status codes beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError, TransientError
from counterfoil.kit.http import Response, StatusRule
from counterfoil.kit.limits import LocalBudget, Verdict
from counterfoil.kit.rate_headers import RateSeen
from counterfoil.kit.tokens import IssuedToken, TokenClient

from . import session
from .config import SalesforceConfig

LIMIT_WAIT_S = 900.0
"""How long a connection rests once the org's calls of 24 hours are used up; no header tells when there are some again."""
DAY_S = 86_400.0
EXPIRED = "salesforce.session_ended"
_USAGE = re.compile(r"(?:^|[\s;,])api-usage=(\d{1,12})/(\d{1,12})")
_COLUMN = re.compile(r"No such column '([\w.]{1,120})' on (?:entity|sobject of type) '?(\w{1,80})")
WORDS_MAX = 200


class Refusal(msgspec.Struct, frozen=True):
    """One error of an answer, or of one record of many (``statusCode``)."""

    errorCode: str = ""
    statusCode: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Salesforce's code, whichever way it is told."""
        return self.errorCode or self.statusCode


class RefusedError(RejectedError):
    """A write that was refused, with Salesforce's codes."""

    def __init__(self, message: str, *, code: str, codes: tuple[str, ...]) -> None:
        super().__init__(message, code=code)
        self.codes = codes


_REFUSALS = msgspec.json.Decoder(tuple[Refusal, ...])


def refusals(response: Response) -> tuple[Refusal, ...]:
    """Return Salesforce's own errors of an answer, none if it has none."""
    try:
        return _REFUSALS.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()


def is_of(*codes: str) -> Any:
    """Return the predicate that an answer has one of these codes."""
    return lambda response: response.status >= 400 and any(one.code in codes for one in refusals(response))


def told(refusal: Refusal) -> str:
    """Return an error in words: its code, the fields concerned, and a validation rule's own words. Others may quote what was sent."""
    parts = [refusal.code, ", ".join(refusal.fields)]
    if refusal.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION":
        parts.append(f"«{refusal.message[:WORDS_MAX]}»")
    elif match := _COLUMN.search(refusal.message):
        parts.append(f"{match[2]} has no field {match[1]}, or the integration user may not see it")
    return " ".join(part for part in parts if part)


def explain(response: Response) -> str:
    """Return an answer's errors in words."""
    return "; ".join(told(one) for one in refusals(response)[:3])


def _used_up(response: Response) -> TransientError:
    message = f"{response.where}: the org's calls of 24 hours are used up; the connection rests for {LIMIT_WAIT_S / 60:.0f} minutes"
    return TransientError(message, code="salesforce.limit_reached", retry_after_s=LIMIT_WAIT_S, is_unavailable=True)


def _locked(response: Response) -> TransientError:
    return TransientError(f"{response.where}: the record is locked by another write", code="salesforce.row_locked")


def _values_refused(response: Response) -> RejectedError:
    codes = tuple(one.code for one in refusals(response))
    return RefusedError(f"{response.where}: status {response.status}. {explain(response)}", code="salesforce.values_refused", codes=codes)


_RIGHTS = "Give the integration user the rights named in the connector's README"
_VERSION = "Look at api_version: the org may not know it (yet, or any more)"

STATUSES = (
    StatusRule(401, SetupError, "salesforce.session_ended", remedy="Look at the integration user: its session ends at once"),
    StatusRule(is_of("REQUEST_LIMIT_EXCEEDED"), _used_up, verdict=Verdict.THROTTLED),
    StatusRule(is_of("UNABLE_TO_LOCK_ROW"), _locked, verdict=Verdict.NEUTRAL),
    StatusRule(is_of("REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"), TransientError, "salesforce.took_too_long", Verdict.NEUTRAL),
    StatusRule(
        is_of("INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY"), SetupError, "salesforce.field_unknown",
        remedy="Let the field be there and visible to the integration user, or take it out of the settings",
    ),
    StatusRule(403, SetupError, "salesforce.forbidden", remedy=_RIGHTS),
    StatusRule(lambda response: response.status == 404 and "/jobs/" in response.where, None, verdict=Verdict.OK),
    StatusRule(404, SetupError, "salesforce.address_unknown", remedy=_VERSION),
    StatusRule(lambda response: response.is_write and response.status == 400, _values_refused),
    StatusRule(range(400, 500), SetupError, "salesforce.request_refused", remedy="The API may have changed; report this with the code"),
)  # fmt: skip
"""What an answer means, beside the kit's own table."""


def rate_seen(headers: Mapping[str, str], _now_epoch_s: float) -> RateSeen | None:
    """Return what is left of the org's calls once less than a quarter is: spread over a day, as the window rolls.

    Until then others of the org are not short of any. https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
    """
    match = _USAGE.search(headers.get("Sforce-Limit-Info", ""))
    if match is None:
        return None
    used, most = int(match[1]), int(match[2])
    left = most - used
    if most <= 0 or left > most / 4:
        return None
    return RateSeen(0.0, LIMIT_WAIT_S) if left <= 0 else RateSeen(float(left), DAY_S)


class SalesforceClient(TokenClient):
    """Calls one org."""

    def __init__(self, settings: SalesforceConfig) -> None:
        pace = settings.requests_per_s
        options = {
            "budget": LocalBudget(rate_per_s=pace, burst=max(int(pace), 1), concurrency_max=settings.concurrency_max),
            "statuses": STATUSES,
            "explain": explain,
            "pool_size": settings.concurrency_max,
            "rate_seen": rate_seen,
        }
        super().__init__(settings.base_url, self._granted, refused=EXPIRED, statuses=session.STATUSES, options=options)
        self.session = session.Session(settings)

    async def _granted(self) -> IssuedToken:
        return await self.session.granted(self.login)


def client(settings: SalesforceConfig) -> SalesforceClient:
    """Return the (unopened) client of one connection. Tokens are sent with every request and never appear in a message."""
    return SalesforceClient(settings)


async def user_of(ctx: Context) -> str:
    """Return the id of the user the app acts as. Raises TransientError, SetupError."""
    known = ctx.client
    if not isinstance(known, SalesforceClient):
        raise TypeError("the client of a connection to Salesforce is a SalesforceClient")
    await known.tokens.token()
    return known.session.user_id
