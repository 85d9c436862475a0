"""Registering payments the interactive way: one payment per document or per partner, with write-off."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, payments, reconcile
from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

TRADE = ("asset_receivable", "liability_payable")


def complete(env: Env, values: dict[str, Any]) -> dict[str, Any]:
    """Fill the wizard from the documents in context."""
    rows = env.rows("account.move.line")
    if values.get("line_ids"):
        ids = [i for c in values["line_ids"] for i in (c[2] if c[0] == 6 else [c[1]])]
    elif env.context.get("active_model") == "account.move.line":
        ids = list(env.context.get("active_ids") or [])
    else:
        moves = env.context.get("active_ids") or []
        ids = [i for m in moves for i in sorted(env.find("account.move.line", "move_id", m))]
    lines = [
        rows[i] for i in ids if i in rows and _trade(env, rows[i]) and env.rows("account.move")[rows[i]["move_id"]]["state"] == "posted"
    ]
    lines = [ln for ln in lines if ln["amount_residual"] or ln["amount_residual_currency"]]
    if not lines:
        if env.version >= 19:
            raise UserError(
                "There's nothing left to pay for the selected journal items, so no payment registration is necessary. You've got your"
                " finances under"
                " control like a boss!"
            )
        raise UserError("You can't register a payment because there is nothing left to pay on the selected journal items.")
    move = env.rows("account.move")[lines[0]["move_id"]]
    company = env.rows("res.company")[move["company_id"]]
    values["line_ids"] = [[6, 0, [ln["id"] for ln in lines]]]
    values["company_id"] = company["id"]
    values["payment_type"] = "inbound" if sum(ln["balance"] for ln in lines) > 0 else "outbound"
    kinds = {env.rows("account.account")[ln["account_id"]]["account_type"] for ln in lines}
    values["partner_type"] = "customer" if "asset_receivable" in kinds else "supplier"
    values.setdefault("partner_id", lines[0]["partner_id"])
    if not values.get("journal_id"):
        mine = [
            j for j in env.rows("account.journal").values() if j["company_id"] == company["id"] and j["type"] in ("bank", "cash", "credit")
        ]
        values["journal_id"] = min(mine, key=lambda j: (j["sequence"], j["id"]))["id"] if mine else False
    journal = env.row("account.journal", int(values["journal_id"]))
    values["currency_id"] = values.get("currency_id") or (journal["currency_id"] or lines[0]["currency_id"])
    day = values.get("payment_date") or env.today
    if "amount" not in values:
        values["amount"] = _due(env, lines, int(values["currency_id"]), company["id"], day)
    if not values.get("communication"):
        names = {
            env.rows("account.move")[ln["move_id"]]["payment_reference"] or env.rows("account.move")[ln["move_id"]]["name"] for ln in lines
        }
        values["communication"] = ", ".join(sorted(str(n) for n in names))
    return values


def _trade(env: Env, line: Row) -> bool:
    return bool(line["account_id"]) and env.rows("account.account")[line["account_id"]]["account_type"] in TRADE


def _due(env: Env, lines: list[Row], currency: int, company: int, day: str) -> float:
    total = 0.0
    for line in lines:
        if line["currency_id"] == currency:
            total += line["amount_residual_currency"]
        else:
            total += line["amount_residual"] * rate_on(env, currency, company, day)
    return abs(amounts.rounded(env, currency, total))


def source(env: Env, row: Row) -> tuple[float, float]:
    """Return what is open in company currency and in the documents' currency."""
    lines = [env.rows("account.move.line")[i] for i in row["line_ids"]]
    return abs(sum(ln["amount_residual"] for ln in lines)), abs(sum(ln["amount_residual_currency"] for ln in lines))


def difference(env: Env, row: Row) -> float:
    """Return what stays open after the payment, in its currency."""
    lines = [env.rows("account.move.line")[i] for i in row["line_ids"]]
    return amounts.rounded(
        env, row["currency_id"], _due(env, lines, row["currency_id"], row["company_id"], row["payment_date"]) - row["amount"]
    )


def pay(env: Env, row: Row) -> Any:
    """Create, post and match the payments; answer with the action that shows them."""
    rows = env.rows("account.move.line")
    lines = [rows[i] for i in row["line_ids"]]
    groups: dict[Any, list[Row]] = {}
    for line in lines:
        key = line["partner_id"] if row["group_payment"] else line["move_id"]
        groups.setdefault(key, []).append(line)
    made = [_one(env, row, group, len(groups) == 1) for group in groups.values()]
    action: Row = {"name": "Payments", "type": "ir.actions.act_window", "res_model": "account.payment", "context": {"create": False}}
    if len(made) == 1:
        return {**action, "view_mode": "form", "res_id": made[0]}
    return {**action, "view_mode": "tree,form" if env.version == 17 else "list,form", "domain": [["id", "in", made]]}


def _one(env: Env, row: Row, lines: list[Row], alone: bool) -> int:
    amount = row["amount"] if alone else _due(env, lines, row["currency_id"], row["company_id"], row["payment_date"])
    values: Row = {
        "payment_type": row["payment_type"],
        "partner_type": row["partner_type"],
        "partner_id": lines[0]["partner_id"],
        "amount": amount,
        "currency_id": row["currency_id"],
        "date": row["payment_date"],
        "journal_id": row["journal_id"],
        "payment_method_line_id": row["payment_method_line_id"],
        "destination_account_id": lines[0]["account_id"],
        "ref" if env.version == 17 else "memo": row["communication"] if alone else _memo(env, lines),
    }
    if env.version >= 18:
        values["invoice_ids"] = [[6, 0, list(dict.fromkeys(ln["move_id"] for ln in lines))]]
    write_off = _write_off(env, row, lines) if alone and row["payment_difference_handling"] == "reconcile" else None
    model = env.model("account.payment")
    payment = env.rows("account.payment")[model.create(env, [values])[0]]
    if write_off:
        if payment["move_id"]:
            env.model("account.move").remove(env, env.rows("account.move")[payment["move_id"]])
        payments.make_move(env, payment, write_off)
    payments.post(env, [payment])
    if payment["move_id"]:
        counterpart = [ln["id"] for ln in payments.sides(env, payment)[1]]
        reconcile.reconcile(env, [*(ln["id"] for ln in lines if not ln["reconciled"]), *counterpart])
    return int(payment["id"])


def _memo(env: Env, lines: list[Row]) -> str:
    names = {
        env.rows("account.move")[ln["move_id"]]["payment_reference"] or env.rows("account.move")[ln["move_id"]]["name"] for ln in lines
    }
    return ", ".join(sorted(str(n) for n in names))


def _write_off(env: Env, row: Row, lines: list[Row]) -> list[dict[str, Any]] | None:
    gap = amounts.rounded(
        env, row["currency_id"], _due(env, lines, row["currency_id"], row["company_id"], row["payment_date"]) - row["amount"]
    )
    if not gap:
        return None
    signed = gap if row["payment_type"] == "inbound" else -gap
    own = amounts.company_currency(env, row["company_id"])
    balance = amounts.rounded(env, own, signed / rate_on(env, row["currency_id"], row["company_id"], row["payment_date"]))
    return [{"name": row["writeoff_label"], "account_id": row["writeoff_account_id"], "amount_currency": signed, "balance": balance}]
