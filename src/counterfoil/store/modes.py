"""Table ``booked_mode``: the posting modes entities have booked in so far; a change of mode must say from which day on it holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from .pool import Conn


async def remember(conn: Conn, modes: Iterable[tuple[str, str]], now: datetime) -> None:
    """Note that entities booked in modes, given as (entity, mode); what is known stays as it is."""
    given = sorted(set(modes))
    if given:
        await conn.execute(
            "insert into booked_mode (entity, mode, since) select t.*, %s from unnest(%s::text[], %s::text[]) as t on conflict do nothing",
            (now, [entity for entity, _ in given], [mode for _, mode in given]),
        )


async def load(conn: Conn) -> set[tuple[str, str]]:
    """Return every (entity, mode) something was booked in."""
    return {(entity, mode) for entity, mode in await (await conn.execute("select entity, mode from booked_mode")).fetchall()}
