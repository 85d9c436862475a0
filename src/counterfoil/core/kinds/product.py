"""Products: what is sold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.language.records import EventType, Kind, Record, Survivorship, never, newest, nothing, of_no_amount, of_nobody
from counterfoil.core.language.states import Deletable


@dataclass(frozen=True, slots=True)
class Product(Record):
    """What is sold. ``group`` is the product group used in summary posting; empty: ungrouped."""

    id: str
    name: str
    description: str = ""
    sku: str = ""
    group: str = ""
    tax_code: str = ""
    is_active: bool = True
    is_deleted: bool = False


class ProductEvent(EventType):
    """What happens to a product."""

    RELEASED = "product.released"
    RETIRED = "product.retired"


PRODUCT = Kind(
    name="product",
    record=Product,
    noun="product",
    events=ProductEvent,
    lifecycle=Deletable(),
    survivorship=Survivorship.BY_FIELD,
    keeps=newest,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(days=1),
    is_made_again=True,
    ignored={},
)
