"""Quotes, in their basic form: lines at prices, finalized with a number, accepted into an invoice or a subscription.

Source: https://docs.stripe.com/quotes, https://docs.stripe.com/api/quotes.
"""

from __future__ import annotations

from . import errors, forms, invoices, lists
from .arithmetic import line_taxes
from .calls import Call, Page, route
from .catalog import amount_of, create_price
from .forms import Obj
from .items import new_line, pricing_of, rates
from .subscription_api import create_subscription
from .timeline import DAY
from .world import Account


def _line(account: Account, given: Obj) -> Obj:
    price = (
        account.get("price", given["price"], "line_items[price]")
        if given.get("price")
        else create_price(account, forms.as_dict(given.get("price_data"), "line_items[price_data]"))
    )
    quantity = forms.to_int(given.get("quantity") or 1, "line_items[quantity]")
    product = account.find(price["product"], "product")
    amount = amount_of(price, quantity)
    return {
        "id": account.new_id("il"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"] if product else None,
        "price": {key: value for key, value in price.items() if key[0] != "_"},
        "quantity": quantity,
        "_tax_rates": [account.get("tax_rate", rate, "line_items[tax_rates]")["id"] for rate in forms.as_list(given.get("tax_rates"))],
    }


def _sum(account: Account, quote: Obj) -> None:
    """Set the amounts of a quote and of its lines."""
    for line in quote["_lines"]:
        taxes = line_taxes(account, line["amount_subtotal"], line["currency"], line["_tax_rates"] or quote["_default_tax_rates"], "none")
        line["amount_tax"] = sum(tax["amount"] for tax in taxes)
        line["amount_total"] = line["amount_subtotal"] + sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    recurring = [line for line in quote["_lines"] if line["price"]["recurring"]]
    quote["amount_subtotal"] = sum(line["amount_subtotal"] for line in quote["_lines"])
    quote["amount_total"] = sum(line["amount_total"] for line in quote["_lines"])
    quote["total_details"] = _details(quote["_lines"])
    quote["computed"] = {"recurring": None, "upfront": _part(quote["_lines"])}
    if recurring:
        terms = recurring[0]["price"]["recurring"]
        quote["computed"]["recurring"] = _part(recurring) | {"interval": terms["interval"], "interval_count": terms["interval_count"]}


def _details(lines: list[Obj]) -> Obj:
    return {"amount_discount": 0, "amount_shipping": 0, "amount_tax": sum(line["amount_tax"] for line in lines)}


def _part(lines: list[Obj]) -> Obj:
    return {
        "amount_subtotal": sum(line["amount_subtotal"] for line in lines),
        "amount_total": sum(line["amount_total"] for line in lines),
        "total_details": _details(lines),
    }


@route("POST", "/v1/quotes")
def _create(call: Call) -> Obj:
    account = call.account
    customer = account.living("customer", call.need("customer"), "customer")
    lines = [_line(account, forms.as_dict(entry, "line_items")) for entry in call.list("line_items")]
    now = account.now(customer["id"])
    quote: Obj = {
        "id": account.new_id("qt"), "object": "quote", "application": None, "application_fee_amount": None, "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "collection_method": call.text("collection_method") or "charge_automatically", "created": now,
        "currency": lines[0]["currency"] if lines else None, "customer": customer["id"], "customer_account": None,
        "description": call.text("description"), "discounts": [], "expires_at": call.integer("expires_at") or now + 30 * DAY,
        "footer": call.text("footer"), "from_quote": None, "header": call.text("header"), "invoice": None,
        "invoice_settings": {"days_until_due": None, "issuer": {"type": "self"}}, "livemode": False, "metadata": call.metadata({}),
        "number": None, "on_behalf_of": None, "status": "draft",
        "status_transitions": {"accepted_at": None, "canceled_at": None, "finalized_at": None}, "subscription": None,
        "subscription_data": {
            "billing_mode": {"type": "classic"}, "description": None, "effective_date": None, "metadata": None, "trial_period_days": None,
        },
        "subscription_schedule": None, "test_clock": customer["test_clock"], "transfer_data": None, "_lines": lines,
        "_default_tax_rates": rates(call, "default_tax_rates"),
    }  # fmt: skip
    _sum(account, quote)
    account.add(quote)
    account.emit("quote.created", quote)
    return quote


def _move(call: Call, status: str, instant: str, *allowed: str) -> Obj:
    quote = call.account.get("quote", call.args[0])
    if quote["status"] not in allowed:
        raise errors.invalid(f"This quote is {quote['status']}; it must be {' or '.join(allowed)}.", code="resource_invalid_state")
    quote["status"] = status
    quote["status_transitions"][instant] = call.account.now(quote["customer"])
    return quote


@route("POST", "/v1/quotes/{id}/finalize")
def _finalize(call: Call) -> Obj:
    quote = _move(call, "open", "finalized_at", "draft")
    quote["number"] = f"QT-{call.account.world.ids.hexadecimal(8)}-{call.account.next_number('quote'):04d}-1"
    call.account.emit("quote.finalized", quote)
    return quote


@route("POST", "/v1/quotes/{id}/cancel")
def _cancel(call: Call) -> Obj:
    quote = _move(call, "canceled", "canceled_at", "draft", "open")
    call.account.emit("quote.canceled", quote)
    return quote


@route("POST", "/v1/quotes/{id}/accept")
def _accept(call: Call) -> Obj:
    account = call.account
    quote = _move(call, "accepted", "accepted_at", "open")
    recurring = [line for line in quote["_lines"] if line["price"]["recurring"]]
    if recurring:
        items = [{"price": line["price"]["id"], "quantity": line["quantity"], "tax_rates": line["_tax_rates"]} for line in recurring]
        params = {
            "customer": quote["customer"],
            "items": items,
            "default_tax_rates": quote["_default_tax_rates"],
            "metadata": quote["metadata"],
        }
        params["add_invoice_items"] = [
            {"price": line["price"]["id"], "quantity": line["quantity"]} for line in quote["_lines"] if not line["price"]["recurring"]
        ]
        made = create_subscription(Call(call.world, account, "POST", "/v1/subscriptions", "/v1/subscriptions", (), params, call.version))
        quote["subscription"] = made["id"]
        quote["invoice"] = made["latest_invoice"]
    else:
        quote["invoice"] = _invoice(account, quote)["id"]
    account.emit("quote.accepted", quote)
    return quote


def _invoice(account: Account, quote: Obj) -> Obj:
    customer = account.get("customer", quote["customer"])
    invoice = invoices.new_invoice(
        account, customer, quote["currency"], "quote_accept", auto_advance=True, _default_tax_rates=list(quote["_default_tax_rates"]),
        parent={"quote_details": {"quote": quote["id"]}, "subscription_details": None, "type": "quote_details"},
    )  # fmt: skip
    now = account.now(customer["id"])
    lines = []
    for line in quote["_lines"]:
        price = account.get("price", line["price"]["id"])
        details = {
            "invoice_item": account.new_id("ii"),
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": None,
        }
        lines.append(
            new_line(
                account, line["amount_subtotal"], quote["currency"], (now, now), {"invoice_item_details": details},
                description=line["description"], pricing=pricing_of(price), quantity=line["quantity"], _tax_rates=line["_tax_rates"],
            )
        )  # fmt: skip
    return invoices.keep(account, invoice, lines)


@route("GET", "/v1/quotes/{id}/line_items")
def _lines(call: Call) -> Page:
    quote = call.account.get("quote", call.args[0])
    return lists.page(call, quote["_lines"])


lists.serve("/v1/quotes", "quote", equal=("customer", "status", "test_clock"))
