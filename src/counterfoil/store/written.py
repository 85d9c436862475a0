"""Table ``written``: what was written of a thing at a connection that tells of it, too, as digests by field (``core/identity/echoes.py``).

A row is read with its lock, changed and written in one transaction, rows in the order of their key, so that two writers do not wait for
each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterfoil.core.identity.echoes import CONTENTS_MAX, Content, EchoMatch, Written
from counterfoil.core.language.ids import ObjectRef

from .pool import Conn


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A thing at a connection."""

    connection: str
    ref: ObjectRef


_ASKED = "unnest(%(connection)s::text[], %(kind)s::text[], %(id)s::text[])"
_LOAD = f"select connection, kind, id, seen, contents from written where (connection, kind, id) in (select * from {_ASKED})"
_MAKE = f"insert into written (connection, kind, id) select * from {_ASKED} order by 1, 2, 3 on conflict do nothing"
_LOCK = f"{_LOAD} order by connection, kind, id for update"
_WRITE = """
update written w set seen = t.seen, contents = t.contents
from unnest(%(connection)s::text[], %(kind)s::text[], %(id)s::text[], %(seen)s::int8[], %(contents)s::jsonb[])
    as t(connection, kind, id, seen, contents)
where w.connection = t.connection and w.kind = t.kind and w.id = t.id
"""
"""The rows were made and locked before, in the order of their keys: two who write the same places wait for each other and lose nothing."""


async def load(conn: Conn, places: Iterable[Place]) -> dict[Place, Written]:
    """Return what was written at some places, as far as anything was."""
    asked = sorted(set(places))
    return _read(await (await conn.execute(_LOAD, _given(asked))).fetchall()) if asked else {}


async def sent(conn: Conn, contents: Mapping[Place, Sequence[Content]]) -> None:
    """Note contents that are about to be sent, oldest first; one that was sent before stays as it was noted then."""
    places = sorted(contents)
    if places:
        await conn.execute(_MAKE, _given(places))
        await _change(conn, places, lambda place, written: _with(written, contents[place]))


async def ended(conn: Conn, done: Mapping[Place, Sequence[Content]], dropped: Mapping[Place, Sequence[str]]) -> None:
    """Note how writings ended: those that are done, with what they wrote, and (by command) those that certainly took no effect."""
    places = sorted({*done, *dropped})
    if places:
        await conn.execute(_MAKE, _given(places))
        await _change(conn, places, lambda place, written: _ended(written, done.get(place, ()), dropped.get(place, ())))


async def heard(conn: Conn, traces: Mapping[Place, Sequence[EchoMatch]]) -> None:
    """Note what told records mean for what was written."""
    places = sorted(traces)
    if places:
        await _change(conn, places, lambda place, written: _traced(written, traces[place]))


async def rename(conn: Conn, former: str, name: str) -> None:
    """Take what was written to a connection for written to another one, where nothing was; ``name`` empty: forget it."""
    if name:
        await conn.execute(
            "insert into written (connection, kind, id, seen, contents) select %s, kind, id, seen, contents from written"
            " where connection = %s order by kind, id on conflict do nothing",
            (name, former),
        )
    await conn.execute("delete from written where connection = %s", (former,))


def _with(written: Written, several: Sequence[Content]) -> Written:
    known = {one.command for one in written.contents}
    found = (*written.contents, *(one for one in several if one.command not in known))
    return replace(written, contents=found[-CONTENTS_MAX:])


def _ended(written: Written, done: Sequence[Content], dropped: Sequence[str]) -> Written:
    """Return contents with those that are done as the last of what was certainly there, and without those that took no effect."""
    ends = {one.command: one for one in done}
    before = {one.command: one for one in written.contents}
    # What somebody has set since the sending is gone from it, and stays gone.
    found = [
        ends[one.command] if one.done_at is None and one.command in ends else one for one in written.contents if one.command not in dropped
    ]
    found += [one for one in done if one.command not in before]
    return replace(written, contents=tuple(found[-CONTENTS_MAX:]))


def _traced(written: Written, traces: Sequence[EchoMatch]) -> Written:
    for trace in traces:
        written = trace.of(written)
    return written


async def _change(conn: Conn, places: Sequence[Place], change: Callable[[Place, Written], Written]) -> None:
    known = _read(await (await conn.execute(_LOCK, _given(places))).fetchall())
    changed = {place: change(place, written) for place, written in known.items()}
    rows = [(place, written) for place, written in sorted(changed.items()) if written != known[place]]
    if rows:
        given = _given([place for place, _ in rows])
        given |= {"seen": [one.seen for _, one in rows], "contents": [_text(one.contents) for _, one in rows]}
        await conn.execute(_WRITE, given)


def _given(places: Sequence[Place]) -> dict[str, list[Any]]:
    return {
        "connection": [one.connection for one in places],
        "kind": [one.ref.kind for one in places],
        "id": [one.ref.id for one in places],
    }


def _read(rows: Iterable[Sequence[Any]]) -> dict[Place, Written]:
    return {
        Place(connection, ObjectRef(kind, id)): Written(tuple(Content(**one) for one in contents), seen)
        for connection, kind, id, seen, contents in rows
    }


def _text(contents: Sequence[Content]) -> str:
    plain = [{"command": one.command, "fields": dict(one.fields), "sent_at": one.sent_at, "done_at": one.done_at} for one in contents]
    return json.dumps(plain, sort_keys=True)
