"""Prices of products."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from counterfoil.core.language.records import (
    EventType,
    Kind,
    Purpose,
    Record,
    Survivorship,
    never,
    newest,
    nothing,
    of_no_amount,
    of_nobody,
)
from counterfoil.core.language.states import Stateless


@dataclass(frozen=True, slots=True)
class Price(Record):
    """A price of a product; unit_amount is decimal minor units of the currency, None when tiered or custom."""

    id: str
    product_id: str
    currency: str
    unit_amount: Decimal | None
    nickname: str = ""
    interval: str = ""  # day, week, month, year; empty: one-off
    interval_count: int = 0
    is_active: bool = True


class PriceEvent(EventType):
    """What happens to a price."""

    RELEASED = "price.released"
    RETIRED = "price.retired"


PRICE = Kind(
    name="price",
    record=Price,
    noun="price",
    events=PriceEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "price_has_no_counterpart"},
)
