"""Payment-term lines: what is due when, one receivable or payable line per due date."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, chart
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.store import Row


def due_date(line: Row, start: date) -> date:
    """Return when a term line falls due."""
    days, kind = line["nb_days"], line["delay_type"]
    if kind == "days_after_end_of_month":
        return _end(start) + timedelta(days=days)
    if kind == "days_after_end_of_next_month":
        return _end(_end(start) + timedelta(days=1)) + timedelta(days=days)
    if kind == "days_end_of_month_on_the":
        end = _end(start + timedelta(days=days))
        wanted = int(line["days_next_month"] or 0)
        following = end + timedelta(days=1)
        return following.replace(day=min(wanted, calendar.monthrange(following.year, following.month)[1])) if wanted else end
    return start + timedelta(days=days)


def _end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def schedule(env: Env, move: Row, amount: float, balance: float) -> list[tuple[Any, float, float]]:
    """Return (due date, amount, company amount) per instalment; the last one takes the rest."""
    term_id = move["invoice_payment_term_id"]
    if not term_id:
        return [(move["invoice_date_due"], amount, balance)]
    start = date.fromisoformat(move["invoice_date"] or move["date"] or env.today)
    own = amounts.company_currency(env, move["company_id"])
    lines = [env.rows("account.payment.term.line")[i] for i in sorted(env.find("account.payment.term.line", "payment_id", term_id))]
    parts: list[tuple[str, float, float]] = []
    left, left_balance = amount, balance
    for position, line in enumerate(lines):
        if position == len(lines) - 1:
            part, part_balance = left, left_balance
        elif line["value"] == "fixed":
            part = amounts.rounded(env, move["currency_id"], line["value_amount"] * (1 if amount >= 0 else -1))
            part_balance = amounts.rounded(env, own, part / amounts.move_rate(env, move))
        else:
            part = amounts.rounded(env, move["currency_id"], amount * line["value_amount"] / 100.0)
            part_balance = amounts.rounded(env, own, balance * line["value_amount"] / 100.0)
        left = amounts.rounded(env, move["currency_id"], left - part)
        left_balance = amounts.rounded(env, own, left_balance - part_balance)
        parts.append((due_date(line, start).isoformat(), part, part_balance))
    merged: dict[str, list[float]] = {}
    for day, part, part_balance in parts:
        sums = merged.setdefault(day, [0.0, 0.0])
        sums[0], sums[1] = sums[0] + part, sums[1] + part_balance
    return [(day, amounts.rounded(env, move["currency_id"], a), amounts.rounded(env, own, b)) for day, (a, b) in merged.items()]


def account_of(env: Env, move: Row) -> int | bool:
    """Return the receivable or payable account of a document: the commercial partner's, else the company's."""
    name = "property_account_receivable_id" if amounts.is_sale(move) else "property_account_payable_id"
    inner = env.with_context(allowed_company_ids=[move["company_id"]]).sudo()
    if move["partner_id"]:
        model = env.model("res.partner")
        partner = env.rows("res.partner")[model.value(env, env.rows("res.partner")[move["partner_id"]], "commercial_partner_id")]
        found = model.value(inner, partner, name)
        if found:
            return int(found)
    found = chart.default_account(env, move["company_id"], "receivable" if amounts.is_sale(move) else "payable")
    return int(found) if found else False


def label(env: Env, move: Row, position: int, count: int) -> Any:
    """Return the text of a payment-term line: the document's references, and which instalment it is."""
    parts = [move["payment_reference"]] if env.version == 17 else [move["ref"], move["payment_reference"]]
    shown = " - ".join(str(p) for p in dict.fromkeys(parts) if p) if move["state"] == "posted" else ""
    if count > 1:
        shown = f"{shown} installment #{position + 1}".strip()
    return shown or ("" if env.version == 17 else False)


def refresh(env: Env, move: Row, keep_due: bool = False) -> None:
    """Make the payment-term lines match what the other lines sum to."""
    rows = env.rows("account.move.line")
    lines = [rows[i] for i in sorted(env.find("account.move.line", "move_id", move["id"]))]
    others = [ln for ln in lines if ln["display_type"] not in ("payment_term", *amounts.TEXT_TYPES)]
    have = [ln for ln in lines if ln["display_type"] == "payment_term"]
    own = amounts.company_currency(env, move["company_id"])
    amount = amounts.rounded(env, move["currency_id"], -sum(ln["amount_currency"] for ln in others))
    balance = amounts.rounded(env, own, -sum(ln["balance"] for ln in others))
    needed = schedule(env, move, amount, balance) if others else []
    model = env.model("account.move.line")
    account = account_of(env, move)
    by_day = {ln["date_maturity"]: ln for ln in have}
    spare = [ln for ln in have if ln["date_maturity"] not in {day for day, _a, _b in needed}]
    for position, (day, part, part_balance) in enumerate(needed):
        line = by_day.get(day) or (spare.pop(0) if spare else None)
        if line is None:
            values = {
                "move_id": move["id"],
                "display_type": "payment_term",
                "account_id": account,
                "sequence": 12000,
                "quantity": 0.0,
                "tax_ids": [],
                "currency_id": move["currency_id"],
                "date_maturity": day,
                "name": "" if env.version == 17 else False,
            }
            line = model.insert(env, values)
        env.set(
            "account.move.line",
            line,
            date_maturity=day,
            amount_currency=part,
            balance=part_balance,
            debit=max(part_balance, 0.0),
            credit=max(-part_balance, 0.0),
            currency_id=move["currency_id"],
        )
        if not line["name"]:
            env.set("account.move.line", line, name=label(env, move, position, len(needed)))
        if line["account_id"] != account and not line["matching_number"]:
            env.set("account.move.line", line, account_id=account)
    for line in spare:
        model.remove(env, line)
    if move["invoice_payment_term_id"] and needed and not keep_due:
        env.set("account.move", move, invoice_date_due=max(day for day, _a, _b in needed))
