"""Table ``standing``: whether a connection can be sent to, since when it cannot, who looks at it next, and the one case about it.

Instants are by the hub's clock. A connection that is down is looked at by one worker at a time, at growing intervals of at most
``WAIT_MAX_S`` (longer only where it asked for that itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.masking import masked

from . import case_subjects, cases
from .opening import opening
from .pool import Conn

WAIT_FIRST_S = 0.5
WAIT_MAX_S = 120.0
ASKED_MAX_S = 3600.0
"""A target's own wish to be left alone is kept up to this long."""
PROBE_S = 60.0
"""So long whoever looks at a connection may take before somebody else does."""
CASE_AFTER = timedelta(seconds=45)
"""A connection may be away so long before people are told; a refused key they are told of at once."""
HIDING = frozenset({"target.resting", "target.budget_unavailable"})
"""Codes of what keeps us from calling a target that failed before: they hide why it did."""
RELAPSE = timedelta(minutes=10)
"""One that falls again so soon after it came back is looked at no more often than before."""
_SEEN_EVERY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ConnectionStanding:
    """How a connection stands. ``down_since`` None: it can be sent to. ``is_by_sending``: sending found it down, only sending clears it."""

    connection: str
    down_since: datetime | None = None
    up_at: datetime | None = None
    is_refused: bool = False
    is_by_sending: bool = False
    code: str = ""
    words: str = ""
    tries: int = 0
    next_try_at: datetime | None = None
    real_time_at: datetime | None = None
    tried_until: datetime | None = None

    @property
    def is_tried(self) -> bool:
        """Whether a worker is looking at it, as far as that one has said; news of it end the claim."""
        return self.tried_until is not None and self.tried_until == self.next_try_at

    @property
    def is_down(self) -> bool:
        """Whether it is known not to be usable."""
        return self.down_since is not None

    def wait_s(self, now: datetime) -> float:
        """Return the seconds until somebody may look at it again."""
        return 0.0 if self.next_try_at is None else max(0.0, (self.next_try_at - now).total_seconds())


@dataclass(frozen=True, slots=True)
class ConnectionTrouble:
    """Why a connection cannot be used: ``is_refused``: it refuses our key or rights; ``retry_after_s``: as it asked."""

    code: str
    words: str
    is_refused: bool = False
    retry_after_s: float | None = None


_NAMES = "connection, down_since, up_at, is_refused, is_by_sending, code, words, tries, next_try_at, real_time_at, tried_until"


async def read(conn: Conn, connection: str) -> ConnectionStanding:
    """Return how a connection stands."""
    row = await (await conn.execute(f"select {_NAMES} from standing where connection = %s", (connection,))).fetchone()
    return ConnectionStanding(connection) if row is None else ConnectionStanding(*row)


async def read_all(conn: Conn) -> list[ConnectionStanding]:
    """Return every connection that was ever down or had real-time work, by name."""
    return [ConnectionStanding(*row) for row in await (await conn.execute(f"select {_NAMES} from standing order by connection")).fetchall()]


_CLAIM = """
update standing set next_try_at = %(until)s, tried_until = %(until)s, tried_by = %(worker)s
where connection = %(connection)s and down_since is not null and (next_try_at <= %(now)s or (
    tried_until = next_try_at and tried_by <> ''
    and (not exists (select from worker w where w.id = tried_by) or (tried_by = %(worker)s and not %(is_trying)s))))
"""
"""Free again are also claims whose worker is gone, and a claim of the asker's own that it has lost sight of."""


async def claim_probe(conn: Conn, connection: str, now: datetime, worker: str = "", *, is_trying: bool = False) -> bool:
    """Return whether the caller is the one to look at a connection that is down.

    A claim ends with what was found, when it is given up, after ``PROBE_S``, and with its worker's row. ``is_trying``: the worker itself
    is looking at it just now; otherwise a former claim of its own was lost sight of, and does not hinder it.
    """
    until = now + timedelta(seconds=PROBE_S)
    given = {"connection": connection, "now": now, "until": until, "worker": worker, "is_trying": is_trying}
    return (await conn.execute(_CLAIM, given)).rowcount > 0


async def free_probe(conn: Conn, connection: str, at: datetime) -> None:
    """Give a claim up of which nothing came: others may look from that instant. Without one nothing changes."""
    await conn.execute(
        "update standing set next_try_at = %s, tried_until = null where connection = %s and tried_until = next_try_at", (at, connection)
    )


async def note_down(
    conn: Conn, connection: str, trouble: ConnectionTrouble, now: datetime, *, is_by_sending: bool, is_probe: bool = False
) -> ConnectionStanding:
    """Note that a connection cannot be used and return how it stands; the case about it is opened when it is time.

    ``is_probe``: somebody looked at it and found it still down; news of the same fall from several batches counts once.
    """
    await conn.execute("insert into standing (connection) values (%s) on conflict do nothing", (connection,))
    row = await (await conn.execute(f"select {_NAMES} from standing where connection = %s for update", (connection,))).fetchone()
    before = ConnectionStanding(connection) if row is None else ConnectionStanding(*row)
    after = _fallen(before, trouble, now, is_by_sending=is_by_sending, is_probe=is_probe)
    await conn.execute(
        "update standing set down_since = %s, is_refused = %s, is_by_sending = %s, code = %s, words = %s, tries = %s, next_try_at = %s"
        " where connection = %s",
        (
            after.down_since, after.is_refused, after.is_by_sending, after.code, after.words, after.tries, after.next_try_at, connection,
        ),
    )  # fmt: skip
    await _tell(conn, before, after, now)
    return after


