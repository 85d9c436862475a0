"""Invoice items and the lines of invoices.

Sources: https://docs.stripe.com/api/invoiceitems, /invoice-line-item.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, lists
from .calls import Call, Page, route
from .catalog import amount_of, create_price
from .currencies import half_up, step
from .discounts import create_discounts
from .forms import Obj
from .invoices import check_draft, recompute
from .world import Account


def new_line(account: Account, amount: int, currency: str, period: tuple[int, int], parent: Obj, **fields: Any) -> Obj:
    """Return an invoice line. ``parent`` is the details object under its type's name."""
    kind = "invoice_item_details" if "invoice_item_details" in parent else "subscription_item_details"
    whole = {"invoice_item_details": None, "subscription_item_details": None, "type": kind} | parent
    return {
        "id": account.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": whole,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": str(fields.get("quantity", 1)),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
        "_tax_rates": [],
        "_item": None,
    } | fields


def pricing_of(price: Obj) -> Obj:
    """Return the pricing object of a line or item with a price."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def line_of_item(account: Account, item: Obj) -> Obj:
    """Return the line an invoice item becomes."""
    details = (item["parent"] or {}).get("subscription_details") or {}
    parent = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": item["_credited"]},
        "subscription": details.get("subscription"),
    }
    if item["proration"]:
        subscription_parent = parent | {"subscription_item": details["subscription_item"]}
        whole: Obj = {"subscription_item_details": subscription_parent}
    else:
        whole = {"invoice_item_details": parent}
    return new_line(
        account, item["amount"], item["currency"], (item["period"]["start"], item["period"]["end"]), whole,
        description=item["description"], discountable=item["discountable"], discounts=list(item["discounts"]),
        metadata=item["metadata"], pricing=item["pricing"], quantity=item["quantity"], subscription=details.get("subscription"),
        _tax_rates=list(item["_tax_rates"]), _item=item["id"],
    )  # fmt: skip


def new_item(account: Account, customer: Obj, amount: int, currency: str, **fields: Any) -> Obj:
    """Create an invoice item, pending unless ``invoice`` is given."""
    now = account.now(customer["id"])
    item: Obj = {
        "id": account.new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "date": now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"start": now, "end": now},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "quantity_decimal": str(fields.get("quantity", 1)),
        "test_clock": customer["test_clock"],
        "_tax_rates": [],
        "_credited": None,
        "_dated": now,
    } | fields
    account.add(item)
    account.emit("invoiceitem.created", item)
    return item


def pending_items(account: Account, customer: str, currency: str, subscription: str | None = None) -> list[Obj]:
    """Return a customer's items that wait for an invoice; those of other subscriptions stay where they are."""
    found = []
    for item in account.of_customer("invoiceitem", customer):
        if item["invoice"] is not None or item["currency"] != currency:
            continue
        details = (item["parent"] or {}).get("subscription_details")
        owner = details["subscription"] if details else None
        if owner is None or owner == subscription:
            found.append(item)
    return found


def take_items(account: Account, invoice_id: str, items: list[Obj]) -> list[Obj]:
    """Put items on an invoice and return the lines."""
    for item in items:
        item["invoice"] = invoice_id
    return [line_of_item(account, item) for item in items]


@route("POST", "/v1/invoiceitems")
def _create(call: Call) -> Obj:
    account = call.account
    invoice = account.get("invoice", call.text("invoice"), "invoice") if call.text("invoice") else None
    if invoice is not None:
        check_draft(invoice)
    customer_id = call.text("customer") or (invoice["customer"] if invoice else None)
    if customer_id is None:
        raise errors.required("customer")
    customer = account.living("customer", customer_id, "customer")
    price = _price(call)
    quantity = call.integer("quantity") or 1
    amount, currency = _amount(call, price, quantity)
    if invoice is not None and invoice["currency"] != currency:
        raise errors.invalid(f"The currency of the invoice item must be that of the invoice ({invoice['currency']}).", "currency")
    subscription = call.text("subscription")
    item = new_item(
        account,
        customer,
        amount,
        currency,
        description=call.text("description") or (_name(account, price) if price else None),
        discountable=call.flag("discountable", True),
        discounts=create_discounts(account, call.params.get("discounts")),
        invoice=invoice["id"] if invoice else None,
        metadata=call.metadata({}),
        pricing=pricing_of(price) if price else _flat(amount, call.text("unit_amount_decimal") or call.text("unit_amount")),
        quantity=quantity,
        _tax_rates=rates(call),
        period=_period(call, account.now(customer_id)),
        parent={"subscription_details": {"subscription": subscription, "subscription_item": None}, "type": "subscription_details"}
        if subscription
        else None,
    )
    if invoice is not None:
        line = line_of_item(account, item)
        line["invoice"] = invoice["id"]
        account.lines[invoice["id"]].append(line)
        _changed(account, invoice)
    return item


