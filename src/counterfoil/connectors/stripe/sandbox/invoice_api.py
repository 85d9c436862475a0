"""The calls about invoices: create, update, lines, finalize, pay, send, void, preview, and invoice payments.

Source: https://docs.stripe.com/api/invoices.
"""

from __future__ import annotations

from typing import Any

from . import collection, errors, forms, invoices, lists
from .calls import Call, Page, route
from .cards import own_method
from .discounts import create_discounts
from .forms import Obj
from .intents import confirm, raise_failure
from .items import line_of_item, new_item, pending_items, rates, take_items
from .timeline import DAY
from .world import Account


def _invoice(call: Call) -> Obj:
    return call.account.get("invoice", call.args[0])


@route("POST", "/v1/invoices")
def _create(call: Call) -> Obj:
    account = call.account
    subscription = account.get("subscription", call.text("subscription"), "subscription") if call.text("subscription") else None
    customer = account.living(
        "customer", call.text("customer") or (subscription["customer"] if subscription else call.need("customer")), "customer"
    )
    is_included = call.text("pending_invoice_items_behavior") == "include" or subscription is not None
    if not call.text("pending_invoice_items_behavior") and call.version[:10] < "2022-11-15":
        is_included = True
    currency = (call.text("currency") or "").lower()
    if not currency:
        found = next((i for i in account.of_customer("invoiceitem", customer["id"]) if i["invoice"] is None), None)
        currency = found["currency"] if found and is_included else customer["currency"] or account.currency
    invoice = invoices.new_invoice(account, customer, currency, "manual", auto_advance=call.flag("auto_advance"))
    if subscription is not None:
        invoice["parent"] = _parent(subscription)
        invoice["_default_tax_rates"] = list(subscription["_default_tax_rates"])
        invoice["discounts"] = list(subscription["discounts"])
    _fill(call, invoice)
    if not call.has("discounts") and subscription is None and customer["_discount"]:
        invoice["discounts"] = [customer["_discount"]]
    items = pending_items(account, customer["id"], currency, subscription["id"] if subscription else None) if is_included else []
    return invoices.keep(account, invoice, take_items(account, invoice["id"], items))


def _parent(subscription: Obj) -> Obj:
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"], "subscription_proration_date": None}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def _fill(call: Call, invoice: Obj) -> None:
    account = call.account
    call.assign(invoice, "description", "footer", "statement_descriptor", "number", "default_source")
    invoice["metadata"] = call.metadata(invoice["metadata"])
    if call.has("collection_method"):
        invoice["collection_method"] = call.text("collection_method") or "charge_automatically"
    if call.has("days_until_due"):
        invoice["_days_until_due"] = call.integer("days_until_due")
    if call.has("due_date"):
        invoice["due_date"] = call.integer("due_date")
    if invoice["collection_method"] == "send_invoice":
        if invoice["_days_until_due"] is None and invoice["due_date"] is None:
            raise errors.invalid(
                "If invoice collection method is 'send_invoice' you must specify 'due_date' or 'days_until_due'.", "days_until_due"
            )
        if invoice["due_date"] is None:
            invoice["due_date"] = invoice["created"] + (invoice["_days_until_due"] or 0) * DAY
    elif call.has("days_until_due") or call.has("due_date"):
        raise errors.invalid(
            "You can only specify 'days_until_due' or 'due_date' if invoice collection method is 'send_invoice'.", "days_until_due"
        )
    if call.has("effective_at"):
        invoice["effective_at"] = call.integer("effective_at")
    if call.has("default_tax_rates"):
        invoice["_default_tax_rates"] = rates(call, "default_tax_rates")
    if call.has("discounts"):
        invoice["discounts"] = create_discounts(account, call.params["discounts"], invoice=invoice["id"], customer=invoice["customer"])
    if call.text("default_payment_method"):
        customer = account.get("customer", invoice["customer"])
        invoice["default_payment_method"] = own_method(account, call.need("default_payment_method"), customer, "default_payment_method")[
            "id"
        ]
    if call.has("custom_fields"):
        invoice["custom_fields"] = call.list("custom_fields") or None


