"""What an account's books hold, counted and summed by currency."""

from __future__ import annotations

from .forms import Obj
from .world import Account

_AMOUNTS = {
    "invoice": "total", "charge": "amount_captured", "refund": "amount", "credit_note": "total", "dispute": "amount", "payout": "amount",
    "balance_transaction": "net", "customer_balance_transaction": "amount", "topup": "amount",
}  # fmt: skip


def totals_of(account: Account) -> Obj:
    """Return counts and totals by kind, currency and status, in minor units, and the balance."""
    totals: dict[tuple[str, str, str], list[int]] = {}
    for kind, field in _AMOUNTS.items():
        for obj in account.rows(kind):
            status = obj.get("status") or obj.get("type") or ""
            entry = totals.setdefault((kind, obj["currency"], status), [0, 0])
            entry[0] += 1
            entry[1] += obj[field] or 0
    rows = [
        {"kind": kind, "currency": currency, "status": status, "count": count, "minor": minor}
        for (kind, currency, status), (count, minor) in sorted(totals.items())
    ]
    counts = {kind: len(table.rows) for kind, table in sorted(account.tables.items()) if kind[0] != "_"}
    return {"account": account.id, "totals": rows, "counts": counts, "available": account.available, "pending": account.pending}
