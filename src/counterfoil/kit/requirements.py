"""What is needed of a target's books, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from counterfoil.core.commands.books import Account


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the hub will need of a target, for its check: entities with their currency, account roles, taxes, currencies it will post in."""

    entities: Mapping[str, str]  # entity -> its currency
    accounts: Mapping[str, tuple[Account, ...]]  # entity -> accounts by role
    taxes: Mapping[str, tuple[str, ...]]  # entity -> target taxes named in mappings
    currencies: tuple[str, ...]
    tax_rates: Mapping[str, Mapping[str, tuple[Decimal, ...]]] = field(default_factory=dict)
    """Entity -> target tax -> percentages of the mapping keys that lead to it, without those a person confirmed as they are."""
    confirmed_taxes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Entity -> target taxes all of whose mappings a person confirmed."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """What deciding needs to know of a target: its version, and the last locked accounting day per entity (None: nothing locked).

    ``locked_until`` holds for everything; ``sales_locked_until`` besides for customers' invoices and credit notes, ``taxed_locked_until``
    for what carries taxes.
    """

    version: str
    locked_until: Mapping[str, date | None]
    sales_locked_until: Mapping[str, date | None] = field(default_factory=dict)
    taxed_locked_until: Mapping[str, date | None] = field(default_factory=dict)
