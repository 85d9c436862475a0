"""Exchange difference entries: booked in the exchange journal when a match leaves a gap between currencies, reversed when it is undone."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.books import locks, posting, sync
from counterfoil.connectors.odoo.sandbox.books.pairing import Fix
from counterfoil.connectors.odoo.sandbox.books.residuals import partials_of, refresh_line
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

LABEL = "Currency exchange rate difference"
PARTIAL = "account.partial.reconcile"


def book(env: Env, fixes: list[Fix]) -> int:
    """Create, post and match the entry that takes the differences off their lines; return its id."""
    rows = env.rows("account.move")
    moves = [rows[f.line["move_id"]] for f in fixes]
    company = env.rows("res.company")[moves[0]["company_id"]]
    if not company["currency_exchange_journal_id"]:
        raise UserError(
            "You have to configure the 'Exchange Gain or Loss Journal' in your company settings, to manage automatically the booking of"
            " accounting"
            " entries related to differences between exchange rates."
        )
    latest = max(m["date"] for m in moves)
    hit = locks.violated(env, company, "general", latest, False)
    commands = []
    for fix in fixes:
        commands += _pair(env, company, fix)
    inner = env.with_context(allowed_company_ids=[company["id"]]).sudo()
    values = {
        "move_type": "entry",
        "date": max(locks.shifted(env, False, "", latest, hit), latest),
        "journal_id": company["currency_exchange_journal_id"],
        "line_ids": commands,
    }
    move_id = env.model("account.move").create(inner, [values])[0]
    move = rows[move_id]
    posting.post(inner, [move])
    lines = sync.lines_of(env, move)
    for position, fix in enumerate(fixes):
        _match(env, fix, lines[2 * position])
    return move_id


def _pair(env: Env, company: Row, fix: Fix) -> list[list[object]]:
    own = company["currency_id"]
    residual = fix.residual
    foreign = fix.residual_currency if fix.residual_currency else (residual if fix.line["currency_id"] == own else 0.0)
    loss = (residual or fix.residual_currency) > 0
    account = company["expense_currency_exchange_account_id" if loss else "income_currency_exchange_account_id"]
    shared = {"name": LABEL, "currency_id": fix.line["currency_id"], "partner_id": fix.line["partner_id"]}
    return [
        [0, 0, {**shared, "account_id": fix.line["account_id"], "balance": -residual, "amount_currency": -foreign}],
        [0, 0, {**shared, "account_id": account, "balance": residual, "amount_currency": foreign}],
    ]


def _match(env: Env, fix: Fix, line: Row) -> None:
    own_amount = abs(fix.residual)
    foreign = abs(line["amount_currency"])
    debit, credit = (fix.line, line) if (fix.residual or fix.residual_currency) > 0 else (line, fix.line)
    env.model(PARTIAL).insert(
        env,
        {
            "debit_move_id": debit["id"],
            "credit_move_id": credit["id"],
            "amount": own_amount,
            "debit_amount_currency": foreign,
            "credit_amount_currency": foreign,
        },
    )
    refresh_line(env, fix.line)
    refresh_line(env, line)


def reverse(env: Env, move_id: int) -> list[int]:
    """Unmatch an exchange entry and post its reversal, matched with it; return the ids of all lines concerned."""
    move = env.rows("account.move")[move_id]
    lines = sync.lines_of(env, move)
    touched = [ln["id"] for ln in lines]
    for line in lines:
        for partial in partials_of(env, line["id"]):
            touched += [partial["debit_move_id"], partial["credit_move_id"]]
            env.model(PARTIAL).remove(env, partial)
    company = env.rows("res.company")[move["company_id"]]
    inner = env.with_context(allowed_company_ids=[company["id"]]).sudo()
    hit = locks.violated(env, company, "general", move["date"], False)
    commands = [
        [
            0,
            0,
            {
                "name": ln["name"],
                "account_id": ln["account_id"],
                "currency_id": ln["currency_id"],
                "partner_id": ln["partner_id"],
                "balance": -ln["balance"],
                "amount_currency": -ln["amount_currency"],
            },
        ]
        for ln in lines
    ]
    values = {
        "move_type": "entry",
        "date": locks.shifted(env, False, "", move["date"], hit),
        "journal_id": move["journal_id"],
        "line_ids": commands,
        "ref": f"Reversal of: {move['name']}",
        "reversed_entry_id": move["id"],
    }
    for i in touched:
        if i in env.rows("account.move.line"):
            refresh_line(env, env.rows("account.move.line")[i])
    back = env.model("account.move").create(inner, [values])[0]
    posting.post(inner, [env.rows("account.move")[back]])
    return [*touched, *(ln["id"] for ln in sync.lines_of(env, env.rows("account.move")[back]))]
