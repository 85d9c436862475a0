"""Table ``attempt``: one try of one batch against a target, with how its commands ended and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .columns import columns
from .pool import Conn


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: ``size`` commands of a kind, of which so many were done, refused, left unknown or to be retried."""

    started_at: datetime
    ended_at: datetime
    target: str
    batch_key: str
    kind: str
    size: int
    request_digest: bytes
    done: int
    refused: int
    unknown: int
    retried: int
    command_ids: tuple[str, ...]
    is_resolution: bool = False
    detail: str = ""


_NAMES = (
    "started_at", "ended_at", "target", "batch_key", "kind", "size", "request_digest", "done", "refused", "unknown", "retried",
    "is_resolution", "detail",
)  # fmt: skip
_RECORD = """
insert into attempt (started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried, is_resolution,
    detail, command_ids)
select started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried, is_resolution, detail,
    string_to_array(command_ids, ',')::uuid[]
from unnest(%(started_at)s::timestamptz[], %(ended_at)s::timestamptz[], %(target)s::text[], %(batch_key)s::text[], %(kind)s::text[],
    %(size)s::int4[], %(request_digest)b::bytea[], %(done)s::int4[], %(refused)s::int4[], %(unknown)s::int4[], %(retried)s::int4[],
    %(is_resolution)s::bool[], %(detail)s::text[], %(command_ids)s::text[])
    as t(started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried, is_resolution, detail,
    command_ids)
"""
"""What was tried and how it ended, written once and never changed: the trace of every call."""


async def record(conn: Conn, attempts: Sequence[Attempt]) -> None:
    """Keep tries."""
    if attempts:
        given = columns(attempts, _NAMES) | {"command_ids": [",".join(one.command_ids) for one in attempts]}
        await conn.execute(_RECORD, given)


# By where they are sent: no try of a command begins before it was wished, as far as the clocks of workers agree. A command never changes
# its place, and is sent again after it was done, too.
_OF_COMMANDS = f"""
select {", ".join(f"a.{name}" for name in _NAMES)}, a.command_ids from (
    select target, batch_key, min(created_at) - interval '1 hour' as since
    from command_standing where id = any(%(ids)s::uuid[]) group by 1, 2
) p join attempt a on a.target = p.target and a.batch_key = p.batch_key and a.started_at >= p.since
where a.command_ids && %(ids)s::uuid[] order by a.started_at limit %(limit)s
"""


async def of_commands(conn: Conn, ids: Sequence[str], *, limit: int = 500) -> list[Attempt]:
    """Return the tries any of the commands was part of, oldest first."""
    cursor = await conn.execute(_OF_COMMANDS, {"ids": list(ids), "limit": limit})
    return [
        Attempt(command_ids=tuple(id.hex for id in command_ids), **dict(zip(_NAMES, plain, strict=True)))
        for *plain, command_ids in await cursor.fetchall()
    ]
