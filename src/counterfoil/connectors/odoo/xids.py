"""Which of our external ids are taken, and by which record, without writing anything."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.known import KnownRow
from counterfoil.kit.errors import SetupError


async def listed(session: Session, model: str, xids: Sequence[str]) -> dict[str, int] | None:
    """Return external id -> record id of those that are taken; None if this user may not read the list of them (Access Rights)."""
    namespace = session.settings.namespace
    names = [xid.partition(".")[2] for xid in xids]
    domain = [["module", "=", namespace], ["model", "=", model], ["name", "in", names]]
    try:
        rows = await session.client.read("ir.model.data", domain, KnownRow)
    except SetupError as error:
        if error.code == "odoo.forbidden":
            return None
        raise
    return {f"{namespace}.{row.name}": row.res_id for row in rows}
