"""Credit notes: before payment they lower what is due; after payment they refund, credit the customer's balance, or are settled elsewhere.

Sources: https://docs.stripe.com/invoicing/integration/programmatic-credit-notes, https://docs.stripe.com/api/credit_notes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from . import errors, forms, lists
from .arithmetic import line_taxes, sum_discounts, sum_taxes
from .calls import Call, Page, route
from .collection import mark_paid
from .currencies import half_up, step
from .customers import add_balance
from .forms import Obj
from .refunds import create_refund
from .world import Account

_REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")


def _new_line(account: Account, invoice: Obj, amount: int, taxes: list[Obj], discounts: list[Obj], **fields: Any) -> Obj:
    return {
        "id": account.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": None,
        "discount_amount": sum(entry["amount"] for entry in discounts),
        "discount_amounts": discounts,
        "livemode": invoice["livemode"],
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "taxes": taxes,
        "type": "custom_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
        "_tax_rates": [],
    } | fields


def _of_invoice_line(account: Account, invoice: Obj, given: Obj) -> Obj:
    line_id = given.get("invoice_line_item")
    line = next((x for x in account.lines[invoice["id"]] if x["id"] == line_id), None)
    if line is None:
        raise errors.missing("invoice line item", str(line_id), "lines[invoice_line_item]")
    quantity, unit = None, step(invoice["currency"])
    if given.get("amount") not in (None, ""):
        amount = forms.to_int(given["amount"], "lines[amount]")
        share = Fraction(amount, line["amount"]) if line["amount"] else Fraction(0)
    else:
        quantity = forms.to_int(given.get("quantity") or line["quantity"], "lines[quantity]")
        share = Fraction(quantity, line["quantity"] or 1)
        amount = half_up(line["amount"] * share, unit)
    if share > 1 or share < 0:
        raise errors.invalid("The credited amount or quantity exceeds that of the invoice line.", "lines")
    taxes = [
        tax | {"amount": half_up(tax["amount"] * share, unit), "taxable_amount": half_up(tax["taxable_amount"] * share, unit)}
        for tax in line["taxes"]
    ]
    discounts = [{"amount": half_up(d["amount"] * share, unit), "discount": d["discount"]} for d in line["discount_amounts"]]
    return _new_line(
        account, invoice, amount, taxes, discounts, type="invoice_line_item", invoice_line_item=line["id"], description=line["description"],
        quantity=quantity, _tax_rates=list(line["_tax_rates"] or invoice["_default_tax_rates"]),
    )  # fmt: skip


def _custom_line(account: Account, invoice: Obj, given: Obj) -> Obj:
    unit = forms.to_int(given.get("unit_amount") or given.get("unit_amount_decimal") or 0, "lines[unit_amount]")
    quantity = forms.to_int(given.get("quantity") or 1, "lines[quantity]")
    rates = [account.get("tax_rate", rate, "lines[tax_rates]")["id"] for rate in forms.as_list(given.get("tax_rates"))]
    taxes = line_taxes(account, unit * quantity, invoice["currency"], rates, invoice["customer_tax_exempt"])
    return _new_line(
        account, invoice, unit * quantity, taxes, [], description=forms.to_text(given.get("description")), quantity=quantity,
        unit_amount=unit, unit_amount_decimal=str(unit), _tax_rates=rates,
    )  # fmt: skip


def _build(account: Account, invoice: Obj, given: Obj) -> Obj:
    """Return a credit note with its amounts, not kept yet."""
    lines = []
    for entry in forms.as_list(given.get("lines")):
        maker = _of_invoice_line if entry.get("type") == "invoice_line_item" else _custom_line
        lines.append(maker(account, invoice, entry))
    if not lines:
        if given.get("amount") in (None, ""):
            raise errors.invalid("You must specify one of `amount`, `lines`, or `shipping_cost`.", "amount")
        amount = forms.to_int(given["amount"], "amount")
        lines = [_new_line(account, invoice, amount, [], [], quantity=1, unit_amount=amount, unit_amount_decimal=str(amount))]
    taxes = [tax for line in lines for tax in line["taxes"]]
    exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    subtotal = sum(line["amount"] for line in lines)
    discount = sum(line["discount_amount"] for line in lines)
    total = subtotal - discount + exclusive
    if total <= 0:
        raise errors.invalid("The total of a credit note must be greater than zero.", "lines")
    now = account.now(invoice["customer"])
    effective = given.get("effective_at")
    note_id = account.new_id("cn")
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": discount,
        "discount_amounts": sum_discounts([entry for line in lines for entry in line["discount_amounts"]]),
        "effective_at": forms.to_int(effective, "effective_at") if effective else now,
        "invoice": invoice["id"],
        "livemode": False,
        "memo": forms.to_text(given.get("memo")),
        "metadata": forms.merge_metadata({}, given.get("metadata")),
        "number": f"{invoice['number']}-CN-{invoice.get('_notes', 0) + 1:02d}",
        "out_of_band_amount": None,
        "pdf": f"https://pay.stripe.com/credit_notes/{account.id}/{note_id}/pdf",
        "post_payment_amount": 0,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": forms.to_text(given.get("reason")),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": total - exclusive - inclusive,
        "total_taxes": sum_taxes(taxes),
        "type": "pre_payment",
        "voided_at": None,
        "_lines": lines,
    }


def _split(invoice: Obj, note: Obj, given: Obj) -> dict[str, int]:
    """Split the amount before and after payment, and say where the latter goes. Raises 400 if the parts do not fit."""
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise errors.invalid(
            f"Credit notes can only be created for open, paid or uncollectible invoices, not {invoice['status']}.", "invoice"
        )
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    if note["total"] > invoice["total"] - credited:
        raise errors.invalid(
            "The sum of credit notes (including this one) must not exceed the total of the invoice.",
            "amount",
            "credit_note_amount_too_large",
        )
    pre = min(note["total"], invoice["amount_remaining"]) if invoice["status"] != "paid" else 0
    parts = {name: forms.to_int(given.get(name) or 0, name) for name in ("refund_amount", "credit_amount", "out_of_band_amount")}
    linked = sum(
        forms.to_int(entry.get("amount_refunded") or 0, "refunds[amount_refunded]") for entry in forms.as_list(given.get("refunds"))
    )
    if parts["refund_amount"] + parts["credit_amount"] + parts["out_of_band_amount"] + linked != note["total"] - pre:
        raise errors.invalid(
            "The sum of refund amount, credit amount, out of band amount and linked refunds must equal the post payment amount "
            f"({note['total'] - pre}).",
            "refund_amount",
        )
    return parts | {"pre": pre, "linked": linked}


@route("POST", "/v1/credit_notes")
def _create(call: Call) -> Obj:
    account = call.account
    if call.text("reason") not in (None, *_REASONS):
        raise errors.invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
    invoice = account.get("invoice", call.need("invoice"), "invoice")
    note = _build(account, invoice, call.params)
    parts = _split(invoice, note, call.params)
    note["pre_payment_amount"] = parts["pre"]
    note["post_payment_amount"] = note["total"] - parts["pre"]
    if note["post_payment_amount"]:
        note["type"] = "mixed" if parts["pre"] else "post_payment"
    invoice["_notes"] = invoice.get("_notes", 0) + 1
    account.add(note)
    before = account.before(invoice)
    _settle_post(account, invoice, note, parts, call.list("refunds"))
    invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    invoice["pre_payment_credit_notes_amount"] += parts["pre"]
    if parts["pre"]:
        invoice["amount_due"] -= parts["pre"]
        invoice["amount_remaining"] -= parts["pre"]
    account.emit("credit_note.created", note)
    if parts["pre"] and invoice["amount_remaining"] == 0 and invoice["status"] == "open":
        mark_paid(account, invoice, before)
    else:
        account.emit("invoice.updated", invoice, before)
    return note


def _settle_post(account: Account, invoice: Obj, note: Obj, parts: dict[str, int], linked: list[Obj]) -> None:
    for entry in linked:
        refund = account.get("refund", entry.get("refund"), "refunds[refund]")
        note["refunds"].append(
            {"amount_refunded": forms.to_int(entry["amount_refunded"], "refunds"), "refund": refund["id"], "type": "refund"}
        )
    if parts["refund_amount"]:
        for charge, amount in _charges(account, invoice, parts["refund_amount"]):
            refund = create_refund(account, charge, amount, reason=None, metadata={})
            note["refunds"].append({"amount_refunded": amount, "refund": refund["id"], "type": "refund"})
    if parts["credit_amount"]:
        customer = account.get("customer", invoice["customer"])
        entry = add_balance(
            account,
            customer,
            -parts["credit_amount"],
            "credit_note",
            currency=note["currency"],
            credit_note=note["id"],
            invoice=invoice["id"],
        )
        note["customer_balance_transaction"] = entry["id"]
    if parts["out_of_band_amount"]:
        note["out_of_band_amount"] = parts["out_of_band_amount"]


def _charges(account: Account, invoice: Obj, amount: int) -> list[tuple[Obj, int]]:
    """Return which charges of an invoice a refund takes from: the latest first, each up to what is left on it."""
    found: list[tuple[Obj, int]] = []
    for payment_id in reversed(invoice["_payments"]):
        payment = account.get("invoice_payment", payment_id)
        intent = account.get("payment_intent", payment["payment"]["payment_intent"])
        charge = account.find(intent["latest_charge"], "charge")
        if payment["status"] != "paid" or charge is None:
            continue
        part = min(amount, charge["amount"] - charge["amount_refunded"])
        if part > 0:
            found.append((charge, part))
            amount -= part
    if amount > 0:
        raise errors.invalid("The refund amount exceeds what was paid through Stripe and is not yet refunded.", "refund_amount")
    return found


@route("GET", "/v1/credit_notes/preview")
def _preview(call: Call) -> Obj:
    invoice = call.account.get("invoice", call.need("invoice"), "invoice")
    note = _build(call.account, invoice, call.params)
    note["pre_payment_amount"] = min(note["total"], invoice["amount_remaining"])
    note["post_payment_amount"] = note["total"] - note["pre_payment_amount"]
    return note


@route("POST", "/v1/credit_notes/{id}/void")
def _void(call: Call) -> Obj:
    account = call.account
    note = account.get("credit_note", call.args[0])
    invoice = account.get("invoice", note["invoice"])
    if note["status"] != "issued":
        raise errors.invalid("This credit note is void already.")
    if note["type"] != "pre_payment" or invoice["status"] != "open":
        raise errors.invalid("You can only void a credit note that was issued before payment, on an open invoice.")
    before = account.before(invoice)
    note |= {"status": "void", "voided_at": account.now(invoice["customer"])}
    invoice["pre_payment_credit_notes_amount"] -= note["total"]
    invoice["amount_due"] += note["total"]
    invoice["amount_remaining"] += note["total"]
    account.emit("credit_note.voided", note)
    account.emit("invoice.updated", invoice, before)
    return note


@route("POST", "/v1/credit_notes/{id}")
def _update(call: Call) -> Obj:
    note = call.account.get("credit_note", call.args[0])
    before = call.account.before(note)
    call.assign(note, "memo")
    note["metadata"] = call.metadata(note["metadata"])
    call.account.emit("credit_note.updated", note, before)
    return note


@route("GET", "/v1/credit_notes/{id}/lines")
def _lines(call: Call) -> Page:
    return lists.page(call, call.account.get("credit_note", call.args[0])["_lines"])


lists.serve("/v1/credit_notes", "credit_note", equal=("invoice", "customer"))
