"""The account's balance: balance transactions with fees, pending and available funds, currency conversion, top-ups.

The law: per currency, the nets of all balance transactions sum to available plus pending, at any moment.
Sources: https://docs.stripe.com/api/balance_transactions, /balance, https://docs.stripe.com/reports/balance-transaction-types.
"""

from __future__ import annotations

from fractions import Fraction

from . import currencies, errors, lists
from .calls import Call, Page, Plain, route
from .forms import Obj
from .timeline import DAY, midnight
from .world import Account

_CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "stripe_fee": "fee",
    "tax_fee": "tax",
    "refund_failure": "refund_failure",
    "payout_failure": "payout_reversal",
    "adjustment": "other_adjustment",
}


def settlement(account: Account, currency: str) -> tuple[str, Fraction | None]:
    """Return the currency a presentment currency settles in and the rate (settlement per presentment), None if it is not converted."""
    if currency in account.settlement:
        return currency, None
    return account.currency, account.rates.get(currency, Fraction(1))


def settled(account: Account, amount: int, currency: str) -> tuple[int, str, Fraction | None]:
    """Return an amount in its settlement currency, that currency, and the rate used."""
    target, rate = settlement(account, currency)
    return (amount if rate is None else currencies.convert(amount, currency, target, rate)), target, rate


def processing_fee(account: Account, amount: int, currency: str) -> int:
    """Return Stripe's fee for a charge of a settled amount."""
    terms = account.terms
    fixed = terms.fee_fixed_by_currency.get(currency, terms.fee_fixed)
    return min(amount, currencies.half_up(Fraction(terms.fee_percent) * amount / 100, currencies.step(currency)) + fixed)


def post(
    account: Account,
    kind: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_kind: str = "stripe_fee",
    fee_description: str = "Stripe processing fees",
    source: str | None = None,
    description: str | None = None,
    customer: str | None = None,
    category: str = "",
    rate: Fraction | None = None,
    available_on: int | None = None,
) -> Obj:
    """Add a balance transaction of a settled amount. Without ``available_on`` the funds move at once."""
    timeline = account.timeline(customer)
    now = timeline.now
    is_pending = available_on is not None and available_on > now
    detail = {"amount": fee, "application": None, "currency": currency, "description": fee_description, "type": fee_kind}
    transaction: Obj = {
        "id": account.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on if available_on is not None else now,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": float(rate) if rate is not None else None,
        "fee": fee,
        "fee_details": [detail] if fee else [],
        "net": amount - fee,
        "reporting_category": category or _CATEGORIES.get(kind, kind),
        "source": source,
        "status": "pending" if is_pending else "available",
        "type": kind,
        "_payout": None,
    }
    account.add(transaction)
    book = account.pending if is_pending else account.available
    book[currency] = book.get(currency, 0) + transaction["net"]
    if is_pending:
        timeline.at(transaction["available_on"], lambda: _release(account, transaction))
    else:
        account.table("_unpaid").rows[transaction["id"]] = transaction
        if available_on is not None:
            account.emit("balance.available", balance(account))
    return transaction


def _release(account: Account, transaction: Obj) -> None:
    """Make a pending transaction available; tells once per day and currency."""
    currency, net = transaction["currency"], transaction["net"]
    account.pending[currency] -= net
    account.available[currency] = account.available.get(currency, 0) + net
    transaction["status"] = "available"
    account.table("_unpaid").rows[transaction["id"]] = transaction
    day = f"balance.available/{midnight(transaction['available_on'])}"
    if day not in account.counters:
        account.counters[day] = 1
        account.timeline().at(max(transaction["available_on"], account.now()), lambda: account.emit("balance.available", balance(account)))


def available_on(account: Account, now: int) -> int:
    """Return when funds of a charge made now become available: midnight UTC some days ahead."""
    return midnight(now) + account.terms.available_after_days * DAY


def balance(account: Account) -> Obj:
    """Return the balance object."""
    kept = sorted(set(account.available) | set(account.pending) | {account.currency})
    return {
        "object": "balance",
        "available": [_part(account.available.get(c, 0), c) for c in kept],
        "connect_reserved": [{"amount": 0, "currency": c} for c in kept],
        "livemode": False,
        "pending": [_part(account.pending.get(c, 0), c) for c in kept],
    }


def _part(amount: int, currency: str) -> Obj:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def adjust(account: Account, kind: str, amount: int, currency: str, description: str, fee_tax: int = 0) -> Obj:
    """Add an entry Stripe makes on its own: ``stripe_fee`` (negative), ``adjustment``, ``tax_fee``, ``contribution``..."""
    entry = post(account, kind, amount, currency, description=description)
    if fee_tax:
        post(account, "tax_fee", -fee_tax, currency, description=f"{description} - tax")
    return entry


@route("GET", "/v1/balance")
def _retrieve_balance(call: Call) -> Plain:
    return Plain(balance(call.account))


@route("GET", "/v1/balance_transactions")
def _list(call: Call) -> Page:
    payout = call.text("payout")
    rows = call.account.table("balance_transaction").newest_first()
    if payout is not None:
        found = call.account.get("payout", payout, "payout")
        if not found["automatic"]:
            raise errors.invalid("Balance transaction history can only be filtered on automatic transfers, not manual.", "payout")
        rows = (t for t in rows if t["_payout"] == payout)
    return lists.page(call, rows, equal=("type", "currency", "source"))


@route("POST", "/v1/topups")
def _create_topup(call: Call) -> Obj:
    account = call.account
    amount, currency = call.need_integer("amount"), call.currency()
    topup: Obj = {
        "id": account.new_id("tu"),
        "object": "topup",
        "amount": amount,
        "balance_transaction": None,
        "created": account.now(),
        "currency": currency,
        "description": call.text("description"),
        "expected_availability_date": account.now() + 5 * DAY,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": call.metadata({}),
        "source": None,
        "statement_descriptor": call.text("statement_descriptor"),
        "status": "pending",
        "transfer_group": None,
    }
    account.add(topup)
    account.emit("topup.created", topup)
    account.at(None, topup["expected_availability_date"], lambda: _arrive(account, topup))
    return topup


def _arrive(account: Account, topup: Obj) -> None:
    amount, currency, rate = settled(account, topup["amount"], topup["currency"])
    entry = post(account, "topup", amount, currency, source=topup["id"], description=topup["description"], rate=rate)
    topup["balance_transaction"] = entry["id"]
    topup["status"] = "succeeded"
    account.emit("topup.succeeded", topup)


lists.serve("/v1/balance_transactions", "balance_transaction", is_listed=False)
lists.serve("/v1/topups", "topup", equal=("status",))
