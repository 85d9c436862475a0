"""All lists of a source's changes read as one, list after list: what checks and tests of a connector walk through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from counterfoil.kit.connector import Connector, Page
from counterfoil.kit.context import Context


class Together:
    """Polls a connector. Its cursor holds the place in every list, and which is read now; a round ends with the last of them."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page. What the last page of a round says of coverage holds for every list."""
        lists = self._connector.lists_of_changes(ctx.settings)
        names = [*lists]
        state: dict[str, Any] = json.loads(cursor) if cursor else {"places": {}, "covered": {}, "since": {}, "at": names[0]}
        name = state["at"]
        page = await lists[name].poll(ctx, state["places"].get(name, ""))
        state["places"][name] = page.cursor
        for what, instant in (("covered", page.covers_until), ("since", page.recoverable_since)):
            if instant is not None:
                state[what][name] = instant.isoformat()
        is_over = not page.has_more and name == names[-1]
        if not page.has_more:
            state["at"] = names[(names.index(name) + 1) % len(names)]
        return Page(
            page.deliveries,
            json.dumps(state),
            has_more=not is_over,
            covers_until=_least(state["covered"]) if is_over and len(state["covered"]) == len(names) else None,
            recoverable_since=_latest(state["since"]) if is_over else None,
        )


def _least(instants: Mapping[str, str]) -> datetime:
    return min(map(datetime.fromisoformat, instants.values()))


def _latest(instants: Mapping[str, str]) -> datetime | None:
    return max(map(datetime.fromisoformat, instants.values()), default=None)
