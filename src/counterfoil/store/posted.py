"""What stands in the way of rules: the latest thing booked in an entity, and what is still to be written to a connection. Only reads."""

from __future__ import annotations

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import PostDocument, PostEntry, PostPayment

from .cipher import Cipher
from .outbox import CommandRow, select
from .pool import Conn

BOOKED_KINDS = tuple(spec.kind.value for spec in SPECS.values() if issubclass(spec.arguments, PostDocument | PostPayment | PostEntry))
"""Kinds of command that book money: what they wrote stays where it is."""

# What is in doubt may have taken effect, and counts as booked. A day's sum that no entry has taken counts too.
_NEWEST = """
select external_key from command where entity = %(entity)s and kind = any(%(kinds)s) and (state in ('done', 'unknown') or in_doubt)
order by created_at desc, seq desc limit 1
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
        "where entity = %(entity)s and kind = any(%(kinds)s) and (state in ('done', 'unknown') or in_doubt)"
        " order by created_at desc, seq desc limit %(limit)s"
    )
    return await select(conn, cipher, condition, {"entity": entity, "kinds": list(BOOKED_KINDS), "limit": limit})


async def open_at(conn: Conn, target: str) -> str:
    """Return the external key of something that is still to be written to a connection, empty if nothing is."""
    cursor = await conn.execute(
        "select external_key from command where target = %s and state not in ('done', 'canceled')"
        " order by created_at desc, seq desc limit 1",
        (target,),
    )
    row = await cursor.fetchone()
    return "" if row is None else str(row[0])
