"""An independent, deliberately plain Odoo client for provisioning and proof: JSON-2 on 19, JSON-RPC on 17 and 18.

It shares no code with the connector beside it: what the connector wrote is read back by somebody else.
Sources: https://www.odoo.com/documentation/19.0/developer/reference/external_api.html (JSON-2) and
https://www.odoo.com/documentation/18.0/developer/reference/external_api.html (execute_kw).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import aiohttp

JSON2_FROM_MAJOR = 19
TRIES_MAX = 6
READ_METHODS = frozenset({"search", "search_read", "search_count", "read", "fields_get"})
PAGE_SIZE = 1000
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class OdooPlainError(Exception):
    """Odoo refused a call, or did not answer it after several tries; the message names the call and Odoo's own words."""

    is_transient = False


class OdooPlain:
    """One database of one Odoo server. Use as an async context manager; calls take the method's arguments by name.

    ``login`` is needed on 17 and 18 only, where a call carries the user's id; ``key`` is an API key or a password there.
    Reads are tried again after a fault, writes never are. Fractions in answers are decimals.
    """

    def __init__(self, url: str, db: str, key: str, login: str = "admin", timeout_s: float = 120.0) -> None:
        self.url = url.rstrip("/")
        self.db = db
        self.key = key
        self.login = login
        self.timeout_s = timeout_s
        self.major = 0
        self._uid = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout_s))
        try:
            await self._connect()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def _connect(self) -> None:
        """Detect the version (in a form all three versions answer) and, before 19, log in."""
        answer = await self._read_again("/web/webclient/version_info", {"jsonrpc": "2.0", "method": "call", "params": {}}, {})
        first = answer["result"]["server_version_info"][0]
        self.major = int(str(first).rpartition("~")[2])
        if self.major < JSON2_FROM_MAJOR:
            uid = await self._rpc("common", "authenticate", [self.db, self.login, self.key, {}], is_read=True)
            if not uid:
                raise OdooPlainError(f"{self.url} database {self.db}: login {self.login!r} was refused; check login and key")
            self._uid = int(uid)

    async def call(
        self, model: str, method: str, ids: Sequence[int] | None = None, context: Mapping[str, Any] | None = None, **arguments: Any
    ) -> Any:
        """Call a public method; ``ids`` None for a method of the model itself, a list for a method of records."""
        is_read = method in READ_METHODS
        kwargs = {**arguments, "context": {"lang": "en_US", **(context or {})}}
        if self.major >= JSON2_FROM_MAJOR:
            body = {**kwargs, "ids": list(ids)} if ids else kwargs
            headers = {"Authorization": f"bearer {self.key}", "X-Odoo-Database": self.db}
            return await self._post_or_read(f"/json/2/{model}/{method}", body, headers, is_read=is_read)
        positional: list[Any] = [] if ids is None else [list(ids)]
        # Overrides name the values differently (res.company says ``values`` on 17), and create chooses its answer's shape by position.
        positional.extend(kwargs.pop(name) for name in ("vals_list", "vals") if name in kwargs)
        return await self._rpc("object", "execute_kw", [self.db, self._uid, self.key, model, method, positional, kwargs], is_read=is_read)

    async def create(self, model: str, values: Mapping[str, Any], company: int | None = None) -> int:
        """Create one record, with ``company`` as the current one, and return its id."""
        context = {"allowed_company_ids": [company]} if company else {}
        created = await self.call(model, "create", vals_list=[dict(values)], context=context)
        return int(created[0] if isinstance(created, list) else created)

    async def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any], company: int | None = None) -> None:
        """Write the values on the records."""
        await self.call(model, "write", ids, {"allowed_company_ids": [company]} if company else {}, vals=dict(values))

    async def rows(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], companies: Sequence[int] = (), *, archived: bool = False
    ) -> list[dict[str, Any]]:
        """Return every matching record, in order of id, paged by id; many2one fields are bare ids (or False)."""
        return [row async for page in self.pages(model, domain, fields, companies, archived=archived) for row in page]

    async def pages(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], companies: Sequence[int] = (), *, archived: bool = False
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the same page by page."""
        context: dict[str, Any] = {"active_test": False} if archived else {}
        if companies:
            context["allowed_company_ids"] = list(companies)
        last = 0
        while True:
            page = await self.call(
                model,
                "search_read",
                context=context,
                domain=["&", ["id", ">", last], *_conjunction(domain)],
                fields=list(fields),
                order="id asc",
                limit=PAGE_SIZE,
                load="",
            )
            yield page
            if len(page) < PAGE_SIZE:
                return
            last = int(page[-1]["id"])

    async def _rpc(self, service: str, method: str, args: list[Any], *, is_read: bool) -> Any:
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": service, "method": method, "args": args}}
        answer = await self._post_or_read("/jsonrpc", body, {}, is_read=is_read)
        if "error" in answer:
            data = answer["error"].get("data", {})
            where = " ".join(str(a) for a in args[3:5]) or method
            raise OdooPlainError(f"{where}: {data.get('name', '')}: {data.get('message', answer['error'].get('message', ''))}")
        return answer.get("result")  # a method that returns None has neither result nor error

    async def _post_or_read(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str], *, is_read: bool) -> Any:
        return await (self._read_again(path, body, headers) if is_read else self._post(path, body, headers))

    async def _read_again(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        for attempt in range(TRIES_MAX):
            try:
                return await self._post(path, body, headers)
            except (aiohttp.ClientError, TimeoutError, ValueError, _Unavailable):
                if attempt == TRIES_MAX - 1:
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable: the last try raises")

    async def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        if self._session is None:
            raise OdooPlainError("the client is not open; use it in 'async with'")
        async with self._session.post(self.url + path, json=body, headers=dict(headers)) as response:
            text = await response.text()
            if response.status == 200 and response.content_type == "application/json":
                return json.loads(text, parse_float=Decimal)
            error = _Unavailable if response.status in TRANSIENT_STATUSES else OdooPlainError
            raise error(f"{path}: status {response.status}: {_words(text)}")


class _Unavailable(OdooPlainError):
    """The server could not answer just now."""

    is_transient = True


def _conjunction(domain: Sequence[Any]) -> list[Any]:
    """Return the domain as one operand: explicit ``&`` in front of every further bare term at the top level."""
    if not domain:
        return [["id", "!=", 0]]
    terms: list[Any] = list(domain)
    if any(isinstance(term, str) for term in terms):
        return terms  # written in full prefix form by the caller, one operand
    return ["&"] * (len(terms) - 1) + terms


def _words(text: str) -> str:
    """Return what Odoo said, without the traceback of its JSON error body."""
    marker = '"message": "'
    start = text.find(marker)
    if start < 0:
        return text[:300]
    return text[start + len(marker) : start + len(marker) + 300].split('", "arguments"')[0]
