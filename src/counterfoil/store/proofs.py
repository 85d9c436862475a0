"""Table ``proof``: when each group of sources and books is proven next, and what its last proof found; and the cases of what differed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from . import cases
from .pool import Conn
from .work import BOOKS

STAGE = "prove"
"""What cases call a document on which a proof's sides do not agree."""


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A group's proofs. ``proven_at`` None: there was none yet."""

    name: str
    due_at: datetime
    proven_at: datetime | None
    differences: int


async def plan(conn: Conn, names: Sequence[str], first: datetime) -> list[ProofRow]:
    """Return the rows of groups, those that are new due at ``first``."""
    await conn.execute(
        "insert into proof (name, due_at) select distinct n, %s::timestamptz from unnest(%s::text[]) as t(n) order by 1"
        " on conflict do nothing",
        (first, list(names)),
    )
    cursor = await conn.execute("select name, due_at, proven_at, differences from proof where name = any(%s) order by name", (list(names),))
    return [ProofRow(*row) for row in await cursor.fetchall()]


async def keep(conn: Conn, name: str, openings: Sequence[cases.Opening], differences: int, now: datetime, due_at: datetime) -> None:
    """Write down a proof: open cases of what differs, close those of what agrees again."""
    held = await conn.execute(
        "select distinct subject from case_subject where stage = %s and released_at is null and starts_with(subject, %s)",
        (STAGE, f"{name}/"),
    )
    still = {one.subject.subject for one in openings}
    await cases.release_subjects(conn, STAGE, [row[0] for row in await held.fetchall() if row[0] not in still], now)
    await cases.open_or_count(conn, openings, now)
    await cases.retell(conn, openings, now)
    await conn.execute("update proof set proven_at = %s, due_at = %s, differences = %s where name = %s", (now, due_at, differences, name))


async def put_off(conn: Conn, name: str, due_at: datetime) -> None:
    """Have a group be proven later: a side could not be read."""
    await conn.execute("update proof set due_at = %s where name = %s", (due_at, name))


async def told_by_watching(conn: Conn, ids: Sequence[str]) -> frozenset[str]:
    """Return those of the source's ids about whose document a case is open already because somebody changed it in the books."""
    cursor = await conn.execute(
        "select distinct substr(label, strpos(label, ':') + 1) from case_subject where stage = %s and released_at is null", (BOOKS,)
    )
    found = {row[0] for row in await cursor.fetchall()}
    return frozenset(id for id in ids if id in found)
