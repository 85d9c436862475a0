"""How many decimals Odoo keeps of a line's quantity and unit price: rounding is silent, so what would not survive must not be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterfoil.connectors.odoo.detect import Session
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.errors import RejectedError

PRICE_DECIMALS_MAX = 6
"""Where unit prices are not rounded (19), up to six decimals survive the binary float exactly enough for any amount."""

QUANTITY_DECIMALS = 2
"""Odoo's own setting of quantities, unless an administrator changed it."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Decimals kept of quantities ("Product Unit") and of unit prices ("Product Price" on 17 and 18, which round to it)."""

    quantity: int = QUANTITY_DECIMALS
    price: int = PRICE_DECIMALS_MAX


async def read_precision(session: Session) -> Precision:
    """Return what the database keeps now.

    Asked of the fields: the settings themselves (``decimal.precision``) may be read by administrators only, and fields tell them to all.
    """
    found = await session.client.call("account.move.line", "fields_get", allfields=["quantity", "price_unit"], attributes=["digits"])
    if not isinstance(found, dict):
        raise RejectedError("Odoo does not describe the fields of document lines", code="odoo.protocol", case_class=CaseClass.SCHEMA_DRIFT)
    price = _digits(found.get("price_unit"), PRICE_DECIMALS_MAX)
    return Precision(_digits(found.get("quantity"), QUANTITY_DECIMALS), min(price, PRICE_DECIMALS_MAX))


def _digits(described: Any, otherwise: int) -> int:
    """Return the decimals of a field's description, ``[16, 2]``; a field that is not rounded has none."""
    digits = described.get("digits") if isinstance(described, dict) else None
    return int(digits[1]) if isinstance(digits, list) and len(digits) == 2 else otherwise
