"""Lines of invoices and credit notes with their discounts and taxes, before and since basil.

The rule is :class:`counterfoil.core.kinds.invoice.InvoiceLine`'s: ``amount`` as printed (before discounts, inclusive taxes in it,
exclusive ones not), net = amount - discount - inclusive taxes. Stripe's ``amount``, ``discount_amounts`` and taxes say exactly that:
https://docs.stripe.com/api/invoice-line-item/object
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from counterfoil.connectors.stripe.refs import SHIPPING_SUFFIX, canonical
from counterfoil.connectors.stripe.wire import TaxRate, id_of
from counterfoil.connectors.stripe.wire.billing import Line, NoteLine, PretaxCreditAmount, ShippingCost, Tax, TaxAmount
from counterfoil.core.kinds.invoice import InvoiceLine, LineTax
from counterfoil.core.language.money import Money

from .amounts import finite, money, optional_instant
from .places import jurisdiction_of
from .reading import look_up

BEHAVIORS = {"exclusive": False, "inclusive": True}


@dataclass(frozen=True, slots=True)
class TaxSeen:
    """One tax of a line, whichever generation told it. Amounts as Stripe counts them."""

    rate_id: str
    amount: int
    taxable: int | None
    is_inclusive: bool
    reason: str


def invoice_line(line: Line, currency: str, rates: Mapping[str, TaxRate]) -> InvoiceLine:
    """Return one line of an invoice. ``rates`` are the tax rates known by id beside the line's own."""
    taxes = taxes_seen(line.taxes, line.tax_amounts)
    discount = billing_credits(line.pretax_credit_amounts)
    if line.discount_amounts:
        discount += sum(d.amount for d in line.discount_amounts)
    product, price = product_and_price(line)
    quantity = line.quantity_decimal if line.quantity_decimal is not None else Decimal(1 if line.quantity is None else line.quantity)
    return InvoiceLine(
        id=canonical(line.id),
        description=line.description or "",
        amount=money(line.amount, currency),
        discount=money(discount, currency),
        quantity=finite(quantity),
        taxes=line_taxes(taxes, line.amount - discount, currency, known_rates(rates, line.tax_rates, line.tax_amounts)),
        product_id=canonical(product),
        price_id=canonical(price),
        period_start=optional_instant(line.period.start if line.period else None),
        period_end=optional_instant(line.period.end if line.period else None),
        is_proration=is_proration(line),
    )


def note_line(line: NoteLine, currency: str, rates: Mapping[str, TaxRate], credited: Mapping[str, Line]) -> InvoiceLine:
    """Return one line of a credit note; product, price and period are those of the invoice line it credits."""
    taxes = taxes_seen(line.taxes, line.tax_amounts)
    discount = line.discount_amount + billing_credits(line.pretax_credit_amounts)
    of = credited.get(line.invoice_line_item or "")
    product, price = product_and_price(of) if of is not None else ("", "")
    period = of.period if of is not None else None
    return InvoiceLine(
        id=canonical(line.id),
        description=line.description or (of.description if of is not None else "") or "",
        amount=money(line.amount, currency),
        discount=money(discount, currency),
        quantity=Decimal(1 if line.quantity is None else line.quantity),
        taxes=line_taxes(taxes, line.amount - discount, currency, known_rates(rates, line.tax_rates, line.tax_amounts)),
        product_id=canonical(product),
        price_id=canonical(price),
        period_start=optional_instant(period.start if period else None),
        period_end=optional_instant(period.end if period else None),
        of_line_id=canonical(line.invoice_line_item) if line.invoice_line_item else "",
    )


def shipping_line(cost: ShippingCost, document_id: str, currency: str) -> InvoiceLine:
    """Return shipping, which Stripe keeps beside the lines, as one more line.

    ``amount_subtotal`` is before any tax, so inclusive taxes are added to get the printed amount. Without the list of taxes (it has to be
    expanded) the whole tax is taken as one exclusive tax of an unnamed rate.
    """
    seen = [TaxSeen(t.rate.id, t.amount, t.taxable_amount, t.rate.inclusive, t.taxability_reason or "") for t in cost.taxes or ()]
    if cost.taxes is None and cost.amount_tax:
        seen = [TaxSeen("", cost.amount_tax, cost.amount_subtotal, False, "")]
    amount = cost.amount_subtotal + sum(t.amount for t in seen if t.is_inclusive)
    rates = {t.rate.id: t.rate for t in cost.taxes or ()}
    return InvoiceLine(
        id=canonical(document_id + SHIPPING_SUFFIX),
        description="Shipping",
        amount=money(amount, currency),
        discount=money(0, currency),
        taxes=line_taxes(seen, amount, currency, rates),
    )


