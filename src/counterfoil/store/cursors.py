"""Table ``cursor``: how far a stream of a connection (its poll, the backfill of a kind) has been read, and what that covers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from .pool import Conn

POLL = "poll"
"""Name of the stream of a source that is polled; of one that has several lists of changes, ``poll/NAME``."""
LISTEN = "listen"
"""Name of the stream of a source that is listened to."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a stream. ``covers_until``: every change before it was seen; ``recoverable_since``: the source shows none before it.

    ``state``: free text of the reader (``done`` for a finished backfill); ``read_count``: deliveries read so far. ``is_read`` False: the
    stream is not read any more, its place is kept in case it is again.
    """

    connection: str
    stream: str
    cursor: str
    covers_until: datetime | None = None
    recoverable_since: datetime | None = None
    state: str = ""
    read_count: int = 0
    updated_at: datetime | None = None
    is_read: bool = True


_COLUMNS = "connection, stream, cursor, covers_until, recoverable_since, state, read_count, updated_at, is_read"


async def load(conn: Conn, connection: str, stream: str) -> Cursor | None:
    """Return a stream's cursor, None if it was never read."""
    row = await (
        await conn.execute(f"select {_COLUMNS} from cursor where connection = %s and stream = %s", (connection, stream))
    ).fetchone()
    return None if row is None else Cursor(*row)


async def polled(conn: Conn, connection: str) -> dict[str, Cursor]:
    """Return the cursors of all that was ever polled of a connection, by stream."""
    rows = await conn.execute(
        f"select {_COLUMNS} from cursor where connection = %s and (stream = %s or starts_with(stream, %s))", (connection, POLL, f"{POLL}/")
    )
    return {row[1]: Cursor(*row) for row in await rows.fetchall()}


async def settle(conn: Conn, connection: str, streams: Collection[str]) -> None:
    """Note which streams of a connection are polled: the others prove nothing any more, and their places are kept."""
    await conn.execute(
        "update cursor set is_read = stream = any(%(streams)s) where connection = %(connection)s and (stream = %(whole)s"
        " or starts_with(stream, %(parts)s)) and is_read <> (stream = any(%(streams)s))",
        {"connection": connection, "streams": [*streams], "whole": POLL, "parts": f"{POLL}/"},
    )


async def save(conn: Conn, cursor: Cursor, now: datetime) -> None:
    """Keep a cursor, to be committed together with what was read up to it. Coverage once reached is not taken back."""
    await conn.execute(
        f"insert into cursor as c ({_COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (connection, stream) do update set"
        " cursor = excluded.cursor, covers_until = greatest(c.covers_until, excluded.covers_until), state = excluded.state,"
        " recoverable_since = coalesce(excluded.recoverable_since, c.recoverable_since), read_count = excluded.read_count,"
        " updated_at = excluded.updated_at, is_read = excluded.is_read",
        (
            cursor.connection,
            cursor.stream,
            cursor.cursor,
            cursor.covers_until,
            cursor.recoverable_since,
            cursor.state,
            cursor.read_count,
            now,
            cursor.is_read,
        ),
    )


_ADVANCE = """
update cursor set cursor = %(cursor)s, covers_until = greatest(covers_until, %(covers_until)s),
    recoverable_since = coalesce(%(recoverable_since)s, recoverable_since), read_count = %(read_count)s, updated_at = %(now)s
where connection = %(connection)s and stream = %(stream)s and cursor = %(was)s
"""
"""Compared with where the reader found it: of two that read one stream, as a worker does that was taken for dead, only one moves it."""


async def advance(conn: Conn, cursor: Cursor, was: str, now: datetime) -> bool:
    """Move a position from where it ``was``, to be committed with what was read up to it; False: it is elsewhere, and stays there."""
    given = {
        "cursor": cursor.cursor,
        "covers_until": cursor.covers_until,
        "recoverable_since": cursor.recoverable_since,
        "read_count": cursor.read_count,
        "now": now,
        "connection": cursor.connection,
        "stream": cursor.stream,
        "was": was,
    }
    return (await conn.execute(_ADVANCE, given)).rowcount > 0


async def list_cursors(conn: Conn) -> list[Cursor]:
    """Return every cursor."""
    return [Cursor(*row) for row in await (await conn.execute(f"select {_COLUMNS} from cursor order by connection, stream")).fetchall()]


async def forget(conn: Conn, connection: str, stream: str) -> None:
    """Forget a cursor: the stream will be read from its beginning."""
    await conn.execute("delete from cursor where connection = %s and stream = %s", (connection, stream))
