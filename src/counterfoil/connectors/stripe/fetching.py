"""Fetch references: each kind's GET with its expansions, long lists completed, and what normalizing needs beside the object.

What is added stands under the key ``counterfoil`` of the object. The instant of a fetched state is taken before its first request: whatever
the source did before that instant is in the state, so a later event is never hidden by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from counterfoil.kit.connector import Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError

from .client import Api, asked_at, expand
from .refs import ANY_ACCOUNT, parse

Object = dict[str, Any]

ENCODER = msgspec.json.Encoder(decimal_format="number")
RATES_KEY = "stripe.tax_rates"
INVOICE_EXPANDS = ("payments.data.payment.payment_intent", "shipping_cost.taxes")
CHARGE_EXPANDS = ("balance_transaction", "failure_balance_transaction")
REFUND_EXPANDS = ("balance_transaction", "charge")
NOTE_EXPANDS = ("customer_balance_transaction", "shipping_cost.taxes")
VERSION_WITH_INVOICE = "2025-02-24.acacia"
"""The last version in which a charge names its invoice: https://docs.stripe.com/changelog/basil/2025-03-31"""
CLOSED = "charge.dispute.closed"
_BACK = ("failed", "canceled")
BILLED_FIELDS = ("customer_name", "customer_email", "customer_phone", "customer_address", "customer_tax_exempt", "customer_tax_ids")
PAYOUT_EXPANDS = ("balance_transaction", "failure_balance_transaction")


