"""What is known of whoever buys, beside who it is: where, and how it stands towards tax."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; country is ISO 3166-1 alpha-2. Empty string: not given."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


NOWHERE = Address()
"""No address given."""


@dataclass(frozen=True, slots=True)
class TaxId:
    """A tax registration, e.g. type ``eu_vat``, value ``DE123456789``."""

    type: str
    value: str


class TaxExemption(StrEnum):
    """How a customer stands towards sales tax."""

    NONE = "none"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
