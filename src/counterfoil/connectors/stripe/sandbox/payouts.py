"""Payouts: every day at midnight UTC what is available leaves for the bank; or by hand; some fail.

Sources: https://docs.stripe.com/payouts, https://docs.stripe.com/api/payouts, https://docs.stripe.com/payouts/reconciliation.
"""

from __future__ import annotations

from typing import Any

from . import errors, ledger, lists
from .calls import Call, route
from .forms import Obj
from .timeline import DAY, midnight
from .world import Account


def schedule_daily(account: Account) -> None:
    """Arm the next automatic payout run."""
    timeline = account.world.timeline
    timeline.at(midnight(timeline.now) + DAY, lambda: _daily(account))


def _daily(account: Account) -> None:
    schedule_daily(account)
    if account.terms.payout_interval == "daily":
        # The funds of this midnight are released by timers armed before: run after them, still within the same instant.
        account.world.timeline.at(account.world.timeline.now, lambda: _run(account))


def _run(account: Account) -> None:
    pay_out(account)


def pay_out(account: Account) -> list[Obj]:
    """Pay out everything that is available, one payout per currency with a positive amount, and return the payouts."""
    by_currency: dict[str, list[Obj]] = {}
    for transaction in account.table("_unpaid").rows.values():
        by_currency.setdefault(transaction["currency"], []).append(transaction)
    created = []
    for currency, items in sorted(by_currency.items()):
        amount = sum(item["net"] for item in items)
        if amount <= 0:
            continue
        payout = _create(account, amount, currency, is_automatic=True, description="STRIPE PAYOUT")
        for item in items:
            item["_payout"] = payout["id"]
            del account.table("_unpaid").rows[item["id"]]
        own = account.get("balance_transaction", payout["balance_transaction"])
        own["_payout"] = payout["id"]
        del account.table("_unpaid").rows[own["id"]]
        account.emit("payout.created", payout)
        _send(account, payout)
        created.append(payout)
    return created


def _create(account: Account, amount: int, currency: str, *, is_automatic: bool, **fields: Any) -> Obj:
    now = account.now()
    payout: Obj = {
        "id": account.new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": midnight(now) + account.terms.payout_arrival_days * DAY,
        "automatic": is_automatic,
        "balance_transaction": None,
        "created": now,
        "currency": currency,
        "description": None,
        "destination": f"ba_1{account.id.removeprefix('acct_')[:23]}",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress" if is_automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }
    payout |= fields
    account.add(payout)
    entry = ledger.post(account, "payout", -amount, currency, source=payout["id"], description=payout["description"])
    payout["balance_transaction"] = entry["id"]
    return payout


def _send(account: Account, payout: Obj) -> None:
    account.at(None, payout["arrival_date"], lambda: _arrive(account, payout))
    if payout["automatic"]:
        account.at(None, payout["created"] + 3600, lambda: _reconcile(account, payout))


def _reconcile(account: Account, payout: Obj) -> None:
    payout["reconciliation_status"] = "completed"
    account.emit("payout.reconciliation_completed", payout)


def _arrive(account: Account, payout: Obj) -> None:
    if payout["status"] not in ("pending", "in_transit"):
        return
    if payout.get("_fails"):
        fail(account, payout, payout["_fails"])
        return
    before = account.before(payout)
    payout["status"] = "paid"
    payout["trace_id"] = {"status": "supported", "value": payout["id"][-12:].upper()}
    account.emit("payout.updated", payout, before)
    account.emit("payout.paid", payout)


def fail(account: Account, payout: Obj, code: str = "account_closed") -> Obj:
    """Fail a payout, even one already paid: the money comes back to the available balance."""
    if payout["status"] in ("failed", "canceled"):
        raise errors.invalid(f"Payout {payout['id']} is {payout['status']} already.")
    _return(account, payout, "payout_failure", "STRIPE PAYOUT FAILURE")
    payout |= {"status": "failed", "failure_code": code, "failure_message": "The bank account has been closed."}
    account.emit("payout.failed", payout)
    return payout


def _return(account: Account, payout: Obj, kind: str, description: str) -> None:
    entry = ledger.post(account, kind, payout["amount"], payout["currency"], source=payout["id"], description=description)
    payout["failure_balance_transaction"] = entry["id"]


@route("POST", "/v1/payouts")
def _create_payout(call: Call) -> Obj:
    account = call.account
    amount, currency = call.need_integer("amount"), call.currency()
    if amount < 1:
        raise errors.invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > account.available.get(currency, 0):
        raise errors.invalid(
            "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low. You can use the "
            "/v1/balance endpoint to view your Stripe balance (for more details, see stripe.com/docs/api#balance).",
            "amount", "balance_insufficient",
        )  # fmt: skip
    payout = _create(
        account, amount, currency, is_automatic=False, description=call.text("description"), metadata=call.metadata({}),
        method=call.text("method") or "standard", statement_descriptor=call.text("statement_descriptor"),
    )  # fmt: skip
    account.emit("payout.created", payout)
    _send(account, payout)
    return payout


@route("POST", "/v1/payouts/{id}")
def _update(call: Call) -> Obj:
    payout = call.account.get("payout", call.args[0])
    before = call.account.before(payout)
    payout["metadata"] = call.metadata(payout["metadata"])
    call.account.emit("payout.updated", payout, before)
    return payout


@route("POST", "/v1/payouts/{id}/cancel")
def _cancel(call: Call) -> Obj:
    account = call.account
    payout = account.get("payout", call.args[0])
    if payout["status"] != "pending" or payout["automatic"]:
        raise errors.invalid("Payouts can only be canceled while they are pending and were not created automatically.")
    _return(account, payout, "payout_cancel", "STRIPE PAYOUT CANCEL")
    payout["status"] = "canceled"
    account.emit("payout.canceled", payout)
    return payout


lists.serve("/v1/payouts", "payout", equal=("status", "destination"))
