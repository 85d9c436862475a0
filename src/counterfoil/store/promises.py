"""How long things take against what was promised for them: the 95th percentile of what is done, and the oldest that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.commands import command_kind
from counterfoil.core.policies.lanes import Lanes

from .observed import IS_HELD, NOTHING_HELD, Held, held_given
from .pool import Conn
from .views import Latency


@dataclass(frozen=True, slots=True)
class Promise:
    """A kind of command of an entity: promised seconds, those 95 % of what is done took, and those the oldest open one is waiting."""

    kind: str
    entity: str
    within_s: float
    p95_s: float | None
    oldest_open_s: float | None

    @property
    def is_kept(self) -> bool:
        """Whether neither is longer than promised."""
        return max(self.p95_s or 0.0, self.oldest_open_s or 0.0) <= self.within_s


async def measured(conn: Conn, lanes: Lanes, latencies: Sequence[Latency], now: datetime, held: Held = NOTHING_HELD) -> list[Promise]:
    """Return every promise about which there is something to say; what is ``held`` waits for people, and is not late."""
    cursor = await conn.execute(
        "select b.kind, b.entity, min(b.created_at)"
        " from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id"
        f" where s.state not in ('done', 'canceled') and not {IS_HELD} group by 1, 2",
        held_given(held),
    )
    oldest = {(kind, entity): (now - since).total_seconds() for kind, entity, since in await cursor.fetchall()}
    done = {(line.kind, line.entity): line.p95_s for line in latencies}
    found = []
    for kind, entity in sorted(oldest.keys() | done.keys()):
        within_s = lanes.within_s(command_kind(kind), entity)
        if within_s is not None:
            found.append(Promise(kind, entity, within_s, done.get((kind, entity)), oldest.get((kind, entity))))
    return found
