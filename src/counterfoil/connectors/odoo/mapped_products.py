"""Products that finance mapped by hand: named in the mapping by internal reference or database id, found in Odoo once per process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.wire import Text, text
from counterfoil.core.commands.books import PostDocument
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context

PREFIX = "target:"
"""How a document line names a product of the target instead of a canonical one."""

_STATE_KEY = "odoo.mapped_products"


class ProductRow(Struct, frozen=True):
    """A product with its internal reference."""

    id: int
    default_code: Text


async def mapped_products(ctx: Context, session: Session, commands: Sequence[Command], *, is_fresh: bool = False) -> Mapping[str, int]:
    """Return the database ids of the mapped products the documents name, by the name in the mapping; unknown ones are left out.

    ``is_fresh``: also those that were found before are looked up again, since Odoo did not know one of them any more.
    """
    known: dict[str, int] = ctx.state.setdefault(_STATE_KEY, {})
    for name in _named(commands) if is_fresh else ():
        known.pop(name, None)
    missing = sorted(_named(commands) - known.keys())
    if missing:
        ids = [int(name) for name in missing if name.isascii() and name.isdigit()]
        domain = ["|", ["default_code", "in", missing], ["id", "in", ids]]
        rows = await session.client.read("product.product", domain, ProductRow, order="id desc")
        known.update({str(row.id): row.id for row in rows if row.id in ids})
        known.update({text(row.default_code): row.id for row in rows if text(row.default_code) in missing})
    return known


def _named(commands: Iterable[Command]) -> set[str]:
    return {
        line.product_id.removeprefix(PREFIX)
        for command in commands
        if isinstance(command.arguments, PostDocument)
        for line in command.arguments.lines
        if line.product_id.startswith(PREFIX)
    }
