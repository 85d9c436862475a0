"""Table ``refused_delivery``: what was refused at the door, counted by connection and reason, and the case about a wrong signing secret.

Anybody who knows the address can be refused, so everything here is bounded: a row per connection and reason, one open case per connection,
one write every few seconds however many are refused. A delivery that is taken ends the case: it proves the secret.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.case_class import CaseClass

from . import case_subjects, cases
from .opening import opening
from .pool import Conn

CASE_FROM = 3
"""So many refusals in a row, none taken in between, are a case."""
STAGE = "intake"


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusals of a connection for one reason: ever, and in a row since it last took a delivery."""

    connection: str
    code: str
    total: int
    since_accepted: int
    first_at: datetime
    last_at: datetime


_COLUMNS = "connection, code, total, since_accepted, first_at, last_at"
_NOTE = f"""
insert into refused_delivery as r ({_COLUMNS})
select connection, code, number, number, %(now)s, %(now)s
from unnest(%(connection)s::text[], %(code)s::text[], %(number)s::int8[]) as t(connection, code, number) order by 1, 2
on conflict (connection, code) do update set total = r.total + excluded.total, since_accepted = r.since_accepted + excluded.since_accepted,
    first_at = case when r.since_accepted = 0 then excluded.first_at else r.first_at end, last_at = excluded.last_at
returning connection, code, since_accepted, since_accepted - (select n.number from unnest(%(connection)s::text[], %(code)s::text[],
    %(number)s::int8[]) as n(connection, code, number) where n.connection = r.connection and n.code = r.code)
"""
"""Counts what was refused, in all and since something was last accepted. Returns both that count and what it was before."""


async def note(conn: Conn, counts: Mapping[tuple[str, str], int], now: datetime, secret_codes: Collection[str] = ()) -> None:
    """Count refusals by connection and code; open the case of a connection that refuses all that comes for one of ``secret_codes``."""
    if not counts:
        return
    given = {"connection": [c for c, _ in counts], "code": [c for _, c in counts], "number": list(counts.values()), "now": now}
    rows = await (await conn.execute(_NOTE, given)).fetchall()
    fresh = [(name, code, count) for name, code, count, before in rows if code in secret_codes and before < CASE_FROM <= count]
    opened = [
        opening(
            fingerprint=f"intake.refused|{name}",
            case_class=CaseClass.AUTHENTICATION_REFUSED,
            code=code,
            cause=f"{name} refuses every delivery since it last took one ({count} so far): their signatures do not fit its signing secret.",
            next_step=(
                f"Compare the signing secret of the endpoint at the sender with webhook_secrets of {name}; set the right one and start the"
                " hub again. The next delivery that is taken closes this case; polling brings what was refused. If nobody is to deliver"
                " there, somebody who does not know the secret tries to: nothing was taken, waive this case."
            ),
            stage=STAGE,
            subject=name,
            connection=name,
            now=now,
        )
        for name, code, count in fresh
        if name
    ]
    await cases.open_or_count(conn, opened, now)


async def accepted(conn: Conn, connections: Collection[str], now: datetime) -> list[str]:
    """Note that connections took deliveries, which ends what was refused in a row; return those of which anything was."""
    rows = await conn.execute(
        "update refused_delivery set since_accepted = 0 where connection = any(%s) and since_accepted > 0 returning connection",
        (sorted(connections),),
    )
    ended = sorted({row[0] for row in await rows.fetchall()})
    await case_subjects.release_subjects(conn, STAGE, ended, now)
    return ended


async def read_all(conn: Conn) -> list[Refused]:
    """Return what was refused, by connection and reason."""
    rows = await conn.execute(f"select {_COLUMNS} from refused_delivery order by connection, code")
    return [Refused(*row) for row in await rows.fetchall()]
