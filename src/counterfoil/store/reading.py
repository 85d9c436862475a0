"""Table ``reading``: sources that could not be read at their last try, since when and why, and the case about it.

Instants are by the hub's clock. A row is gone with the next reading that goes well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.masking import masked

from . import cases
from .pool import Conn
from .standing import CASE_AFTER, ConnectionStanding, ConnectionTrouble, open_case


@dataclass(frozen=True, slots=True)
class Unread:
    """A source that cannot be read: since when, when it was tried last, and why. ``is_refused``: it refuses our key or rights."""

    connection: str
    since: datetime
    tried_at: datetime
    is_refused: bool
    code: str
    words: str


_COLUMNS = "connection, since, tried_at, is_refused, code, words"
_NOTE = f"""
insert into reading as r ({_COLUMNS})
values (%(connection)s, %(now)s, %(now)s, %(is_refused)s, %(code)s, %(words)s)
on conflict (connection) do update set tried_at = excluded.tried_at, is_refused = excluded.is_refused, code = excluded.code,
    words = excluded.words
returning {_COLUMNS}, (select o.is_refused from reading o where o.connection = %(connection)s)
"""


async def failed(conn: Conn, connection: str, trouble: ConnectionTrouble, now: datetime) -> None:
    """Note that a source could not be read; a case is opened at once if it refuses us, otherwise when it has lasted for a while."""
    given = {"connection": connection, "now": now, "is_refused": trouble.is_refused, "code": trouble.code, "words": masked(trouble.words)}
    row = await (await conn.execute(_NOTE, given)).fetchone()
    if row is None:
        raise RuntimeError("an insert returned nothing")
    found, was_refused = Unread(*row[:-1]), row[-1]
    if was_refused is not None and was_refused != found.is_refused:
        await cases.release_subjects(conn, "poll", [connection], now)
    if found.is_refused or now - found.since >= CASE_AFTER:
        as_standing = ConnectionStanding(
            connection, down_since=found.since, is_refused=found.is_refused, code=found.code, words=found.words
        )
        await open_case(conn, connection, connection, as_standing, now)


async def succeeded(conn: Conn, connection: str, now: datetime) -> bool:
    """Note that a source was read, which closes its case; return whether it could not be read before."""
    was_away = (await conn.execute("delete from reading where connection = %s", (connection,))).rowcount > 0
    await cases.release_subjects(conn, "poll", [connection], now)
    return was_away


async def read_all(conn: Conn) -> list[Unread]:
    """Return the sources that cannot be read, by name."""
    return [Unread(*row) for row in await (await conn.execute(f"select {_COLUMNS} from reading order by connection")).fetchall()]
