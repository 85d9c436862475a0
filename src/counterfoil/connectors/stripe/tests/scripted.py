"""A stand-in for the HTTP client that answers lists and objects from a script and notes what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient, Response

from .building import settings

Answer = Callable[[str, dict[str, str]], dict[str, Any] | None]


class ScriptedHttp:
    """Answers GETs by a function of path and parameters; None is a 404."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str], str]] = []

    async def request(
        self, method: str, path: str, *, params: list[tuple[str, str]], headers: Mapping[str, str], is_write: bool
    ) -> Response:
        """Return the scripted answer."""
        assert method == "GET"
        assert not is_write
        given = dict(params)
        self.asked.append((path, given, headers.get("Stripe-Account", "")))
        found = self.answer(path, given)
        return Response(404 if found is None else 200, {}, json.dumps(found or {}).encode(), path)


def scripted(answer: Answer, now: datetime, **changes: Any) -> tuple[Context, ScriptedHttp, SettableClock]:
    """Return a context over a script, what it was asked, and its clock."""
    http, clock = ScriptedHttp(answer), SettableClock(now)
    return Context("stripe", settings(**changes), cast(HttpClient, http), clock), http, clock


def page(rows: list[dict[str, Any]], params: Mapping[str, str]) -> dict[str, Any]:
    """Return the page of a newest-first list that the parameters ask for, as Stripe cuts it."""
    oldest = int(params.get("created[gte]", 0))
    rest = [row for row in rows if row["created"] >= oldest]
    if "starting_after" in params:
        ids = [row["id"] for row in rest]
        rest = rest[ids.index(params["starting_after"]) + 1 :]
    limit = int(params.get("limit", 10))
    return {"object": "list", "data": rest[:limit], "has_more": len(rest) > limit}
