"""Products, prices (with the plans that mirror them) and tax rates.

Sources: https://docs.stripe.com/api/products, /prices, /plans, /tax_rates; https://docs.stripe.com/products-prices/pricing-models (tiers).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from . import currencies, errors, forms, lists
from .calls import Call, Page, Plain, route
from .forms import Obj
from .render import plan_of
from .world import Account


def create_product(account: Account, given: Obj) -> Obj:
    """Create a product from its parameters."""
    if not given.get("name"):
        raise errors.required("name")
    product_id = str(given.get("id") or account.new_id("prod"))
    if account.find(product_id, "product"):
        raise errors.invalid("Product already exists.", "id", "resource_already_exists")
    product: Obj = {
        "id": product_id,
        "object": "product",
        "active": forms.to_bool(given.get("active", True), "active"),
        "created": account.now(),
        "default_price": None,
        "description": forms.to_text(given.get("description")),
        "images": forms.as_list(given.get("images")),
        "livemode": False,
        "marketing_features": [],
        "metadata": forms.merge_metadata({}, given.get("metadata")),
        "name": given["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": forms.to_text(given.get("statement_descriptor")),
        "tax_code": forms.to_text(given.get("tax_code")),
        "type": given.get("type") or "service",
        "unit_label": forms.to_text(given.get("unit_label")),
        "updated": account.now(),
        "url": forms.to_text(given.get("url")),
    }
    account.add(product)
    account.emit("product.created", product)
    return product


@route("POST", "/v1/products")
def _create_product(call: Call) -> Obj:
    product = create_product(call.account, call.params)
    default = call.object("default_price_data")
    if default:
        before = call.account.before(product)
        product["default_price"] = create_price(call.account, {**default, "product": product["id"]})["id"]
        call.account.emit("product.updated", product, before)
    return product


@route("POST", "/v1/products/{id}")
def _update_product(call: Call) -> Obj:
    account = call.account
    product = account.get("product", call.args[0])
    before = account.before(product)
    call.assign(product, "name", "description", "statement_descriptor", "tax_code", "unit_label", "url", "default_price")
    if call.has("active"):
        product["active"] = call.flag("active")
    product["metadata"] = call.metadata(product["metadata"])
    product["updated"] = account.now()
    account.emit("product.updated", product, before)
    return product


@route("DELETE", "/v1/products/{id}")
def _delete_product(call: Call) -> Obj:
    account = call.account
    product = account.get("product", call.args[0])
    if any(price["product"] == product["id"] for price in account.rows("price")):
        raise errors.invalid("This product cannot be deleted because it has one or more user-created prices.")
    account.emit("product.deleted", product)
    return account.remove(product)


@route("GET", "/v1/products")
def _list_products(call: Call) -> Page:
    wanted = call.texts("ids")
    rows = (p for p in call.account.table("product").newest_first() if not wanted or p["id"] in wanted)
    return lists.page(call, rows, flags=("active",), equal=("type", "url"))


def create_price(account: Account, given: Obj) -> Obj:
    """Create a price from its parameters (``product`` or ``product_data``, ``unit_amount`` or ``unit_amount_decimal`` or ``tiers``)."""
    currency = str(given.get("currency") or "").lower()
    if not currency:
        raise errors.required("currency")
    if currency not in currencies.ISO:
        raise errors.invalid(f"Invalid currency: {currency}.", "currency")
    if given.get("product_data"):
        product = create_product(account, forms.as_dict(given["product_data"], "product_data"))["id"]
    else:
        product = account.get("product", given.get("product"), "product")["id"] if given.get("product") else None
    if product is None:
        raise errors.required("product")
    tiers = [_tier(entry) for entry in forms.as_list(given.get("tiers"))]
    unit, decimal = _unit_amount(given, currency, bool(tiers))
    price: Obj = {
        "id": account.new_id("price"),
        "object": "price",
        "active": forms.to_bool(given.get("active", True), "active"),
        "billing_scheme": "tiered" if tiers else "per_unit",
        "created": account.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": forms.to_text(given.get("lookup_key")),
        "metadata": forms.merge_metadata({}, given.get("metadata")),
        "nickname": forms.to_text(given.get("nickname")),
        "product": product,
        "recurring": _recurring(given.get("recurring")),
        "tax_behavior": given.get("tax_behavior") or "unspecified",
        "tiers_mode": (given.get("tiers_mode") or "graduated") if tiers else None,
        "transform_quantity": _transform(given.get("transform_quantity")),
        "type": "recurring" if given.get("recurring") else "one_time",
        "unit_amount": unit,
        "unit_amount_decimal": decimal,
        "_tiers": tiers,
    }
    account.add(price)
    account.emit("price.created", price)
    if price["recurring"]:
        account.emit("plan.created", plan_of(price))
    return price


def _unit_amount(given: Obj, currency: str, is_tiered: bool) -> tuple[int | None, str | None]:
    if is_tiered:
        return None, None
    if given.get("unit_amount") not in (None, ""):
        unit = forms.to_int(given["unit_amount"], "unit_amount")
        if unit < 0:
            raise errors.invalid("Invalid non-negative integer", "unit_amount", "parameter_invalid_integer")
        if unit % currencies.step(currency):
            raise errors.invalid(f"Amounts in {currency} must be divisible by {currencies.step(currency)}.", "unit_amount")
        return unit, str(unit)
    if given.get("unit_amount_decimal") in (None, ""):
        raise errors.required("unit_amount")
    text = str(given["unit_amount_decimal"])
    value = forms.to_decimal(text, "unit_amount_decimal")
    return (int(value) if value.denominator == 1 else None), text


def _recurring(given: Any) -> Obj | None:
    if not given:
        return None
    interval = given.get("interval")
    if interval not in ("day", "week", "month", "year"):
        raise errors.invalid("Invalid recurring[interval]: must be one of day, month, week, or year", "recurring[interval]")
    trial = given.get("trial_period_days")
    return {
        "interval": interval,
        "interval_count": forms.to_int(given.get("interval_count") or 1, "recurring[interval_count]"),
        "meter": forms.to_text(given.get("meter")),
        "trial_period_days": forms.to_int(trial, "recurring[trial_period_days]") if trial else None,
        "usage_type": given.get("usage_type") or "licensed",
    }


def _transform(given: Any) -> Obj | None:
    if not given:
        return None
    return {"divide_by": forms.to_int(given.get("divide_by"), "transform_quantity[divide_by]"), "round": given.get("round") or "up"}


def _tier(given: Obj) -> Obj:
    limit = given.get("up_to")
    flat, unit = given.get("flat_amount"), given.get("unit_amount")
    return {
        "flat_amount": forms.to_int(flat, "tiers[flat_amount]") if flat not in (None, "") else None,
        "flat_amount_decimal": str(flat) if flat not in (None, "") else None,
        "unit_amount": forms.to_int(unit, "tiers[unit_amount]") if unit not in (None, "") else None,
        "unit_amount_decimal": str(given.get("unit_amount_decimal") or unit) if unit not in (None, "") else None,
        "up_to": None if limit in (None, "", "inf") else forms.to_int(limit, "tiers[up_to]"),
    }


def amount_of(price: Obj, quantity: int) -> int:
    """Return the amount of a quantity at a price: per unit, packages, graduated or volume tiers; halves round up."""
    transform, unit_step = price["transform_quantity"], currencies.step(price["currency"])
    if transform:
        packages, rest = divmod(quantity, transform["divide_by"])
        quantity = packages + (1 if rest and transform["round"] == "up" else 0)
    if not price["_tiers"]:
        return currencies.half_up(Fraction(price["unit_amount_decimal"] or "0") * quantity, unit_step)
    total, below = Fraction(0), 0
    for tier in price["_tiers"]:
        limit = tier["up_to"]
        unit, flat = Fraction(tier["unit_amount_decimal"] or "0"), tier["flat_amount"] or 0
        if price["tiers_mode"] == "volume":
            if limit is None or quantity <= limit:
                return currencies.half_up(unit * quantity + flat, unit_step)
            continue
        within = (quantity if limit is None else min(quantity, limit)) - below
        if within > 0:
            total += unit * within + flat
            below += within
    return currencies.half_up(total, unit_step)


@route("POST", "/v1/prices")
def _create_price(call: Call) -> Obj:
    return create_price(call.account, call.params)


@route("POST", "/v1/prices/{id}")
def _update_price(call: Call) -> Obj:
    account = call.account
    price = account.get("price", call.args[0])
    before = account.before(price)
    call.assign(price, "nickname", "lookup_key", "tax_behavior")
    if call.has("active"):
        price["active"] = call.flag("active")
    price["metadata"] = call.metadata(price["metadata"])
    account.emit("price.updated", price, before)
    return price


@route("GET", "/v1/prices")
def _list_prices(call: Call) -> Page:
    keys = call.texts("lookup_keys")
    rows = (p for p in call.account.table("price").newest_first() if not keys or p["lookup_key"] in keys)
    return lists.page(call, rows, equal=("product", "type", "currency"), flags=("active",))


@route("POST", "/v1/plans")
def _create_plan(call: Call) -> Plain:
    given = dict(call.params)
    product = given.pop("product", None)
    price = create_price(
        call.account,
        {
            "currency": given.get("currency"),
            "unit_amount": given.get("amount"),
            "nickname": given.get("nickname"),
            "recurring": {"interval": given.get("interval"), "interval_count": given.get("interval_count")},
            **({"product_data": product} if isinstance(product, dict) else {"product": product}),
        },
    )
    return Plain(plan_of(price))


@route("GET", "/v1/plans/{id}")
def _retrieve_plan(call: Call) -> Plain:
    return Plain(plan_of(call.account.get("price", call.args[0])))


@route("POST", "/v1/plans/{id}")
def _update_plan(call: Call) -> Plain:
    price = call.account.get("price", call.args[0])
    old = plan_of(price)
    before = call.account.before(old)
    price["metadata"] = call.metadata(price["metadata"])
    plan = plan_of(price)
    call.account.emit("plan.updated", plan, before)
    return Plain(plan)


@route("DELETE", "/v1/plans/{id}")
def _delete_plan(call: Call) -> Plain:
    price = call.account.get("price", call.args[0])
    call.account.remove(price)
    call.account.emit("plan.deleted", plan_of(price))
    return Plain({"id": price["id"], "object": "plan", "deleted": True})


@route("POST", "/v1/tax_rates")
def _create_tax_rate(call: Call) -> Obj:
    account = call.account
    text = call.need("percentage")
    share = forms.to_decimal(text, "percentage")
    if not 0 <= share <= 100 or (share * 10_000).denominator != 1:
        raise errors.invalid("Invalid percentage: 0 to 100 with at most four decimal places.", "percentage")
    if not call.has("inclusive"):
        raise errors.required("inclusive")
    rate: Obj = {
        "id": account.new_id("txr"),
        "object": "tax_rate",
        "active": call.flag("active", True),
        "country": call.text("country"),
        "created": call.world.timeline.now,
        "description": call.text("description"),
        "display_name": call.need("display_name"),
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": call.flag("inclusive"),
        "jurisdiction": call.text("jurisdiction"),
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": call.metadata({}),
        "percentage": float(share),
        "rate_type": "percentage",
        "state": call.text("state"),
        "tax_type": call.text("tax_type"),
    }
    account.add(rate)
    account.emit("tax_rate.created", rate)
    return rate


@route("POST", "/v1/tax_rates/{id}")
def _update_tax_rate(call: Call) -> Obj:
    account = call.account
    rate = account.get("tax_rate", call.args[0])
    before = account.before(rate)
    call.assign(rate, "country", "description", "display_name", "jurisdiction", "state", "tax_type")
    if call.has("active"):
        rate["active"] = call.flag("active")
    rate["metadata"] = call.metadata(rate["metadata"])
    account.emit("tax_rate.updated", rate, before)
    return rate


lists.serve("/v1/products", "product", is_listed=False)
lists.serve("/v1/prices", "price", is_listed=False)
lists.serve("/v1/tax_rates", "tax_rate", flags=("active", "inclusive"))
