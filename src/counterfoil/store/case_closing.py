"""Closing cases whose cause is gone, by their cause and not by their records; and which causes people waived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from . import cases
from .cases import CaseState
from .pool import Conn


async def open_fingerprints(conn: Conn, code: str) -> list[str]:
    """Return the fingerprints of the open cases of a code."""
    rows = await conn.execute("select fingerprint from \"case\" where state = 'open' and code = %s order by 1", (code,))
    return [row[0] for row in await rows.fetchall()]


async def resolve(conn: Conn, fingerprints: Iterable[str], reason: str, now: datetime) -> None:
    """Resolve the open cases with these fingerprints."""
    rows = await conn.execute("select id from \"case\" where state = 'open' and fingerprint = any(%s) order by 1", (sorted(fingerprints),))
    for (case_id,) in await rows.fetchall():
        await cases.close(conn, case_id, CaseState.RESOLVED, "hub", reason, now)


_WAIVED = """
select g.fingerprint from unnest(%(fingerprint)s::text[]) as g(fingerprint)
where not exists (select from "case" c where c.fingerprint = g.fingerprint and c.state = 'open')
    and (select c.state from "case" c where c.fingerprint = g.fingerprint order by c.id desc limit 1) = 'waived'
"""
"""Whoever is open is found by its index, and not looked for among those that are closed."""


async def waived(conn: Conn, fingerprints: Sequence[str]) -> set[str]:
    """Return those of the causes whose last case a person waived, and which have no case now."""
    if not fingerprints:
        return set()
    return {row[0] for row in await (await conn.execute(_WAIVED, {"fingerprint": sorted(set(fingerprints))})).fetchall()}