def _fallen(
    before: ConnectionStanding, trouble: ConnectionTrouble, now: datetime, *, is_by_sending: bool, is_probe: bool
) -> ConnectionStanding:
    is_relapse = before.up_at is not None and now - before.up_at < RELAPSE
    tries = before.tries
    if not before.is_down:
        tries = before.tries + 1 if is_relapse else 1
    elif is_probe or before.wait_s(now) == 0.0:
        tries = before.tries + 1
    wait_s = min(WAIT_MAX_S, WAIT_FIRST_S * 2.0 ** min(tries - 1, 20))
    down_since = before.down_since or now
    until_told_s = (down_since + CASE_AFTER - now).total_seconds()
    if until_told_s > 0:
        wait_s = min(wait_s, until_told_s)  # looked at again when people would be told of it
    if trouble.retry_after_s is not None:
        wait_s = min(trouble.retry_after_s, ASKED_MAX_S) if tries == 1 else max(wait_s, min(trouble.retry_after_s, ASKED_MAX_S))
    is_hidden = before.is_down and trouble.code in HIDING and before.code not in HIDING
    return ConnectionStanding(
        before.connection,
        down_since=down_since,
        up_at=before.up_at,
        is_refused=trouble.is_refused,
        is_by_sending=is_by_sending or (before.is_down and before.is_by_sending),
        code=before.code if is_hidden else trouble.code,
        words=before.words if is_hidden else masked(trouble.words),
        tries=tries,
        next_try_at=now + timedelta(seconds=max(0.2, wait_s)),
        real_time_at=before.real_time_at,
    )


async def _tell(conn: Conn, before: ConnectionStanding, after: ConnectionStanding, now: datetime) -> None:
    """Open the case, or make it the other one if what ails the connection has changed."""
    if before.is_down and before.is_refused != after.is_refused:
        await case_subjects.release_subjects(conn, "poll", [_subject(after.connection)], now)
    if after.down_since is None or not (after.is_refused or now - after.down_since >= CASE_AFTER):
        return
    await open_case(conn, after.connection, _subject(after.connection), after, now)


async def open_case(conn: Conn, connection: str, subject: str, found: ConnectionStanding, now: datetime, *, of: Sequence[str] = ()) -> None:
    """Open the one case of a connection that cannot be used, to be read or to be sent to; it says why as it is now, and since when.

    ``of``: the lists of its changes that alone cannot be read, while the others are.
    """
    part = f" for {', '.join(of)}" if of else ""
    case_class = CaseClass.AUTHENTICATION_REFUSED if found.is_refused else CaseClass.TARGET_UNAVAILABLE
    since = "" if found.down_since is None else f" since {found.down_since:%Y-%m-%d %H:%M} UTC"
    opened = opening(
        fingerprint=f"{case_class}|{connection}{'|in part' if of else ''}",
        case_class=case_class,
        code=found.code,
        cause=f"{connection} {'refuses our key or rights' if found.is_refused else 'cannot be used'}{part}{since}: {found.words}",
        next_step=_next_step(connection, is_refused=found.is_refused, is_in_part=bool(of)),
        stage="poll",
        subject=subject,
        connection=connection,
        now=now,
    )
    [case_id] = (await cases.open_or_count(conn, [opened], now)).values()
    await cases.say(conn, case_id, opened.code, opened.cause)


def _next_step(connection: str, *, is_refused: bool, is_in_part: bool) -> str:
    if is_in_part:
        return (
            f"All else {connection} tells is read meanwhile, and this is tried again by itself, at least every five minutes; this case"
            " closes when it works. If the cause names a key, a right or a setting, correct it and start the workers again."
        )
    if is_refused:
        return (
            "Renew the key or its rights, or correct the setting the cause names. Where the configuration or a variable it names was"
            " changed, start the workers again, which asks at once; else what waits goes on by itself, in order, within two minutes."
        )
    return (
        f"Bring {connection} back, or wait if it is maintained: what waits goes on by itself, in order. This case closes then."
        " If the cause names a setting, correct it in the configuration and start the workers again."
    )


async def note_up(conn: Conn, connection: str, now: datetime) -> bool:
    """Note that a connection can be used again, which closes its case; return whether it was down."""
    cursor = await conn.execute(
        "update standing set down_since = null, up_at = %s, next_try_at = null, is_by_sending = false"
        " where connection = %s and down_since is not null",
        (now, connection),
    )
    if cursor.rowcount == 0:
        return False
    await case_subjects.release_subjects(conn, "poll", [_subject(connection)], now)
    return True


async def try_at(conn: Conn, connection: str, at: datetime) -> None:
    """Have a connection that is down looked at from that instant, whoever looks at it now."""
    await conn.execute("update standing set next_try_at = %s where connection = %s and down_since is not null", (at, connection))


async def try_refused(conn: Conn, connections: Iterable[str], now: datetime) -> None:
    """Have connections that refuse our key or rights looked at now, unless somebody does just now: whoever starts may bring another key."""
    await conn.execute(
        "update standing set next_try_at = %(now)s where connection = any(%(names)s) and down_since is not null and is_refused"
        " and next_try_at > %(now)s and tried_until is distinct from next_try_at",
        {"names": sorted(connections), "now": now},
    )


async def note_real_time(conn: Conn, connection: str, now: datetime) -> None:
    """Note that there is real-time work for a connection; written at most every half minute."""
    await conn.execute(
        "insert into standing as s (connection, real_time_at) values (%(connection)s, %(now)s) on conflict (connection)"
        " do update set real_time_at = excluded.real_time_at where coalesce(s.real_time_at, '-infinity') < %(before)s",
        {"connection": connection, "now": now, "before": now - _SEEN_EVERY},
    )


def _subject(connection: str) -> str:
    return f"target/{connection}"
