"""Finding the partners our external ids name, so that only what differs is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec import Struct

from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.grouped import load_grouped
from counterfoil.connectors.odoo.partner_rows import PartnerRow
from counterfoil.connectors.odoo.wire import Text, text
from counterfoil.connectors.odoo.xids import listed

_ALL = {"active_test": False}


@dataclass(frozen=True, slots=True)
class FoundPartners:
    """Partners that are there, by key; of those in ``nameless`` the external id is gone, so that only their own id leads to them."""

    rows: dict[str, PartnerRow]
    nameless: frozenset[str] = frozenset()


class _Named(Struct, frozen=True):
    """A partner's reference, which holds the customer's id at the source."""

    id: int
    ref: Text


async def find_partners(
    session: Session, cells: Mapping[str, Mapping[str, str]], certain: Collection[str], bound: Mapping[str, int]
) -> FoundPartners:
    """Return the partners that are there already, by key; archived ones, too.

    ``bound``: the partners the hub made, by key: one whose external id somebody deleted is still the customer's if it bears his reference.

    Of somebody who may not read the list of external ids those are looked for that a partner's reference speaks of, and ``certain`` and
    bound ones in any case: loading nothing but the external id tells whose it is and writes nothing; where it is nobody's, Odoo asks for a
    name.
    """
    ids = await listed(session, "res.partner", [record["id"] for record in cells.values()])
    if ids is None:
        likely = await _referred(session, {key: record["ref"] for key, record in cells.items()}) | set(certain) | bound.keys()
        asked = await load_grouped(session, "res.partner", {key: {"id": cells[key]["id"]} for key in sorted(likely)})
        by_key = asked.ids
    else:
        by_key = {key: ids[record["id"]] for key, record in cells.items() if record["id"] in ids}
    nameless = {key: partner_id for key, partner_id in bound.items() if key not in by_key}
    if not by_key and not nameless:
        return FoundPartners({})
    domain = [["id", "in", sorted({*by_key.values(), *nameless.values()})]]
    rows = {row.id: row for row in await session.client.read("res.partner", domain, PartnerRow, context=_ALL)}
    found = {key: rows[partner_id] for key, partner_id in by_key.items() if partner_id in rows}
    own = {key: rows[partner_id] for key, partner_id in nameless.items() if partner_id in rows}
    own = {key: row for key, row in own.items() if text(row.ref) == cells[key]["ref"]}
    return FoundPartners(found | own, frozenset(own))


async def _referred(session: Session, refs: Mapping[str, str]) -> set[str]:
    rows = await session.client.read("res.partner", [["ref", "in", sorted(refs.values())]], _Named, context=_ALL)
    known = {text(row.ref) for row in rows}
    return {key for key, reference in refs.items() if reference in known}
