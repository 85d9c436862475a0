"""What the books themselves tell: documents as the ERP now has them, and journal entries given as such; part of ``entities``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from .money import Money


class ErpState(StrEnum):
    """The ERP side of a document (domain: two facts about one document are never squeezed into one field)."""

    NONE = "none"
    DRAFT = "draft"
    POSTED = "posted"
    CANCELED = "canceled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ErpDocument:
    """What the ERP now says of a document: reported by change capture, whoever made the change.

    Attributes:
        partner_id: the target's own id of whom the document is with (``res.partner/8``); empty where it has none.
        lines_digest: stands for accounts, partners, currencies and amounts of the lines: another one, other lines. Empty: not looked at.
        changed_by: the user who wrote it last, as the target names him; empty where it does not say.
    """

    id: str  # canonical id: <connection>:<model>/<db id>
    kind: str  # invoice, credit_note, payment, entry
    state: ErpState
    number: str
    currency: str
    total: Money
    residual: Money
    is_settled: bool
    accounting_date: date | None
    external_key: str = ""
    changed_at: datetime | None = None
    partner_id: str = ""
    lines_digest: str = ""
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class OpeningEntryLine:
    """One line of an imported journal entry: an account role or an ERP account code, and a signed amount (debit > 0)."""

    account: str
    amount: Money
    description: str = ""
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """A journal entry given as such: opening balances and historical import. Lines sum to zero."""

    id: str
    entity: str
    effective_on: date
    lines: tuple[OpeningEntryLine, ...]
    description: str = ""
