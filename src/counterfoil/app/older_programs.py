"""Rules that say what programs of before do not know: they are not released while one of those is at work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from counterfoil.core.language.records import Purpose
from counterfoil.kit.errors import SetupError
from counterfoil.store import workers
from counterfoil.store.pool import Conn

SAYS_ITS_SCHEMA = 47
"""The schema from which on a worker says which one its program is made for; what is new in a release was made before."""
ALIVE_WITHIN_S = 20.0
"""A worker heard of so lately may still read and decide."""


async def refuse_beside_older(conn: Conn, before: str, after: str) -> None:
    """Refuse rules that say what those before did not say and an older program at work does not know.

    Raises:
        SetupError: one is at work (``rules.older_worker``).
    """
    new = ", ".join(sorted({*_said(json.loads(after))} - {*_said(json.loads(before))}))
    older = await workers.older(conn, SAYS_ITS_SCHEMA, ALIVE_WITHIN_S) if new else []
    if older:
        raise SetupError(
            f"{', '.join(older)} of an older program does not know {new} and would leave it out: stop it, or start it with this version,"
            " first",
            code="rules.older_worker",
        )


def _said(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a body says of all that came with the schemas before workers said theirs."""
    yield from (f"[[{name}]]" for name in ("dunning", "ownership") if body.get(name))
    if any(one.get("purpose") == Purpose.CRM_STATUS.value for one in body.get("destinations", ())):
        yield f"[[destinations]] for {Purpose.CRM_STATUS.value}"
