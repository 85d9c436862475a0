"""JSON-2 (19) and JSON-RPC (17, 18, 19) over HTTP, with the status and body of every answer."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from counterfoil.connectors.odoo.sandbox.database import BUILDS, Database, WorkerKilled
from counterfoil.connectors.odoo.sandbox.orm.errors import (
    AccessDenied,
    DatabaseMissing,
    HttpError,
    OdooError,
    PythonError,
    UserError,
    missing,
)
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.wire import calls
from counterfoil.connectors.odoo.sandbox.wire.workers import Work, Workers

NO_DATABASE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and the requested"
    " URL was not found in"
    " the server-wide controllers.</p>"
)
WRONG_TYPE = (
    "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n<p>Request inferred"
    " type is compatible"
    " with &#39;http&#39; but the requested route is type=&#39;json2&#39;.</p>"
)
NOT_FOUND = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server.</p>"
)
UNAUTHORIZED = "User not authenticated, use an API Key with a Bearer Authorization header."
BODY_MAX = 128 * 1024 * 1024
Execute = Callable[[Work], Awaitable[Any]]


def error_body(error: OdooError) -> dict[str, Any]:
    """Return the body of an error answer."""
    trace = "".join(traceback.format_exception(error))
    arguments: list[Any] = [error.message, error.status] if isinstance(error, HttpError) else [error.message]
    return {"name": error.name, "message": error.message, "arguments": arguments, "context": {}, "debug": trace}


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return web.Response(text=json.dumps(value), status=status, content_type="application/json", headers=headers)


def html(body: str, status: int) -> web.Response:
    """Return an HTML error page."""
    return web.Response(text=body, status=status, content_type="text/html")


def version_info(db: Database) -> dict[str, Any]:
    """Return what the version endpoints say."""
    return {
        "server_version": BUILDS[db.version],
        "server_version_info": [db.version, 0, 0, "final", 0, ""],
        "server_serie": f"{db.version}.0",
        "protocol_version": 1,
    }


class Transport:
    """The HTTP routes of one simulated server."""

    def __init__(self, db: Callable[[], Database], workers: Workers) -> None:
        self._db = db
        self._workers = workers

    @property
    def db(self) -> Database:
        """The database served now."""
        return self._db()

    def routes(self, app: web.Application) -> None:
        """Add the routes of the version."""
        app.router.add_post("/jsonrpc", self.jsonrpc)
        app.router.add_route("*", "/web/webclient/version_info", self.webclient_version)
        app.router.add_get("/web/health", self.health)
        if self.db.version >= 19:
            app.router.add_get("/web/version", self.web_version)
            app.router.add_route("*", "/json/2/{model}/{method}", self.json2)
            app.router.add_route("*", "/json/2{rest:.*}", self.json2_lost)
        app.router.add_route("*", "/{rest:.*}", self.lost)

    async def health(self, _request: web.Request) -> web.Response:
        """Answer the health check."""
        return answer({"status": "pass"})

    async def lost(self, _request: web.Request) -> web.Response:
        """Answer any other address."""
        return html(NOT_FOUND, 404)

    async def web_version(self, _request: web.Request) -> web.Response:
        """Answer /web/version."""
        return answer({"version_info": [self.db.version, 0, 0, "final", 0, ""], "version": f"{self.db.version}.0"})

    async def webclient_version(self, request: web.Request) -> web.Response:
        """Answer the web client's version question."""
        try:
            number = json.loads(await request.text() or "{}").get("id")
        except ValueError:
            number = None
        return answer({"jsonrpc": "2.0", "id": number, "result": version_info(self.db)})

    # -- JSON-2 -------------------------------------------------------------------------------------------------------------------

    async def json2_lost(self, _request: web.Request) -> web.Response:
        """Answer a wrong address below /json/2."""
        return self._failed(HttpError(404, "NotFound", "Did you mean POST /json/2/<model>/<method>?"))

    async def json2(self, request: web.Request) -> web.StreamResponse:
        """Answer one JSON-2 call."""
        if request.method != "POST":
            return await self.json2_lost(request)
        named = request.headers.get("X-Odoo-Database")
        if named is not None and named != self.db.name:
            return html(NO_DATABASE, 404)
        raw = await request.read()
        if raw and request.content_type != "application/json":
            return html(WRONG_TYPE, 415)
        if len(raw) > BODY_MAX:
            return self._failed(HttpError(413, "RequestEntityTooLarge", "The data value transmitted exceeds the capacity limit."))
        try:
            work = self._prepare(request, raw)
        except OdooError as error:
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
            return self._failed(error, headers)
        try:
            return answer(await self._workers.execute(self.db, work))
        except OdooError as error:
            return self._failed(error)
        except WorkerKilled:
            return cut(request)
        except Exception as error:  # a fault of the sandbox itself: shown as the server shows its own
            return self._failed(_fault(error))

    def _prepare(self, request: web.Request, raw: bytes) -> Work:
        uid = self._bearer(request)
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as error:
            raise HttpError(400, "BadRequest", f"could not parse the body as json: {error}") from None
        body = dict(body) if isinstance(body, dict) else {}
        model, method = self._find(request.match_info["model"], request.match_info["method"])
        ids = body.pop("ids", None) or []
        context = body.pop("context", None) or {}
        arguments = calls.bind_named(model, method, ids, body)
        language = context.get("lang")
        if language and not self.db.has_language(language):
            raise UserError(f"Invalid language code: {language}")
        listed = [ids] if isinstance(ids, int) else [i if isinstance(i, int) else 0 for i in ids]
        return Work(uid, model, method, listed, arguments, context)

    def _bearer(self, request: web.Request) -> int:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key:
            raise HttpError(401, "Unauthorized", UNAUTHORIZED)
        uid = self.db.keys.get(key.strip())
        if uid is None or key.strip() in self.db.expired or not self.db.env(1, su=True).rows("res.users")[uid]["active"]:
            raise HttpError(401, "Unauthorized", "Invalid apikey")
        return uid

    def _find(self, name: str, method: str) -> tuple[Model, str]:
        model = calls.find_model(self.db, name)
        if model is None:
            raise HttpError(404, "NotFound", f"the model {name!r} does not exist")
        if calls.is_private(method):
            raise calls.refuse_private(self.db, name, method)
        if not calls.kind_of(type(model), method):
            raise HttpError(404, "NotFound", f"The method '{name}.{method}' does not exist")
        return model, method

    @staticmethod
    def _failed(error: OdooError, headers: dict[str, str] | None = None) -> web.Response:
        return answer(error_body(error), error.status, headers)

    # -- JSON-RPC -----------------------------------------------------------------------------------------------------------------

    async def jsonrpc(self, request: web.Request) -> web.StreamResponse:
        """Answer one JSON-RPC call: always HTTP 200, no ``result`` key for None."""
        try:
            body = json.loads(await request.text())
            params = body.get("params") or {}
        except (ValueError, AttributeError):
            return web.Response(status=400, text="Invalid JSON data", content_type="text/html")
        number = body.get("id")
        try:
            result = await self._service(params)
        except OdooError as error:
            return answer({"jsonrpc": "2.0", "id": number, "error": self._rpc_error(error)})
        except WorkerKilled:
            return cut(request)
        except Exception as error:  # a fault of the sandbox itself: shown as the server shows its own
            return answer({"jsonrpc": "2.0", "id": number, "error": self._rpc_error(_fault(error))})
        shown: dict[str, Any] = {"jsonrpc": "2.0", "id": number}
        if result is not None:
            shown["result"] = result
        return answer(shown)

    def _rpc_error(self, error: OdooError) -> dict[str, Any]:
        return {"code": 0 if self.db.version >= 19 else 200, "message": "Odoo Server Error", "data": error_body(error)}

    async def _service(self, params: dict[str, Any]) -> Any:
        service, method, args = params.get("service"), params.get("method"), list(params.get("args") or [])
        if service == "common":
            return self._common(str(method), args)
        if service == "object" and method in ("execute_kw", "execute"):
            return await self._execute(str(method), args)
        raise PythonError(str(service), "KeyError")

    def _common(self, method: str, args: list[Any]) -> Any:
        if method == "version":
            return version_info(self.db)
        if method in ("login", "authenticate"):
            self._check_db(args[0])
            uid = self._login(str(args[1]), str(args[2]))
            return uid if uid is not None else False
        raise PythonError(f"Method not found: {method}", "NameError")

    def _check_db(self, name: Any) -> None:
        if name != self.db.name:
            raise DatabaseMissing(f'connection to server at "127.0.0.1", port 5432 failed: FATAL:  database "{name}" does not exist\n')

    def _login(self, login: str, secret: str) -> int | None:
        users = self.db.env(1, su=True).rows("res.users")
        for user in users.values():
            if user["login"] == login and user["active"] and self._accepts(user["id"], login, secret):
                return int(user["id"])
        return None

    def _accepts(self, uid: int, login: str, secret: str) -> bool:
        if secret in self.db.expired:
            return False
        return self.db.keys.get(secret) == uid or self.db.passwords.get(login) == secret

    async def _execute(self, kind: str, args: list[Any]) -> Any:
        if len(args) < 5:
            raise PythonError("execute() missing required positional arguments", "TypeError")
        name, uid, secret, model_name, method = args[:5]
        self._check_db(name)
        users = self.db.env(1, su=True).rows("res.users")
        user = users.get(uid) if isinstance(uid, int) else None
        if user is None and isinstance(uid, int):
            raise missing("res.users", [uid], uid)
        if user is None or not self._accepts(user["id"], user["login"], str(secret)):
            raise AccessDenied
        positional = list(args[5]) if kind == "execute_kw" and len(args) > 5 else list(args[5:]) if kind == "execute" else []
        kwargs = dict(args[6]) if kind == "execute_kw" and len(args) > 6 and args[6] else {}
        model = calls.find_model(self.db, str(model_name))
        if model is None:
            raise calls.unknown_object(str(model_name))
        if calls.is_private(method):
            raise calls.refuse_private(self.db, str(model_name), method)
        if not calls.kind_of(type(model), method):
            raise calls.unknown_method(self.db, str(model_name), method)
        context = kwargs.pop("context", None) or {}
        ids, arguments = calls.bind_positional(model, method, positional, kwargs)
        result = await self._workers.execute(self.db, Work(uid, model, method, ids, arguments, context))
        if method == "create" and isinstance(arguments.get("vals_list"), dict):
            return result[0]
        if method == "copy" and self.db.version == 17:
            return result[0]
        return result


def _fault(error: Exception) -> PythonError:
    raised = PythonError(str(error), type(error).__name__)
    raised.__traceback__ = error.__traceback__
    return raised


def cut(request: web.Request) -> web.StreamResponse:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
