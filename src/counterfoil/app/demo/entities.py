"""The three legal entities of the demonstration and their taxes: data, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class DemoTax:
    """One sales tax: a rate at the source and the tax of the same meaning in Odoo. ``percentage`` 19 means 19 %.

    ``key`` names it within the demonstration, ``type`` and ``display_name`` are what the source's tax rate says.
    """

    key: str
    name: str
    percentage: Decimal
    is_inclusive: bool
    country: str
    type: str
    display_name: str
    jurisdiction: str = ""


@dataclass(frozen=True, slots=True)
class DemoEntity:
    """One legal entity: its Odoo company, its processor connection, currency and zone.

    ``foreign_currencies``: currencies some of its customers are billed in.
    """

    key: str
    company: str
    currency: str
    country: str
    time_zone: str
    connection: str
    taxes: tuple[DemoTax, ...]
    foreign_currencies: tuple[str, ...] = ()


US = DemoEntity(
    key="US",
    company="Northwind US",
    currency="USD",
    country="US",
    time_zone="America/Los_Angeles",
    connection="stripe_us",
    taxes=(DemoTax("ca", "CA sales tax 8.25%", Decimal("8.25"), False, "US", "sales_tax", "Sales tax", "US - CA"),),
)
DE = DemoEntity(
    key="DE",
    company="Nordwind DE",
    currency="EUR",
    country="DE",
    time_zone="Europe/Berlin",
    connection="stripe_de",
    taxes=(
        DemoTax("ust19", "USt 19%", Decimal(19), False, "DE", "vat", "USt", "DE"),
        DemoTax("ust19_incl", "USt 19% incl.", Decimal(19), True, "DE", "vat", "USt", "DE"),
        DemoTax("ust7", "USt 7%", Decimal(7), False, "DE", "vat", "USt", "DE"),
    ),
    foreign_currencies=("USD",),
)
JP = DemoEntity(
    key="JP",
    company="Kitakaze JP",
    currency="JPY",
    country="JP",
    time_zone="Asia/Tokyo",
    connection="stripe_jp",
    taxes=(
        DemoTax("jct10", "JCT 10%", Decimal(10), False, "JP", "jct", "JCT", "JP"),
        DemoTax("jct10_incl", "JCT 10% incl.", Decimal(10), True, "JP", "jct", "JCT", "JP"),
    ),
)
ENTITIES = (US, DE, JP)
"""The company of the demonstration."""