def _changed(account: Account, invoice: Obj) -> None:
    before = account.before(invoice)
    recompute(account, invoice)
    account.emit("invoice.updated", invoice, before)


def _flat(amount: int, unit: str | None = None) -> Obj:
    return {"price_details": None, "type": "price_details", "unit_amount_decimal": unit or str(amount)}


def _name(account: Account, price: Obj) -> str | None:
    product = account.find(price["product"], "product")
    return product["name"] if product else None


def rates(call: Call, name: str = "tax_rates") -> list[str]:
    """Return a parameter of tax rates after checking that they exist."""
    return [call.account.get("tax_rate", rate, name)["id"] for rate in call.list(name)]


def _price(call: Call) -> Obj | None:
    price_id = forms.to_text(call.object("pricing").get("price")) or call.text("price")
    if price_id is not None:
        return call.account.get("price", price_id, "pricing[price]")
    data = call.object("price_data")
    return create_price(call.account, data) if data else None


def _amount(call: Call, price: Obj | None, quantity: int) -> tuple[int, str]:
    if price is not None:
        if price["type"] != "one_time":
            raise errors.invalid(
                "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.", "price"
            )
        return amount_of(price, quantity), price["currency"]
    unit = call.text("unit_amount_decimal") or call.text("unit_amount")
    if unit is None:
        amount = call.need_integer("amount")
        if amount % step(call.currency()):
            raise errors.invalid(f"Amounts in {call.currency()} must be divisible by {step(call.currency())}.", "amount")
        return amount, call.currency()
    return half_up(forms.to_decimal(unit, "unit_amount_decimal") * quantity, step(call.currency())), call.currency()


def _period(call: Call, now: int) -> Obj:
    given = call.object("period")
    if not given:
        return {"start": now, "end": now}
    return {"start": forms.to_int(given.get("start"), "period[start]"), "end": forms.to_int(given.get("end"), "period[end]")}


@route("POST", "/v1/invoiceitems/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    item = account.get("invoiceitem", call.args[0])
    invoice = account.find(item["invoice"], "invoice")
    if invoice is not None:
        check_draft(invoice)
    call.assign(item, "description")
    item["metadata"] = call.metadata(item["metadata"])
    if call.integer("amount") is not None:
        item["amount"] = item["net_amount"] = call.need_integer("amount")
        item["pricing"] = _flat(item["amount"])
    elif call.integer("quantity") is not None and item["pricing"] and item["pricing"].get("price_details"):
        item["quantity"] = call.need_integer("quantity")
        item["amount"] = amount_of(account.get("price", item["pricing"]["price_details"]["price"]), item["quantity"])
    if call.has("tax_rates"):
        item["_tax_rates"] = rates(call)
    if call.has("period"):
        item["period"] = _period(call, item["date"])
    if invoice is not None:
        kept = account.lines[invoice["id"]]
        account.lines[invoice["id"]] = [_relined(account, item, line) if line["_item"] == item["id"] else line for line in kept]
        _changed(account, invoice)
    return item


def _relined(account: Account, item: Obj, line: Obj) -> Obj:
    fresh = line_of_item(account, item)
    fresh["id"], fresh["invoice"] = line["id"], line["invoice"]
    return fresh


@route("DELETE", "/v1/invoiceitems/{id}")
def _delete(call: Call) -> Obj:
    account = call.account
    item = account.get("invoiceitem", call.args[0])
    invoice = account.find(item["invoice"], "invoice")
    if invoice is not None:
        check_draft(invoice)
        account.lines[invoice["id"]] = [line for line in account.lines[invoice["id"]] if line["_item"] != item["id"]]
        _changed(account, invoice)
    account.emit("invoiceitem.deleted", item)
    return account.remove(item)


@route("GET", "/v1/invoiceitems")
def _list(call: Call) -> Page:
    rows = call.account.table("invoiceitem").newest_first()
    tests = []
    if call.text("pending") is not None:
        wanted = call.flag("pending")
        tests.append(lambda item: (item["invoice"] is None) == wanted)
    return lists.page(call, rows, equal=("customer", "invoice"), tests=tests)


lists.serve("/v1/invoiceitems", "invoiceitem", is_listed=False)