@route("POST", "/v1/invoices/{id}")
def _update(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    before = account.before(invoice)
    if invoice["status"] != "draft":
        frozen = set(call.params) - {
            "metadata",
            "expand",
            "auto_advance",
            "default_payment_method",
            "description",
            "footer",
            "payment_settings",
        }
        if frozen:
            raise errors.invalid("Finalized invoices can't be updated in this way", sorted(frozen)[0], "invoice_not_editable")
        invoice["metadata"] = call.metadata(invoice["metadata"])
        call.assign(invoice, "description", "footer")
    else:
        _fill(call, invoice)
        invoices.recompute(account, invoice)
    if call.has("auto_advance"):
        invoice["auto_advance"] = call.flag("auto_advance")
        if invoice["auto_advance"] and invoice["status"] == "draft":
            invoices.schedule_finalization(account, invoice, account.now(invoice["customer"]) + account.terms.finalize_after_s)
    account.emit("invoice.updated", invoice, before)
    return invoice


@route("POST", "/v1/invoices/{id}/finalize")
def _finalize(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    if call.has("auto_advance"):
        invoice["auto_advance"] = call.flag("auto_advance")
    return invoices.finalize(account, invoice)


@route("POST", "/v1/invoices/{id}/pay")
def _pay(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    collection.check_payable(invoice)
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
        if invoice["status"] == "paid":
            return invoice
    if call.flag("paid_out_of_band"):
        collection.pay_out_of_band(account, invoice)
        return invoice
    customer = account.get("customer", invoice["customer"])
    given = call.text("payment_method")
    method = own_method(account, given, customer, "payment_method") if given else invoices.payment_method(account, invoice)
    if method is None:
        raise errors.invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a `default_payment_method` on the Customer "
            "or Invoice, or pass a payment method.",
            code="invoice_payment_intent_requires_action" if call.flag("off_session") else "",
        )
    error = collection.attempt(account, invoice, method)
    if error is not None:
        payment = account.get("invoice_payment", invoice["_payments"][-1])
        intent = account.get("payment_intent", payment["payment"]["payment_intent"])
        if error["decline_code"]:
            raise_failure(account, intent, error, call.version)
        raise errors.card_error(error["message"], error["code"])
    return invoice


@route("POST", "/v1/invoices/{id}/attach_payment")
def _attach_payment(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    if invoice["status"] not in ("open", "uncollectible"):
        raise errors.invalid("A payment can only be attached to an open invoice.", code="invoice_not_editable")
    intent = account.get("payment_intent", call.need("payment_intent"), "payment_intent")
    if intent["_invoice"]:
        raise errors.invalid("This PaymentIntent is attached to an invoice already.", "payment_intent")
    if intent["currency"] != invoice["currency"]:
        raise errors.invalid("The currency of the PaymentIntent must be that of the invoice.", "payment_intent")
    payment = invoices.add_payment(account, invoice, intent, intent["amount"], is_default=False)
    if intent["status"] == "succeeded":
        collection.apply_payment(account, invoice, payment, intent)
    elif intent["status"] in ("requires_confirmation", "requires_payment_method") and intent["payment_method"]:
        confirm(account, intent, account.get("payment_method", intent["payment_method"]))
        if intent["status"] == "succeeded":
            collection.apply_payment(account, invoice, payment, intent)
    return invoice


@route("POST", "/v1/invoices/{id}/send")
def _send(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    if invoice["collection_method"] != "send_invoice" and call.version >= "2020":
        raise errors.invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["customer_email"] is None:
        raise errors.invalid(
            "Missing email. In order to send invoices to the customer, the customer must have a valid email.", code="missing_email"
        )
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    if invoice["status"] not in ("open", "paid"):
        raise errors.invalid(f"This invoice cannot be sent because it is {invoice['status']}.", code="invoice_not_editable")
    account.emit("invoice.sent", invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/void")
def _void(call: Call) -> Obj:
    return invoices.void(call.account, _invoice(call))


@route("POST", "/v1/invoices/{id}/mark_uncollectible")
def _mark_uncollectible(call: Call) -> Obj:
    return invoices.mark_uncollectible(call.account, _invoice(call))


@route("DELETE", "/v1/invoices/{id}")
def _delete(call: Call) -> Obj:
    return invoices.delete(call.account, _invoice(call))


@route("GET", "/v1/invoices/{id}/lines")
def _lines(call: Call) -> Page:
    return lists.page(call, call.account.lines[_invoice(call)["id"]])


@route("POST", "/v1/invoices/{id}/add_lines")
def _add_lines(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    invoices.check_draft(invoice)
    before = account.before(invoice)
    customer = account.get("customer", invoice["customer"])
    for given in call.list("lines"):
        if given.get("invoice_item"):
            item = account.get("invoiceitem", given["invoice_item"], "lines[invoice_item]")
            item["invoice"] = invoice["id"]
        else:
            item = new_item(
                account, customer, forms.to_int(given.get("amount"), "lines[amount]"), invoice["currency"], invoice=invoice["id"],
                description=forms.to_text(given.get("description")), _tax_rates=forms.as_list(given.get("tax_rates")),
            )  # fmt: skip
        line = line_of_item(account, item)
        line["invoice"] = invoice["id"]
        account.lines[invoice["id"]].append(line)
    invoices.recompute(account, invoice)
    account.emit("invoice.updated", invoice, before)
    return invoice


@route("POST", "/v1/invoices/{id}/lines/{line}")
def _update_line(call: Call) -> Obj:
    account, invoice = call.account, _invoice(call)
    invoices.check_draft(invoice)
    line = next((x for x in account.lines[invoice["id"]] if x["id"] == call.args[1]), None)
    if line is None:
        raise errors.missing("line_item", call.args[1], "line_item_id")
    before = account.before(invoice)
    call.assign(line, "description")
    line["metadata"] = call.metadata(line["metadata"])
    if call.integer("amount") is not None:
        line["amount"] = line["subtotal"] = call.need_integer("amount")
    if call.has("tax_rates"):
        line["_tax_rates"] = rates(call)
    if call.has("discounts"):
        line["discounts"] = create_discounts(account, call.params["discounts"], customer=invoice["customer"])
    if call.has("period"):
        period = call.object("period")
        line["period"] = {
            "start": forms.to_int(period.get("start"), "period[start]"),
            "end": forms.to_int(period.get("end"), "period[end]"),
        }
    invoices.recompute(account, invoice)
    account.emit("invoice.updated", invoice, before)
    return line


@route("POST", "/v1/invoices/create_preview")
def _preview(call: Call) -> Obj:
    return preview(call.account, call)


@route("GET", "/v1/invoices/upcoming")
def _upcoming(call: Call) -> Obj:
    """What create_preview was before basil."""
    return preview(call.account, call)


def preview(account: Account, call: Call) -> Obj:
    """Return the invoice that would come next, without keeping it (its lines are dropped with the next preview)."""
    from .subscriptions import next_lines

    subscription = account.get("subscription", call.text("subscription"), "subscription") if call.text("subscription") else None
    customer = account.living("customer", subscription["customer"] if subscription else call.need("customer"), "customer")
    currency = subscription["currency"] if subscription else (call.text("currency") or customer["currency"] or account.currency)
    invoice = invoices.new_invoice(account, customer, currency, "upcoming")
    invoice["id"] = f"upcoming_{invoice['id']}"
    items = pending_items(account, customer["id"], currency, subscription["id"] if subscription else None)
    made: list[Obj] = [line_of_item(account, item) for item in items]
    if subscription is not None:
        invoice["parent"] = _parent(subscription)
        invoice["_default_tax_rates"] = list(subscription["_default_tax_rates"])
        invoice["discounts"] = list(subscription["discounts"]) or ([customer["_discount"]] if customer["_discount"] else [])
        made = next_lines(account, subscription) + made
    for old in [key for key in account.lines if key.startswith("upcoming_")]:
        del account.lines[old]
    for line in made:
        line["invoice"] = invoice["id"]
    account.lines[invoice["id"]] = made
    invoices.recompute(account, invoice)
    return invoice


@route("GET", "/v1/invoices")
def _list(call: Call) -> Page:
    tests: list[Any] = []
    wanted = call.text("subscription")
    if wanted is not None:
        tests.append(lambda invoice: ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription") == wanted)
    return lists.page(call, call.account.table("invoice").newest_first(), equal=("customer", "status", "collection_method"), tests=tests)


@route("GET", "/v1/invoice_payments")
def _list_payments(call: Call) -> Page:
    tests: list[Any] = []
    payment = call.object("payment")
    if payment.get("payment_intent"):
        tests.append(lambda row: row["payment"].get("payment_intent") == payment["payment_intent"])
    return lists.page(call, call.account.table("invoice_payment").newest_first(), equal=("invoice", "status"), tests=tests)


lists.serve("/v1/invoices", "invoice", is_listed=False)
lists.serve("/v1/invoice_payments", "invoice_payment", is_listed=False)
