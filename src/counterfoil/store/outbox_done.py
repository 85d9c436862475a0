"""The outbox, what is done: what produced a document, the matches made with it, and posting it again after somebody removed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from counterfoil.core.language.keys import NeedKey

from . import bindings, outbox
from .cipher import Cipher
from .outbox import CommandRow
from .pool import Conn, PartitionKey
from .work import deliver_key

_PRODUCED = """
select distinct on (produces) id from command
where produces = any(%(keys)s) and target = %(target)s and state = 'done' and produces <> '' order by produces, seq desc
"""
_MATCHES = """
select id from command where kind in ('allocate', 'unmatch') and target = %(target)s and needs[1] = any(%(keys)s) and state <> 'canceled'
union
select id from command where kind in ('allocate', 'unmatch') and target = %(target)s and needs[2] = any(%(keys)s) and state <> 'canceled'
"""


async def producing(conn: Conn, cipher: Cipher, target: str, keys: Iterable[str]) -> dict[NeedKey, CommandRow]:
    """Return, by binding key, the newest command that is done and produced it."""
    rows = await _read(conn, cipher, _PRODUCED, target, keys)
    return {row.produces: row for row in rows}


async def matches(conn: Conn, cipher: Cipher, target: str, keys: Iterable[str]) -> list[CommandRow]:
    """Return every command, done or not, that matches one of the documents or undoes that, in order of wishing."""
    return await _read(conn, cipher, _MATCHES, target, keys)


async def _read(conn: Conn, cipher: Cipher, query: str, target: str, keys: Iterable[str]) -> list[CommandRow]:
    wanted = sorted(set(keys))
    if not wanted:
        return []
    rows = await (await conn.execute(query, {"target": target, "keys": wanted})).fetchall()
    return await outbox.read(conn, cipher, [row[0].hex for row in rows])


_REOPEN = """
update command_standing s set state = 'unknown', in_doubt = true, attempts = 0, next_try_at = null, code = '', reason = %(reason)s
from command_body c
where c.produces = any(%(keys)s) and c.produces <> '' and c.target = %(target)s and s.id = c.id and s.state = 'done'
    and not exists (select from command n where n.produces = c.produces and n.target = c.target and n.state = 'done' and n.seq > c.seq)
returning s.batch_key
"""
"""Only what a newer command did not post again meanwhile. In doubt, so that it is looked for by its key before anything is sent."""
_REMATCH = """
with again as (
    select c.id, c.needs from command_body c join command_standing s on s.created_at = c.created_at and s.id = c.id
    where c.kind = 'allocate' and c.target = %(target)s and s.state = 'done'
        and (c.needs[1] = any(%(keys)s) or c.needs[2] = any(%(keys)s))
        and not exists (select from command u where u.kind in ('allocate', 'unmatch') and u.target = c.target
            and u.needs[1] = c.needs[1] and u.needs[2] = c.needs[2] and u.state <> 'canceled' and u.seq > c.seq)
)
update command_standing s set in_doubt = true, attempts = 0, next_try_at = null, code = '', reason = %(reason)s,
    waits_for = coalesce((select n.key from unnest(a.needs) as n(key) where n.key = any(%(unbound)s) limit 1), ''),
    state = case when a.needs && %(unbound)s::text[] then 'waiting' else 'unknown' end::command_state
from again a where s.id = a.id and s.state = 'done' returning s.batch_key
"""
"""Matches of documents that were posted anew are resolved again, unless something newer matched or undid the same pair."""


async def post_again(conn: Conn, target: str, keys: Sequence[NeedKey], reason: str, now: datetime) -> list[PartitionKey]:
    """Have documents be posted again that are posted no longer, and matched as they were; return the partitions to arm.

    They are resolved by their key, as whatever is in doubt: a document that somebody put back meanwhile is found and stays the only one.
    What needs them waits until they are there again.
    """
    if not keys:
        return []
    await conn.execute("lock table binding_latch in share row exclusive mode")
    await bindings.end(conn, target, keys, now)
    given = {"target": target, "keys": list(keys), "unbound": list(keys), "reason": reason}
    rows = await (await conn.execute(_REOPEN, given)).fetchall()
    rows += await (await conn.execute(_REMATCH, given)).fetchall()
    return sorted({deliver_key(target, row[0]) for row in rows})


async def match_again(conn: Conn, target: str, keys: Sequence[str], reason: str) -> list[PartitionKey]:
    """Have the matches of documents be made again as far as they are missing; return the partitions to arm."""
    if not keys:
        return []
    await conn.execute("lock table binding_latch in share row exclusive mode")
    given = {"target": target, "keys": list(keys), "unbound": [], "reason": reason}
    rows = await (await conn.execute(_REMATCH, given)).fetchall()
    return sorted({deliver_key(target, row[0]) for row in rows})
