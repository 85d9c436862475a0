"""Table ``ruleset``, and who of the workers may work by theirs: the newest rules win, and whoever has older ones says that it waits.

A set of rules is known by its digest. One never seen before is newer than all others; one that all workers have becomes the newest, so that
a return to former rules holds. A worker joins waiting, and begins only, under a lock, while no worker with other rules may be working: two
workers with different rules never both work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .pool import Conn

Allows = Callable[[Conn], Awaitable[bool]]
_LOCK = 0x0C0F_0006  # advisory locks of this project start with 0x0C0F


async def declare(conn: Conn, declared: Mapping[str, str]) -> str:
    """Keep a set of rules (path of a setting -> its value); return its digest."""
    text = json.dumps(dict(sorted(declared.items())), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    await conn.execute("insert into ruleset (digest, declared) values (%s, %s) on conflict do nothing", (digest, text))
    return digest


async def lead(conn: Conn, declared: Mapping[str, str]) -> str:
    """Keep a set of rules that has been released, as the newest of all; return its digest."""
    digest = await declare(conn, declared)
    await conn.execute(
        "update ruleset set seq = nextval(pg_get_serial_sequence('ruleset', 'seq')) where digest = %s"
        " and seq < (select max(seq) from ruleset)",
        (digest,),
    )
    return digest


@dataclass(frozen=True, slots=True)
class _Other:
    """A worker as another one sees it."""

    id: str
    rules: str
    seq: int
    is_waiting: bool


async def may_work(conn: Conn, id: str, *, is_idle: bool, allows: Allows | None = None) -> bool:
    """Tell whether a worker may decide and send now; note it in its row if that begins, or (once ``is_idle``) ends.

    ``allows``: whether what was booked meanwhile lets it begin.

    ``conn``: in autocommit. A worker without rules, or that was declared dead, gets True: nothing is compared, or nothing is its own.
    """
    me, others = await _look(conn, id)
    if me is None:
        return True
    if not me.is_waiting and any(one.seq > me.seq for one in others):
        if is_idle:
            await conn.execute("update worker set waits_since = clock_timestamp() where id = %s", (id,))
        return False
    if not me.is_waiting and (others or await _is_newest(conn, me)):
        return True
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        me, others = await _look(conn, id)
        if me is None or any(one.seq > me.seq or not one.is_waiting for one in others):
            return me is None
        if allows is not None and not await allows(conn):
            return False
        if not others and not await _is_newest(conn, me):
            renumbered = "update ruleset set seq = nextval(pg_get_serial_sequence('ruleset', 'seq')) where digest = %s"
            await conn.execute(renumbered, (me.rules,))
        await conn.execute("update worker set waits_since = null where id = %s", (id,))
    return True


async def _look(conn: Conn, id: str) -> tuple[_Other | None, list[_Other]]:
    """Return the worker, and those with other rules."""
    cursor = await conn.execute(
        "select w.id, w.rules, r.seq, w.waits_since is not null from worker w join ruleset r on r.digest = w.rules order by r.seq desc"
    )
    everybody = [_Other(*row) for row in await cursor.fetchall()]
    me = next((one for one in everybody if one.id == id), None)
    return me, [] if me is None else [one for one in everybody if one.rules != me.rules]


async def _is_newest(conn: Conn, me: _Other) -> bool:
    row = await (await conn.execute("select coalesce(max(seq), 0) <= %s from ruleset", (me.seq,))).fetchone()
    return row is not None and bool(row[0])


@dataclass(frozen=True, slots=True)
class Differing:
    """A worker that waits, one with newer rules, and the settings in which they differ: path -> (here, there), '' where it is not set."""

    worker: str
    rules: str
    newer: str
    settings: Mapping[str, tuple[str, str]]


async def differing(conn: Conn, late_s: float) -> list[Differing]:
    """Return the workers that have waited for so many seconds of real time because another one has newer rules."""
    cursor = await conn.execute(
        "select w.id, w.rules, n.id, r.declared, n.declared from worker w join ruleset r on r.digest = w.rules cross join lateral"
        " (select o.id, s.declared, s.seq from worker o join ruleset s on s.digest = o.rules where s.seq > r.seq order by s.seq desc, o.id"
        " limit 1) n where w.waits_since <= clock_timestamp() - make_interval(secs => %s) order by w.id",
        (late_s,),
    )
    found = []
    for worker, rules, newer, here, there in await cursor.fetchall():
        paths = [path for path in sorted({*here, *there}) if here.get(path) != there.get(path)]
        found.append(Differing(worker, rules, newer, {path: (here.get(path, ""), there.get(path, "")) for path in paths}))
    return found
