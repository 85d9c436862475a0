"""Odoo 17 alone: a payment and its entry are one, and whoever changes lines of the entry changes the payment, or is refused."""

from __future__ import annotations

from collections.abc import Iterable

from counterfoil.connectors.odoo.sandbox.books import chart, sync
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

HELD_BACK = "skip_account_move_synchronization"
"""The context key under which Odoo changes one of the two without the other; its own calls use it, and a client may."""


def follow_lines(env: Env, move_ids: Iterable[int]) -> None:
    """Let payments follow the lines of their entries. Raises UserError where the lines are no longer those of one payment."""
    if env.version != 17 or env.context.get(HELD_BACK):
        return
    for move_id in dict.fromkeys(move_ids):
        move = env.rows("account.move").get(move_id)
        if move is not None and move["payment_id"]:
            _follow(env, env.rows("account.payment")[move["payment_id"]], move)


def _follow(env: Env, payment: Row, move: Row) -> None:
    lines = sync.lines_of(env, move)
    liquidity, counterpart = _sides(env, payment, lines)
    if len(liquidity) != 1:
        raise _not_valid(move, "include one and only one outstanding payments/receipts account.")
    if len(counterpart) != 1:
        raise _not_valid(move, "include one and only one receivable/payable account (with an exception of internal transfers).")
    for column, shared in (("currency_id", "currency"), ("partner_id", "partner")):
        if any(line[column] != lines[0][column] for line in lines):
            raise _not_valid(move, f"share the same {shared}.")
    (money,), (owed,) = liquidity, counterpart
    same = {"currency_id": money["currency_id"], "partner_id": money["partner_id"]}
    env.set("account.move", move, **same)
    is_receivable = env.rows("account.account")[owed["account_id"]]["account_type"] == "asset_receivable"
    amount = money["amount_currency"]
    env.set(
        "account.payment",
        payment,
        amount=abs(amount),
        partner_type="customer" if is_receivable else "supplier",
        payment_type="inbound" if amount > 0 else "outbound" if amount < 0 else payment["payment_type"],
        destination_account_id=owed["account_id"],
        **same,
    )


def _sides(env: Env, payment: Row, lines: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return (liquidity, counterpart) lines as 17 seeks them: by accounts of the journal, then by type; one line of neither stands in."""
    journal = env.rows("account.journal")[payment["journal_id"]]
    company = env.rows("res.company")[payment["company_id"]]
    methods = (env.rows("account.payment.method.line")[i] for i in env.find("account.payment.method.line", "journal_id", journal["id"]))
    wallets = {journal["default_account_id"], *(method["payment_account_id"] for method in methods)}
    wallets |= {chart.outstanding_account(env, company, kind) for kind in ("inbound", "outbound")}
    liquidity: list[Row] = []
    counterpart: list[Row] = []
    rest: list[Row] = []
    for line in lines:
        kind = env.rows("account.account")[line["account_id"]]["account_type"]
        side = liquidity if line["account_id"] in wallets else counterpart if kind in ("asset_receivable", "liability_payable") else rest
        side.append(line)
    if len(rest) == 1:
        if not liquidity:
            liquidity = rest
        elif not counterpart:
            counterpart = rest
    return liquidity, counterpart


def _not_valid(move: Row, rule: str) -> UserError:
    return UserError(f"Journal Entry {move['name']} is not valid. In order to proceed, the journal items must {rule}")
