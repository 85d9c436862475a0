"""Pages of what a target holds: what bears our keys, and what was there before the hub."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from counterfoil.core.identity.adopted_documents import ExistingDocument
from counterfoil.core.identity.adoption import ExistingRecord


@dataclass(frozen=True, slots=True)
class KnownPage:
    """One page of what a target holds under our external keys: (external key, external id as an outcome names it).

    ``is_listed`` False: the target, or the rights of our user, do not allow such a list; everything is then resolved by its key instead.
    """

    records: tuple[tuple[str, str], ...]
    cursor: str
    has_more: bool
    is_listed: bool = True


class Holding(StrEnum):
    """What a target may hold before the hub comes."""

    CUSTOMERS = "customers"
    DOCUMENTS = "documents"  # posted invoices, credit notes and payments


@dataclass(frozen=True, slots=True)
class ExistingPage:
    """One page of what a target holds, whoever made it; ``cursor`` continues after it."""

    records: tuple[ExistingRecord | ExistingDocument, ...]
    cursor: str
    has_more: bool
