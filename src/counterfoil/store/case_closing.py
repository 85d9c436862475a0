"""Closing cases whose cause is gone, by their cause and not by their records; and which causes people waived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """What became of a case: where it stands, when it was closed, and when a person had what it holds taken up again last."""

    fingerprint: str
    state: CaseState
    closed_at: datetime | None
    retried_at: datetime | None


_ANSWERS = """
select c.fingerprint, c.state::text, c.closed_at,
    (select max(h.at) from case_history h where h.case_id = c.id and h.action = 'retried' and h.actor <> 'hub')
from case_subject s join "case" c on c.id = s.case_id
where s.stage = %(stage)s and s.subject = %(subject)s and c.code = %(code)s order by c.id desc
"""
"""By the index of what stands still: a record has few cases. What the hub takes up again by itself answers nothing."""


async def answers(conn: Conn, stage: str, subject: str, code: str) -> list[CaseAnswer]:
    """Return what became of a record's cases of a code, the newest first."""
    rows = await conn.execute(_ANSWERS, {"stage": stage, "subject": subject, "code": code})
    return [CaseAnswer(fingerprint, CaseState(state), *times) for fingerprint, state, *times in await rows.fetchall()]
