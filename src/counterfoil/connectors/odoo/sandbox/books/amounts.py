"""Small facts the accounting engine asks for all the time: currencies' decimals, signs, kinds of documents."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

SALES = ("out_invoice", "out_refund", "out_receipt")
PURCHASES = ("in_invoice", "in_refund", "in_receipt")
OUTBOUND = ("in_invoice", "in_receipt", "out_refund")  # what makes money leave
REFUNDS = ("out_refund", "in_refund")
BASE_TYPES = ("product", "epd", "rounding", "cogs")
TEXT_TYPES = ("line_section", "line_subsection", "line_note")


def is_invoice(move: Row) -> bool:
    """Return whether a move is a customer or vendor document."""
    return bool(move["move_type"] != "entry")


def is_sale(move: Row) -> bool:
    """Return whether a move is a customer document."""
    return move["move_type"] in SALES


def sign(move: Row) -> int:
    """Return -1 where product lines are credits (customer invoices, vendor refunds, entries count as 1)."""
    return 1 if move["move_type"] == "entry" or move["move_type"] in OUTBOUND else -1


def digits(env: Env, currency_id: int) -> int:
    """Return a currency's decimals."""
    return int(env.rows("res.currency")[currency_id]["decimal_places"])


def company_currency(env: Env, company_id: int) -> int:
    """Return a company's currency."""
    return int(env.rows("res.company")[company_id]["currency_id"])


def rounded(env: Env, currency_id: int, amount: float) -> float:
    """Round to a currency."""
    return round_half_up(amount, digits(env, currency_id))


def move_rate(env: Env, move: Row) -> float:
    """Return document currency units per company currency unit, as the document fixed it or by the rate of its day."""
    if move["currency_id"] == company_currency(env, move["company_id"]):
        return 1.0
    if env.version >= 18 and is_invoice(move) and move["invoice_currency_rate"]:
        return float(move["invoice_currency_rate"])
    return rate_on(env, move["currency_id"], move["company_id"], move["invoice_date"] or move["date"] or env.today)
