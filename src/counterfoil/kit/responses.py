"""What comes back over HTTP: the answer, and the tables that sort statuses and failures into error classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, TypeVar, cast

import aiohttp
import msgspec

from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.limits import Verdict

T = TypeVar("T")

_ANY_JSON = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Response:
    """One whole answer. ``headers`` compares names without case; ``where`` is method and address without query, fit for messages."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str = ""
    is_write: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the target asked us to wait (RFC 9110 section 10.2.3: seconds or a date); None when it did not say."""
        return parse_retry_after(self.headers.get("Retry-After", ""), datetime.now(UTC))

    def json(self) -> Any:
        """Return the body as plain values; numbers with a fraction become Decimal. Raises TransientError if it is not JSON."""
        return self._guarded(lambda: _ANY_JSON.decode(self.body))

    def decode(self, type_: type[T]) -> T:
        """Return the body as a msgspec type. Raises TransientError if it is not JSON, RejectedError if it is of another shape."""
        try:
            return self._guarded(lambda: msgspec.json.decode(self.body, type=type_))
        except msgspec.ValidationError as error:
            raise RejectedError(f"{self.where}: the answer has another shape than expected: {error}", code="http.answer_shape") from error

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TransientError(
                f"{self.where}: the answer ({len(self.body)} bytes, status {self.status}) is not JSON",
                code="http.answer_not_json",
                is_outcome_unknown=self.is_write,
            ) from error


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for, at least 0, or None if it is empty or unreadable."""
    text = value.strip()
    if not text:
        return None
    if text.replace(".", "", 1).isdigit() and text.isascii():
        return float(text)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max((instant - now).total_seconds(), 0.0)


UNAVAILABLE = frozenset({429, 502, 503})
"""Statuses that speak of the system or its proxy, not of the request. 504 does not: this request may be what takes long."""

ErrorClass: TypeAlias = type[TransientError] | type[SetupError] | type[RejectedError]

BuildError = Callable[[Response], HubError]
"""Makes a vendor's own error out of an answer; the message must not quote personal data."""


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of a table of answers: the first row that matches decides.

    Attributes:
        when: a status, a range of statuses, or a predicate on the answer.
        error: the error class to raise, a function that builds the error, or None: hand the answer to the caller.
        code: stable code of the error, used with a class.
        verdict: what it says about the target's health; None: derived from the error.
        is_outcome_unknown: whether a write answered like this may have taken effect (TransientError only).
        remedy: what to do next; ends the message.
    """

    when: int | range | Callable[[Response], bool]
    error: ErrorClass | BuildError | None
    code: str = ""
    verdict: Verdict | None = None
    is_outcome_unknown: bool = False
    remedy: str = ""

    def matches(self, response: Response) -> bool:
        """Whether this row is about the answer."""
        if isinstance(self.when, int):
            return response.status == self.when
        if isinstance(self.when, range):
            return response.status in self.when
        return self.when(response)

    def build(self, response: Response, explain: Callable[[Response], str]) -> HubError | None:
        """Return the error of this row for the answer, or None if the answer is the caller's to read."""
        if self.error is None:
            return None
        if not isinstance(self.error, type):
            return self.error(response)
        parts = (f"{response.where}: status {response.status}", explain(response), self.remedy)
        message = ". ".join(part for part in parts if part)
        if issubclass(self.error, TransientError):
            is_unknown = self.is_outcome_unknown and response.is_write
            return TransientError(
                message,
                code=self.code,
                retry_after_s=response.retry_after_s,
                is_outcome_unknown=is_unknown,
                is_unavailable=response.status in UNAVAILABLE,
            )
        return cast(ErrorClass, self.error)(message, code=self.code)


