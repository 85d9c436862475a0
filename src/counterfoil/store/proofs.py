"""Table ``proof``: when each group of sources and books is proven next, and what its last proof found; and the cases of what differed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import case_subjects, cases
from .pool import Conn
from .work import BOOKS

STAGE = "prove"
"""What cases call a document on which a proof's sides do not agree."""


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A group's proofs. ``proven_at`` None: there was none yet. ``suspects``: documents that differed in the last one."""

    name: str
    due_at: datetime
    proven_at: datetime | None
    differences: int
    suspects: tuple[str, ...] = ()


async def plan(conn: Conn, names: Sequence[str], first: datetime) -> list[ProofRow]:
    """Return the rows of groups, those that are new due at ``first``."""
    await conn.execute(
        "insert into proof (name, due_at) select distinct n, %s::timestamptz from unnest(%s::text[]) as t(n) order by 1"
        " on conflict do nothing",
        (first, list(names)),
    )
    # the interval was shortened: what was planned by the longer one is due by the shorter
    await conn.execute("update proof set due_at = %s where name = any(%s) and due_at > %s", (first, list(names), first))
    cursor = await conn.execute(
        "select name, due_at, proven_at, differences, suspects from proof where name = any(%s) order by name", (list(names),)
    )
    return [ProofRow(row[0], row[1], row[2], row[3], tuple(row[4])) for row in await cursor.fetchall()]


async def told(conn: Conn, name: str) -> frozenset[str]:
    """Return the documents of a group about which a case of a proof is open."""
    return frozenset(subject.removeprefix(f"{name}/") for subject in await _held(conn, name))


async def keep(
    conn: Conn, name: str, openings: Sequence[cases.Opening], differing: Collection[str], now: datetime, due_at: datetime
) -> None:
    """Write down a proof: open cases of what differs still, close those of what agrees again."""
    still = {one.subject.subject for one in openings}
    await case_subjects.release_subjects(conn, STAGE, [subject for subject in await _held(conn, name) if subject not in still], now)
    await cases.open_or_count(conn, openings, now)
    await cases.retell(conn, openings, now)
    await conn.execute(
        "update proof set proven_at = %s, due_at = %s, differences = %s, suspects = %s where name = %s",
        (now, due_at, len(differing), sorted(differing), name),
    )


async def _held(conn: Conn, name: str) -> list[str]:
    cursor = await conn.execute(
        "select distinct subject from case_subject where stage = %s and released_at is null and starts_with(subject, %s)",
        (STAGE, f"{name}/"),
    )
    return [row[0] for row in await cursor.fetchall()]


async def are_made(conn: Conn, since: datetime) -> bool:
    """Tell whether every group was proven at or after an instant."""
    cursor = await conn.execute("select coalesce(bool_and(coalesce(proven_at >= %s, false)), false) from proof", (since,))
    return await cursor.fetchone() == (True,)


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
