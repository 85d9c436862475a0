"""Customers with their tax ids, credit balance and discount.

Sources: https://docs.stripe.com/api/customers, /customer_tax_ids, /customer_balance_transactions, /discounts.
"""

from __future__ import annotations

from typing import Any

from . import errors, forms, lists
from .calls import Call, Page, route
from .cards import attach, attach_source, own_method
from .discounts import create_discount
from .forms import Obj
from .world import Account

_TEXTS = ("description", "email", "name", "phone", "business_name", "individual_name")


def add_balance(account: Account, customer: Obj, amount: int, kind: str, *, currency: str = "", **links: Any) -> Obj:
    """Change a customer's balance in a currency (negative: credit; without one: its own) and return the customer balance transaction.

    A customer has a balance per currency; ``balance`` shows that of its own one, ``invoice_credit_balance`` all of them as credit.
    """
    if customer["currency"] is None:
        customer["currency"] = currency or account.currency
    currency = currency or customer["currency"]
    before = account.before(customer)
    ending = customer["_balances"].get(currency, 0) + amount
    customer["_balances"][currency] = ending
    if currency == customer["currency"]:
        customer["balance"] = ending
    entry: Obj = {
        "id": account.new_id("cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "created": account.now(customer["id"]),
        "credit_note": None,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "description": None,
        "ending_balance": ending,
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    kept = account.add(entry | links)
    account.emit("customer.updated", customer, before)
    return kept


@route("POST", "/v1/customers")
def _create(call: Call) -> Obj:
    account = call.account
    clock = call.text("test_clock")
    if clock is not None:
        account.get("test_helpers.test_clock", clock, "test_clock")
    now = account.test_clocks[clock].now if clock else call.world.timeline.now
    customer: Obj = {
        "id": account.new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": call.text("invoice_prefix") or account.world.ids.hexadecimal(8),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "livemode": False,
        "metadata": call.metadata({}),
        "name": None,
        "next_invoice_sequence": call.integer("next_invoice_sequence") or 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": clock,
        "_balances": {},
        "_discount": None,
    }
    _fill(call, customer)
    _attach_payment(call, customer)  # first, so that a declined card leaves no customer behind
    account.add(customer)
    account.emit("customer.created", customer)
    _after_create(call, customer)
    return customer


def _fill(call: Call, customer: Obj) -> None:
    call.assign(customer, *_TEXTS)
    if call.has("address"):
        customer["address"] = forms.to_address(call.params["address"])
    if call.has("shipping"):
        customer["shipping"] = forms.to_shipping(call.params["shipping"])
    if call.has("tax_exempt"):
        customer["tax_exempt"] = call.text("tax_exempt") or "none"
        if customer["tax_exempt"] not in ("none", "exempt", "reverse"):
            raise errors.invalid("Invalid tax_exempt: must be one of exempt, none, or reverse", "tax_exempt")
    if call.has("preferred_locales"):
        customer["preferred_locales"] = call.list("preferred_locales")


def _attach_payment(call: Call, customer: Obj) -> None:
    account = call.account
    method = call.text("payment_method")
    if method is not None:
        attach(account, method, customer)
    source = call.text("source")
    if source is not None:
        attach_source(account, source, customer)
    settings = call.object("invoice_settings")
    if "default_payment_method" in settings:
        wanted = forms.to_text(settings["default_payment_method"])
        found = own_method(account, wanted, customer, "invoice_settings[default_payment_method]") if wanted else None
        customer["invoice_settings"]["default_payment_method"] = found["id"] if found else None
    if "footer" in settings:
        customer["invoice_settings"]["footer"] = forms.to_text(settings["footer"])


def _after_create(call: Call, customer: Obj) -> None:
    account = call.account
    for entry in call.list("tax_id_data"):
        _add_tax_id(account, customer, forms.as_dict(entry, "tax_id_data"))
    balance = call.integer("balance")
    if balance:
        add_balance(account, customer, balance, "initial")
    _set_coupon(call, customer)


def _set_coupon(call: Call, customer: Obj) -> None:
    """Apply or remove the customer's discount (``coupon`` and ``promotion_code`` left the API with clover)."""
    if not (call.has("coupon") or call.has("promotion_code")):
        return
    account = call.account
    old = account.find(customer["_discount"], "discount")
    given = {name: call.params[name] for name in ("coupon", "promotion_code") if call.text(name)}
    if not given:
        if old is not None:
            _drop_discount(account, customer, old)
        return
    discount = create_discount(account, given, customer=customer["id"])
    customer["_discount"] = discount["id"]
    account.emit("customer.discount.updated" if old else "customer.discount.created", discount, account.before(old) if old else None)


def _drop_discount(account: Account, customer: Obj, discount: Obj) -> None:
    customer["_discount"] = None
    account.remove(discount)
    account.emit("customer.discount.deleted", discount)


@route("POST", "/v1/customers/{id}")
def _update(call: Call) -> Obj:
    account = call.account
    customer = account.living("customer", call.args[0])
    before = account.before(customer)
    _fill(call, customer)
    customer["metadata"] = call.metadata(customer["metadata"])
    _attach_payment(call, customer)
    if call.has("default_source"):
        customer["default_source"] = call.text("default_source")
    if call.integer("next_invoice_sequence"):
        customer["next_invoice_sequence"] = call.integer("next_invoice_sequence")
    if call.has("invoice_prefix"):
        customer["invoice_prefix"] = call.need("invoice_prefix")
    account.emit("customer.updated", customer, before)
    balance = call.integer("balance")
    if balance is not None and balance != customer["balance"]:
        add_balance(account, customer, balance - customer["balance"], "adjustment")
    _set_coupon(call, customer)
    return customer


@route("DELETE", "/v1/customers/{id}")
def _delete(call: Call) -> Obj:
    from .subscriptions import cancel_now

    account = call.account
    customer = account.living("customer", call.args[0])
    for subscription in account.of_customer("subscription", customer["id"]):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            cancel_now(account, subscription, reason=None)
    account.emit("customer.deleted", customer)
    stub = {"id": customer["id"], "object": "customer", "deleted": True, "_n": customer["_n"], "_discount": None}
    account.table("customer").rows[customer["id"]] = stub | {"test_clock": customer["test_clock"]}
    return {"id": customer["id"], "object": "customer", "deleted": True}


@route("GET", "/v1/customers/{id}")
def _retrieve(call: Call) -> Obj:
    found = call.account.get("customer", call.args[0])
    return {"id": found["id"], "object": "customer", "deleted": True} if found.get("deleted") else found


@route("GET", "/v1/customers")
def _list(call: Call) -> Page:
    living = (c for c in call.account.table("customer").newest_first() if not c.get("deleted"))
    return lists.page(call, living, equal=("email", "test_clock"))


@route("DELETE", "/v1/customers/{id}/discount")
def _delete_discount(call: Call) -> Obj:
    account = call.account
    customer = account.living("customer", call.args[0])
    discount = account.find(customer["_discount"], "discount")
    if discount is None:
        raise errors.missing("discount", "", "discount")
    _drop_discount(account, customer, discount)
    return {"id": discount["id"], "object": "discount", "deleted": True}


@route("POST", "/v1/customers/{id}/balance_transactions")
def _create_balance_transaction(call: Call) -> Obj:
    account = call.account
    customer = account.living("customer", call.args[0])
    entry = add_balance(account, customer, call.need_integer("amount"), "adjustment", currency=call.currency())
    entry["description"] = call.text("description")
    entry["metadata"] = call.metadata({})
    return entry


@route("GET", "/v1/customers/{id}/balance_transactions")
def _list_balance_transactions(call: Call) -> Page:
    customer = call.account.get("customer", call.args[0])
    rows = reversed(call.account.of_customer("customer_balance_transaction", customer["id"]))
    return lists.page(call, rows, equal=("invoice",))


@route("GET", "/v1/customers/{id}/balance_transactions/{transaction}")
def _retrieve_balance_transaction(call: Call) -> Obj:
    return call.account.get("customer_balance_transaction", call.args[1])


@route("POST", "/v1/customers/{id}/balance_transactions/{transaction}")
def _update_balance_transaction(call: Call) -> Obj:
    entry = call.account.get("customer_balance_transaction", call.args[1])
    call.assign(entry, "description")
    entry["metadata"] = call.metadata(entry["metadata"])
    return entry


def _add_tax_id(account: Account, customer: Obj, given: Obj) -> Obj:
    if not given.get("type") or not given.get("value"):
        raise errors.required("type" if not given.get("type") else "value")
    kind, value = str(given["type"]), str(given["value"])
    country = value[:2].upper() if kind == "eu_vat" else kind[:2].upper()
    tax_id: Obj = {
        "id": account.new_id("txi"),
        "object": "tax_id",
        "country": country,
        "created": account.now(customer["id"]),
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "owner": {"customer": customer["id"], "customer_account": None, "type": "customer"},
        "type": kind,
        "value": value,
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }
    account.add(tax_id)
    account.emit("customer.tax_id.created", tax_id)
    account.at(customer["id"], account.now(customer["id"]) + 60, lambda: _verify(account, tax_id))
    return tax_id


def _verify(account: Account, tax_id: Obj) -> None:
    """Verification is asynchronous: a number ending in 000 is not known, every other is."""
    if account.find(tax_id["id"], "tax_id") is None:
        return
    before = account.before(tax_id)
    is_known = not tax_id["value"].endswith("000")
    tax_id["verification"] = {"status": "verified" if is_known else "unverified", "verified_address": None, "verified_name": None}
    account.emit("customer.tax_id.updated", tax_id, before)


@route("POST", "/v1/customers/{id}/tax_ids")
def _create_tax_id(call: Call) -> Obj:
    return _add_tax_id(call.account, call.account.living("customer", call.args[0]), call.params)


@route("GET", "/v1/customers/{id}/tax_ids")
def _list_tax_ids(call: Call) -> Page:
    customer = call.account.get("customer", call.args[0])
    return lists.page(call, reversed(call.account.of_customer("tax_id", customer["id"])))


@route("GET", "/v1/customers/{id}/tax_ids/{tax_id}")
def _retrieve_tax_id(call: Call) -> Obj:
    return call.account.get("tax_id", call.args[1])


@route("DELETE", "/v1/customers/{id}/tax_ids/{tax_id}")
def _delete_tax_id(call: Call) -> Obj:
    tax_id = call.account.get("tax_id", call.args[1])
    call.account.emit("customer.tax_id.deleted", tax_id)
    return call.account.remove(tax_id)


lists.serve("/v1/tax_ids", "tax_id")
