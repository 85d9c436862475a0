"""Reconciliation: pairing debits with credits of one account, oldest first, with full groups and exchange differences."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, exchange, payments
from counterfoil.connectors.odoo.sandbox.books.pairing import Open, pair
from counterfoil.connectors.odoo.sandbox.books.residuals import PARTIAL, partials_of, refresh_line, refresh_matching, refresh_totals
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

FULL = "account.full.reconcile"


def reconcile(env: Env, line_ids: list[int], exchange_differences: bool = True) -> None:
    """Match lines as far as they go. Raises UserError where the server refuses; a half already matched is silently left out."""
    rows = env.rows("account.move.line")
    lines = [rows[i] for i in dict.fromkeys(line_ids)]
    open_lines = _eligible(env, lines)
    if not open_lines:
        return
    held = {ln["id"]: Open(ln, ln["amount_residual"], ln["amount_residual_currency"]) for ln in open_lines}
    ordered = sorted(
        open_lines,
        key=lambda ln: (
            ln["date_maturity"] or env.rows("account.move")[ln["move_id"]]["date"],
            ln["currency_id"],
            ln["amount_currency"],
            ln["balance"],
        ),
    )
    currencies = list(dict.fromkeys(ln["currency_id"] for ln in ordered))
    done: set[int] = set()
    if len(currencies) > 1:
        for currency in currencies:
            _match(env, [ln for ln in ordered if ln["currency_id"] == currency], held, done, exchange_differences)
    _match(env, [ln for ln in ordered if ln["id"] not in done], held, done, exchange_differences)
    follow(env, [ln["id"] for ln in open_lines])
    _close(env, [ln["id"] for ln in open_lines])


def _eligible(env: Env, lines: list[Row]) -> list[Row]:
    half = {
        ln["matching_number"]
        for ln in lines
        if not ln["reconciled"] and ln["matching_number"] and str(ln["matching_number"]).startswith("P")
    }
    left = [ln for ln in lines if not ln["reconciled"] or ln["matching_number"] not in half]
    if not left:
        return []
    if any(ln["reconciled"] for ln in left):
        raise UserError("You are trying to reconcile some entries that are already reconciled.")
    moves = env.rows("account.move")
    states = {moves[ln["move_id"]]["state"] for ln in left}
    if "cancel" in states or (env.version < 19 and states - {"posted"}):
        raise UserError("You can not reconcile cancelled entries." if "cancel" in states else "You can only reconcile posted entries.")
    accounts = list(dict.fromkeys(ln["account_id"] for ln in left))
    names = [env.model("account.account").display_name(env, env.rows("account.account")[a]) for a in accounts]
    if len(accounts) > 1:
        raise UserError(f"Entries are not from the same account: {', '.join(names)}")
    companies = list(dict.fromkeys(moves[ln["move_id"]]["company_id"] for ln in left))
    if len(companies) > 1:
        shown = ", ".join(env.rows("res.company")[c]["name"] for c in companies)
        raise UserError(f"Entries don't belong to the same company: {shown}")
    account = env.rows("account.account")[accounts[0]]
    if not account["reconcile"] and account["account_type"] not in ("asset_cash", "liability_credit_card"):
        raise UserError(f"Account {names[0]} does not allow reconciliation. First change the configuration of this account to allow it.")
    return [ln for ln in lines if not ln["reconciled"]]


def _match(env: Env, lines: list[Row], held: dict[int, Open], done: set[int], differences: bool) -> None:
    if env.version >= 19 and len({ln["partner_id"] for ln in lines}) > 1:
        lines = sorted(lines, key=lambda ln: ln["partner_id"] or 0)
    debits = [held[ln["id"]] for ln in lines if ln["balance"] > 0 or ln["amount_currency"] > 0]
    credits_ = [held[ln["id"]] for ln in lines if ln["balance"] < 0 or ln["amount_currency"] < 0]
    d = c = 0
    while d < len(debits) and c < len(credits_):
        result = pair(env, debits[d], credits_[c], differences)
        if result.partial is not None:
            partial = env.model(PARTIAL).insert(env, result.partial)
            if result.fixes:
                move_id = exchange.book(env, result.fixes)
                env.set(PARTIAL, partial, exchange_move_id=move_id)
        if result.debit_done:
            done.add(debits[d].line["id"])
            d += 1
        if result.credit_done:
            done.add(credits_[c].line["id"])
            c += 1
        if result.partial is None and not (result.debit_done or result.credit_done):
            break


def follow(env: Env, line_ids: list[int]) -> None:
    """Refresh residuals, matching numbers, documents and payments of lines whose matches changed."""
    rows = env.rows("account.move.line")
    ids = [i for i in dict.fromkeys(line_ids) if i in rows]
    for i in ids:
        refresh_line(env, rows[i])
    refresh_matching(env, ids)
    moves = env.rows("account.move")
    touched = list(dict.fromkeys(rows[i]["move_id"] for i in ids))
    for m in touched:
        env.stamp("account.move", moves[m])
        refresh_totals(env, moves[m])
    payments.follow(env, touched)


def connected(env: Env, start: int) -> tuple[set[int], set[int]]:
    """Return (line ids, partial ids) reachable over matches."""
    lines, partials, queue = {start}, set(), [start]
    while queue:
        for partial in partials_of(env, queue.pop()):
            partials.add(partial["id"])
            for side in (partial["debit_move_id"], partial["credit_move_id"]):
                if side not in lines:
                    lines.add(side)
                    queue.append(side)
    return lines, partials


def _close(env: Env, line_ids: list[int]) -> None:
    """Make a full reconciliation of every connected group with nothing left open."""
    rows = env.rows("account.move.line")
    seen: set[int] = set()
    for i in line_ids:
        if i in seen:
            continue
        group, partials = connected(env, i)
        seen |= group
        if not partials or rows[i]["full_reconcile_id"]:
            continue
        several = len({rows[g]["currency_id"] for g in group}) > 1
        column = "amount_residual" if several else "amount_residual_currency"
        if any(rows[g][column] and not rows[g]["reconciled"] for g in group):
            continue
        full = env.model(FULL).insert(env, {})
        for p in partials:
            env.set(PARTIAL, env.rows(PARTIAL)[p], full_reconcile_id=full["id"])
        for g in group:
            env.set("account.move.line", rows[g], full_reconcile_id=full["id"], matching_number=str(full["id"]))


def unmatch(env: Env, line_ids: list[int]) -> None:
    """Undo all matches of lines."""
    partials: dict[int, Row] = {}
    for i in line_ids:
        partials.update({p["id"]: p for p in partials_of(env, i)})
    drop(env, list(partials.values()))


def drop(env: Env, partials: list[Row]) -> None:
    """Delete matches with their full group; exchange entries are reversed."""
    if not partials:
        return
    lines: list[int] = []
    fulls, entries = set(), []
    for partial in partials:
        if partial["id"] not in env.rows(PARTIAL):
            continue
        lines += [partial["debit_move_id"], partial["credit_move_id"]]
        if partial["full_reconcile_id"]:
            fulls.add(partial["full_reconcile_id"])
        if partial["exchange_move_id"]:
            entries.append(partial["exchange_move_id"])
        env.model(PARTIAL).remove(env, partial)
    for full in fulls:
        if full in env.rows(FULL):
            lines += env.find("account.move.line", "full_reconcile_id", full)
            env.model(FULL).remove(env, env.rows(FULL)[full])
    for entry in entries:
        if entry in env.rows("account.move"):
            lines += exchange.reverse(env, entry)
    follow(env, lines)


def reconcile_reversal(env: Env, original: Row, reversal: Row) -> None:
    """Match a posted credit note with what it reverses, account by account, as far as both are open."""
    rows = env.rows("account.move.line")
    accounts = env.rows("account.account")
    mine = [rows[i] for m in (original, reversal) for i in sorted(env.find("account.move.line", "move_id", m["id"]))]
    groups: dict[tuple[int, int], list[Row]] = {}
    for line in mine:
        if not line["reconciled"] and line["account_id"]:
            groups.setdefault((line["account_id"], line["currency_id"]), []).append(line)
    for (account, _currency), lines in groups.items():
        kind = accounts[account]
        if (kind["reconcile"] or kind["account_type"] in ("asset_cash", "liability_credit_card")) and all(
            not ln["reconciled"] for ln in lines
        ):
            reconcile(env, [ln["id"] for ln in lines])


def reconcile_marked(env: Env, moves: list[Row]) -> None:
    """Match lines carrying the same import mark (``I...``) and account once all their moves are posted; no exchange entries."""
    rows = env.rows("account.move.line")
    marks: dict[str, None] = {}
    for move in moves:
        for i in env.find("account.move.line", "move_id", move["id"]):
            mark = rows[i]["matching_number"]
            if mark and str(mark).startswith("I"):
                marks[str(mark)] = None
    for mark in marks:
        by_account: dict[int, list[Row]] = {}
        for i in env.find("account.move.line", "matching_number", mark):
            by_account.setdefault(rows[i]["account_id"], []).append(rows[i])
        for account, lines in by_account.items():
            if all(env.rows("account.move")[ln["move_id"]]["state"] == "posted" for ln in lines):
                env.set("account.account", env.rows("account.account")[account], reconcile=True)
                for line in lines:
                    env.set("account.move.line", line, matching_number=False)
                    refresh_line(env, line)
                reconcile(env, [ln["id"] for ln in lines], exchange_differences=False)


def outstanding(env: Env, move: Row) -> Any:
    """Return the open payments and credits that could settle a document, in the shape of the form's widget, or False."""
    if move["state"] != "posted" or not amounts.is_invoice(move) or not move["amount_residual"]:
        return False
    rows = env.rows("account.move.line")
    mine = [rows[i] for i in env.find("account.move.line", "move_id", move["id"]) if rows[i]["display_type"] == "payment_term"]
    if not mine:
        return False
    side = 1 if mine[0]["balance"] > 0 else -1
    content = []
    for i in env.find("account.move.line", "account_id", mine[0]["account_id"]):
        line = rows[i]
        other = env.rows("account.move")[line["move_id"]]
        if (
            line["partner_id"] != mine[0]["partner_id"]
            or other["state"] != "posted"
            or line["reconciled"]
            or line["amount_residual"] * side >= 0
        ):
            continue
        entry = {
            "journal_name": other["ref"] or other["name"],
            "amount": abs(line["amount_residual_currency"]),
            "currency_id": line["currency_id"],
            "id": i,
            "move_id": other["id"],
            "date": other["date"],
            "account_payment_id": other["payment_id" if env.version == 17 else "origin_payment_id"],
        }
        content.append({**entry, "move_ref": other["ref"]} if env.version >= 19 else entry)
    title = "Outstanding credits" if side > 0 else "Outstanding debits"
    return {"outstanding": True, "content": content, "move_id": move["id"], "title": title} if content else False
