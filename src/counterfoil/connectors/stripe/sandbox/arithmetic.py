"""The arithmetic of invoices: discounts and taxes per line, and the totals.

Rounding: every discount and every tax amount is rounded half-up per line, and the invoice sums the lines
(https://support.stripe.com/questions/rounding-rules-for-stripe-fees shows 6 + 73 for lines of 0.43 and 4.84 at 15 %). Percentages are
exact.
The laws: ``subtotal`` = sum of line amounts less item discounts; ``total`` = ``subtotal`` less invoice discounts plus exclusive taxes;
``total_excluding_tax`` = ``total`` less all taxes; ``amount_due`` = ``total`` + ``starting_balance`` - ``ending_balance`` -
``pre_payment_credit_notes_amount``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .currencies import allocate, half_up, step
from .discounts import coupon_of, is_running
from .forms import Obj
from .world import Account


def percentage(value: Any) -> Fraction:
    """Return a JSON percentage as the exact decimal it was written as."""
    return Fraction(str(value))


def compute(account: Account, invoice: Obj) -> None:
    """Set discounts and taxes of all lines of a draft and the totals that follow."""
    lines = account.lines[invoice["id"]]
    left = [line["amount"] for line in lines]
    for line in lines:
        line["discount_amounts"] = []
    item_discount = 0
    for i, line in enumerate(lines):
        for discount in line["discounts"]:
            item_discount += _apply(account, invoice, discount, lines, left, [i])
    invoice_discount = 0
    for discount in invoice["discounts"]:
        invoice_discount += _apply(account, invoice, discount, lines, left, list(range(len(lines))))
    exempt = invoice["customer_tax_exempt"]
    for line, net in zip(lines, left, strict=True):
        line["taxes"] = line_taxes(account, net, invoice["currency"], line["_tax_rates"] or invoice["_default_tax_rates"], exempt)
    _totals(invoice, lines, item_discount, invoice_discount)


def _apply(account: Account, invoice: Obj, discount: str, lines: list[Obj], left: list[int], targets: list[int]) -> int:
    """Take a discount off the given lines, in place, and return its amount."""
    coupon = coupon_of(account, discount)
    if coupon is None or not is_running(account, discount, invoice["created"]):
        return 0
    products, unit = coupon["_products"], step(invoice["currency"])
    targets = [i for i in targets if lines[i]["discountable"] and (not products or _product(lines[i]) in products)]
    if coupon["percent_off"] is not None:
        share = percentage(coupon["percent_off"]) / 100
        parts = [half_up(left[i] * share, unit) for i in targets]
    elif coupon["currency"] == invoice["currency"]:
        weights = [max(0, left[i]) for i in targets]
        parts = [part * unit for part in allocate(min(coupon["amount_off"], sum(weights)) // unit, weights)]
    else:
        return 0
    for i, part in zip(targets, parts, strict=True):
        left[i] -= part
        lines[i]["discount_amounts"].append({"amount": part, "discount": discount})
    return sum(parts)


def _product(line: Obj) -> str | None:
    pricing = line["pricing"]
    return pricing["price_details"]["product"] if pricing and pricing.get("price_details") else None


def line_taxes(account: Account, net: int, currency: str, rates: list[str], exempt: str) -> list[Obj]:
    """Return the taxes on an amount: inclusive ones are contained in it, exclusive ones come on top of what remains."""
    unit = step(currency)
    found = [rate for rate in (account.find(rate_id, "tax_rate") for rate_id in rates) if rate]
    contained = sum((percentage(rate["percentage"]) for rate in found if rate["inclusive"]), Fraction(0))
    amounts = {
        rate["id"]: half_up(net * percentage(rate["percentage"]) / (100 + contained), unit)
        for rate in found
        if rate["inclusive"] and exempt == "none"
    }
    base = net - sum(amounts.values())
    for rate in found:
        if not rate["inclusive"]:
            amounts[rate["id"]] = half_up(base * percentage(rate["percentage"]) / 100, unit) if exempt == "none" else 0
    reason = {"none": "not_available", "exempt": "customer_exempt", "reverse": "reverse_charge"}[exempt]
    return [
        {
            "amount": amounts.get(rate["id"], 0),
            "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]},
            "taxability_reason": reason,
            "taxable_amount": base,
            "type": "tax_rate_details",
        }
        for rate in found
    ]


def sum_taxes(taxes: list[Obj]) -> list[Obj]:
    """Return taxes summed per rate, in order of first appearance."""
    summed: dict[tuple[str, str], Obj] = {}
    for tax in taxes:
        key = (tax["tax_rate_details"]["tax_rate"], tax["tax_behavior"])
        if key in summed:
            summed[key]["amount"] += tax["amount"]
            summed[key]["taxable_amount"] += tax["taxable_amount"]
        else:
            summed[key] = dict(tax)
    return list(summed.values())


def sum_discounts(amounts: list[Obj]) -> list[Obj]:
    """Return discount amounts summed per discount."""
    summed: dict[str, int] = {}
    for entry in amounts:
        summed[entry["discount"]] = summed.get(entry["discount"], 0) + entry["amount"]
    return [{"amount": amount, "discount": discount} for discount, amount in summed.items()]


def _totals(invoice: Obj, lines: list[Obj], item_discount: int, invoice_discount: int) -> None:
    taxes = [tax for line in lines for tax in line["taxes"]]
    exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    subtotal = sum(line["amount"] for line in lines) - item_discount
    total = subtotal - invoice_discount + exclusive
    invoice["subtotal"] = subtotal
    invoice["subtotal_excluding_tax"] = subtotal - inclusive
    invoice["total"] = total
    invoice["total_excluding_tax"] = total - exclusive - inclusive
    invoice["total_taxes"] = sum_taxes(taxes)
    invoice["total_discount_amounts"] = sum_discounts([entry for line in lines for entry in line["discount_amounts"]])
