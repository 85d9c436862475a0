"""Tax rates of a source."""

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
class TaxRate(Record):
    """A tax rate of the source; percentage 19 means 19 %."""

    id: str
    name: str
    percentage: Decimal
    is_inclusive: bool
    country: str = ""
    jurisdiction: str = ""
    type: str = ""  # vat, sales_tax, jct, gst...


class TaxRateEvent(EventType):
    """What happens to a tax rate."""

    CHANGED = "tax_rate.changed"


TAX_RATE = Kind(
    name="tax_rate",
    record=TaxRate,
    noun="tax rate",
    events=TaxRateEvent,
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
    ignored={Purpose.BOOKS: "tax_rate_has_no_counterpart"},
)
