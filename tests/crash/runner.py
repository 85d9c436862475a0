"""A worker of the hub that dies by SIGKILL where it is told to: ``python -m tests.crash.runner CONFIGURATION NAME [POINT [KIND]]``.

Points: ``normalize`` (read, fetched and merged, not committed), ``decide`` (wishes written, not committed), ``claimed`` (intent not yet
committed), ``sent`` (intent committed, nothing sent), ``answered`` (the target did it, nothing noted), ``settling`` (noted, not committed).
The last four strike a batch of KIND.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfoil.app import hub as hubs
from counterfoil.app.hub import open_hub
from counterfoil.app.logs import working
from counterfoil.app.settings import from_values
from counterfoil.core.canonical.commands import CommandKind
from counterfoil.delivery.stage import TargetLink
from counterfoil.store import objects, outbox

IN_TRANSACTION: Mapping[str, tuple[Any, str]] = {
    "normalize": (objects, "upsert"),
    "decide": (outbox, "wish"),
    "claimed": (outbox, "mark_sent"),
    "settling": (outbox, "settle"),
}
AROUND_SENDING = ("sent", "answered")


def die() -> None:
    """End at once, without any cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm_point(point: str, kind: str) -> None:
    """Have the process die at a point."""
    if point in IN_TRANSACTION:
        _die_after(*IN_TRANSACTION[point], lambda arguments: is_meant(point, kind, arguments))
    elif point in AROUND_SENDING:
        _die_around_sending(point, kind)
    elif point:
        raise ValueError(f"unknown point {point!r}")


_sent_kinds: dict[str, str] = {}


def is_meant(point: str, kind: str, arguments: tuple[Any, ...]) -> bool:
    """Tell whether a call is of the kind that is to be struck."""
    if point == "claimed":
        return any(row.kind == kind for row in arguments[1])
    if point == "settling":
        return any(_sent_kinds.get(end.id) == kind for end in arguments[1])
    if point == "decide":
        return bool(arguments[2])
    return bool(arguments[2])


def _die_after(module: Any, name: str, is_struck: Callable[[tuple[Any, ...]], bool]) -> None:
    original = getattr(module, name)

    async def wrapped(*arguments: Any, **named: Any) -> Any:
        answer = await original(*arguments, **named)
        if name == "mark_sent":
            _sent_kinds.update({row.id: row.kind for row in arguments[1]})
        if is_struck(arguments):
            die()
        return answer

    setattr(module, name, wrapped)
    if name == "settle":
        _die_after(outbox, "mark_sent", lambda _arguments: False)


def _die_around_sending(point: str, kind: str) -> None:
    def link(ctx: Any, deliver: Mapping[CommandKind, Any], *rest: Any, **named: Any) -> TargetLink:
        dying = {one: replace(delivery, send=_dying(delivery.send, point, kind)) for one, delivery in deliver.items()}
        return TargetLink(ctx, dying, *rest, **named)

    vars(hubs)["TargetLink"] = link


def _dying(send: Any, point: str, kind: str) -> Any:
    async def wrapped(ctx: Any, commands: Any, bound: Any) -> Any:
        is_struck = any(command.kind.value == kind for command in commands)
        if is_struck and point == "sent":
            die()
        outcomes = await send(ctx, commands, bound)
        if is_struck:
            die()
        return outcomes

    return wrapped


async def work(values: dict[str, Any], name: str) -> None:
    """Work until the process is ended."""
    async with open_hub(from_values(values)) as hub:
        await hub.start_work(name)
        print("working", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run."""
    working()
    path, name, *rest = sys.argv[1:]
    point, kind = (*rest, "", "")[:2]
    arm_point(point, kind)
    asyncio.run(work(json.loads(Path(path).read_text()), name))


if __name__ == "__main__":
    main()
