"""The one HTTP client all connectors use: time limits, errors by table, no secrets in messages.

What an answer or a failure means is in :mod:`counterfoil.kit.responses`, how fast calls go and what is tried again in
:mod:`counterfoil.kit.calling`.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from counterfoil import __version__
from counterfoil.kit.addresses import is_loopback
from counterfoil.kit.calling import Client, RetryPolicy, TryResult
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.forms import Nested, encode_form
from counterfoil.kit.limits import Budget, Now, Sleep, Verdict
from counterfoil.kit.rate_headers import RateSeen, read_rate
from counterfoil.kit.responses import Response, StatusRule, failure, judge

__all__ = ["Auth", "HttpClient", "Response", "RetryPolicy", "StatusRule"]

Auth = Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""Gives the headers that authenticate a call, asked before every try (so that keys rotate and tokens are renewed)."""

BODY_SIZE_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as it goes out, whichever try it is."""

    method: str
    url: URL
    where: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    content_type: str
    is_write: bool
    is_idempotent: bool


class HttpClient(Client):
    """Calls one target. Use as an async context manager; one per configured connection.

    Args:
        base_url: ``https://host/prefix``; paths are appended to it. Credentials in it are refused.
        budget: asked before and told after every try.
        timeout_s: for one whole try, connecting and reading included.
        headers: sent with every request.
        auth: gives the authentication headers; what it gives never appears in a message.
        statuses: the vendor's table of answers, looked at before the default one.
        explain: takes a refusing answer's own words out of it, for messages; must leave out personal data.
        retry: how reads are tried again; may be changed later (tests wait for nothing).
        content_type: what successful answers must be ("json" also accepts ``+json``); empty: anything.
        body_size_max: largest answer taken, in bytes. pool_size: connections kept to the target.
        rate_seen: reads what an answer's headers tell of the target's limit, where the vendor has headers of its own.
        sleep, now, chance: replaceable in tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        budget: Budget,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        statuses: Sequence[StatusRule] = (),
        explain: Callable[[Response], str] = lambda _response: "",
        retry: RetryPolicy | None = None,
        content_type: str = "json",
        body_size_max: int = BODY_SIZE_MAX,
        pool_size: int = 16,
        rate_seen: Callable[[Mapping[str, str], float], RateSeen | None] = read_rate,
        sleep: Sleep = asyncio.sleep,
        now: Now = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(budget=budget, retry=retry, sleep=sleep, now=now, chance=chance)
        self._base = _checked_base(base_url)
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._headers = {"User-Agent": f"counterfoil/{__version__}", "Accept": "application/json", **(headers or {})}
        self._auth = auth
        self._statuses = tuple(statuses)
        self._explain = explain
        self._content_type = content_type
        self._body_size_max = body_size_max
        self._pool_size = pool_size
        self._rate_seen = rate_seen
        self._session: aiohttp.ClientSession | None = None

    @property
    def address(self) -> str:
        """What it was made for."""
        return str(self._base)

    @property
    def is_plain_abroad(self) -> bool:
        """Whether it is plain ``http`` of another machine."""
        return is_plain_abroad(self.address)

    @property
    def is_open(self) -> bool:
        """Whether there is a pool of connections."""
        return self._session is not None

    async def open(self) -> None:
        """Open the connection pool."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._pool_size, limit_per_host=self._pool_size),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=self._connect_timeout_s),
        )

    async def close(self) -> None:
        """Close the connection pool; harmless twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        is_write: bool,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        json: Any = None,
        form: Mapping[str, Nested] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        content_type: str | None = None,
        is_idempotent: bool = False,
    ) -> Response:
        """Send one request and return its answer; statuses the tables do not hand over become errors.

        ``path`` starts with ``/``, or is a whole address of the same host (a page's "next" link). At most one of ``json`` (anything msgspec
        encodes), ``form`` (see :mod:`counterfoil.kit.forms`) and ``data`` (bytes as they are) is sent. Reads are tried again, writes only
        with ``is_idempotent``: the target itself guarantees that twice is once.

        Raises TransientError, SetupError, RejectedError or what the vendor's table builds.
        """
        body, type_of_body = _encode(json, form, data)
        url = self._url(path, params)
        call = _Call(
            method=method.upper(),
            url=url,
            where=redacted(method, url),
            headers={**self._headers, **type_of_body, **(headers or {})},
            body=body,
            timeout_s=timeout_s or self._timeout_s,
            content_type=self._content_type if content_type is None else content_type,
            is_write=is_write,
            is_idempotent=is_idempotent or not is_write,
        )
        return await self._try(lambda auth: self._attempt(call, auth), prepare=self._authenticate, is_repeatable=call.is_idempotent)

    async def _attempt(self, call: _Call, auth: Mapping[str, str]) -> TryResult[Response]:
        response, failed = await self._exchange(call, {**call.headers, **auth})
        if response is None:
            return TryResult(Verdict.FAILED, _no_answer, None if failed is None else _scrubbed(failed, auth))
        error, verdict = judge(response, self._statuses, self._explain)
        rate = self._rate_seen(response.headers, time.time())
        return TryResult(verdict, lambda: _of_its_type(call, response), None if error is None else _scrubbed(error, auth), rate)

    async def _authenticate(self) -> Mapping[str, str]:
        if self._auth is None:
            return {}
        given = self._auth()
        return await given if inspect.isawaitable(given) else given

    async def _exchange(self, call: _Call, headers: Mapping[str, str]) -> tuple[Response | None, HubError | None]:
        if self._session is None:
            raise RuntimeError("the client is not open; use it as an async context manager")
        sent = SimpleNamespace(count=0)
        try:
            async with self._session.request(
                call.method,
                call.url,
                data=call.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=call.timeout_s, connect=min(call.timeout_s, self._connect_timeout_s)),
                trace_request_ctx=sent,
            ) as answer:
                body = await _read(answer, self._body_size_max)
                if body is None:
                    return None, _too_large(call, self._body_size_max)
                return Response(answer.status, answer.headers, body, call.where, call.is_write), None
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return None, failure(error, call.where, is_write=call.is_write, is_sent=sent.count > 0)

    def _url(self, path: str, params: Mapping[str, str] | Sequence[tuple[str, str]] | None) -> URL:
        if path.startswith("/"):
            url = URL(str(self._base).rstrip("/") + path)
        else:
            url = URL(path)
            if not url.absolute or url.origin() != self._base.origin():
                raise SetupError(f"refusing to call another host than {self._base.host}: credentials would leak", code="http.foreign_host")
        return url.extend_query(params) if params else url


