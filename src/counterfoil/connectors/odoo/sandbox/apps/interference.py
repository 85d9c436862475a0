"""The interfering human: what people do in Odoo while a connector works, one action at a time or by script."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.apps.merge import merge
from counterfoil.connectors.odoo.sandbox.books import posting
from counterfoil.connectors.odoo.sandbox.books import wizard as payer
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.store import Row

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.server import OdooSandbox


def act(sandbox: OdooSandbox, wish: dict[str, Any]) -> Any:
    """Carry out one action now, or remember it for after the n-th call of a method.

    ``{"action": name, ...}`` acts now. With ``"after": "account.move/load", "times": 2`` it waits for two more calls of that method.
    Raises ValueError for an unknown action, OdooError where Odoo refuses.
    """
    if wish.get("action") not in ACTIONS:
        raise ValueError(f"unknown action {wish.get('action')!r}; one of {', '.join(ACTIONS)}")
    if wish.get("after"):
        sandbox.db.script.append({**wish, "times": int(wish.get("times", 1))})
        return {"waiting_for": wish["after"]}
    with sandbox.db.transaction():
        return ACTIONS[wish["action"]](sandbox.env(), wish)


def play(env: Env, call: str) -> None:
    """Act on what the script has for this call."""
    for wish in list(env.db.script):
        if wish["after"] != call:
            continue
        wish["times"] -= 1
        if wish["times"] <= 0 and (not wish.get("newest") or _any(env, wish)):
            env.db.script.remove(wish)
            with env.db.transaction():
                ACTIONS[wish["action"]](env, wish)


def _any(env: Env, wish: dict[str, Any]) -> bool:
    """Tell whether there is a document in the state the human looks for; he waits for the next call if not."""
    return any(row["state"] == wish["newest"] and row["move_type"] != "entry" for row in env.rows("account.move").values())


def _move(env: Env, wish: dict[str, Any]) -> Row:
    """Find the document meant: by id, external id, number, reference, or the newest in a state."""
    if wish.get("move_id"):
        return env.row("account.move", int(wish["move_id"]))
    if wish.get("xid"):
        return env.row("account.move", env.ref(wish["xid"]))
    rows = list(env.rows("account.move").values())
    if wish.get("name") and wish["action"] != "rename":
        rows = [r for r in rows if r["name"] == wish["name"]]
    if wish.get("ref"):
        rows = [r for r in rows if r["ref"] == wish["ref"]]
    if wish.get("newest"):
        rows = [r for r in rows if r["state"] == wish["newest"] and r["move_type"] != "entry"]
    if not rows:
        raise ValueError("no such document")
    return max(rows, key=lambda r: r["id"])


def _inside(env: Env, move: Row) -> Env:
    return env.with_context(allowed_company_ids=[move["company_id"]])


def edit_lines(env: Env, wish: dict[str, Any]) -> Any:
    """Change the unit price of a draft's first line (``price_unit``)."""
    move = _move(env, wish)
    lines = env.model("account.move").value(env, move, "invoice_line_ids")
    env.model("account.move").write(
        _inside(env, move), [move["id"]], {"invoice_line_ids": [[1, lines[0], {"price_unit": float(wish["price_unit"])}]]}
    )
    return {"move_id": move["id"], "amount_total": move["amount_total"]}


def rename(env: Env, wish: dict[str, Any]) -> Any:
    """Give a document another number (``name``)."""
    move = _move(env, wish)
    env.model("account.move").write(_inside(env, move), [move["id"]], {"name": wish["name"]})
    return {"move_id": move["id"], "name": move["name"]}


def reset_to_draft(env: Env, wish: dict[str, Any]) -> Any:
    """Take a document back to draft."""
    move = _move(env, wish)
    posting.to_draft(_inside(env, move), [move])
    return {"move_id": move["id"]}


def delete(env: Env, wish: dict[str, Any]) -> Any:
    """Delete a document (a posted one is taken back to draft first): its number is free again."""
    move = _move(env, wish)
    if move["state"] == "posted":
        posting.to_draft(_inside(env, move), [move])
    env.model("account.move").unlink(_inside(env, move), [move["id"]])
    return {"move_id": move["id"], "name": move["name"]}


