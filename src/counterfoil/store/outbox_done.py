"""Table ``command``, what is done: what produced a document, the matches made with it, and posting it again after somebody removed it."""

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
update command c set state = 'unknown', in_doubt = true, attempts = 0, next_try_at = null, code = '', reason = %(reason)s
where c.target = %(target)s and c.state = 'done' and c.produces = any(%(keys)s) and c.produces <> ''
    and not exists (select 1 from command n where n.produces = c.produces and n.target = c.target and n.state = 'done' and n.seq > c.seq)
returning batch_key
"""
"""Only what a newer command did not post again meanwhile. In doubt, so that it is looked for by its key before anything is sent."""
_REMATCH = """
with again as (
    update command c set in_doubt = true, attempts = 0, next_try_at = null, code = '', reason = %(reason)s,
        missing = (select count(*) from unnest(c.needs) as n(key) where n.key = any(%(unbound)s)),
        state = case when c.needs && %(unbound)s::text[] then 'waiting' else 'unknown' end::command_state
    where c.kind = 'allocate' and c.target = %(target)s and c.state = 'done'
        and (c.needs[1] = any(%(keys)s) or c.needs[2] = any(%(keys)s))
        and not exists (select 1 from command u where u.kind in ('allocate', 'unmatch') and u.target = c.target
            and u.needs[1] = c.needs[1] and u.needs[2] = c.needs[2] and u.state <> 'canceled' and u.seq > c.seq)
    returning c.target, c.id, c.created_at, c.needs, c.batch_key
), needed as (
    insert into command_need (target, key, command_id, created_at)
    select distinct a.target, k.key, a.id, a.created_at from again a, unnest(a.needs) as k(key) where k.key = any(%(unbound)s)
    order by 1, 2, 3 on conflict do nothing
)
select distinct batch_key from again
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
