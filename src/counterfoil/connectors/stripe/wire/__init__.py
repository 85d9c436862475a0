"""Stripe's payloads, only the fields that are read, in both generations (before and since release ``basil``, 2025-03-31).

Unknown fields pass, a missing required one is refused when decoding. API reference: https://docs.stripe.com/api
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

API_VERSION = "2026-10-28.endive"
"""The version sent with every call, so that fetched and listed objects have one shape: https://docs.stripe.com/api/versioning"""

RELEASES = frozenset({"acacia", "basil", "clover", "dahlia", "endive"})
"""Releases whose shapes are read; each has a version a month. What only previews have (``preview``) is none of them."""


class Stub(Struct, frozen=True):
    """An expanded object of which only the id matters."""

    id: str


Expandable = str | Stub | None
"""An id, or the object in its place: https://docs.stripe.com/api/expanding_objects"""


class ListOf(Struct, Generic[T], frozen=True):
    """A page of objects: https://docs.stripe.com/api/pagination."""

    data: list[T] = []
    has_more: bool = False


class Address(Struct, frozen=True):
    """A postal address."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class TaxRate(Struct, frozen=True):
    """https://docs.stripe.com/api/tax_rates/object - a rate's percentage never changes after its creation."""

    id: str
    display_name: str
    percentage: Decimal
    inclusive: bool
    created: int
    country: str | None = None
    state: str | None = None
    jurisdiction: str | None = None
    tax_type: str | None = None
    active: bool = True


def id_of(value: Expandable | Struct) -> str:
    """Return the id of an expandable field, empty if it is not set."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(getattr(value, "id", ""))
