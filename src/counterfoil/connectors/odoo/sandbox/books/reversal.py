"""Reversing documents: credit notes from invoices, mirrored entries from entries."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, posting, reconcile, sync
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.store import Row

REVERSED = {
    "entry": "entry",
    "out_invoice": "out_refund",
    "out_refund": "entry",
    "in_invoice": "in_refund",
    "in_refund": "entry",
    "out_receipt": "out_refund",
    "in_receipt": "in_refund",
}


def action(env: Env, wizard: Row, modify: bool) -> Any:
    """Carry out the wizard; answer with the action that shows what was made."""
    made = []
    for move_id in wizard["move_ids"]:
        move = env.rows("account.move")[move_id]
        back = reverse(env, move, wizard)
        if modify:
            posting.post(env, [back])
            if not reconcile.connected(env, sync.lines_of(env, move)[-1]["id"])[1]:
                reconcile.reconcile_reversal(env, move, back)
            copy = env.model("account.move").copy(env, [move["id"]], {"date": wizard["date"] or move["date"]})
            made += copy
        else:
            if move["move_type"] == "entry" and back["date"] <= env.today:
                posting.post(env, [back])
            made.append(back["id"])
    env.set("account.move.reversal", wizard, new_move_ids=tuple(made))
    shown: Row = {"name": "Reverse Moves", "type": "ir.actions.act_window", "res_model": "account.move"}
    if len(made) == 1:
        return {
            **shown,
            "view_mode": "form",
            "res_id": made[0],
            "context": {"default_move_type": env.rows("account.move")[made[0]]["move_type"]},
        }
    return {**shown, "view_mode": "tree,form" if env.version == 17 else "list,form", "domain": [["id", "in", made]]}


def reverse(env: Env, move: Row, wizard: Row) -> Row:
    """Create the draft that reverses a posted move."""
    kind = REVERSED[move["move_type"]]
    reason = wizard["reason"]
    values: Row = {
        "move_type": kind,
        "partner_id": move["partner_id"],
        "currency_id": move["currency_id"],
        "reversed_entry_id": move["id"],
        "journal_id": wizard["journal_id"] or move["journal_id"],
        "date": wizard["date"] or env.today,
        "ref": f"Reversal of: {move['name']}, {reason}" if reason else f"Reversal of: {move['name']}",
    }
    model = env.model("account.move.line")
    lines = sync.lines_of(env, move)
    if kind == "entry":
        keep = ("name", "account_id", "partner_id", "currency_id")
        values["line_ids"] = [
            [0, 0, {**{k: ln[k] for k in keep}, "balance": -ln["balance"], "amount_currency": -ln["amount_currency"]}] for ln in lines
        ]
    else:
        drop = ("move_id", "debit", "credit", "balance", "amount_currency", "price_subtotal", "price_total", "tax_base_amount")
        own = [ln for ln in lines if ln["display_type"] not in ("tax", "payment_term")]
        values.update(invoice_date=wizard["date"] or env.today, invoice_payment_term_id=False, invoice_date_due=wizard["date"] or env.today)
        values["invoice_line_ids"] = [
            [0, 0, {**{k: v for k, v in model.copied(env, ln).items() if k not in drop}, "name": ln["name"]}] for ln in own
        ]
    inner = env.with_context(allowed_company_ids=[move["company_id"]]).sudo()
    back = env.rows("account.move")[env.model("account.move").create(inner, [values])[0]]
    if kind != "entry":
        _same_taxes(env, move, back)
    return back


def _same_taxes(env: Env, move: Row, back: Row) -> None:
    """Carry hand-set tax amounts over."""
    theirs = {ln["tax_line_id"]: ln for ln in sync.lines_of(env, move) if ln["tax_repartition_line_id"]}
    mine = [ln for ln in sync.lines_of(env, back) if ln["tax_repartition_line_id"]]
    commands = [
        [1, ln["id"], {"amount_currency": -theirs[ln["tax_line_id"]]["amount_currency"]}]
        for ln in mine
        if ln["tax_line_id"] in theirs and ln["amount_currency"] != -theirs[ln["tax_line_id"]]["amount_currency"]
    ]
    if commands and amounts.is_invoice(move):
        env.model("account.move").write(env.sudo(), [back["id"]], {"line_ids": commands})