async def fetch(ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
    """Return one answer per reference, in their order. Raises TransientError, SetupError."""
    apis = {account: Api(ctx, account) for account in ctx.settings.all_accounts}
    answers = await asyncio.gather(*(_fetch(ctx, apis, ref) for ref in refs), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return tuple(answer for answer in answers if isinstance(answer, Fetched))


async def _fetch(ctx: Context, apis: dict[str, Api], ref: str) -> Fetched:
    account, kind, object_id = parse(ref)
    read = READERS.get(kind)
    at = asked_at(ctx)
    tried = list(apis.values()) if account == ANY_ACCOUNT else [apis[account]] if account in apis else []
    if read is None or not tried:
        return Fetched(ref, None, at)
    for api in tried:
        try:
            found = await read(api, object_id)
        except RejectedError as error:
            raise SetupError(f"{ref}: {error}", code=error.code) from error
        if found is not None:
            found.setdefault("counterfoil", {})["account"] = api.account
            return Fetched(ref, ENCODER.encode(found), at)
    return Fetched(ref, None, at)


def address(collection: str, object_id: str, *rest: str) -> str:
    """Return the path of one object; ids are quoted, whatever a payload says."""
    return "/".join(("/v1", collection, quote(object_id, safe=""), *rest))


def id_of(value: Any) -> str:
    """Return the id of an expandable field, empty if it is not set."""
    if isinstance(value, dict):
        return str(value.get("id") or "")
    return value if isinstance(value, str) else ""


async def invoice(api: Api, invoice_id: str) -> Object | None:
    """Return an invoice with its payments, all lines, and the tax rates its lines name."""
    found = await api.get(address("invoices", invoice_id), expand(*INVOICE_EXPANDS))
    return None if found is None else await complete_invoice(api, found)


async def complete_invoice(api: Api, found: Object) -> Object:
    """Return an invoice (fetched or listed) with what it leaves out: lines and payments beyond the embedded ones, tax rates, and the credit
    notes that lowered a voided one.
    """
    result = dict(found)
    await _complete(api, result, "lines", address("invoices", found["id"], "lines"))
    if isinstance(result.get("payments"), dict) and result["payments"].get("has_more"):
        rows = await api.all("/v1/invoice_payments", [("invoice", found["id"]), *expand("data.payment.payment_intent")])
        result["payments"] = {**result["payments"], "data": rows, "has_more": False}
    if isinstance(result.get("payments"), dict):
        result["payments"] = {**result["payments"], "data": [_lean(payment) for payment in result["payments"]["data"]]}
    result["counterfoil"] = {"account": api.account, "tax_rates": await _rates_of(api, result)}
    if result.get("status") == "void" and result.get("pre_payment_credit_notes_amount"):
        notes = await api.all("/v1/credit_notes", [("invoice", found["id"])])
        result["counterfoil"]["credit_notes"] = [note["id"] for note in notes]
    return result


def _lean(payment: Object) -> Object:
    """Return an invoice payment whose expanded intent is cut to what leads to its charge and how it stands: it carries a client secret."""
    intent = payment["payment"].get("payment_intent")
    if not isinstance(intent, dict):
        return payment
    kept = {"id": intent["id"], "latest_charge": id_of(intent.get("latest_charge")) or None, "status": intent.get("status")}
    return {**payment, "payment": {**payment["payment"], "payment_intent": kept}}


async def invoice_charges(api: Api, invoice_id: str) -> Object | None:
    """Return the charges that paid an invoice (or tried to), each with what it was applied to."""
    found = await invoice(api, invoice_id)
    if found is None:
        return None
    payments = (found.get("payments") or {}).get("data", [])
    charges = [await _charge_of_payment(api, payment) for payment in payments]
    return {"data": [charge for charge in charges if charge is not None]}


async def _charge_of_payment(api: Api, payment: Object) -> Object | None:
    of = payment["payment"]
    intent = of.get("payment_intent")
    charge_id = id_of(of.get("charge")) or (id_of(intent.get("latest_charge")) if isinstance(intent, dict) else "")
    if not charge_id:
        return None
    found = await api.get(address("charges", charge_id), expand(*CHARGE_EXPANDS))
    if found is None:
        return None
    is_whole = payment.get("status") == "paid" and payment.get("amount_paid") == found["amount_captured"]
    return await complete_charge(api, found, [payment] if is_whole else None)


async def charge(api: Api, charge_id: str) -> Object | None:
    """Return a charge with its movements and the invoices it was applied to."""
    found = await api.get(address("charges", charge_id), expand(*CHARGE_EXPANDS))
    return None if found is None else await complete_charge(api, found)


async def complete_charge(api: Api, found: Object, payments: list[Object] | None = None) -> Object:
    """Return a charge (fetched or listed) with its invoice payments; they are asked for unless they are given.

    One of before payment intents keeps the invoice it paid on itself.
    """
    intent = id_of(found.get("payment_intent"))
    if payments is None:
        is_asked = found.get("status") == "succeeded" and found.get("customer") is not None
        if is_asked and not intent:
            invoice_id = await _invoice_of_old(api, found["id"])
            return {**found, "invoice": invoice_id or None, "counterfoil": {"account": api.account}}
        payments = await invoice_payments(api, intent) if is_asked else []
    plain = [{**p, "invoice": id_of(p["invoice"]), "payment": {"type": p["payment"]["type"]}} for p in payments]
    return {**found, "counterfoil": {"account": api.account, "invoice_payments": plain}}


async def _invoice_of_old(api: Api, charge_id: str) -> str:
    """Return the invoice of a charge without a payment intent: no list finds it, but the charge names it in versions before basil."""
    found = await api.get(address("charges", charge_id), version=VERSION_WITH_INVOICE)
    return "" if found is None else id_of(found.get("invoice"))


async def invoice_payments(api: Api, intent: str) -> list[Object]:
    """Return the invoice payments made by a payment intent: https://docs.stripe.com/api/invoice-payment/list."""
    params = [("payment[type]", "payment_intent"), ("payment[payment_intent]", intent), ("limit", "100")]
    found = await api.get("/v1/invoice_payments", params)
    rows: list[Object] = found["data"] if found is not None else []
    if found is not None and found.get("has_more"):
        rows = await api.all("/v1/invoice_payments", params[:2])
    return rows


async def payment_intent(api: Api, intent: str) -> Object | None:
    """Return all charges of a payment intent, the failed ones too."""
    params = [("payment_intent", intent), *expand(*(f"data.{field}" for field in CHARGE_EXPANDS))]
    charges = await api.all("/v1/charges", params)
    return {"data": [await complete_charge(api, found) for found in charges]}


async def refund(api: Api, refund_id: str) -> Object | None:
    """Return a refund with its movements and the credit note it pays out."""
    found = await api.get(address("refunds", refund_id), expand(*REFUND_EXPANDS))
    return None if found is None else await complete_refund(api, found)


async def complete_refund(api: Api, found: Object) -> Object:
    """Return a refund (fetched or listed) with the movement of its failure, a field only failed ones have, and its credit notes.

    The notes are found by way of payment intent (or old charge) and invoice: Stripe links the two only from the note's side.
    """
    back = found.get("failure_balance_transaction")
    if isinstance(back, str):
        found = {**found, "failure_balance_transaction": await api.get(address("balance_transactions", back)) or back}
    notes: list[Object] = []
    for invoice_id in await _invoices_of(api, found):
        listed = await api.get("/v1/credit_notes", [("invoice", invoice_id), ("limit", "100")])
        notes += listed["data"] if listed is not None else []
    paid_out = [
        {"id": note["id"], "amount": part.get("amount_refunded") or found["amount"]}
        for note in notes
        for part in note.get("refunds") or ()
        if id_of(part.get("refund")) == found["id"]
    ]
    paid_out = paid_out or await _made_again(api, found, notes)
    return {**found, "counterfoil": {"account": api.account, "credit_notes": paid_out}}


async def _invoices_of(api: Api, refund: Object) -> list[str]:
    intent, charge_id = id_of(refund.get("payment_intent")), id_of(refund.get("charge"))
    if intent:
        return [id_of(payment["invoice"]) for payment in await invoice_payments(api, intent)]
    found = await _invoice_of_old(api, charge_id) if charge_id else ""
    return [found] if found else []


async def _made_again(api: Api, refund: Object, notes: Sequence[Object]) -> list[Object]:
    """Return the credit note whose own refund, of the same amount, came back before this one was made: nothing else links the two.

    Each such note takes one refund of its charge that did not come back and that no note names, oldest first; so a second refund of the
    same amount stays without a note.
    """
    charge_id, parts = id_of(refund.get("charge")), [(note, part) for note in notes for part in note.get("refunds") or ()]
    if refund.get("status") in _BACK or not charge_id:
        return []
    named = {id_of(part.get("refund")): note for note, part in parts if part.get("amount_refunded") == refund["amount"]}
    if not named:
        return []
    rows = await api.all("/v1/refunds", [("charge", charge_id)])
    refunds = sorted((row for row in rows if row["amount"] == refund["amount"]), key=lambda row: (row["created"], row["id"]))
    others = {id_of(part.get("refund")) for _, part in parts}
    again = [row for row in refunds if row["status"] not in _BACK and row["id"] not in others]
    for earlier in (row for row in refunds if row["status"] in _BACK and row["id"] in named):
        taken = next((row for row in again if row["created"] >= earlier["created"]), None)
        if taken is not None and taken["id"] == refund["id"]:
            return [{"id": named[earlier["id"]]["id"], "amount": refund["amount"]}]
        again = [row for row in again if row is not taken]
    return []


async def charge_refunds(api: Api, charge_id: str) -> Object | None:
    """Return all refunds of a charge, the newest first, with their movements and credit notes."""
    params = [("charge", charge_id), *expand(*(f"data.{field}" for field in REFUND_EXPANDS))]
    return {"data": [await complete_refund(api, found) for found in await api.all("/v1/refunds", params)]}


async def dispute(api: Api, dispute_id: str) -> Object | None:
    """Return a dispute with its charge, which names the customer, and the time it was closed."""
    found = await api.get(address("disputes", dispute_id), expand("charge"))
    return None if found is None else await complete_dispute(api, found)


async def complete_dispute(api: Api, found: Object) -> Object:
    """Return a dispute (fetched or listed) with the time it was closed, if the money does not tell that and an event still does."""
    closed_at = None
    if found.get("status") in ("lost", "prevented"):
        events = await api.all("/v1/events", [("type", CLOSED), ("created[gte]", str(found["created"]))])
        told = ((event["created"], event["data"]["object"]) for event in events)
        closed_at = max((at for at, seen in told if (seen["id"], seen["status"]) == (found["id"], found["status"])), default=None)
    return {**found, "counterfoil": {"account": api.account, "closed_at": closed_at}}


async def payout(api: Api, payout_id: str) -> Object | None:
    """Return a payout with its movements and, once they are reconciled, what it settles."""
    found = await api.get(address("payouts", payout_id), expand(*PAYOUT_EXPANDS))
    return None if found is None else await complete_payout(api, found)


async def complete_payout(api: Api, found: Object) -> Object:
    """Return a payout with what it settles; Stripe tells that of automatic ones, when ``reconciliation_status`` is completed."""
    rows: list[Object] = []
    if found.get("automatic") and found.get("reconciliation_status") == "completed":
        rows = await api.all("/v1/balance_transactions", [("payout", found["id"])])
    return {**found, "counterfoil": {"account": api.account, "balance_transactions": rows}}


async def credit_note(api: Api, note_id: str) -> Object | None:
    """Return a credit note with all lines, the lines it credits and the tax rates it names."""
    found = await api.get(address("credit_notes", note_id), expand(*NOTE_EXPANDS))
    return None if found is None else await complete_note(api, found)


async def complete_note(api: Api, found: Object) -> Object:
    """Return a credit note (fetched or listed) with what it leaves out."""
    result = dict(found)
    await _complete(api, result, "lines", address("credit_notes", found["id"], "lines"))
    credited = {line.get("invoice_line_item") for line in result["lines"]["data"]} - {None}
    of = await invoice(api, id_of(found.get("invoice"))) if credited else None
    lines = [line for line in of["lines"]["data"] if line["id"] in credited] if of is not None else []
    extra = {"account": api.account, "invoice_lines": lines, "tax_rates": await _rates_of(api, result)}
    return {**result, "counterfoil": extra}


async def customer(api: Api, customer_id: str) -> Object | None:
    """Return a customer with its tax ids; a deleted one is a stub, with what its newest invoice still says of whom it billed."""
    found = await api.get(address("customers", customer_id), expand("tax_ids"))
    if found is None or not found.get("deleted"):
        return found
    page = await api.get("/v1/invoices", [("customer", customer_id), ("limit", "1")])
    newest: Object = next(iter((page or {}).get("data") or ()), {})
    return {**found, "counterfoil": {"billed": {name: newest[name] for name in BILLED_FIELDS if newest.get(name)}}}


async def customer_balance(api: Api, customer_id: str) -> Object | None:
    """Return every change of a customer's balance."""
    return {"data": await api.all(address("customers", customer_id, "balance_transactions"))}


async def subscription(api: Api, subscription_id: str) -> Object | None:
    """Return a subscription with all its items."""
    found = await api.get(address("subscriptions", subscription_id))
    return None if found is None else await complete_subscription(api, found)


async def complete_subscription(api: Api, found: Object) -> Object:
    """Return a subscription (fetched or listed) with all its items."""
    result = dict(found)
    if result["items"].get("has_more"):
        rows = await api.all("/v1/subscription_items", [("subscription", found["id"])])
        result["items"] = {**result["items"], "data": rows, "has_more": False}
    return result


def _plain(collection: str) -> Callable[[Api, str], Awaitable[Object | None]]:
    async def read(api: Api, object_id: str) -> Object | None:
        return await api.get(address(collection, object_id))

    return read


READERS: dict[str, Callable[[Api, str], Awaitable[Object | None]]] = {
    "customer": customer,
    "customer_balance": customer_balance,
    "product": _plain("products"),
    "price": _plain("prices"),
    "tax_rate": _plain("tax_rates"),
    "subscription": subscription,
    "invoice": invoice,
    "invoice_charges": invoice_charges,
    "invoice_payment": _plain("invoice_payments"),
    "credit_note": credit_note,
    "charge": charge,
    "charge_refunds": charge_refunds,
    "payment_intent": payment_intent,
    "refund": refund,
    "dispute": dispute,
    "payout": payout,
    "balance_transaction": _plain("balance_transactions"),
}
"""Kind of a reference -> how it is read."""


async def _complete(api: Api, result: Object, field: str, path: str) -> None:
    """Replace an embedded list that says ``has_more`` by the whole list (at most 10 lines are embedded)."""
    embedded = result[field]
    if embedded.get("has_more"):
        result[field] = {**embedded, "data": await api.all(path), "has_more": False}


async def _rates_of(api: Api, document: Object) -> list[Object]:
    """Return the tax rates a document's lines name by id. They are kept for the life of the process: a rate's percentage never changes."""
    known: dict[str, Object] = api.ctx.state.setdefault(RATES_KEY, {})
    ids = {
        id_of((tax.get("tax_rate_details") or {}).get("tax_rate")) for line in document["lines"]["data"] for tax in line.get("taxes") or ()
    } - {""}
    for rate_id in sorted(ids - known.keys()):
        found = await api.get(address("tax_rates", rate_id))
        if found is not None:
            known[rate_id] = found
    return [known[rate_id] for rate_id in sorted(ids) if rate_id in known]
