"""Which of our external ids are taken, and by which record, without writing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.client import OdooContext
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.known import KnownRow
from counterfoil.connectors.odoo.load import LoadedRows, LoadRow, LoadTable, load
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.refusals import is_record_rule
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.ids import external_key
from counterfoil.kit.errors import RejectedError, SetupError

MASTERS: Mapping[str, str] = {CUSTOMER.name: "res.partner", PRODUCT.name: "product.product"}
"""Kinds of master data, as dependency keys begin with them, and their models."""


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


@dataclass(slots=True)
class Leads:
    """Where external ids lead, by dependency key; ``hidden``: to records out of the user's sight, since they are another company's."""

    ids: dict[str, int] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)


def of_other_company(key: str, bound: str, company: CompanyCatalog) -> RejectedError:
    """Return the refusal of what refers to a customer or product (dependency key) that only another company may use."""
    return RejectedError(
        f"{key} is {bound} in Odoo, which was made another company's alone: {company.name} may not use it", code="odoo.other_company"
    )


async def followed(session: Session, context: OdooContext, keys: Sequence[str]) -> Leads:
    """Return where our external ids of customers and products (dependency keys) lead now; those that are nobody's are left out.

    ``load`` tells it to any user; it makes none, since all of them must have a name.
    """
    found = Leads()
    for kind, model in MASTERS.items():
        ids = [(key, key.partition("/")[2]) for key in keys if key.partition("/")[0] == kind]
        rows = [LoadRow(key, ((f"{session.settings.namespace}.{external_key(kind, id)}",),)) for key, id in ids]
        part = await _load_each(session, LoadTable(model, ("id",), is_insert_only=True, context=quiet(session, context)), rows)
        found.ids.update(part.ids)
        found.hidden.update(key for key, refusal in part.refused.items() if is_record_rule(refusal.message))
    return found


async def _load_each(session: Session, table: LoadTable, rows: Sequence[LoadRow]) -> LoadedRows:
    """Load rows; that all of them are out of sight says nothing of the user's rights here, where those in sight were left out."""
    try:
        return await load(session, table, rows)
    except SetupError as error:
        if len(rows) == 1 or error.code != "odoo.forbidden":
            raise
    found = LoadedRows()
    for row in rows:
        part = await load(session, table, [row])
        found.ids.update(part.ids)
        found.refused.update(part.refused)
    return found
