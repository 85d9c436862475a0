"""What became of records the hub made: there, deleted, or merged into another one. Ids only are searched for; nothing is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.snapshots import MODELS, scope_of
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.writing import OUT_OF_SIGHT

_MODELS = (*MODELS, "res.partner")
_CHUNK = 1000
_LOOKS_MAX = 50
"""Refused reads after which the rest is not told apart any further."""


class NamedRow(Struct, frozen=True):
    """An external id of ours and the record it names now: a merge of contacts takes it along to the one that stays."""

    name: str
    res_id: int


async def whereabouts(ctx: Context, records: Mapping[str, str]) -> Mapping[str, str]:
    """Return, for each record by ``<model>/<id>``, the one it is now: itself, the one it was merged into, or nothing.

    One that is there, and that the user may not see (another company's, or kept from him by a rule), is ``OUT_OF_SIGHT``.
    """
    session = await connect(ctx)
    scope = await scope_of(ctx, session)
    found: dict[str, str] = {}
    for model in _MODELS:
        ids = {int(record.partition("/")[2]): record for record in records if record.startswith(f"{model}/")}
        there = await _there(session, scope.context, model, list(ids))
        gone = {record: records[record] for id, record in ids.items() if id not in there}
        found |= {record: record for id, record in ids.items() if id in there}
        found |= await _moved(session, model, gone) if scope.may_read_external_ids else dict.fromkeys(gone, "")
        absent = sorted(id for id, record in ids.items() if found[record] == "")
        hidden = await _hidden(session, scope.context, model, absent)
        found |= {ids[id]: OUT_OF_SIGHT for id in hidden}
    return found


async def _there(session: Session, context: Mapping[str, object], model: str, ids: Sequence[int]) -> set[int]:
    there: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        domain = [["id", "in", list(ids[start : start + _CHUNK])]]
        there.update(await session.client.call(model, "search", domain=domain, context={**context, "active_test": False}))
    return there


async def _hidden(session: Session, context: Mapping[str, object], model: str, ids: Sequence[int]) -> set[int]:
    """Return those of the ids no search finds whose records are there all the same.

    A search leaves out what a rule keeps from the user as if it were deleted; ``read`` refuses all it is asked for if it may not show one,
    and leaves out what is not there. So a refused list is halved, at most ``_LOOKS_MAX`` times; what is refused then is taken for hidden:
    once it is shown again, it is seen what of it is gone.
    """
    hidden: set[int] = set()
    parts = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    looks = 0
    while parts:
        part = parts.pop()
        try:
            await session.client.call(model, "read", part, fields=["write_date"], context=context)
        except SetupError as error:
            if error.code != "odoo.forbidden":
                raise
            looks += 1
            if len(part) == 1 or looks > _LOOKS_MAX:
                hidden.update(part)
            else:
                parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    return hidden


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
