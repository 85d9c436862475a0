"""Our external ids as Odoo holds them: every record the hub ever made, also matches; what a restored hub learns from."""

from __future__ import annotations

from msgspec import Struct

from counterfoil.connectors.odoo.detect import connect
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.holdings import KnownPage

PAGE_SIZE = 5000


class KnownRow(Struct, frozen=True):
    """An ir.model.data row of our module."""

    id: int
    name: str
    model: str
    res_id: int


async def known(ctx: Context, cursor: str) -> KnownPage:
    """Return the page after ``cursor`` (the id of the last row seen).

    The rows go with their records: what was deleted in Odoo is not listed. A match that Odoo made itself bears no external id of ours; it
    is found by its pair when it is wished. Users with invoicing rights alone may not read the list.
    """
    session = await connect(ctx)
    after = int(cursor or "0")
    domain = [["module", "=", session.settings.namespace], ["id", ">", after]]
    try:
        rows = await session.client.read("ir.model.data", domain, KnownRow, limit=PAGE_SIZE, order="id asc")
    except SetupError as error:
        if error.code == "odoo.forbidden":
            return KnownPage((), cursor, has_more=False, is_listed=False)
        raise
    records = tuple((row.name, f"{row.model}/{row.res_id}") for row in rows)
    return KnownPage(records, str(rows[-1].id) if rows else cursor, has_more=len(rows) == PAGE_SIZE)
