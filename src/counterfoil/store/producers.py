"""Who makes what commands wait for, in the outbox: wished anew when it is gone from the target."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from counterfoil.core.kinds import KINDS
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey, object_of

from . import agenda, bindings
from .pool import Conn

GONE = "what it made is no longer in the target"
"""The reason of commands that were done and are canceled, so that they are wished anew."""
# Only the commands that made the thing itself, and only what is done.
_UNDO = """
update command_standing s set state = 'canceled', reason = %(reason)s
from unnest(%(kind)s::text[], %(id)s::text[]) as g(kind, id)
join command_body c on c.subject_id = g.id and c.subject_kind = g.kind and c.produces = g.kind || '/' || g.id
where c.target = %(target)s and s.id = c.id and s.state = 'done'
returning c.subject_kind, c.subject_id
"""


async def lose(conn: Conn, target: str, keys: Iterable[NeedKey], now: datetime) -> list[agenda.Subject]:
    """Note that a target no longer has what some keys are bound to: their bindings end, and master data are to be decided again.

    What made them is canceled, so that deciding wishes it anew. Call it before ``outbox.settle`` counts what is missing, and add the
    subjects to the agenda afterwards.
    """
    gone = sorted(set(keys))
    if not gone:
        return []
    await bindings.end(conn, target, gone, now)
    refs = [ref for ref in map(_ref, gone) if ref is not None]
    if not refs:
        return []
    given = {"target": target, "reason": GONE, "kind": [ref.kind for ref in refs], "id": [ref.id for ref in refs]}
    rows = await (await conn.execute(_UNDO, given)).fetchall()
    return [agenda.Subject(ref) for ref in sorted({ObjectRef(kind, id) for kind, id in rows})]


def _ref(key: NeedKey) -> ObjectRef | None:
    """Return the object of a key whose record in a target may be made again."""
    ref = object_of(key)
    return ref if ref.kind in KINDS and KINDS[ref.kind].is_made_again else None
