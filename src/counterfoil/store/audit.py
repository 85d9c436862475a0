"""Table ``audit``: who or what did what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .pool import Conn


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One act: ``actor`` did ``action`` to ``subject``; ``detail`` holds no secrets and no personal data."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)


async def append(conn: Conn, line: AuditLine) -> None:
    """Write one line."""
    await conn.execute(
        "insert into audit (at, actor, action, subject, detail) values (%s, %s, %s, %s, %s::jsonb)",
        (line.at, line.actor, line.action, line.subject, json.dumps(dict(line.detail))),
    )


async def newest(conn: Conn, action: str, prefix: str) -> dict[str, Mapping[str, object]]:
    """Return the detail of the newest line of an action per subject, of the subjects that begin with ``prefix``."""
    cursor = await conn.execute(
        "select distinct on (subject) subject, detail from audit where action = %s and starts_with(subject, %s)"
        " order by subject, at desc, id desc",
        (action, prefix),
    )
    return {str(subject): detail for subject, detail in await cursor.fetchall()}


async def recent(conn: Conn, *, subject: str = "", limit: int = 100) -> list[AuditLine]:
    """Return the latest lines, newest first; of one subject if given."""
    cursor = await conn.execute(
        "select at, actor, action, subject, detail from audit where %(subject)s = '' or subject = %(subject)s"
        " order by at desc, id desc limit %(limit)s",
        {"subject": subject, "limit": limit},
    )
    return [AuditLine(*row) for row in await cursor.fetchall()]
