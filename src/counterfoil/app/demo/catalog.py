"""What the company sells, in each account's own currency: products, prices, coupons and tax rates, created through the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from counterfoil.kit.forms import Nested

from .entities import DemoEntity
from .stripe_plain import StripePlain

PLANS: Mapping[str, tuple[str, str, int]] = {
    "team": ("Team plan", "month", 4900),
    "business": ("Business plan", "month", 14900),
    "weekly": ("Starter plan, weekly", "week", 1290),
    "annual": ("Team plan, annual", "year", 49000),
    "annual_business": ("Business plan, annual", "year", 149000),
}
"""key -> (product, interval, amount in US cents); other currencies: times their factor, whole units without cents."""

GOODS: Mapping[str, tuple[str, int]] = {
    "gateway": ("Gateway hardware", 34900),
    "onboarding": ("Onboarding workshop", 120000),
    "handbook": ("Printed handbook", 3900),
    "overage": ("Usage overage", 0),
}
"""key -> (product, amount in US cents)."""

FACTOR = {"USD": Decimal(1), "EUR": Decimal("0.93"), "JPY": Decimal("1.49")}
"""Price list factor per US cent, in minor units of the currency (a yen is its own minor unit)."""


def price_in(currency: str, cents: int) -> int:
    """Return a list price of so many US cents in minor units of a currency."""
    return int((cents * FACTOR[currency]).to_integral_value())


@dataclass(slots=True)
class Catalog:
    """Ids by our own keys: prices by (key, currency), products, tax rates and coupons."""

    prices: dict[tuple[str, str], str] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    tax_rates: dict[str, str] = field(default_factory=dict)
    coupons: dict[str, str] = field(default_factory=dict)


async def build_catalog(api: StripePlain, entity: DemoEntity) -> Catalog:
    """Create the entity's catalog in its account."""
    catalog = Catalog()
    currencies = (entity.currency, *entity.foreign_currencies)
    for key, (name, interval, cents) in PLANS.items():
        product = await api.post("/v1/products", name=name, metadata={"group": "subscriptions"})
        catalog.products[key] = product["id"]
        for currency in currencies:
            fields: dict[str, Nested] = {"currency": currency.lower(), "unit_amount": price_in(currency, cents)}
            price = await api.post("/v1/prices", product=product["id"], recurring={"interval": interval}, **fields)
            catalog.prices[key, currency] = price["id"]
    for key, (name, _cents) in GOODS.items():
        product = await api.post("/v1/products", name=name, metadata={"group": "hardware" if key == "gateway" else "services"})
        catalog.products[key] = product["id"]
    await _tax_rates(api, entity, catalog)
    await _coupons(api, entity, catalog)
    return catalog


async def _tax_rates(api: StripePlain, entity: DemoEntity, catalog: Catalog) -> None:
    for tax in entity.taxes:
        rate = await api.post(
            "/v1/tax_rates",
            display_name=tax.display_name,
            percentage=tax.percentage,
            inclusive=tax.is_inclusive,
            country=tax.country,
            jurisdiction=tax.jurisdiction,
            tax_type=tax.type,
        )
        catalog.tax_rates[tax.key] = rate["id"]


async def _coupons(api: StripePlain, entity: DemoEntity, catalog: Catalog) -> None:
    coupons: dict[str, dict[str, Nested]] = {
        "welcome": {"percent_off": Decimal("12.5"), "duration": "once", "name": "Welcome"},
        "free": {"percent_off": 100, "duration": "once", "name": "First invoice free"},
        "voucher": {
            "amount_off": price_in(entity.currency, 1000),
            "currency": entity.currency.lower(),
            "duration": "once",
            "name": "Voucher",
        },
    }
    for key, fields in coupons.items():
        catalog.coupons[key] = (await api.post("/v1/coupons", **fields))["id"]
