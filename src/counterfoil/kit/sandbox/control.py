"""What the control interfaces of all sandboxes do alike: JSON in, JSON out, refusals in words, fields that can be set."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

Obj = dict[str, Any]
Do = Callable[[web.Request, Obj], Any | Awaitable[Any]]
"""Does what a control request asks for and returns what is answered as JSON."""


def answered(do: Do, *refusals: type[Exception]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a control route. What is asked wrongly is a 400; a refusal of the vendor's with a ``status`` has that one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = do(request, msgspec.json.decode(await request.read() or b"{}"))
            body = msgspec.json.encode(await found if inspect.isawaitable(found) else found)
        except refusals as error:
            return web.json_response({"error": str(error)}, status=getattr(error, "status", 400))
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.Response(body=body, content_type="application/json")

    return answer


def set_field(target: object, name: str, value: Any) -> None:
    """Set a field of a sandbox's settings. Raises ValueError for one there is not, or a value of another type."""
    known = {key: held for key, held in vars(target).items() if not key.startswith("_")}
    if name not in known:
        raise ValueError(f"there is no {name!r}; there are {', '.join(known)}")
    kind = type(known[name])
    if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
        raise ValueError(f"{name} must be a {kind.__name__}")
    setattr(target, name, kind(value) if kind is float else value)
