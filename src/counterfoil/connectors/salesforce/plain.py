"""An independent, deliberately plain Salesforce client for proof and demonstration: it shares no code with the connector beside it.

JSON calls and paged queries: what the connector wrote is read again by somebody else.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_basic_info.htm
and .../resources_query.htm.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self

import aiohttp

VERSION = "66.0"
"""Another than the connector's default: its calls can be told from these by their paths."""
TRIES_MAX = 6
_DATA = f"/services/data/v{VERSION}"


class SalesforcePlainError(Exception):
    """Salesforce refused a call, or did not answer it after several tries."""


class SalesforcePlain:
    """One org, by client credentials. Use as an async context manager."""

    def __init__(self, url: str, client_id: str, client_secret: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.client_id = client_id
        self.client_secret = client_secret
        self.timeout_s = timeout_s
        self._token = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def add_account(self, **values: str) -> str:
        """Make an account and return its id."""
        return str((await self._call("POST", f"{_DATA}/sobjects/Account", values))["id"])

    async def change_account(self, id: str, **values: str) -> None:
        """Change fields of an account."""
        await self._call("PATCH", f"{_DATA}/sobjects/Account/{id}", values)

    async def accounts(self, fields: Sequence[str]) -> AsyncIterator[dict[str, str]]:
        """Yield every account's values of some fields, page by page; empty where there is none."""
        page = await self._call("GET", f"{_DATA}/query?q=SELECT+Id,{','.join(fields)}+FROM+Account+ORDER+BY+Id")
        while True:
            for row in page["records"]:
                yield {name: "" if row.get(name) is None else str(row[name]) for name in fields}
            if page["done"]:
                return
            page = await self._call("GET", page["nextRecordsUrl"])

    async def _log_in(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        status, answer = await self._once("POST", "/services/oauth2/token", data=form)
        if status >= 400:
            raise SalesforcePlainError(f"logging in: status {status}: {answer}")
        self._token = answer["access_token"]

    async def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        problem = ""
        for attempt in range(TRIES_MAX):
            try:
                if not self._token:
                    await self._log_in()
                status, answer = await self._once(method, path, json=body, headers={"Authorization": f"Bearer {self._token}"})
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem = type(error).__name__
            else:
                if status < 400:
                    return dict(answer)
                problem = f"status {status}: {answer}"
                if status == 401:  # the session ended: a new one is begun
                    self._token = ""
                elif status < 500:
                    raise SalesforcePlainError(f"{method} {path}: {problem}")
            await asyncio.sleep(0.02 * 2**attempt)
        raise SalesforcePlainError(f"{method} {path}: no answer after {TRIES_MAX} tries, last: {problem}")

    async def _once(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        if self._session is None:
            raise SalesforcePlainError("the client is not open; use it in 'async with'")
        async with self._session.request(method, self.url + path, **given) as response:
            text = await response.text()
            return response.status, json.loads(text, parse_float=str) if text else {}
