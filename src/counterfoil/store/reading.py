"""Table ``unread``: lists of changes that could not be read at their last try, since when and why, and the case about each connection.

Instants are by the hub's clock. A row is gone with the next reading that goes well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.masking import masked

from . import case_subjects
from .cursors import POLL
from .pool import Conn
from .standing import CASE_AFTER, ConnectionStanding, ConnectionTrouble, open_case

PARTS = f"{POLL}/"
"""Begins the name of a list that is one of several."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A list that cannot be read: since when, when it was tried last and is tried again, and why.

    ``stream``: its name, as of its cursor. ``is_all``: nothing else of the connection can be read. ``is_refused``: it refuses our key or
    rights.
    """

    connection: str
    stream: str
    since: datetime
    tried_at: datetime
    again_at: datetime
    is_all: bool
    is_refused: bool
    code: str
    words: str

    @property
    def told(self) -> str:
        """Why it cannot be read, with the name of the list where that is needed."""
        return f"{self.name}: {self.words}" if self.name else self.words

    @property
    def name(self) -> str:
        """What people call the list; empty: it is all there is of the connection."""
        return "" if self.is_all or self.stream == POLL else self.stream.removeprefix(PARTS)


@dataclass(frozen=True, slots=True)
class Missed:
    """A try in vain: of which list, why, and when it is tried again."""

    stream: str
    trouble: ConnectionTrouble
    again_at: datetime


_COLUMNS = "connection, stream, since, tried_at, again_at, is_all, is_refused, code, words"
_NOTE = f"""
insert into unread as u ({_COLUMNS}) values (%(connection)s, %(stream)s, %(now)s, %(now)s, %(again_at)s, %(is_all)s, %(is_refused)s,
    %(code)s, %(words)s)
on conflict (connection, stream) do update set tried_at = excluded.tried_at, again_at = excluded.again_at,
    is_refused = excluded.is_refused, code = excluded.code, words = excluded.words
returning (select o.is_refused from unread o where o.connection = %(connection)s and o.stream = %(stream)s)
"""
"""Returns whether it was refused before, null if it could be read."""


async def of(conn: Conn, connection: str) -> list[Unread]:
    """Return the lists of a connection that cannot be read, the one that was tried longest ago first."""
    rows = await conn.execute(f"select {_COLUMNS} from unread where connection = %s order by tried_at, stream", (connection,))
    return [Unread(*row) for row in await rows.fetchall()]


async def read_all(conn: Conn) -> list[Unread]:
    """Return the lists that cannot be read, by connection."""
    return [Unread(*row) for row in await (await conn.execute(f"select {_COLUMNS} from unread order by connection, stream")).fetchall()]


async def failed(conn: Conn, connection: str, missed: Iterable[Missed], now: datetime, *, is_all: bool) -> None:
    """Note what could not be read; a case is opened at once where we are refused, otherwise when it has lasted for a while.

    ``is_all``: whether nothing of the connection could be read.
    """
    for one in missed:
        trouble = one.trouble
        given = {
            "connection": connection, "stream": one.stream, "now": now, "again_at": one.again_at, "is_all": is_all,
            "is_refused": trouble.is_refused, "code": trouble.code, "words": masked(trouble.words),
        }  # fmt: skip
        row = await (await conn.execute(_NOTE, given)).fetchone()
        if row is not None and row[0] is not None and row[0] != trouble.is_refused:  # it is of the other case now
            await case_subjects.release_subjects(conn, POLL, [_subject(connection, one.stream)], now)
    turned = await conn.execute(
        "update unread set is_all = %s where connection = %s and is_all <> %s returning stream", (is_all, connection, is_all)
    )
    if others := [_subject(connection, stream) for (stream,) in await turned.fetchall()]:  # they are of the other case now
        await case_subjects.release_subjects(conn, POLL, others, now)
    await _tell(conn, connection, now)


async def succeeded(conn: Conn, connection: str, streams: Collection[str], now: datetime) -> list[str]:
    """Note that lists were read, which takes them out of the case; return those that could not be read before."""
    gone = await conn.execute("delete from unread where connection = %s and stream = any(%s) returning stream", (connection, [*streams]))
    await case_subjects.release_subjects(conn, POLL, [_subject(connection, stream) for stream in streams], now)
    return sorted(stream for (stream,) in await gone.fetchall())


async def settle(conn: Conn, connection: str, streams: Collection[str], now: datetime) -> None:
    """Note in which lists a connection's changes are polled by now: of others there is nothing to be waited for, and no case."""
    rows = await conn.execute(
        "delete from unread where connection = %(connection)s and (stream = %(whole)s or starts_with(stream, %(parts)s))"
        " and stream <> all(%(streams)s) returning stream",
        {"connection": connection, "whole": POLL, "parts": PARTS, "streams": [*streams]},
    )
    if gone := [_subject(connection, stream) for (stream,) in await rows.fetchall()]:
        await case_subjects.release_subjects(conn, POLL, gone, now)


async def forget_others(conn: Conn, connections: Collection[str], now: datetime) -> None:
    """Forget what could not be read of connections that are configured no more, and close the cases about it."""
    rows = await conn.execute("delete from unread where connection <> all(%s) returning connection, stream", ([*connections],))
    if gone := [_subject(connection, stream) for connection, stream in await rows.fetchall()]:
        await case_subjects.release_subjects(conn, POLL, gone, now)


async def _tell(conn: Conn, connection: str, now: datetime) -> None:
    """Open the cases it is time for, of what is away and of what refuses us, and have them say what ails the connection as it is now."""
    found = await of(conn, connection)
    for is_refused in (False, True):
        alike = [one for one in found if one.is_refused == is_refused]
        if alike and (is_refused or now - min(one.since for one in alike) >= CASE_AFTER):
            await _open(conn, connection, alike, now)


async def _open(conn: Conn, connection: str, alike: list[Unread], now: datetime) -> None:
    newest, since = alike[-1], min(one.since for one in alike)
    as_standing = ConnectionStanding(connection, down_since=since, is_refused=newest.is_refused, code=newest.code, words=newest.words)
    for one in alike:
        await open_case(conn, connection, _subject(connection, one.stream), as_standing, now, of=[name for a in alike if (name := a.name)])


def _subject(connection: str, stream: str) -> str:
    """Return what a case calls a list: one that is the only one of its connection by the connection's name."""
    return connection if stream == POLL else f"{connection}/{stream.removeprefix(PARTS)}"
