"""What is still open: residuals of lines and documents, totals, payment states, matching numbers."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.books import amounts
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

PARTIAL = "account.partial.reconcile"
LIQUIDITY = ("asset_cash", "liability_credit_card")


def partials_of(env: Env, line_id: int) -> list[Row]:
    """Return the partial reconciliations a line takes part in."""
    rows = env.rows(PARTIAL)
    ids = {*env.find(PARTIAL, "debit_move_id", line_id), *env.find(PARTIAL, "credit_move_id", line_id)}
    return [rows[i] for i in sorted(ids)]


def refresh_line(env: Env, line: Row) -> None:
    """Recompute a line's residuals: only reconcilable and liquidity accounts have one."""
    account = env.rows("account.account").get(line["account_id"]) if line["account_id"] else None
    if account is None or not (account["reconcile"] or account["account_type"] in LIQUIDITY):
        env.set("account.move.line", line, amount_residual=0.0, amount_residual_currency=0.0, reconciled=False)
        return
    move = env.rows("account.move")[line["move_id"]]
    own = amounts.digits(env, amounts.company_currency(env, move["company_id"]))
    foreign = amounts.digits(env, line["currency_id"])
    residual, residual_currency = line["balance"], line["amount_currency"]
    for partial in partials_of(env, line["id"]):
        if partial["debit_move_id"] == line["id"]:
            residual -= partial["amount"]
            residual_currency -= partial["debit_amount_currency"]
        if partial["credit_move_id"] == line["id"]:
            residual += partial["amount"]
            residual_currency += partial["credit_amount_currency"]
    residual, residual_currency = round_half_up(residual, own), round_half_up(residual_currency, foreign)
    done = not residual and not residual_currency and move["state"] not in ("draft", "cancel")
    env.set("account.move.line", line, amount_residual=residual, amount_residual_currency=residual_currency, reconciled=done)


def refresh_totals(env: Env, move: Row) -> None:
    """Recompute a move's totals, residual and payment state."""
    rows = env.rows("account.move.line")
    lines = [rows[i] for i in env.find("account.move.line", "move_id", move["id"])]
    sign = amounts.sign(move)
    own = amounts.digits(env, amounts.company_currency(env, move["company_id"]))
    foreign = amounts.digits(env, move["currency_id"])
    untaxed = untaxed_own = tax = tax_own = residual = residual_own = total = total_own = 0.0
    for line in lines:
        if not amounts.is_invoice(move):
            if line["debit"]:
                total_own += line["balance"]
                total += line["amount_currency"]
            continue
        if line["display_type"] == "tax":
            tax, tax_own = tax + line["amount_currency"], tax_own + line["balance"]
        elif line["display_type"] in amounts.BASE_TYPES:
            untaxed, untaxed_own = untaxed + line["amount_currency"], untaxed_own + line["balance"]
        elif line["display_type"] == "payment_term":
            residual, residual_own = residual + line["amount_residual_currency"], residual_own + line["amount_residual"]
    if amounts.is_invoice(move):
        total, total_own = untaxed + tax, untaxed_own + tax_own
        values = {
            "amount_untaxed": sign * untaxed,
            "amount_tax": sign * tax,
            "amount_total": sign * total,
            "amount_residual": -sign * residual,
            "amount_total_in_currency_signed": -total,
        }
        signed = {
            "amount_untaxed_signed": -untaxed_own,
            "amount_tax_signed": -tax_own,
            "amount_total_signed": -total_own,
            "amount_residual_signed": residual_own,
        }
    else:
        values = {"amount_total": total, "amount_total_in_currency_signed": total}
        signed = {"amount_total_signed": total_own}
    final = {k: round_half_up(v, foreign) for k, v in values.items()} | {k: round_half_up(v, own) for k, v in signed.items()}
    env.set("account.move", move, **final)
    env.set("account.move", move, payment_state=payment_state(env, move))


