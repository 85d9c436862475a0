"""The simulator as a server: tokens, versions of paths, limits, and the class others use.

Missing on purpose: contracts, orders, assets and quotes, leads and cases, Apex, flows, duplicate rules, sharing, the SOAP APIs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import BasicAuth, web

from counterfoil.kit.sandbox import Fault, Trigger

from .composite import Composite
from .control import Control
from .errors import SalesforceError, malformed, not_found
from .rest import Answer, Call, call_of
from .tooling import Tooling
from .world import World

if TYPE_CHECKING:
    from .pubsub import PubSub

Obj = dict[str, Any]

VERSIONS = ("65.0", "66.0", "67.0", "68.0")


class SalesforceSandbox(Control):
    """Salesforce over real HTTP on loopback: one org with one external client app.

    Args:
        seed: source of chance in faults.
        currency: the org's corporate currency.
        has_currencies: whether it has several, with dated rates.
        has_person_accounts: whether accounts may be persons.

    ``asked``: the calls that were answered, each with its path.
    """

    name = "salesforce"

    def __init__(self, seed: int = 0, *, currency: str = "USD", has_currencies: bool = False, has_person_accounts: bool = False) -> None:
        super().__init__(seed, World(currency=currency, has_currencies=has_currencies, has_person_accounts=has_person_accounts))
        self.asked: list[str] = []
        self.pubsub: PubSub | None = None
        self.composite = Composite(self.rest, self._answered)
        self.tooling = Tooling(self.world)

    async def start(self, port: int = 0) -> str:
        """Listen on loopback; also over gRPC, where its libraries are installed (the extra ``salesforce``)."""
        url = await super().start(port)
        try:
            from .pubsub import PubSub
        except ImportError:
            return url
        self.pubsub = PubSub(self.bus, self.switch, self.sessions.is_valid, self.world.org_id, lambda: self.url)
        await self.pubsub.start()
        return url

    async def stop(self) -> None:
        """Stop listening."""
        if self.pubsub is not None:
            await self.pubsub.stop()
        await super().stop()

    def details(self) -> Obj:
        """Return address, org, client id and secret, and where events are streamed."""
        return {**super().details(), "pubsub": "" if self.pubsub is None else self.pubsub.address}

    def routes(self, app: web.Application) -> None:
        """Add the vendor's routes."""
        app.router.add_post("/services/oauth2/token", self._token)
        app.router.add_get("/services/data", self._versions)
        app.router.add_get("/services/data/", self._versions)
        app.router.add_route("*", "/services/data/v{version}/{path:.*}", self._serve)

    def error(self, status: int, fault: Fault) -> web.Response:
        """Return Salesforce's answer for an injected status."""
        if fault.body:
            return web.Response(status=status, text=fault.body, content_type="application/json")
        codes = {401: "INVALID_SESSION_ID", 403: "INSUFFICIENT_ACCESS", 503: "SERVER_UNAVAILABLE"}
        return SalesforceError(status, codes.get(status, "UNKNOWN_EXCEPTION"), f"sandbox fault {status}").response(self.retry_after(fault))

    def triggers(self) -> Mapping[str, Trigger]:
        """Return what can be made to happen by a name."""
        return self.scenes()

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append(f"POST {request.path}")
        form = {name: str(value) for name, value in (await request.post()).items()}
        if request.headers.get("Authorization", "").startswith("Basic "):
            given = BasicAuth.decode(request.headers["Authorization"])
            form |= {"client_id": given.login, "client_secret": given.password}
        try:
            return web.json_response(self.sessions.grant(form, self.url, self.world.org_id, self.world.user_id))
        except SalesforceError as error:
            return error.response()

    async def _versions(self, _request: web.Request) -> web.Response:
        return web.json_response([{"version": one, "label": one, "url": f"/services/data/v{one}"} for one in VERSIONS])

    async def _serve(self, request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not self.sessions.is_valid(token):
                raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
            headers = self.limits.count()
            self.asked.append(f"{request.method} {request.path}")
            if self.limits.call_s:
                await asyncio.sleep(self.limits.call_s)
            answer = self._of_version(await _call(request))
        except SalesforceError as error:
            return error.response(headers)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return malformed(f"{type(error).__name__} {error}").response(headers)
        return _response(answer, headers)

    def _of_version(self, call: Call) -> Answer:
        if call.version not in VERSIONS:
            raise not_found()
        return self._answered(call)

    def _answered(self, call: Call) -> Answer:
        """Answer a call of its own or a part of another. Raises SalesforceError."""
        if call.parts[:1] == ("composite",):
            return self.composite.answer(call)
        if call.parts[:1] == ("jobs",):
            return self.bulk.answer(call)
        if call.parts[:1] == ("tooling",):
            return self.tooling.answer(call)
        if call.parts == ("limits",):
            return Answer(200, self.limits.shown())
        if call.method == "POST" and call.parts[:1] == ("sobjects",) and call.parts[-1].endswith("__e"):
            return self._published(call)
        with self.world.acting(self.world.user_id, self.rest.origin(call)):
            return self.rest.answer(call)

    def _published(self, call: Call) -> Answer:
        if call.parts[1] not in self.bus.platform:
            raise not_found()
        id = self.bus.publish(call.parts[1], call.values)
        return Answer(201, {"id": id, "success": True, "errors": [{"statusCode": "OPERATION_ENQUEUED", "message": id, "fields": []}]})


async def _call(request: web.Request) -> Call:
    body: Any = None
    text = await request.text()
    if request.content_type == "text/csv":
        body = text
    elif text:
        try:
            body = json.loads(text)
        except ValueError:
            raise malformed("Unexpected character") from None
    info = request.match_info
    return call_of(request.method, info["version"], info["path"], dict(request.query), body, request.headers)


def _response(answer: Answer, headers: Mapping[str, str]) -> web.Response:
    every = {**headers, **answer.headers}
    if answer.body is None:
        return web.Response(status=answer.status, headers=every)
    if isinstance(answer.body, str):
        return web.Response(text=answer.body, status=answer.status, headers=every)
    return web.json_response(answer.body, status=answer.status, headers=every)
