"""What became of records the hub made: there, deleted, or merged into another one. Ids only are searched for; nothing is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.snapshots import MODELS, scope_of
from counterfoil.kit.connector import Context

_MODELS = (*MODELS, "res.partner")
_CHUNK = 1000


class NamedRow(Struct, frozen=True):
    """An external id of ours and the record it names now: a merge of contacts takes it along to the one that stays."""

    name: str
    res_id: int


async def whereabouts(ctx: Context, records: Mapping[str, str]) -> Mapping[str, str]:
    """Return, for each record by ``<model>/<id>``, the one it is now: itself, the one it was merged into, or nothing."""
    session = await connect(ctx)
    scope = await scope_of(ctx, session)
    found: dict[str, str] = {}
    for model in _MODELS:
        ids = {int(record.partition("/")[2]): record for record in records if record.startswith(f"{model}/")}
        there = await _there(session, scope.context, model, list(ids))
        gone = {record: records[record] for id, record in ids.items() if id not in there}
        found |= {record: record for id, record in ids.items() if id in there}
        found |= await _moved(session, model, gone) if scope.may_read_external_ids else dict.fromkeys(gone, "")
    return found


async def _there(session: Session, context: Mapping[str, object], model: str, ids: Sequence[int]) -> set[int]:
    there: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        domain = [["id", "in", list(ids[start : start + _CHUNK])]]
        there.update(await session.client.call(model, "search", domain=domain, context={**context, "active_test": False}))
    return there


async def _moved(session: Session, model: str, gone: Mapping[str, str]) -> dict[str, str]:
    """Return where our external ids lead that named records which are gone."""
    found = dict.fromkeys(gone, "")
    names = sorted({key for key in gone.values() if key})
    for start in range(0, len(names), _CHUNK):
        domain = [["module", "=", session.settings.namespace], ["model", "=", model], ["name", "in", names[start : start + _CHUNK]]]
        rows = await session.client.read("ir.model.data", domain, NamedRow)
        now = {row.name: row.res_id for row in rows}
        found |= {record: f"{model}/{now[key]}" for record, key in gone.items() if key in now and f"{model}/{now[key]}" != record}
    return found
