"""The simulator as a server: authentication, versions, parameters, idempotency, and the class others use.

Sources: https://docs.stripe.com/api/authentication, /errors, /versioning, /idempotent_requests, /request_ids.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import msgspec
from aiohttp import web

from counterfoil.kit.sandbox import Fault, Trigger

from . import errors, forms
from .calls import Call, Page, Plain, find_route
from .control import Control
from .errors import StripeError
from .forms import Obj
from .limits import internal
from .parameters import check
from .render import render
from .triggers import triggers_of
from .world import Account, Cause

_RESOURCES = (
    "accounts", "catalog", "charges", "clocks", "credit_notes", "customers", "discounts", "disputes", "endpoints", "intents",
    "invoice_api", "items", "meters", "payouts", "quotes", "refunds", "schedules", "subscription_api", "subscription_items_api",
)  # fmt: skip
"""The modules of the API's resources: importing one registers its calls."""
for _name in _RESOURCES:
    import_module(f"{__package__}.{_name}")

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_log = logging.getLogger(__name__)
DEFAULT_START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


class StripeSandbox(Control):
    """Stripe over real HTTP on loopback.

    Args:
        seed: source of ids and of chance in deliveries and faults.
        start: what the clock shows at first, Unix seconds or aware datetime.
        with_default_account: open ``acct_sandbox`` (US, usd, key ``sk_test_sandbox``) at once.
    """

    name = "stripe"

    def __init__(self, seed: int = 0, *, start: int | datetime = DEFAULT_START, with_default_account: bool = True) -> None:
        self.with_default_account = with_default_account
        self._running: asyncio.Task[None] | None = None
        super().__init__(seed, int(start.timestamp()) if isinstance(start, datetime) else start)

    def _build(self) -> None:
        super()._build()
        if self.with_default_account:
            self.add_account("acct_sandbox", "US", "usd", "sk_test_sandbox")

    def request(
        self, method: str, path: str, params: Obj | None = None, *, account: str = "", version: str = "", idempotency_key: str | None = None
    ) -> Obj:
        """Make a call in-process, without HTTP, and return the answer. Raises StripeError where the API answers with an error.

        The idempotency key is shown in events; only calls over HTTP are remembered by it.
        """
        found = self.world.accounts[account] if account else next(iter(self.world.accounts.values()))
        body = self._execute(
            found, method, path, dict(params or {}), version or found.api_version, idempotency_key, self.world.request_id()
        )
        answer: Obj = msgspec.json.decode(body)
        return answer

    def _execute(self, account: Account, method: str, path: str, params: Obj, version: str, key: str | None, request_id: str) -> bytes:
        found = find_route(method, path)
        if found is None:
            raise errors.unrecognized(method, path)
        template, handler, args = found
        expand = [str(item) for item in forms.as_list(params.pop("expand", None))]
        check(method, template, params, version)
        call = Call(self.world, account, method, path, template, args, params, version)
        self.world.cause = Cause(request_id, key) if method != "GET" else Cause()
        try:
            result = handler(call)
            self.world.settle()
            return self._encode(account, result, version, expand)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            _log.exception("%s %s", method, path)  # a gap of the simulator: told as Stripe would, with the reason in the log
            raise internal(500) from error
        finally:
            self.world.settle()
            self.world.cause = Cause()

    def _encode(self, account: Account, result: Any, version: str, expand: list[str]) -> bytes:
        if isinstance(result, Plain):
            return msgspec.json.encode(result.body)
        if isinstance(result, Page):
            data = [render(account, item, version) for item in result.items]
            body = {"object": "list", "data": data, "has_more": result.has_more, "url": result.url}
            for path in expand:
                from .render import expand_path

                expand_path(account, body, path, version)
            return msgspec.json.encode(body)
        return msgspec.json.encode(render(account, result, version, expand))

    def _authenticate(self, request: web.Request) -> Account:
        secret, key = self.keys.holder(request.headers.get("Authorization", ""))
        self.keys.check(secret, key, request.method, request.path)
        account = key.account
        wanted = request.headers.get("Stripe-Account") or request.headers.get("Stripe-Context")
        if wanted and wanted != account.id:
            connected = self.world.accounts.get(wanted)
            if connected is None:
                raise errors.forbidden(
                    f"The provided key '{errors.masked(secret)}' does not have access to account '{wanted}' (or that account "
                    "does not exist). Application access may have been revoked.",
                    "account_invalid",
                )
            return connected
        return account

    async def _handle(self, request: web.Request) -> web.Response:
        request_id = self.world.request_id()
        headers = {"Request-Id": request_id}
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key:
            headers["Idempotency-Key"] = key
        try:
            account = self._authenticate(request)
            version = request.headers.get("Stripe-Version") or account.api_version
            if not _VERSION.fullmatch(version):
                raise errors.invalid(f"Invalid Stripe API version: {version}")
            headers["Stripe-Version"] = version
            found = find_route(request.method, request.path)
            self.limits.check(account.id, f"{request.method} {found[0] if found else ''}")
            params = await _params(request)
            status, body, is_replayed = await self._remembered(account, request, params, version, key, request_id)
            if is_replayed:
                headers["Idempotent-Replayed"] = "true"
        except StripeError as error:
            status, body = error.status, _error_body(error, request_id)
            headers |= error.headers
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")

    async def _remembered(
        self, account: Account, request: web.Request, params: Obj, version: str, key: str | None, request_id: str
    ) -> tuple[int, bytes, bool]:
        """Serve a call, or answer as the first call under the same idempotency key was answered."""
        if not key:
            return await self._serve(account, request, params, version, key, request_id) + (False,)
        fingerprint = hashlib.sha256(msgspec.json.encode([request.method, request.path, params], order="deterministic")).hexdigest()
        known = self.memory.recall(account.id, key, fingerprint, self.now)
        if known is not None and known.answer is not None:
            return known.status, known.answer, True
        try:
            status, body = await self._serve(account, request, params, version, key, request_id)
        except StripeError as error:
            if not error.is_stored:
                self.memory.forget(account.id, key)
                raise
            status, body = error.status, _error_body(error, request_id)
        self.memory.keep(account.id, key, status, body)
        return status, body, False

    async def _serve(
        self, account: Account, request: web.Request, params: Obj, version: str, key: str | None, request_id: str
    ) -> tuple[int, bytes]:
        trouble = self.troubles.pick(f"{request.method} {request.path}")
        if trouble is not None:
            await self.troubles.before(trouble)
        body = self._execute(account, request.method, request.path, params, version, key, request_id)
        if trouble is not None and trouble.status:
            raise internal(trouble.status)
        return 200, body

    def routes(self, app: web.Application) -> None:
        """Serve everything outside ``/_control``."""
        app.router.add_route("*", "/{path:.*}", self._handle)

    def error(self, status: int, fault: Fault) -> web.Response:
        """Return an injected status in Stripe's shape."""
        headers = {"Request-Id": self.world.request_id()}
        if fault.retry_after_s is not None:
            headers["Retry-After"] = str(int(fault.retry_after_s))
        if fault.body:
            return web.Response(status=status, text=fault.body, headers=headers)
        error = errors.too_many("injected") if status == 429 else internal(status)
        body = _error_body(error, headers["Request-Id"])
        return web.Response(status=status, body=body, headers=headers | error.headers, content_type="application/json")

    def details(self) -> dict[str, Any]:
        """Return the address, the accounts with their keys and the webhooks with their secrets."""
        accounts = [
            {
                "id": account.id,
                "country": account.country,
                "currency": account.currency,
                "api_key": account.api_key,
                "api_version": account.api_version,
                "webhooks": [
                    {"id": e["id"], "url": e["url"], "secret": e["_secrets"][0], "status": e["status"]}
                    for kind in ("webhook_endpoint", "v2.core.event_destination")
                    for e in account.rows(kind)
                ],
            }
            for account in self.world.accounts.values()
        ]
        return {"name": self.name, "url": self.url, "now": self.now, "accounts": accounts}

    def subscribe(self, url: str) -> str:
        """Register a webhook of the first account for all events and return its signing secret."""
        return self.add_webhook(url)

    def triggers(self) -> Mapping[str, Trigger]:
        """Return the events that can be made to happen by name."""
        return triggers_of(self)

    def run_clock(self) -> None:
        """Move the clock to the time of day and on with it, once a second, doing what falls due."""
        self._running = asyncio.create_task(self._follow(), name="stripe-sandbox-clock")

    async def _follow(self) -> None:
        ahead = 0
        while True:
            now = int(time.time())
            ahead = max(ahead, self.now - now)  # somebody moved it on by hand: it goes on from there
            if now + ahead > self.now:
                self.set_clock(now + ahead)
            await asyncio.sleep(1.0)

    async def start(self, port: int = 0) -> str:
        """Listen on loopback and begin delivering webhooks."""
        url = await super().start(port)
        await self.courier.start()
        return url

    async def stop(self) -> None:
        """Stop delivering and listening."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.courier.stop()
        await super().stop()


async def _params(request: web.Request) -> Obj:
    query = forms.decode(request.query_string)
    if request.method not in ("POST", "DELETE") or not request.can_read_body:
        return query
    text = (await request.read()).decode("utf-8", "replace")
    if request.path.startswith("/v2/") or "json" in request.content_type:
        try:
            given = msgspec.json.decode(text or "{}")
        except msgspec.DecodeError:
            raise StripeError("Invalid request body: the JSON could not be parsed.", is_stored=False) from None
        return query | given if isinstance(given, dict) else query
    return query | forms.decode(text)


def _error_body(error: StripeError, request_id: str) -> bytes:
    shown = error.error | {"request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}"}
    return msgspec.json.encode({"error": shown})
