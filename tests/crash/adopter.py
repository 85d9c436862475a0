"""Where adopting dies: at every boundary, within a process (by an exception that nothing catches) or with it (nursery.py), by SIGKILL."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from counterfoil.app import adopting
from counterfoil.app.adopting import apply_plan
from counterfoil.app.adoption_file import read_plan
from counterfoil.app.adoption_plan import Adoption, digest_of
from counterfoil.app.hub import open_hub
from counterfoil.app.settings import from_values
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.existing import OdooExisting
from counterfoil.kit.clock import FollowingClock
from counterfoil.store import audit, outbox


class Killed(BaseException):
    """The process ends here: nothing after it is done, and what is not committed is gone."""


Die = Callable[[], NoReturn]


def die() -> NoReturn:
    """End here, and let the process live."""
    raise Killed


def be_killed() -> NoReturn:
    """End the process: nothing of it cleans up, and servers learn of it by connections that break."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the process lives")


def before(patch: pytest.MonkeyPatch, owner: Any, name: str, at: int, die: Die) -> None:
    """Die before a call, the one after so many."""
    inner, calls = getattr(owner, name), [0]

    async def struck(*given: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] > at:
            die()
        return await inner(*given, **more)

    patch.setattr(owner, name, struck)


def after(patch: pytest.MonkeyPatch, owner: Any, name: str, at: int, die: Die) -> None:
    """Die after a call had its effect, the one after so many."""
    inner, calls = getattr(owner, name), [0]

    async def struck(*given: Any, **more: Any) -> Any:
        calls[0] += 1
        done = await inner(*given, **more)
        if calls[0] > at:
            die()
        return done

    patch.setattr(owner, name, struck)


def after_writing(patch: pytest.MonkeyPatch, at: int, die: Die) -> None:
    """Die when external ids were written and nobody has read the answer yet, after so many such calls."""
    inner, calls = OdooClient.call, [0]

    async def struck(self: OdooClient, *given: Any, **more: Any) -> Any:
        done = await inner(self, *given, **more)
        if given[:2] == ("ir.model.data", "create"):
            calls[0] += 1
            if calls[0] > at:
                die()
        return done

    patch.setattr(OdooClient, "call", struck)


Strike = Callable[[pytest.MonkeyPatch, int, Die], None]
BOUNDARIES: dict[str, Strike] = {
    "nothing is named": lambda patch, at, die: before(patch, OdooExisting, "adopt", at, die),
    "written there, not answered": after_writing,
    "named, not bound": lambda patch, at, die: after(patch, OdooExisting, "adopt", at, die),
    "binding, not committed": lambda patch, at, die: after(patch, outbox, "bind_and_release", at, die),
    "written down, not committed": lambda patch, at, die: after(patch, audit, "append", at, die),
    "bound": lambda patch, at, die: after(patch, adopting, "_bind", at, die),
}
OF_DOCUMENTS: dict[str, Strike] = {
    "nothing is named": lambda patch, at, die: before(patch, OdooExisting, "adopt", at, die),
    "written there, not answered": after_writing,
    "named, not done": lambda patch, at, die: after(patch, OdooExisting, "adopt", at, die),
    "done, not committed": lambda patch, _at, die: after(patch, outbox, "settle", 0, die),
    "written down, not committed": lambda patch, at, die: after(patch, audit, "append", at, die),
    "done": lambda patch, _at, die: after(patch, adopting, "bind_documents", 0, die),
}


def main(order: str) -> None:
    """Apply a plan as ``counterfoil adopt --apply`` does, and be killed where the order (JSON) says."""
    told = json.loads(Path(order).read_text("utf-8"))
    strikes = BOUNDARIES if told["of"] == "customers" else OF_DOCUMENTS
    patch = pytest.MonkeyPatch()
    patch.setattr(adopting, "NAMED_AT_A_TIME", 1)
    strikes[told["boundary"]](patch, told["at"], be_killed)
    asyncio.run(_apply(told))


async def _apply(told: dict[str, Any]) -> None:
    rows = read_plan(Path(told["plan"]))
    clock = FollowingClock(datetime.fromisoformat(told["now"]))
    async with open_hub(from_values(told["values"]), clock, does_share=False) as hub:
        await apply_plan(hub, told["connection"], rows, Adoption("mira", "taken over", digest_of(rows)))
