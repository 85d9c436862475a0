"""What is sold: products, prices and tax rates. Taken from the event's snapshot, in the order of the events' times."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from counterfoil.connectors.stripe import wire
from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.catalog import Price as WirePrice
from counterfoil.connectors.stripe.wire.catalog import Product as WireProduct
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.price import Price, PriceEvent
from counterfoil.core.kinds.product import Product, ProductEvent
from counterfoil.core.kinds.tax_rate import TaxRate, TaxRateEvent
from counterfoil.kit.connector import Normalized

from .amounts import currency_code, decimal_minor, finite, instant
from .places import jurisdiction_of
from .reading import DeliveryNotice, FetchedNotice, ObjectState, decode

_PRODUCT = msgspec.json.Decoder(WireProduct)
_PRICE = msgspec.json.Decoder(WirePrice)
_TAX_RATE = msgspec.json.Decoder(wire.TaxRate)


def needs_when_thin(notice: DeliveryNotice) -> tuple[str, ...]:
    """Nothing is fetched but what a thin event only names."""
    return () if notice.snapshot else (notice.ref(notice.object, notice.object_id),)


def product_facts(fetched: FetchedNotice) -> Normalized:
    """Return the product as the event or list tells it."""
    state = fetched.own("product")
    seen = decode(_PRODUCT, state.body)
    product = product_of(seen, fetched.settings, is_deleted=bool(seen.deleted) or state.is_gone or fetched.kind == "product.deleted")
    is_sold = product.is_active and not product.is_deleted
    kind = ProductEvent.RELEASED if is_sold else ProductEvent.RETIRED
    return (fetched.fact(kind, product, state, instant(seen.created or 0)),)


def product_of(seen: WireProduct, settings: StripeConfig, *, is_deleted: bool) -> Product:
    """Return the canonical product; SKU and product group come from its metadata."""
    metadata = seen.metadata or {}
    return Product(
        id=canonical(seen.id),
        name=seen.name or seen.id,
        description=seen.description or "",
        sku=metadata.get(settings.sku_key, ""),
        group=metadata.get(settings.group_key, ""),
        tax_code=id_of(seen.tax_code),
        is_active=seen.active,
        is_deleted=is_deleted,
    )


def price_facts(fetched: FetchedNotice) -> Normalized:
    """Return the price as the event or list tells it."""
    state = fetched.own("price")
    seen = decode(_PRICE, state.body)
    is_sold = seen.active and not seen.deleted and not state.is_gone and fetched.kind != "price.deleted"
    price = price_of(seen, is_active=is_sold)
    kind = PriceEvent.RELEASED if is_sold else PriceEvent.RETIRED
    return (fetched.fact(kind, price, state, instant(seen.created or 0), price.product_id),)


def price_of(seen: WirePrice, *, is_active: bool) -> Price:
    """Return the canonical price; tiered and custom ones have no unit amount."""
    amount = seen.unit_amount_decimal
    if amount is None and seen.unit_amount is not None:
        amount = Decimal(seen.unit_amount)
    return Price(
        id=canonical(seen.id),
        product_id=canonical(id_of(seen.product)),
        currency=currency_code(seen.currency),
        unit_amount=None if amount is None else decimal_minor(amount, seen.currency),
        nickname=seen.nickname or "",
        interval=seen.recurring.interval if seen.recurring else "",
        interval_count=seen.recurring.interval_count if seen.recurring else 0,
        is_active=is_active,
    )


def tax_rate_facts(fetched: FetchedNotice) -> Normalized:
    """Return the tax rate as the event or list tells it."""
    state = fetched.own("tax_rate")
    return (_tax_rate_fact(fetched, decode(_TAX_RATE, state.body), state),)


def tax_rate_side_facts(fetched: FetchedNotice, rates: list[wire.TaxRate]) -> tuple[Fact, ...]:
    """Return the rates that a document's lines name: rates made by automatic tax send no events of their own.

    Their sequence is their creation, so that a later change told by an event of the rate stays on top.
    """
    return tuple(
        fetched.side_fact(TaxRateEvent.CHANGED, tax_rate_of(rate), ObjectState(b"", rate.created * 1_000_000), instant(rate.created))
        for rate in rates
    )


def tax_rate_of(seen: wire.TaxRate) -> TaxRate:
    """Return the canonical tax rate."""
    return TaxRate(
        id=canonical(seen.id),
        name=seen.display_name,
        percentage=finite(seen.percentage),
        is_inclusive=seen.inclusive,
        country=seen.country or "",
        jurisdiction=jurisdiction_of(seen),
        type=seen.tax_type or "",
    )


def _tax_rate_fact(fetched: FetchedNotice, seen: wire.TaxRate, state: ObjectState) -> Fact:
    return fetched.fact(TaxRateEvent.CHANGED, tax_rate_of(seen), state, instant(seen.created))
