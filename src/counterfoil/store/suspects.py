"""Table ``suspect``: what was in hand when a careful turn died or failed, so that poison is found and parked."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.kit.stage import TRIES_MAX

from .pool import Conn
from .work import CAREFUL_AFTER

_HOLD = """
insert into suspect (stage, item, tries, since)
select %(stage)s, item, %(first)s, clock_timestamp() from unnest(%(items)s::text[]) as t(item)
where exists (select from work where stage = %(stage)s and key = %(key)s and fence = %(fence)s) order by item
on conflict (stage, item) do update set tries = suspect.tries + 1
returning item, tries
"""
"""Counted only while the partition is the caller's (its fence), and in order of the items: two careful turns may hold the same ones."""


async def hold(conn: Conn, stage: str, key: str, fence: int, items: Sequence[str]) -> frozenset[str] | None:
    """Count one more try of each item in hand; return those that had TRIES_MAX before. None: somebody else took the partition.

    The turns that made the engine careful count for an item held for the first time: it may have been in hand then.
    """
    wanted = sorted(set(items))
    given = {"stage": stage, "key": key, "fence": fence, "items": wanted, "first": CAREFUL_AFTER + 1}
    rows = await (await conn.execute(_HOLD, given)).fetchall()
    if wanted and not rows:
        return None
    return frozenset(item for item, tries in rows if tries > TRIES_MAX)


async def clear(conn: Conn, stage: str, items: Sequence[str]) -> None:
    """Forget items: the turn that had them in hand ended well."""
    await conn.execute("delete from suspect where stage = %s and item = any(%s)", (stage, sorted(set(items))))


async def take_back(conn: Conn, stage: str, items: Sequence[str]) -> None:
    """Take one try of each item back: its turn was cut short, through no fault of its own."""
    await conn.execute("update suspect set tries = tries - 1 where stage = %s and item = any(%s)", (stage, sorted(set(items))))