def redate(env: Env, wish: dict[str, Any]) -> Any:
    """Move a posted document to another day (``date``), as an accountant does: back to draft, dated, posted again."""
    move = _move(env, wish)
    inner = _inside(env, move)
    posting.to_draft(inner, [move])
    env.model("account.move").write(inner, [move["id"]], {"date": wish["date"]})
    posting.post(inner, [move])
    return {"move_id": move["id"], "date": str(move["date"])}


def cancel(env: Env, wish: dict[str, Any]) -> Any:
    """Cancel a document."""
    move = _move(env, wish)
    posting.cancel(_inside(env, move), [move])
    return {"move_id": move["id"]}


def merge_partners(env: Env, wish: dict[str, Any]) -> Any:
    """Merge partners (``winner``, ``losers``: ids or external ids)."""
    winner, losers = _partner(env, wish["winner"]), [_partner(env, p) for p in wish["losers"]]
    merge(env, winner, losers)
    return {"winner": winner}


def _partner(env: Env, given: Any) -> int:
    return int(given) if isinstance(given, int) or str(given).isdigit() else env.ref(str(given))


def archive_account(env: Env, wish: dict[str, Any]) -> Any:
    """Archive an account (``account_id``, or ``code`` and ``company_id``): posting to it fails from now on."""
    accounts = env.rows("account.account").values()
    if wish.get("account_id"):
        account = env.row("account.account", int(wish["account_id"]))
    else:
        company = int(wish["company_id"])
        mine = [a for a in accounts if a["code"] == wish["code"] and company in (a.get("company_ids") or (a.get("company_id"),))]
        if not mine:
            raise ValueError("no such account")
        account = mine[0]
    archived: dict[str, Any] = {"active": False} if env.version >= 19 else {"deprecated": True}
    env.set("account.account", account, **archived)
    return {"account_id": account["id"]}


def close_period(env: Env, wish: dict[str, Any]) -> Any:
    """Set a lock date (``company_id``, ``date``, ``lock``: default fiscalyear_lock_date)."""
    name = wish.get("lock", "fiscalyear_lock_date")
    env.model("res.company").write(env, [int(wish["company_id"])], {name: wish["date"]})
    return {name: wish["date"]}


def register_payment(env: Env, wish: dict[str, Any]) -> Any:
    """Register a payment by hand (``amount``: default all that is open)."""
    move = _move(env, wish)
    inner = env.with_context(allowed_company_ids=[move["company_id"]], active_model="account.move", active_ids=[move["id"]])
    values = {"amount": float(wish["amount"])} if wish.get("amount") else {}
    wizard = env.model("account.payment.register").create(inner, [values])[0]
    payer.pay(inner, env.row("account.payment.register", wizard))
    return {"move_id": move["id"], "amount_residual": move["amount_residual"]}


def enter(env: Env, wish: dict[str, Any]) -> Any:
    """Post an entry by hand (``company_id``, ``journal``, ``debit`` and ``credit``: codes; ``amount``, ``ref``) on today's date."""
    company = int(wish["company_id"])
    inner = env.with_context(allowed_company_ids=[company])
    journal = next(j for j in env.rows("account.journal").values() if j["code"] == wish["journal"] and j["company_id"] == company)
    accounts = {
        a["code"]: a["id"]
        for a in env.rows("account.account").values()
        if company in (a.get("company_ids") or (a.get("company_id"),)) and a["code"] in (wish["debit"], wish["credit"])
    }
    lines = [[0, 0, {"name": "by hand", "account_id": accounts[wish[side]], side: float(wish["amount"])}] for side in ("debit", "credit")]
    values = {"journal_id": journal["id"], "date": inner.today, "ref": wish.get("ref", "by hand"), "move_type": "entry", "line_ids": lines}
    moves = env.model("account.move")
    move = moves.create(inner, [values])[0]
    posting.post(inner, [env.row("account.move", move)])
    return {"move_id": move}


def leave(env: Env, _wish: dict[str, Any]) -> Any:
    """Forget everything that waits for a call."""
    waiting = len(env.db.script)
    env.db.script.clear()
    return {"forgotten": waiting}


ACTIONS: dict[str, Callable[[Env, dict[str, Any]], Any]] = {
    "edit_lines": edit_lines,
    "rename": rename,
    "reset_to_draft": reset_to_draft,
    "delete": delete,
    "redate": redate,
    "cancel": cancel,
    "merge_partners": merge_partners,
    "archive_account": archive_account,
    "close_period": close_period,
    "register_payment": register_payment,
    "enter": enter,
    "leave": leave,
}