DEFAULT_STATUSES: tuple[StatusRule, ...] = (
    StatusRule(range(200, 300), None, verdict=Verdict.OK),
    StatusRule(range(300, 400), SetupError, "http.redirected", remedy="Set the address it redirects to; redirects are not followed"),
    StatusRule(401, SetupError, "http.unauthorized", remedy="Check the key: it is wrong, expired or revoked"),
    StatusRule(403, SetupError, "http.forbidden", remedy="Give the key the missing right"),
    StatusRule(408, TransientError, "http.timeout", Verdict.FAILED, is_outcome_unknown=True),
    StatusRule(409, TransientError, "http.conflict"),
    StatusRule(425, TransientError, "http.too_early"),
    StatusRule(429, TransientError, "http.throttled", Verdict.THROTTLED),
    StatusRule(range(400, 500), RejectedError, "http.rejected"),
    StatusRule(500, TransientError, "http.server_error", Verdict.NEUTRAL, is_outcome_unknown=True),
    StatusRule(503, TransientError, "http.unavailable", Verdict.FAILED, is_outcome_unknown=True),
    StatusRule(range(500, 600), TransientError, "http.server_error", Verdict.FAILED, is_outcome_unknown=True),
    StatusRule(lambda _response: True, RejectedError, "http.unexpected_status"),
)
"""What a status means where the vendor's own table says nothing. A 5xx leaves a write's outcome unknown (architecture: delivery)."""


def judge(response: Response, table: Sequence[StatusRule], explain: Callable[[Response], str]) -> tuple[HubError | None, Verdict]:
    """Return the error an answer means (None: it is the caller's) and what it says about the target's health."""
    rule = next(row for row in (*table, *DEFAULT_STATUSES) if row.matches(response))
    error = rule.build(response, explain)
    return error, rule.verdict or _verdict_of(response, error)


def _verdict_of(response: Response, error: HubError | None) -> Verdict:
    """A refusal is the answer of a healthy target; a 5xx of which nobody said what it means says nothing."""
    if isinstance(error, TransientError) and error.retry_after_s is not None:
        return Verdict.THROTTLED
    return Verdict.OK if response.status < 500 else Verdict.NEUTRAL


@dataclass(frozen=True, slots=True)
class FailureRule:
    """One row of the table of calls that ended without an answer."""

    when: type[BaseException]
    error: type[SetupError] | type[TransientError]
    code: str
    words: str


FAILURES: tuple[FailureRule, ...] = (
    FailureRule(aiohttp.ClientConnectorCertificateError, SetupError, "http.certificate", "the server's certificate is not trusted"),
    FailureRule(aiohttp.ClientSSLError, SetupError, "http.tls", "no secure connection could be agreed on"),
    FailureRule(aiohttp.InvalidURL, SetupError, "http.address", "the address is not valid"),
    FailureRule(aiohttp.ClientConnectorDNSError, TransientError, "http.unknown_host", "the host name could not be resolved"),
    FailureRule(aiohttp.ClientConnectorError, TransientError, "http.unreachable", "no connection could be made"),
    FailureRule(TimeoutError, TransientError, "http.timeout", "no answer within the time limit"),
    FailureRule(aiohttp.ClientPayloadError, TransientError, "http.answer_cut", "the answer broke off"),
    FailureRule(aiohttp.ClientConnectionError, TransientError, "http.connection_lost", "the connection was lost"),
    FailureRule(aiohttp.ClientError, TransientError, "http.failed", "the call failed"),
    FailureRule(ConnectionError, TransientError, "http.connection_lost", "the connection was lost"),
)
"""What a failure without an answer means; the first row that matches decides."""


def failure(error: BaseException, where: str, *, is_write: bool, is_sent: bool) -> HubError:
    """Return the error of a call that ended without a (whole) answer; its message names the cause, never the request's content.

    Once anything was sent, a write's outcome is unknown; before that it certainly took no effect.
    """
    rule = next(row for row in FAILURES if isinstance(error, row.when))
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    message = f"{where}: {rule.words} ({os.strerror(number) if number else type(error).__name__})"
    if rule.error is SetupError:
        return SetupError(message, code=rule.code)
    return TransientError(message, code=rule.code, is_outcome_unknown=is_write and is_sent, is_unavailable=not is_sent)
