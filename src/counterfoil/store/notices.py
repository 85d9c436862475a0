"""Tables ``notice`` and ``notify_channel``: which case was told through which channel, and channels that could not be reached.

Instants are by the hub's clock. A message counts as sent when its channel took it; a worker that dies between that and writing it down here
leaves the message to be sent once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .pool import Conn


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel something was sent through. ``failing_since`` None: it took the last message; ``code``: why it did not."""

    channel: str
    sent_at: datetime | None = None
    failing_since: datetime | None = None
    tries: int = 0
    next_try_at: datetime | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What was told of a case through a channel; ``is_open``: the case still is."""

    case_id: int
    told_at: datetime
    overdue_told_at: datetime | None
    is_open: bool


_COLUMNS = "channel, sent_at, failing_since, tries, next_try_at, code"


async def channels(conn: Conn) -> list[ChannelState]:
    """Return every channel that was ever tried, by name."""
    return [ChannelState(*row) for row in await (await conn.execute(f"select {_COLUMNS} from notify_channel order by channel")).fetchall()]


async def standing(conn: Conn, channel: str) -> list[Notice]:
    """Return what was told through a channel and is not told to be over yet."""
    rows = await conn.execute(
        "select n.case_id, n.told_at, n.overdue_told_at, c.state = 'open' from notice n join \"case\" c on c.id = n.case_id"
        " where n.channel = %s and n.recovered_told_at is null order by n.case_id",
        (channel,),
    )
    return [Notice(*row) for row in await rows.fetchall()]


async def told(conn: Conn, channel: str, new: Sequence[int], overdue: Sequence[int], over: Sequence[int], now: datetime) -> None:
    """Note a message that was taken: of new cases, of cases that are overdue, of cases that are over."""
    await conn.execute(
        "insert into notice (channel, case_id, told_at) select %s, unnest(%s::int8[]), %s on conflict do nothing", (channel, list(new), now)
    )
    for column, ids in (("overdue_told_at", overdue), ("recovered_told_at", over)):
        await conn.execute(f"update notice set {column} = %s where channel = %s and case_id = any(%s)", (now, channel, list(ids)))
    await conn.execute(
        "insert into notify_channel (channel, sent_at) values (%s, %s) on conflict (channel) do update set sent_at = excluded.sent_at,"
        " failing_since = null, tries = 0, next_try_at = null, code = ''",
        (channel, now),
    )


async def failed(conn: Conn, channel: str, code: str, next_try_at: datetime, now: datetime) -> None:
    """Note that a channel did not take a message, and when it is tried again."""
    await conn.execute(
        "insert into notify_channel as n (channel, failing_since, tries, next_try_at, code)"
        " values (%(channel)s, %(now)s, 1, %(next)s, %(code)s)"
        " on conflict (channel) do update set failing_since = coalesce(n.failing_since, excluded.failing_since), tries = n.tries + 1,"
        " next_try_at = excluded.next_try_at, code = excluded.code",
        {"channel": channel, "now": now, "next": next_try_at, "code": code},
    )
