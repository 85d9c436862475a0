"""Invoices: drafts and their lines, finalization with the customer's balance, void, uncollectible, deletion, overdue.

Sources: https://docs.stripe.com/invoicing/overview (life cycle), https://docs.stripe.com/api/invoices,
https://docs.stripe.com/billing/customer/balance.
"""

from __future__ import annotations

from typing import Any

from . import currencies, errors, intents
from .arithmetic import compute
from .customers import add_balance
from .forms import Obj
from .timeline import DAY
from .world import Account

_EDITABLE_MESSAGE = "This invoice is no longer editable. Only draft invoices can be changed this way."


_BLANK: Obj = {
    "account_tax_ids": None,
    "amount_due": 0,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_remaining": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": False,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
    "automatically_finalizes_at": None,
    "collection_method": "charge_automatically",
    "custom_fields": None,
    "customer_account": None,
    "default_payment_method": None,
    "default_source": None,
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "parent": None,
    "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_transitions": {"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
    "subtotal": 0,
    "subtotal_excluding_tax": 0,
    "total": 0,
    "total_discount_amounts": [],
    "total_excluding_tax": 0,
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "_default_tax_rates": [],
    "_paid_out_of_band": False,
    "_payments": [],
    "_days_until_due": None,
    "_finalize_at": None,
    "_notes": 0,
}
"""What every new invoice begins with; dicts and lists are copied, none of them is nested."""


def new_invoice(account: Account, customer: Obj, currency: str, reason: str, **fields: Any) -> Obj:
    """Return a draft that is not kept yet (a preview stays that way). ``reason`` is the billing reason."""
    now = account.now(customer["id"])
    varying: Obj = {
        "id": account.new_id("in"),
        "object": "invoice",
        "account_country": account.country,
        "account_name": account.name or None,
        "billing_reason": reason,
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "footer": customer["invoice_settings"]["footer"],
        "period_end": now,
        "period_start": now,
        "test_clock": customer["test_clock"],
        "webhooks_delivered_at": now,
    }
    fresh = {name: (type(value)(value) if isinstance(value, dict | list) else value) for name, value in _BLANK.items()}
    return varying | fresh | _copied(account, customer) | fields


def _copied(account: Account, customer: Obj) -> Obj:
    tax_ids = account.of_customer("tax_id", customer["id"])
    return {
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [{"type": t["type"], "value": t["value"]} for t in tax_ids],
    }


def subscription_of(account: Account, invoice: Obj) -> Obj | None:
    """Return the subscription an invoice bills, or None."""
    details = (invoice["parent"] or {}).get("subscription_details")
    return account.find(details["subscription"], "subscription") if details else None


def keep(account: Account, invoice: Obj, lines: list[Obj]) -> Obj:
    """Keep a draft with its lines and tell."""
    account.add(invoice)
    account.lines[invoice["id"]] = lines
    for line in lines:
        line["invoice"] = invoice["id"]
    recompute(account, invoice)
    if invoice["auto_advance"]:
        schedule_finalization(account, invoice, invoice["created"] + account.terms.finalize_after_s)
    account.emit("invoice.created", invoice)
    return invoice


def recompute(account: Account, invoice: Obj) -> None:
    """Recalculate a draft and show what would be due."""
    compute(account, invoice)
    customer = account.find(invoice["customer"], "customer")
    balances = customer["_balances"] if customer is not None and not customer.get("deleted") else {}
    invoice["starting_balance"] = balances.get(invoice["currency"], 0)
    due = invoice["total"] + invoice["starting_balance"]
    invoice["amount_due"] = invoice["amount_remaining"] = max(0, due)


def schedule_finalization(account: Account, invoice: Obj, at: int) -> None:
    """Have a draft finalized and collected at an instant."""
    invoice["automatically_finalizes_at"] = invoice["_finalize_at"] = at

    def due() -> None:
        if invoice["status"] == "draft" and invoice["auto_advance"] and invoice["_finalize_at"] == at and account.find(invoice["id"]):
            finalize(account, invoice)
            from .collection import collect

            collect(account, invoice)

    account.at(invoice["customer"], at, due)


def check_draft(invoice: Obj) -> None:
    """Raise Stripe's error unless an invoice is a draft."""
    if invoice["status"] != "draft":
        raise errors.invalid(_EDITABLE_MESSAGE, code="invoice_not_editable")


def finalize(account: Account, invoice: Obj) -> Obj:
    """Give a draft its number, settle it against the customer's balance and open it; nothing left to collect means paid."""
    if invoice["status"] != "draft":
        raise errors.invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.", code="invoice_not_editable")
    customer = account.get("customer", invoice["customer"])
    if customer.get("deleted"):
        raise errors.missing("customer", invoice["customer"], "customer")
    now = account.now(customer["id"])
    recompute(account, invoice)
    before = account.before(invoice)
    if invoice["number"] is None:
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
    if customer["currency"] is None:
        customer["currency"] = invoice["currency"]
        customer["balance"] = customer["_balances"].get(invoice["currency"], 0)
    invoice["status_transitions"]["finalized_at"] = now
    invoice["effective_at"] = invoice["effective_at"] or now
    invoice["automatically_finalizes_at"] = None
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is None:
        invoice["due_date"] = now + (invoice["_days_until_due"] or 0) * DAY
    invoice["hosted_invoice_url"] = f"https://invoice.stripe.com/i/{account.id}/{invoice['id']}"
    invoice["invoice_pdf"] = f"https://pay.stripe.com/invoice/{account.id}/{invoice['id']}/pdf"
    _settle_balance(account, invoice, customer)
    invoice["status"] = "open"
    _use_discounts(account, invoice)
    if invoice["amount_due"] > 0:
        _request_payment(account, invoice)
        _watch_due_date(account, invoice)
    account.emit("invoice.finalized", invoice)
    account.emit("invoice.updated", invoice, before)
    if invoice["amount_due"] == 0:
        from .collection import mark_paid

        mark_paid(account, invoice)
    return invoice


def _settle_balance(account: Account, invoice: Obj, customer: Obj) -> None:
    """Apply the customer's balance: credit lowers what is due, debt raises it, negative totals and tiny amounts are carried over."""
    total, starting = invoice["total"], invoice["starting_balance"]
    due = total + starting
    least = currencies.MINIMUM.get(invoice["currency"], 1)
    kind = "applied_to_invoice"
    if due <= 0:
        ending, due = due, 0
    elif due < least and invoice["collection_method"] == "charge_automatically":
        ending, due, kind = due, 0, "invoice_too_small"
    else:
        ending = 0
    invoice["ending_balance"] = ending
    invoice["amount_due"] = invoice["amount_remaining"] = due
    if ending != starting:
        add_balance(account, customer, ending - starting, kind, currency=invoice["currency"], invoice=invoice["id"])


def _use_discounts(account: Account, invoice: Obj) -> None:
    for entry in invoice["total_discount_amounts"]:
        discount = account.find(entry["discount"], "discount")
        if discount is not None:
            discount["_uses"] += 1


def _request_payment(account: Account, invoice: Obj) -> None:
    reason = {"subscription_create": "Subscription creation", "subscription_cycle": "Subscription update"}.get(invoice["billing_reason"])
    intent = intents.create_intent(
        account, invoice["amount_due"], invoice["currency"], invoice["customer"], _invoice=invoice["id"],
        description=reason or f"Payment for Invoice {invoice['number']}",
    )  # fmt: skip
    add_payment(account, invoice, intent, invoice["amount_due"], is_default=True)


def add_payment(account: Account, invoice: Obj, intent: Obj, amount: int, *, is_default: bool) -> Obj:
    """Tie a payment intent to an invoice."""
    payment: Obj = {
        "id": account.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": account.now(invoice["customer"]),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": is_default,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    intent["_invoice"] = invoice["id"]
    invoice["_payments"].append(payment["id"])
    return account.add(payment)


def _watch_due_date(account: Account, invoice: Obj) -> None:
    if invoice["due_date"] is None:
        return

    def tell(event_type: str) -> None:
        if invoice["status"] == "open":
            account.emit(event_type, invoice)

    account.at(invoice["customer"], invoice["due_date"], lambda: tell("invoice.overdue"))
    account.at(
        invoice["customer"], max(invoice["due_date"] - 3 * DAY, account.now(invoice["customer"]) + 1), lambda: tell("invoice.will_be_due")
    )


def void(account: Account, invoice: Obj) -> Obj:
    """Void an open or uncollectible invoice that nobody has paid anything on; used customer balance goes back."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise errors.invalid(
            f"You can only pass in open invoices. This invoice isn't open. Status: {invoice['status']}", code="invoice_not_editable"
        )
    if invoice["amount_paid"] > 0:
        raise errors.invalid("You cannot void an invoice that has payments applied to it.", code="invoice_not_editable")
    before = account.before(invoice)
    now = account.now(invoice["customer"])
    invoice["status"] = "void"
    invoice["status_transitions"]["voided_at"] = now
    invoice["next_payment_attempt"] = None
    cancel_payments(account, invoice, "void_invoice")
    customer = account.get("customer", invoice["customer"])
    used = (invoice["ending_balance"] or 0) - invoice["starting_balance"]
    account.emit("invoice.voided", invoice)
    account.emit("invoice.updated", invoice, before)
    if used and not customer.get("deleted"):
        add_balance(account, customer, -used, "unapplied_from_invoice", currency=invoice["currency"], invoice=invoice["id"])
    from .subscriptions import invoice_settled

    invoice_settled(account, invoice)
    return invoice


def cancel_payments(account: Account, invoice: Obj, reason: str) -> None:
    """Cancel the payments of an invoice that are still open."""
    for payment_id in invoice["_payments"]:
        payment = account.get("invoice_payment", payment_id)
        if payment["status"] != "open":
            continue
        intent = account.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] not in ("succeeded", "canceled", "processing"):
            intents.cancel(account, intent, reason)
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = account.now(invoice["customer"])


def mark_uncollectible(account: Account, invoice: Obj) -> Obj:
    """Write an open invoice off."""
    if invoice["status"] != "open":
        raise errors.invalid(f"Invoice must be open to mark it as uncollectible. Status: {invoice['status']}", code="invoice_not_editable")
    before = account.before(invoice)
    invoice["status"] = "uncollectible"
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now(invoice["customer"])
    invoice["next_payment_attempt"] = None
    account.emit("invoice.marked_uncollectible", invoice)
    account.emit("invoice.updated", invoice, before)
    return invoice


def delete(account: Account, invoice: Obj) -> Obj:
    """Delete a draft; its invoice items become pending again or go with it."""
    if invoice["status"] != "draft":
        raise errors.invalid("You can only delete draft invoices.", code="invoice_not_editable")
    if (invoice["parent"] or {}).get("subscription_details"):
        raise errors.invalid("You can't delete invoices created by subscriptions.")
    for line in account.lines[invoice["id"]]:
        item = account.find(line["_item"], "invoiceitem")
        if item is not None:
            account.remove(item)
    account.emit("invoice.deleted", invoice)
    account.lines.pop(invoice["id"])
    return account.remove(invoice)


def payment_method(account: Account, invoice: Obj) -> Obj | None:
    """Return what an invoice is charged to: its own, its subscription's or its customer's default."""
    from .charges import method_for_customer

    subscription = subscription_of(account, invoice)
    own = invoice["default_payment_method"] or invoice["default_source"]
    if own is None and subscription is not None:
        own = subscription["default_payment_method"] or subscription["default_source"]
    found = account.find(own, "payment_method")
    return found or method_for_customer(account, account.find(invoice["customer"], "customer"))
