"""The first company made ready for a processor, as docs/how-to/first-connection.md says: accounts, a journal, where its payments go."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.orm.env import Env

CLEARING = "101499"
ACCOUNTS = (
    (CLEARING, "Stripe Clearing", "asset_current", True),
    ("101498", "Disputed Funds", "asset_current", True),
    ("211900", "Customer Credit", "liability_current", True),
    ("650100", "Bad Debt", "expense", False),
    ("650200", "Adjustments", "expense", False),
)
"""Code, name, type, and whether it allows reconciliation."""


def prepare(env: Env) -> None:
    """Add the accounts and a bank journal whose payments are booked straight to the clearing account."""
    rows = [{"code": code, "name": name, "account_type": kind, "reconcile": reconciles} for code, name, kind, reconciles in ACCOUNTS]
    made = dict(zip((code for code, *_ in ACCOUNTS), env.model("account.account").create(env, rows), strict=True))
    journal = env.model("account.journal").create(env, [{"name": "Stripe", "code": "STR", "type": "bank"}])[0]
    lines = env.find("account.payment.method.line", "journal_id", journal)
    env.model("account.payment.method.line").write(env, lines, {"payment_account_id": made[CLEARING]})