def payment_state(env: Env, move: Row) -> str:
    """Derive how far a document is paid from its residual and what it was matched with."""
    if not amounts.is_invoice(move) or move["state"] == "cancel":
        return "not_paid"
    if move["state"] == "draft" and (env.version < 19 or not move["amount_total"]):
        return "not_paid"
    rows, moves = env.rows("account.move.line"), env.rows("account.move")
    accounts = env.rows("account.account")
    others: list[Row] = []
    for i in env.find("account.move.line", "move_id", move["id"]):
        line = rows[i]
        if not line["account_id"] or accounts[line["account_id"]]["account_type"] not in ("asset_receivable", "liability_payable"):
            continue
        for partial in partials_of(env, i):
            other = partial["credit_move_id"] if partial["debit_move_id"] == i else partial["debit_move_id"]
            if rows[other]["move_id"] != move["id"]:
                others.append(moves[rows[other]["move_id"]])
    if move["amount_residual"]:
        if others:
            return "partial"
        return "in_payment" if env.db.settings.enterprise and _unmatched_payment(env, move) else "not_paid"
    link = "payment_id" if env.version == 17 else "origin_payment_id"
    if any(m[link] or m["statement_line_id"] for m in others):
        payments = [env.rows("account.payment")[m[link]] for m in others if m[link]]
        waiting = env.db.settings.enterprise and not all(is_matched(env, p) for p in payments)
        return "in_payment" if waiting else "paid"
    kinds = {m["move_type"] for m in others}
    refund = {"out_invoice": "out_refund", "out_receipt": "out_refund", "in_invoice": "in_refund", "in_receipt": "in_refund"}.get(
        move["move_type"]
    )
    if refund and kinds in ({refund}, {refund, "entry"}):
        return "reversed"
    if move["move_type"] in amounts.REFUNDS and kinds == {"entry"}:
        return "reversed"
    return "paid"


def _unmatched_payment(env: Env, move: Row) -> bool:
    rows = env.rows("account.payment")
    if env.version == 17:
        return False
    return move["state"] == "posted" and any(
        not rows[i]["move_id"] and rows[i]["state"] in ("in_process", "paid", "reconciled")
        for i in env.find("account.payment", "invoice_ids", move["id"])
    )


def is_matched(env: Env, payment: Row) -> bool:
    """Return whether a payment's liquidity side is matched with the bank."""
    if not payment["move_id"]:
        return bool(payment["state"] == ("reconciled" if env.version >= 20 else "paid"))
    rows = env.rows("account.move.line")
    mine = [rows[i] for i in env.find("account.move.line", "move_id", payment["move_id"])]
    journal = env.rows("account.journal")[payment["journal_id"]]
    liquidity = [ln for ln in mine if ln["account_id"] in (payment["outstanding_account_id"], journal["default_account_id"])]
    if any(ln["account_id"] == journal["default_account_id"] for ln in liquidity):
        return True
    return bool(liquidity) and all(not ln["amount_residual"] for ln in liquidity)


def refresh_matching(env: Env, line_ids: list[int]) -> None:
    """Give connected lines their matching number: the full reconciliation's id, or P and the lowest partial's id."""
    rows = env.rows("account.move.line")
    seen: set[int] = set()
    for start in line_ids:
        if start in seen or start not in rows:
            continue
        group, partials, queue = {start}, set(), [start]
        while queue:
            for partial in partials_of(env, queue.pop()):
                partials.add(partial["id"])
                for side in (partial["debit_move_id"], partial["credit_move_id"]):
                    if side not in group:
                        group.add(side)
                        queue.append(side)
        seen |= group
        for i in group:
            full = rows[i]["full_reconcile_id"]
            held = rows[i]["matching_number"]
            number = str(full) if full else (f"P{min(partials)}" if partials else (held if held and str(held).startswith("I") else False))
            env.set("account.move.line", rows[i], matching_number=number)
