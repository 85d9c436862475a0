"""A plain client of Odoo for tests, independent of the connector: JSON-2 where it exists, else JSON-RPC."""

from __future__ import annotations

from typing import Any

import aiohttp


class PlainError(Exception):
    """Odoo refused; the first argument is the exception's class name."""


class PlainOdoo:
    """Calls methods by name on one database."""

    def __init__(self, url: str, database: str, login: str, key: str) -> None:
        self.url, self.database, self.login, self.key = url, database, login, key
        self.major = 0
        self.uid = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PlainOdoo:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300))
        info = await self._rpc("common", "version", [])
        self.major = int(str(info["server_version_info"][0]).removeprefix("saas~"))
        self.uid = await self._rpc("common", "login", [self.database, self.login, self.key])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, model: str, method: str, ids: list[int] | None = None, **kwargs: Any) -> Any:
        if self.major >= 19:
            return await self._json2(model, method, kwargs if ids is None else {"ids": ids, **kwargs})
        positional: list[Any] = [] if ids is None else [ids]
        positional += [kwargs.pop(name) for name in ("vals_list", "vals") if name in kwargs]
        return await self._rpc("object", "execute_kw", [self.database, self.uid, self.key, model, method, positional, kwargs])

    async def create(self, model: str, in_company: int | None = None, **values: Any) -> int:
        context = {"allowed_company_ids": [in_company]} if in_company else {}
        made = await self.call(model, "create", vals_list=[values], context=context)
        return int(made[0])

    async def find(self, model: str, domain: list[Any], fields: list[str], company_id: int | None = None) -> list[dict[str, Any]]:
        context = {"allowed_company_ids": [company_id]} if company_id else {}
        found = await self.call(model, "search_read", domain=domain, fields=fields, load="", context=context)
        return list(found)

    async def _json2(self, model: str, method: str, body: dict[str, Any]) -> Any:
        assert self._session is not None
        headers = {"Authorization": f"bearer {self.key}", "X-Odoo-Database": self.database}
        async with self._session.post(f"{self.url}/json/2/{model}/{method}", json=body, headers=headers) as answer:
            value = await answer.json(content_type=None)
            if answer.status != 200:
                raise PlainError(value.get("name"), value.get("message"))
            return value

    async def _rpc(self, service: str, method: str, args: list[Any]) -> Any:
        assert self._session is not None
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": service, "method": method, "args": args}}
        async with self._session.post(f"{self.url}/jsonrpc", json=body) as answer:
            value = await answer.json(content_type=None)
            if "error" in value:
                data = value["error"].get("data", {})
                raise PlainError(data.get("name"), data.get("message"))
            return value.get("result")
