"""Reading the books: per company a trial balance of posted entries, and the documents by kind with totals."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, chart
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row


def books(env: Env) -> dict[str, Any]:
    """Return every company's books; amounts are integer minor units of the currency named beside them."""
    return {"companies": [_company(env, company) for company in env.rows("res.company").values()]}


def _minor(amount: float, digits: int) -> int:
    return int(round_half_up(amount, digits) * 10**digits + (0.5 if amount > 0 else -0.5))


def _company(env: Env, company: Row) -> dict[str, Any]:
    digits = amounts.digits(env, company["currency_id"])
    moves = [env.rows("account.move")[i] for i in env.find("account.move", "company_id", company["id"])]
    posted = [m for m in moves if m["state"] == "posted"]
    rows = env.rows("account.move.line")
    sums: dict[int, float] = {}
    for move in posted:
        for i in env.find("account.move.line", "move_id", move["id"]):
            if rows[i]["account_id"]:
                sums[rows[i]["account_id"]] = sums.get(rows[i]["account_id"], 0.0) + rows[i]["balance"]
    mine = [a for a in env.rows("account.account").values() if company["id"] in chart.companies_of(env, a)]
    balances = [
        {"code": a["code"], "name": a["name"], "balance_minor": _minor(sums.get(a["id"], 0.0), digits)}
        for a in sorted(mine, key=lambda a: str(a["code"]))
        if a["id"] in sums
    ]
    return {
        "id": company["id"],
        "name": company["name"],
        "currency": env.rows("res.currency")[company["currency_id"]]["name"],
        "trial_balance": balances,
        "documents": _documents(env, moves),
        "payments": _payments(env, company["id"]),
    }


def _documents(env: Env, moves: list[Row]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for move in moves:
        currency = env.rows("res.currency")[move["currency_id"]]["name"]
        groups.setdefault((move["move_type"], move["state"], currency), []).append(move)
    shown = []
    for (kind, state, currency), members in sorted(groups.items()):
        digits = amounts.digits(env, members[0]["currency_id"])
        shown.append(
            {
                "kind": kind,
                "state": state,
                "currency": currency,
                "count": len(members),
                "total_minor": sum(_minor(m["amount_total"], digits) for m in members),
                "residual_minor": sum(_minor(m["amount_residual"], digits) for m in members),
            }
        )
    return shown


def _payments(env: Env, company_id: int) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for payment in env.rows("account.payment").values():
        if payment["company_id"] == company_id:
            groups.setdefault((payment["payment_type"], payment["state"], payment["currency_id"]), []).append(payment)
    return [
        {
            "kind": kind,
            "state": state,
            "currency": env.rows("res.currency")[currency]["name"],
            "count": len(members),
            "total_minor": sum(_minor(p["amount"], amounts.digits(env, currency)) for p in members),
        }
        for (kind, state, currency), members in sorted(groups.items())
    ]
