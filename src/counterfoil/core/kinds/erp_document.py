"""Documents as the ERP now has them, reported by change capture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Purpose, Record, Survivorship, never, newest, nothing, of_nobody
from counterfoil.core.language.states import Stateless


class ErpState(StrEnum):
    """The ERP side of a document (domain: two facts about one document are never squeezed into one field)."""

    NONE = "none"
    DRAFT = "draft"
    POSTED = "posted"
    CANCELED = "canceled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ErpDocument(Record):
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


class ErpDocumentEvent(EventType):
    """What happens to a document in the ERP."""

    CHANGED = "erp.document_changed"


ERP_DOCUMENT = Kind(
    name="erp_document",
    record=ErpDocument,
    noun="document in the books",
    events=ErpDocumentEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=lambda document: document.total,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "erp_document_has_no_counterpart"},
)
