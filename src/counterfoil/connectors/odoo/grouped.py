"""Records loaded in one call per set of columns: a blank cell would clear what somebody entered in Odoo, so cells are left out."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.load import LoadedRows, LoadRow, LoadTable, load
from counterfoil.connectors.odoo.posting import quiet


async def load_grouped(
    session: Session, model: str, records: Mapping[str, Mapping[str, str]], *, is_insert_only: bool = False
) -> LoadedRows:
    """Load records (column -> cell, by key), those with the same columns together. Raises as ``load``."""
    groups: dict[tuple[str, ...], list[LoadRow]] = {}
    for key, cells in records.items():
        groups.setdefault(tuple(cells), []).append(LoadRow(key, (tuple(cells.values()),)))
    found = LoadedRows()
    for fields, rows in groups.items():
        part = await load(session, LoadTable(model, fields, is_insert_only, quiet(session, {})), rows)
        found.ids.update(part.ids)
        found.refused.update(part.refused)
    return found
