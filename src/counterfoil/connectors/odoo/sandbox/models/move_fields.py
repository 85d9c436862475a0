"""Field declarations of account.move and account.move.line."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, reconcile
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.fields import (
    Field,
    boolean,
    char,
    choice,
    day,
    field,
    float_,
    integer,
    lines,
    many,
    monetary,
    one,
    text,
)
from counterfoil.connectors.odoo.sandbox.orm.store import Row

MOVE_TYPES = (
    ("entry", "Journal Entry"),
    ("out_invoice", "Customer Invoice"),
    ("out_refund", "Customer Credit Note"),
    ("in_invoice", "Vendor Bill"),
    ("in_refund", "Vendor Credit Note"),
    ("out_receipt", "Sales Receipt"),
    ("in_receipt", "Purchase Receipt"),
)
PAYMENT_STATES = (
    ("not_paid", "Not Paid"),
    ("in_payment", "In Payment"),
    ("paid", "Paid"),
    ("partial", "Partially Paid"),
    ("reversed", "Reversed"),
    ("blocked", "Blocked"),
    ("invoicing_legacy", "Invoicing App Legacy"),
)
DISPLAY_TYPES = (
    ("product", "Product"),
    ("cogs", "Cost of Goods Sold"),
    ("tax", "Tax"),
    ("rounding", "Rounding"),
    ("payment_term", "Payment Term"),
    ("line_section", "Section"),
    ("line_subsection", "Subsection"),
    ("line_note", "Note"),
    ("epd", "Early Payment Discount"),
    ("discount", "Discount"),
)
INVOICE_LINES = ("product", "line_section", "line_subsection", "line_note")
STATES = (("draft", "Draft"), ("posted", "Posted"), ("cancel", "Cancelled"))


def _totals() -> dict[str, Field]:
    names = {
        "amount_untaxed": "Untaxed Amount",
        "amount_tax": "Tax",
        "amount_total": "Total",
        "amount_residual": "Amount Due",
        "amount_untaxed_signed": "Untaxed Amount Signed",
        "amount_tax_signed": "Tax Signed",
        "amount_total_signed": "Total Signed",
        "amount_residual_signed": "Amount Due Signed",
        "amount_total_in_currency_signed": "Total in Currency Signed",
    }
    return {name: monetary(label, readonly=True, copied=False) for name, label in names.items()}


def _commercial(env: Env, move: Row) -> Any:
    partner = move["partner_id"]
    return env.model("res.partner").value(env, env.rows("res.partner")[partner], "commercial_partner_id") if partner else False


def _partner_name(env: Env, move: Row) -> Any:
    return env.rows("res.partner")[move["partner_id"]]["name"] if move["partner_id"] else False


def _status(env: Env, move: Row) -> str:
    if move["state"] != "posted":
        return str(move["state"])
    if move["payment_state"] == "not_paid" and env.version >= 19:
        return "posted"
    return str(move["payment_state"])


MOVE: dict[str, Field] = {
    "name": char("Number", index=True, copied=False),
    "ref": char("Reference", index=True, copied=False),
    "date": day("Date", required=True),
    "state": choice("Status", *STATES, required=True, default="draft", copied=False, readonly=True),
    "move_type": choice("Type", *MOVE_TYPES, required=True, default="entry", readonly=True),
    "journal_id": one("account.journal", "Journal", required=True, ondelete="restrict"),
    "company_id": one("res.company", "Company"),
    "currency_id": one("res.currency", "Currency", required=True),
    "company_currency_id": one("res.currency", "Company Currency", compute=lambda env, r: amounts.company_currency(env, r["company_id"])),
    "partner_id": one("res.partner", "Partner", ondelete="restrict"),
    "commercial_partner_id": one("res.partner", "Commercial Entity", compute=_commercial),
    "partner_shipping_id": one("res.partner", "Delivery Address"),
    "invoice_date": day("Invoice/Bill Date", copied=False),
    "invoice_date_due": day("Due Date", copied=False),
    "invoice_payment_term_id": one("account.payment.term", "Payment Terms"),
    "invoice_user_id": one("res.users", "Salesperson"),
    "invoice_origin": char("Origin", copied=False),
    "invoice_currency_rate": float_("Currency Rate", since=18, copied=False),
    "fiscal_position_id": one("account.fiscal.position", "Fiscal Position"),
    "document_tax_mode": choice(
        "Tax Mode", ("tax_excluded", "Tax Excluded"), ("tax_included", "Tax Included"), since=20, default="tax_excluded"
    ),
    "payment_reference": char("Payment Reference", index=True, copied=False),
    "narration": text("Terms and Conditions"),
    "line_ids": lines("account.move.line", "move_id", "Journal Items"),
    "invoice_line_ids": lines(
        "account.move.line", "move_id", "Invoice lines", only=lambda env, r: r["display_type"] in INVOICE_LINES, copied=False
    ),
    **_totals(),
    "payment_state": choice("Payment Status", *PAYMENT_STATES, default="not_paid", readonly=True, copied=False),
    "status_in_payment": char("Status In Payment", since=18, compute=_status),
    "direction_sign": integer("Direction Sign", compute=lambda env, r: amounts.sign(r)),
    "reversed_entry_id": one("account.move", "Reversal of", copied=False),
    "reversal_move_ids": lines("account.move", "reversed_entry_id", "Reversal Move", since=18, copied=False),
    "reversal_move_id": lines("account.move", "reversed_entry_id", "Reversal Move", until=17, copied=False),
    "origin_payment_id": one("account.payment", "Payment", since=18, copied=False),
    "payment_id": one("account.payment", "Payment", until=17, copied=False),
    "matched_payment_ids": many(
        "account.payment", "Matched Payments", since=18, compute=lambda env, r: sorted(env.find("account.payment", "invoice_ids", r["id"]))
    ),
    "statement_line_id": one("account.bank.statement.line", "Statement Line", copied=False),
    "sequence_prefix": char("Sequence Prefix", readonly=True, copied=False, default=""),
    "sequence_number": integer("Sequence Number", readonly=True, copied=False),
    "posted_before": boolean("Posted Before", copied=False),
    "to_check": boolean("To Check", until=17),
    "checked": boolean("Checked", since=18),
    "auto_post": choice("Auto-post", ("no", "No"), ("at_date", "At Date"), default="no", copied=False),
    "invoice_partner_display_name": char("Invoice Partner Display Name", compute=_partner_name),
    "invoice_outstanding_credits_debits_widget": field("json", "Outstanding Credits", compute=lambda env, r: reconcile.outstanding(env, r)),
    "invoice_has_outstanding": boolean("Invoice Has Outstanding", compute=lambda env, r: bool(reconcile.outstanding(env, r))),
}


def _of_move(name: str) -> Any:
    return lambda env, row: env.rows("account.move")[row["move_id"]][name]


LINE: dict[str, Field] = {
    "move_id": one("account.move", "Journal Entry", required=True, ondelete="cascade"),
    "move_name": char("Number", compute=_of_move("name")),
    "parent_state": choice("Status", *STATES, compute=_of_move("state")),
    "move_type": choice("Type", *MOVE_TYPES, compute=_of_move("move_type")),
    "date": day("Date", compute=_of_move("date")),
    "invoice_date": day("Invoice/Bill Date", compute=_of_move("invoice_date")),
    "ref": char("Reference", compute=_of_move("ref")),
    "journal_id": one("account.journal", "Journal", compute=_of_move("journal_id")),
    "company_id": one("res.company", "Company", compute=_of_move("company_id")),
    "company_currency_id": one(
        "res.currency",
        "Company Currency",
        compute=lambda env, r: amounts.company_currency(env, env.rows("account.move")[r["move_id"]]["company_id"]),
    ),
    "payment_id": one("account.payment", "Originator Payment", compute=lambda env, r: _payment(env, r)),
    "statement_line_id": one("account.bank.statement.line", "Originator Statement Line", compute=_of_move("statement_line_id")),
    "sequence": integer("Sequence", default=100),
    "name": char("Label"),
    "display_type": choice("Display Type", *DISPLAY_TYPES, required=True, default="product"),
    "account_id": one("account.account", "Account", ondelete="restrict"),
    "account_type": char("Internal Type", compute=lambda env, r: _account_type(env, r)),
    "partner_id": one("res.partner", "Partner", ondelete="restrict"),
    "currency_id": one("res.currency", "Currency", required=True),
    "currency_rate": float_("Currency Rate", compute=lambda env, r: amounts.move_rate(env, env.rows("account.move")[r["move_id"]])),
    "debit": monetary("Debit"),
    "credit": monetary("Credit"),
    "balance": monetary("Balance"),
    "amount_currency": monetary("Amount in Currency"),
    "amount_residual": monetary("Residual Amount", readonly=True, copied=False),
    "amount_residual_currency": monetary("Residual Amount in Currency", readonly=True, copied=False),
    "reconciled": boolean("Reconciled", readonly=True, copied=False),
    "matching_number": char("Matching #", index=True, copied=False),
    "full_reconcile_id": one("account.full.reconcile", "Matching", copied=False, ondelete="set null"),
    "matched_debit_ids": lines("account.partial.reconcile", "credit_move_id", "Matched Debits", copied=False),
    "matched_credit_ids": lines("account.partial.reconcile", "debit_move_id", "Matched Credits", copied=False),
    "date_maturity": day("Due Date", copied=False),
    "tax_ids": many("account.tax", "Taxes"),
    "tax_line_id": one("account.tax", "Originator Tax", ondelete="restrict"),
    "tax_repartition_line_id": one("account.tax.repartition.line", "Originator Tax Distribution Line", ondelete="restrict"),
    "tax_group_id": one("account.tax.group", "Originator tax group", compute=lambda env, r: _tax_group(env, r)),
    "group_tax_id": one("account.tax", "Originator Group of Taxes"),
    "tax_base_amount": monetary("Base Amount", readonly=True),
    "product_id": one("product.product", "Product", ondelete="restrict"),
    "product_uom_id": one("uom.uom", "Unit"),
    "quantity": float_("Quantity", default=1.0, digits=2, precision="Product Unit"),
    "price_unit": float_("Unit Price", digits=2, digits_until=18, precision="Product Price"),  # 19 keeps every digit
    "discount": float_("Discount (%)", digits=2, precision="Discount"),
    "price_subtotal": monetary("Subtotal", readonly=True),
    "price_total": monetary("Total", readonly=True),
    "sale_line_ids": many("sale.order.line", "Sales Order Lines", index=True, copied=False),
    "deductible_amount": float_("Deductibility", since=19, default=100.0),
}


def _payment(env: Env, line: Row) -> Any:
    return env.rows("account.move")[line["move_id"]]["payment_id" if env.version == 17 else "origin_payment_id"]


def _account_type(env: Env, line: Row) -> Any:
    return env.rows("account.account")[line["account_id"]]["account_type"] if line["account_id"] else False


def _tax_group(env: Env, line: Row) -> Any:
    return env.rows("account.tax")[line["tax_line_id"]]["tax_group_id"] if line["tax_line_id"] else False
