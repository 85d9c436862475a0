"""An independent, deliberately plain HubSpot client for proof and demonstration: it shares no code with the connector beside it.

JSON calls and paged lists: what the connector wrote is read again by somebody else.

Source: https://developers.hubspot.com/docs/api-reference/latest/crm/objects/companies/guide and .../crm/properties/guide.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import aiohttp

VERSION = "2026-03"
TRIES_MAX = 6
PAGE_SIZE = 100


class HubspotPlainError(Exception):
    """HubSpot refused a call, or did not answer it after several tries."""


class HubspotPlain:
    """One account. Use as an async context manager."""

    def __init__(self, url: str, token: str, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=self.timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def add_property(self, name: str, label: str) -> None:
        """Give companies a property that holds a text, in a group of its own."""
        path = f"/crm/properties/{VERSION}/companies"
        await self._call("POST", f"{path}/groups", {"name": f"{name}_group", "label": label, "displayOrder": -1})
        made = {"name": name, "label": label, "type": "string", "fieldType": "text", "groupName": f"{name}_group"}
        await self._call("POST", path, made)

    async def add_company(self, **properties: str) -> str:
        """Make a company and return its number."""
        return str((await self._call("POST", f"/crm/objects/{VERSION}/companies", {"properties": properties}))["id"])

    async def change_company(self, id: str, **properties: str) -> None:
        """Change properties of a company."""
        await self._call("PATCH", f"/crm/objects/{VERSION}/companies/{id}", {"properties": properties})

    async def merge_companies(self, winner: str, loser: str) -> str:
        """Merge a company into another and return the number of what they are now."""
        path = f"/crm/objects/{VERSION}/companies/merge"
        return str((await self._call("POST", path, {"primaryObjectId": winner, "objectIdToMerge": loser}))["id"])

    async def companies(self, properties: Sequence[str]) -> AsyncIterator[dict[str, str]]:
        """Yield every company's values of some properties, page by page; empty where there is none."""
        after = ""
        while True:
            query = f"limit={PAGE_SIZE}&properties={','.join(properties)}" + (f"&after={after}" if after else "")
            page = await self._call("GET", f"/crm/objects/{VERSION}/companies?{query}")
            for row in page["results"]:
                yield {name: row["properties"].get(name) or "" for name in properties}
            after = page.get("paging", {}).get("next", {}).get("after", "")
            if not after:
                return

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._session is None:
            raise HubspotPlainError("the client is not open; use it in 'async with'")
        problem = ""
        for attempt in range(TRIES_MAX):
            try:
                async with self._session.request(method, self.url + path, json=body) as response:
                    answer = dict(json.loads(await response.text()))
                    if response.status < 400:
                        return answer
                    problem = f"status {response.status}: {answer.get('message', answer)}"
                    if response.status != 429 and response.status < 500:
                        raise HubspotPlainError(f"{method} {path}: {problem}")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem = type(error).__name__
            await asyncio.sleep(0.02 * 2**attempt)
        raise HubspotPlainError(f"{method} {path}: no answer after {TRIES_MAX} tries, last: {problem}")
