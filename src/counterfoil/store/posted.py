"""What stands in the way of rules: the latest thing booked in an entity, and what is still to be written to a connection. Only reads."""

from __future__ import annotations

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import PostDocument, PostEntry, PostPayment

from .cipher import Cipher
from .outbox import CommandRow, select
from .pool import Conn
from .sending import IN_FLIGHT

BOOKED_KINDS = tuple(spec.kind.value for spec in SPECS.values() if issubclass(spec.arguments, PostDocument | PostPayment | PostEntry))
"""Kinds of command that book money: what they wrote stays where it is."""

# What is in doubt may have taken effect, and counts as booked. A day's sum that no entry has taken counts too.
_NEWEST = f"""
select c.external_key from command c join command_standing s on s.id = c.id {IN_FLIGHT}
where c.entity = %(entity)s and c.kind = any(%(kinds)s) and (c.state in ('done', 'unknown') or c.in_doubt or f.started_at is not null)
order by c.created_at desc, c.seq desc limit 1
"""
_SUMMED = "select document_id from summary_item where entity = %(entity)s order by added_at desc limit 1"


async def newest_of(conn: Conn, entity: str) -> str:
    """Return the external key of the latest document, payment or entry booked in an entity; empty: nothing is."""
    for statement in (_NEWEST, _SUMMED):
        row = await (await conn.execute(statement, {"entity": entity, "kinds": list(BOOKED_KINDS)})).fetchone()
        if row is not None:
            return str(row[0])
    return ""


async def latest(conn: Conn, cipher: Cipher, entity: str, limit: int) -> list[CommandRow]:
    """Return the latest documents, payments and entries booked in an entity, newest first."""
    condition = (
        "where b.entity = %(entity)s and b.kind = any(%(kinds)s)"
        " and (s.state in ('done', 'unknown') or s.in_doubt or f.started_at is not null)"
        " order by b.created_at desc, b.seq desc limit %(limit)s"
    )
    return await select(conn, cipher, condition, {"entity": entity, "kinds": list(BOOKED_KINDS), "limit": limit})


async def open_at(conn: Conn, target: str) -> str:
    """Return the external key of something that is still to be written to a connection, empty if nothing is."""
    cursor = await conn.execute(
        "select b.external_key from command_standing s join command_body b on b.created_at = s.created_at and b.id = s.id"
        " where s.target = %s and s.state not in ('done', 'canceled') order by s.created_at desc, s.seq desc limit 1",
        (target,),
    )
    row = await cursor.fetchone()
    return "" if row is None else str(row[0])