def redacted(method: str, url: URL) -> str:
    """Return method and address for messages: no credentials, no query."""
    query = "?..." if url.query_string else ""
    return f"{method.upper()} {url.origin()}{url.path}{query}"


def is_plain_abroad(address: str) -> bool:
    """Tell whether an address is plain ``http`` of another machine: keys and data would travel in clear. Loopback is not."""
    return address.lower().startswith("http://") and not is_loopback(URL(address).host or "")


def _checked_base(base_url: str) -> URL:
    url = URL(base_url)
    if url.scheme not in ("http", "https") or not url.host:
        raise SetupError("the base address must look like https://host", code="http.address")
    if url.user is not None or url.password is not None:
        raise SetupError(f"credentials do not belong in the address of {url.host}; set them as secrets", code="http.address")
    return url


def _encode(json: Any, form: Mapping[str, Nested] | None, data: bytes | None) -> tuple[bytes | None, dict[str, str]]:
    if sum(x is not None for x in (json, form, data)) > 1:
        raise ValueError("give one of json, form and data")
    if json is not None:
        return msgspec.json.encode(json), {"Content-Type": "application/json"}
    if form is not None:
        return encode_form(form), {"Content-Type": "application/x-www-form-urlencoded"}
    return data, {}


async def _mark_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams) -> None:
    """Note that a request goes out; refuse the silent second send that aiohttp makes of GET, PUT and DELETE over a stale connection.

    Whether to send again is our retry policy's decision, and every send is the budget's to know.
    """
    sent = context.trace_request_ctx
    if sent.count > 0:
        raise aiohttp.ClientConnectionResetError("not sent a second time")
    sent.count += 1


async def _read(answer: aiohttp.ClientResponse, size_max: int) -> bytes | None:
    """Return the whole body, or None if it is larger than allowed."""
    if (answer.content_length or 0) > size_max:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > size_max:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(call: _Call, size_max: int) -> HubError:
    message = f"{call.where}: the answer is larger than {size_max} bytes; ask for less at a time"
    if call.is_write:
        return TransientError(message, code="http.answer_too_large", is_outcome_unknown=True)
    return SetupError(message, code="http.answer_too_large")


def _of_its_type(call: _Call, response: Response) -> Response:
    """Return the answer. Raises if a successful one with a body is of another type: a log-in page, a proxy's words."""
    if not call.content_type or not response.body or not response.is_ok:
        return response
    given = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    subtype = given.rpartition("/")[2]
    if call.content_type in (given, subtype, subtype.rpartition("+")[2]):
        return response
    message = (
        f"{call.where}: expected {call.content_type}, got {given or 'no content type'}; check the address: something else answers there"
    )
    if call.is_write:
        raise TransientError(message, code="http.content_type", is_outcome_unknown=True)
    raise SetupError(message, code="http.content_type")


def _no_answer() -> Response:
    raise RuntimeError("a call that failed has no answer")


def _scrubbed(error: HubError, auth: Mapping[str, str]) -> HubError:
    """Return the error with every authentication value taken out of its message."""
    text = str(error)
    for value in auth.values():
        for secret in {value, value.rpartition(" ")[2]}:
            if len(secret) >= 6:
                text = text.replace(secret, "***")
    error.args = (text,)
    return error
