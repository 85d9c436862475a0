"""The simulator as a server: tokens and scopes, versions of paths, limits, and the class others use.

Missing on purpose: custom objects, changes of properties once made, pipelines but the default one, lists,
imports, exports, templates of quotes.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from counterfoil.kit.sandbox import Fault, Trigger

from .control import Control
from .errors import HubspotError, malformed
from .types import Obj, find

Answer = tuple[int, Obj]

VERSIONS = ("2026-03", "2026-09")
_LEGACY = ("v3", "v4")


class HubspotSandbox(Control):
    """HubSpot over real HTTP on loopback: one account, ``portal_id``, with one app.

    Args:
        seed: source of chance in deliveries and faults.
        portal_id: the account's number.
        index_lag_s: how late searches learn of changes.
    """

    name = "hubspot"

    def __init__(self, seed: int = 0, *, portal_id: int = 4711, index_lag_s: float = 0.0) -> None:
        super().__init__(seed, portal_id, index_lag_s)
        self._correlation = itertools.count(1)

    def routes(self, app: web.Application) -> None:
        """Add the vendor's routes."""
        app.router.add_route("*", "/crm/objects/{version}/{type}{rest:.*}", self._served(self._objects))
        app.router.add_route("*", "/crm/{version:v3|v4}/objects/{type}{rest:.*}", self._served(self._objects))
        app.router.add_route("POST", "/crm/associations/{version}/{type}/{to}/batch/{what:.*}", self._served(self._associations))
        app.router.add_route("POST", "/crm/{version:v4}/associations/{type}/{to}/batch/{what:.*}", self._served(self._associations))
        app.router.add_route("*", "/crm/associations/{version}/{type}/{to}/labels", self._served(self._labels))
        app.router.add_route("*", "/crm/{version:v4}/associations/{type}/{to}/labels", self._served(self._labels))
        app.router.add_route("*", "/crm/properties/{version}/{type}{rest:.*}", self._served(self._properties))
        app.router.add_route("*", "/crm/{version:v3}/properties/{type}{rest:.*}", self._served(self._properties))
        app.router.add_get("/account-info/{version}/details", self._served(self._details))
        app.router.add_get("/webhooks-journal/journal-local/{version}/{rest:.*}", self._served(self._journal))
        app.router.add_get("/_files/journal/{offset}", self._file)
        app.router.add_post("/oauth/{version}/token", self._token)

    def error(self, status: int, fault: Fault) -> web.Response:
        """Return HubSpot's answer for an injected status."""
        if fault.body:
            return web.Response(status=status, text=fault.body, content_type="application/json")
        headers = self.retry_after(fault)
        more = {"policyName": "TEN_SECONDLY_ROLLING"} if status == 429 else {}
        category = {429: "RATE_LIMITS", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES"}.get(status, "INTERNAL_ERROR")
        return HubspotError(status, category, f"sandbox fault {status}", headers=headers, **more).response(_correlation_id(0))

    def triggers(self) -> Mapping[str, Trigger]:
        """Return what can be made to happen by the name of its event."""
        return self.scenes()

    def _served(self, answer: Callable[[web.Request, Obj], Answer]) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            number = _correlation_id(next(self._correlation))
            try:
                body = await _body(request)
                headers = self.limits.count(is_search=request.path.endswith("/search"))
                self._authorize(request)
                status, found = answer(request, body)
            except HubspotError as error:
                return error.response(number)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                return malformed(f"{type(error).__name__} {error}").response(number)
            headers["X-HubSpot-Correlation-Id"] = number
            return web.Response(status=204, headers=headers) if status == 204 else web.json_response(found, status=status, headers=headers)

        return serve

    def _authorize(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path.startswith("/webhooks-journal/"):
            if given not in self.client_tokens:
                raise HubspotError(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or of the wrong kind.")
            return
        if given != self.access_token and given not in self.app_tokens:
            raise HubspotError(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0.")
        needed = self._scope(request)
        if needed and needed not in self.scopes:
            context = {"requiredGranularScopes": [needed]}
            message = "This app hasn't been granted all required scopes to make this call."
            raise HubspotError(403, "MISSING_SCOPES", message, errors=[{"message": f"One of {needed} is required", "context": context}])

    def _scope(self, request: web.Request) -> str:
        name = request.match_info.get("type", "")
        found = find(name)
        if found is not None and "/properties/" in request.path:
            return f"crm.schemas.{found.path}.{'read' if request.method == 'GET' else 'write'}"
        reads = request.method == "GET" or re.search(r"/(search|batch/read)$", request.path) is not None
        return f"crm.objects.{found.path}.{'read' if reads else 'write'}" if found is not None else ""

    def _version(self, request: web.Request) -> None:
        version = request.match_info["version"]
        if version not in (*VERSIONS, *_LEGACY):
            raise HubspotError(404, "OBJECT_NOT_FOUND", f"there is no version {version}")

    def _objects(self, request: web.Request, body: Obj) -> Answer:
        self._version(request)
        name, parts = request.match_info["type"], [part for part in request.match_info["rest"].split("/") if part]
        query: Obj = {name: ",".join(request.query.getall(name)) for name in request.query}
        match (request.method, parts):
            case ("GET", []):
                return self.crm.page(name, query)
            case ("POST", []):
                return self.crm.create(name, body)
            case ("POST", ["search"]):
                return self.crm.search(name, body)
            case ("POST", ["merge"]):
                return self.crm.merge(name, body)
            case ("POST", ["gdpr-delete"]):
                return self.crm.erase(name, body)
            case ("POST", ["batch", what]):
                return self.crm.batch(name, what, body, query)
            case ("GET", [id]):
                return self.crm.get(name, id, query)
            case ("PATCH", [id]):
                return self.crm.update(name, id, body, query)
            case ("DELETE", [id]):
                return self.crm.archive(name, id)
            case ("PUT", [id, "associations", "default", to, other_id]):
                return self.crm.link(name, id, to, other_id)
            case ("PUT", [id, "associations", to, other_id]):
                return self.crm.mark(name, id, to, other_id, body["items"])
            case ("DELETE", [id, "associations", to, other_id]):
                return self.crm.unlink(name, id, to, other_id)
        raise HubspotError(404, "OBJECT_NOT_FOUND", f"there is no {request.method} {request.path}")

    def _properties(self, request: web.Request, body: Obj) -> Answer:
        self._version(request)
        type_ = self.crm.type_of(request.match_info["type"])
        known = self.world.properties
        match (request.method, [part for part in request.match_info["rest"].split("/") if part]):
            case ("GET", []):
                return known.listed(type_)
            case ("POST", []):
                return 201, known.create(type_, body)
            case ("GET", ["groups"]):
                return 200, {"results": known.grouped(type_)}
            case ("POST", ["groups"]):
                return known.group(type_, body)
            case ("POST", ["batch", "create"]):
                return self.crm.batched(*known.batch(type_, body.get("inputs")))
        raise HubspotError(404, "OBJECT_NOT_FOUND", f"there is no {request.method} {request.path}")

    def _associations(self, request: web.Request, body: Obj) -> Answer:
        self._version(request)
        info = request.match_info
        return self.crm.associations(info["type"], info["to"], info["what"], body)

    def _labels(self, request: web.Request, body: Obj) -> Answer:
        self._version(request)
        return self.crm.labels(request.method, request.match_info["type"], request.match_info["to"], body)

    def _details(self, request: web.Request, _body: Obj) -> Answer:
        self._version(request)
        return 200, {
            "portalId": self.world.portal_id,
            "accountType": "DEVELOPER_TEST",
            "timeZone": "US/Eastern",
            "companyCurrency": self.world.currency,
            "additionalCurrencies": ["EUR", "JPY"],
            "utcOffset": "-05:00",
            "utcOffsetMilliseconds": -18_000_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }

    def _journal(self, request: web.Request, _body: Obj) -> Answer:
        self._version(request)
        if request.query.get("installPortalId", str(self.world.portal_id)) != str(self.world.portal_id):
            raise HubspotError(403, "MISSING_SCOPES", "the app is not installed there")
        kept = self.journal.kept()
        places = [entry.offset for entry in kept]
        match request.match_info["rest"].split("/"):
            case ["earliest"]:
                found = kept[:1]
            case ["latest"]:
                found = kept[-1:]
            case ["offset", offset, "next"] if offset in places:
                found = kept[places.index(offset) + 1 :][:1]
            case _:
                raise HubspotError(404, "OBJECT_NOT_FOUND", "no such offset")
        if not found:
            return 204, {}
        url = f"{self.url}/_files/journal/{found[0].offset}"
        return 200, {"url": url, "expiresAt": "2099-01-01T00:00:00Z", "currentOffset": found[0].offset}

    async def _file(self, request: web.Request) -> web.Response:
        found = self.journal.file(request.match_info["offset"])
        return web.json_response(found) if found is not None else web.Response(status=403, text="expired")

    async def _token(self, request: web.Request) -> web.Response:
        """Give an app a token: its own (for the journal), or by its refresh token one of the account it is installed in."""
        form = await request.post()
        self.token_calls += 1
        is_ours = form.get("client_id") == self.client_id and form.get("client_secret") == self.client_secret
        token = f"app-token-{next(self._correlation)}"
        answer: Obj = {"access_token": token, "expires_in": self.token_life_s, "token_type": "bearer"}
        match form.get("grant_type"):
            case "client_credentials" if is_ours:
                self.client_tokens.add(token)
            case "refresh_token" if is_ours and self.is_installed and form.get("refresh_token") == self.refresh_token:
                self.app_tokens.add(token)
                self.renewed += 1
                answer |= {"refresh_token": self.refresh_token, "hub_id": self.world.portal_id, "user_id": 7, "scopes": sorted(self.scopes)}
            case "refresh_token" if is_ours:
                return _not_given("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
            case _:
                return _not_given("BAD_CLIENT_ID", "missing or unknown client id or secret")
        return web.json_response(answer)


def _not_given(status: str, message: str) -> web.Response:
    return web.json_response({"status": status, "message": message, "correlationId": _correlation_id(0)}, status=400)


def _correlation_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


async def _body(request: web.Request) -> Obj:
    text = await request.text()
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        raise malformed("not JSON") from None
    if isinstance(found, list):
        return {"items": found}
    if not isinstance(found, dict):
        raise malformed("not an object")
    return found


__all__ = ["HubspotSandbox"]
