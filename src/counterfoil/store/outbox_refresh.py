"""The outbox, new arguments of what took no effect yet: the one thing of a wish that is ever written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from . import sending
from .cipher import Cipher
from .outbox import aad
from .pool import Conn, PartitionKey
from .work import deliver_key


@dataclass(frozen=True, slots=True)
class Refresh:
    """New arguments of a command that took no effect yet: what is wished stayed the same, how it is booked changed (its day)."""

    id: str
    created_at: datetime
    arguments: bytes


# Only where nothing took effect: not in doubt, and in no batch under way, which the caller's lock keeps from beginning.
_REFRESH = f"""
with again as (
    update command_standing s set attempts = 0, next_try_at = b.not_before,
        state = case when s.state = 'waiting' then 'waiting' else 'ready' end::command_state
    from command_body b
    where b.created_at = %(created_at)s and b.id = %(id)s::uuid and s.id = b.id
        and not s.in_doubt and s.state in ('waiting', 'ready', 'parked') and {sending.NOT_IN_FLIGHT}
    returning s.id, s.created_at, s.target, s.batch_key
)
update command_body b set key_id = %(key_id)s, arguments = %(envelope)b
from again a where b.created_at = a.created_at and b.id = a.id returning a.target, a.batch_key
"""


async def refresh(conn: Conn, cipher: Cipher, refreshes: Sequence[Refresh]) -> list[PartitionKey]:
    """Give commands that were refused, or never sent, new arguments and take them up again; return the partitions to arm."""
    if not refreshes:
        return []
    await sending.lock_of(conn, [one.id for one in refreshes])
    touched: set[PartitionKey] = set()
    for one in refreshes:
        key_id, envelope = cipher.encrypt(one.arguments, aad(one.id))
        given = {"created_at": one.created_at, "id": one.id, "key_id": key_id, "envelope": envelope}
        touched |= {deliver_key(target, batch_key) for target, batch_key in await (await conn.execute(_REFRESH, given)).fetchall()}
    return sorted(touched)