def taxes_seen(taxes: list[Tax] | None, tax_amounts: list[TaxAmount] | None) -> list[TaxSeen]:
    """Return a line's taxes, from whichever generation's list is there."""
    if taxes is not None:
        return [
            TaxSeen(
                id_of(t.tax_rate_details.tax_rate) if t.tax_rate_details is not None else "",
                t.amount,
                t.taxable_amount,
                look_up(BEHAVIORS, t.tax_behavior, "tax.tax_behavior"),
                t.taxability_reason or "",
            )
            for t in taxes
        ]
    return [TaxSeen(id_of(t.tax_rate), t.amount, t.taxable_amount, t.inclusive, t.taxability_reason or "") for t in tax_amounts or ()]


def tied_taxes(lines: Sequence[InvoiceLine], totals: Iterable[TaxSeen], currency: str) -> tuple[InvoiceLine, ...]:
    """Return the lines with taxes that sum to what the document says of each rate, where the source rounds on the subtotal.

    Each line's tax and the total are rounded by at most half a minor unit, so the difference is at most half of the number of lines and one
    half; it goes to the largest tax of that rate. A larger one is left alone: the document does not add up.
    Source: https://docs.stripe.com/tax/calculating ("rounding"), and the setting "round manual tax rates after the subtotal".
    """
    result = list(lines)
    told: dict[tuple[str, bool], int] = {}
    for tax in totals:
        told[canonical(tax.rate_id), tax.is_inclusive] = told.get((canonical(tax.rate_id), tax.is_inclusive), 0) + tax.amount
    for rate, amount in told.items():
        places = [(i, j) for i, line in enumerate(result) for j, tax in enumerate(line.taxes) if (tax.rate_id, tax.is_inclusive) == rate]
        taxes = [result[i].taxes[j].amount for i, j in places]
        missing = money(amount, currency) - sum_money(taxes, currency)
        if missing and taxes and abs(missing.minor) <= (len(taxes) + 1) // 2:
            i, j = max(zip(places, taxes, strict=True), key=lambda found: abs(found[1].minor))[0]
            result[i] = _with_tax(result[i], j, missing)
    return tuple(result)


def _with_tax(line: InvoiceLine, place: int, more: Money) -> InvoiceLine:
    taxes = list(line.taxes)
    taxes[place] = replace(taxes[place], amount=taxes[place].amount + more)
    return replace(line, taxes=tuple(taxes))


def line_taxes(seen: Iterable[TaxSeen], discounted: int, currency: str, rates: Mapping[str, TaxRate]) -> tuple[LineTax, ...]:
    """Return canonical taxes; where Stripe leaves out the taxable amount it is the discounted amount less inclusive taxes."""
    taxes = tuple(seen)
    if not taxes:
        return ()
    net = discounted - sum(t.amount for t in taxes if t.is_inclusive)
    return tuple(_line_tax(t, net, currency, rates.get(t.rate_id)) for t in taxes)


def _line_tax(tax: TaxSeen, net: int, currency: str, rate: TaxRate | None) -> LineTax:
    return LineTax(
        rate_id=canonical(tax.rate_id),
        amount=money(tax.amount, currency),
        taxable=money(net if tax.taxable is None else tax.taxable, currency),
        is_inclusive=tax.is_inclusive,
        percentage=finite(rate.percentage) if rate is not None else None,
        jurisdiction=jurisdiction_of(rate) if rate is not None else "",
        reason=tax.reason,
    )


def known_rates(rates: Mapping[str, TaxRate], own: list[TaxRate] | None, tax_amounts: list[TaxAmount] | None) -> Mapping[str, TaxRate]:
    """Return the rates by id, with those a line carries itself."""
    expanded = [t.tax_rate for t in tax_amounts or () if isinstance(t.tax_rate, TaxRate)]
    carried = {rate.id: rate for rate in (*(own or ()), *expanded)}
    return {**rates, **carried} if carried else rates


def billing_credits(credits: list[PretaxCreditAmount] | None) -> int:
    """Return applied billing credits, which lower the total like a discount (discounts in this list are told elsewhere too).

    Source: https://docs.stripe.com/billing/subscriptions/usage-based/billing-credits
    """
    return sum(c.amount for c in credits if c.type == "credit_balance_transaction") if credits else 0


def product_and_price(line: Line) -> tuple[str, str]:
    """Return Stripe's ids of a line's product and price, empty where it has none."""
    if line.pricing is not None and line.pricing.price_details is not None:
        return line.pricing.price_details.product or "", id_of(line.pricing.price_details.price)
    price = line.price or line.plan
    return (id_of(price.product), price.id) if price is not None else ("", "")


def is_proration(line: Line) -> bool:
    """Whether a line charges or credits part of a period."""
    if line.parent is None:
        return line.proration
    details = (line.parent.invoice_item_details, line.parent.subscription_item_details)
    return any(d.proration for d in details if d is not None)


def sum_money(amounts: Iterable[Money], currency: str) -> Money:
    """Return the sum, zero in the currency for none."""
    total = money(0, currency)
    for amount in amounts:
        total = total + amount
    return total
