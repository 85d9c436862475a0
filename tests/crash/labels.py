"""Knowing for which kind of command a call to the target is made: deliveries say it, calls carry it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from tests.crash.places import Place, places_now
from tests.crash.proxy import KIND_HEADER, name_of

from counterfoil.app.hub import Hub
from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.core.language.commands import CommandKind


@dataclass(slots=True)
class Doing:
    """What a delivery is doing just now: its kind, the external keys of its batch, how many writing calls have been answered, and which
    one (model/method, see ``proxy.Call``) is made just now.
    """

    kind: str
    keys: tuple[str, ...] = ()
    is_resolution: bool = False
    calls: int = 0
    name: str = ""


doing: ContextVar[Doing | None] = ContextVar("doing", default=None)
At = Callable[[str, Doing], None]
"""Told of every boundary a delivery reaches: ``begin``, ``calling`` (a writing call is to be made), ``call`` (it was answered), ``end``."""


def _ignore(_boundary: str, _what: Doing) -> None:
    """Do nothing."""


@contextmanager
def labeled(at: At = _ignore) -> Iterator[None]:
    """Have the Odoo connector's deliveries say what they do, for as long as the context lasts. To be entered before the work starts."""
    deliver: Any = CONNECTOR.deliver  # a plain dictionary; put back at the end
    kept: Mapping[CommandKind, Any] = dict(deliver)
    for kind, delivery in kept.items():
        deliver[kind] = replace(
            delivery,
            send=_saying(delivery.send, kind.value, at, is_resolution=False),
            resolve=_saying(delivery.resolve, kind.value, at, is_resolution=True),
        )
    try:
        yield
    finally:
        deliver.update(kept)


def _saying(send: Any, kind: str, at: At, *, is_resolution: bool) -> Any:
    async def wrapped(ctx: Any, commands: Any, bound: Any) -> Any:
        what = Doing(kind, tuple(command.external_key for command in commands), is_resolution)
        token = doing.set(what)
        try:
            at("begin", what)
            outcomes = await send(ctx, commands, bound)
            at("end", what)
            return outcomes
        finally:
            doing.reset(token)

    return wrapped


def label_calls(hub: Hub, connection: str, at: At = _ignore) -> set[Place]:
    """Have every call of a connection carry the kind of command it is made for. Once, before the work starts.

    Returns where in the connector's code the writing calls are made from; it fills as they are made.
    """
    http: Any = hub.contexts[connection].http
    request = http.request
    seen: set[Place] = set()

    async def labeled_request(method: str, path: str, **options: Any) -> Any:
        what = doing.get()
        if what is None:
            return await request(method, path, **options)
        options["headers"] = {**(options.get("headers") or {}), KIND_HEADER: what.kind}
        if not options.get("is_write"):
            return await request(method, path, **options)
        seen.update(places_now())
        what.name = name_of(path, json.dumps(options["json"], default=str).encode())
        at("calling", what)
        answer = await request(method, path, **options)
        what.calls += 1
        at("call", what)
        return answer

    http.request = labeled_request
    return seen
