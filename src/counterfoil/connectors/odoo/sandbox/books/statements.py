"""Bank statement lines: booked against the journal's suspense account, or straight to a counterpart account."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.books import amounts, posting, reconcile, sync
from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

MODEL = "account.bank.statement.line"


def currency(env: Env, line: Row) -> int:
    """Return the journal's currency, else the company's."""
    journal = env.rows("account.journal")[line["journal_id"]]
    return int(journal["currency_id"] or amounts.company_currency(env, line["company_id"]))


def book(env: Env, line: Row, counterpart_id: int = 0) -> None:
    """Create and post the entry of a statement line."""
    journal = env.rows("account.journal")[line["journal_id"]]
    counterpart = counterpart_id or journal["suspense_account_id"]
    if not counterpart:
        raise UserError(f"You can't create a new statement line without a suspense account set on the {journal['name']} journal.")
    unit = currency(env, line)
    own = amounts.company_currency(env, line["company_id"])
    balance = amounts.rounded(env, own, line["amount"] / rate_on(env, unit, line["company_id"], line["date"]))
    shared = {"name": line["payment_ref"], "partner_id": line["partner_id"], "currency_id": unit}
    commands = [
        [0, 0, {**shared, "account_id": journal["default_account_id"], "balance": balance, "amount_currency": line["amount"]}],
        [0, 0, {**shared, "account_id": counterpart, "balance": -balance, "amount_currency": -line["amount"]}],
    ]
    inner = env.with_context(allowed_company_ids=[line["company_id"]]).sudo()
    values = {
        "move_type": "entry",
        "journal_id": journal["id"],
        "date": line["date"],
        "ref": line["ref"],
        "partner_id": line["partner_id"],
        "currency_id": unit,
        "statement_line_id": line["id"],
        "line_ids": commands,
    }
    move_id = env.model("account.move").create(inner, [values])[0]
    env.set(MODEL, line, move_id=move_id)
    posting.post(inner, [env.rows("account.move")[move_id]])


def unbook(env: Env, line: Row) -> None:
    """Remove the entry of a statement line."""
    move = env.rows("account.move").get(line["move_id"] or 0)
    if move is None:
        return
    posting.refuse_locked(env, move)
    reconcile.unmatch(env, [ln["id"] for ln in sync.lines_of(env, move)])
    env.set(MODEL, line, move_id=False)
    env.model("account.move").remove(env, move)


def _others(env: Env, line: Row) -> tuple[list[Row], list[Row]]:
    journal = env.rows("account.journal")[line["journal_id"]]
    move = env.rows("account.move")[line["move_id"]]
    suspense, other = [], []
    for item in sync.lines_of(env, move):
        if item["account_id"] == journal["suspense_account_id"]:
            suspense.append(item)
        elif item["account_id"] != journal["default_account_id"]:
            other.append(item)
    return suspense, other


def is_reconciled(env: Env, line: Row) -> bool:
    """Return whether nothing is left on suspense."""
    suspense, _other = _others(env, line)
    if any(ln["balance"] for ln in suspense):
        return all(not ln["amount_residual"] for ln in suspense) if _reconcilable(env, suspense[0]) else False
    return True


def _reconcilable(env: Env, item: Row) -> bool:
    return bool(env.rows("account.account")[item["account_id"]]["reconcile"])


def residual(env: Env, line: Row) -> float:
    """Return what is still on suspense (or unmatched), with the sign of the suspense line."""
    suspense, _other = _others(env, line)
    if suspense and any(ln["balance"] for ln in suspense):
        return float(sum(ln["amount_residual_currency"] if _reconcilable(env, ln) else ln["amount_currency"] for ln in suspense))
    return 0.0
