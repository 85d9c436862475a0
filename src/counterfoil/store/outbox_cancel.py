"""Commands that are canceled: not called for any more, or waived by a person."""

from __future__ import annotations

from collections.abc import Sequence

from . import sending
from .lacking import MAY_BE_BOUND
from .pool import Conn, PartitionKey
from .work import deliver_key

_CANCEL = f"""
update command_standing s set state = 'canceled', reason = %(reason)s, waits_for = '', is_aside = false
where s.id = any(%(ids)s::uuid[]) and s.state in ('waiting', 'ready', 'parked') and {sending.NOT_IN_FLIGHT}
    and not (s.state = 'waiting' and s.in_doubt and {MAY_BE_BOUND})
returning s.id, s.target, s.batch_key
"""
"""Nothing that may have taken effect is canceled: it is being sent, or in doubt, and is resolved before anybody decides otherwise. What
waits in doubt is in doubt as soon as what it waits for is bound, although its row still says that it waits."""


async def cancel(conn: Conn, ids: Sequence[str], reason: str) -> tuple[frozenset[str], list[PartitionKey]]:
    """Cancel commands that are waiting, ready or parked, with a reason; return the ids canceled and the partitions to arm.

    One that is being sent or unknown is not canceled: it may have taken effect.
    """
    await sending.lock_of(conn, ids)
    rows = await (await conn.execute(_CANCEL, {"ids": list(ids), "reason": reason})).fetchall()
    await conn.execute("delete from command_need where command_id = any(%s)", ([row[0] for row in rows],))
    return frozenset(row[0].hex for row in rows), sorted({deliver_key(target, batch_key) for _, target, batch_key in rows})
