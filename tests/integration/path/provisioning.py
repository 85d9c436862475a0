"""An Odoo with the company's books in it: made by calls in the first sandbox of a day, copied into the others."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from typing import Any

from counterfoil.app.demo.entities import DemoEntity
from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.provision import Provisioned, provision
from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.tests import copies

_kept: dict[tuple[date, int, tuple[DemoEntity, ...]], tuple[Provisioned, bytes]] = {}


async def books_in(odoo: Any, plain: OdooPlain, entities: Sequence[DemoEntity], today: date) -> Provisioned:
    """Have an Odoo that nobody used yet hold all that the entities need; ``today``: the day its clock shows."""
    if not isinstance(odoo, OdooSandbox):
        return await provision(plain, entities)
    key = (today, odoo.version, tuple(entities))
    if key not in _kept:
        made = await provision(plain, entities)
        _kept[key] = made, copies.kept(odoo)
    made, copy = _kept[key]
    copies.put(odoo, copy)
    return deepcopy(made)
