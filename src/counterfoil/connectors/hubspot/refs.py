"""Names of things: canonical ids ``hubspot:<portal>.<id>`` (ids are unique within an account alone), fetch references, object types."""

from __future__ import annotations

from typing import NamedTuple

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.kinds.quote import QUOTE
from counterfoil.core.language.ids import ObjectRef

NAMESPACE = "hubspot"
LINE_ITEM = "line_item"
"""No kind of its own: a line item is told as part of its deal."""

TYPE_IDS: dict[str, str] = {COMPANY.name: "0-2", CONTACT.name: "0-1", DEAL.name: "0-3", QUOTE.name: "0-14", LINE_ITEM: "0-8"}
"""The types of objects that are read: https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids"""

PATHS: dict[str, str] = {
    COMPANY.name: "companies", CONTACT.name: "contacts", DEAL.name: "deals", QUOTE.name: "quotes", LINE_ITEM: "line_items",
}  # fmt: skip
"""What each is called in addresses."""

KINDS: tuple[str, ...] = (COMPANY.name, CONTACT.name, DEAL.name, QUOTE.name)
"""The kinds that are told, what is named before what names it."""

BATCH_MAX = 100
"""Records of one batch: https://developers.hubspot.com/docs/api-reference/latest/crm/objects/companies/guide."""
ID_DIGITS_MAX = 20


def kinds_read(*, with_quotes: bool) -> tuple[str, ...]:
    """Return the kinds that are read: quotes only where that is said, as they need a scope of their own."""
    return tuple(kind for kind in KINDS if with_quotes or kind != QUOTE.name)


class Ref(NamedTuple):
    """A reference taken apart."""

    portal: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.portal}/{self.kind}/{self.id}"


def parse(ref: str) -> Ref | None:
    """Return the parts of a reference, None if it is none of ours."""
    portal, _, rest = ref.partition("/")
    kind, _, id = rest.partition("/")
    return Ref(portal, kind, id) if kind in PATHS and is_id(portal) and is_id(id) else None


def is_id(text: str) -> bool:
    """Tell whether a text is a number as HubSpot's ids are."""
    return text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS_MAX


def canonical(portal: int | str, id: str) -> str:
    """Return the canonical id of a record; empty stays empty."""
    return f"{NAMESPACE}:{portal}.{id}" if id else ""


SHOWING: tuple[str, ...] = (COMPANY.name, DEAL.name)
"""The kinds of records a status is shown on."""


def shown_on(portal: int, ref: ObjectRef) -> Ref | None:
    """Return which record of an account a status is shown on; None if it is none of that account's, or of a kind that shows none."""
    prefix = f"{NAMESPACE}:{portal}."
    id = ref.id.removeprefix(prefix)
    return Ref(str(portal), ref.kind, id) if ref.kind in SHOWING and ref.id.startswith(prefix) and is_id(id) else None


def locate(ref: ObjectRef) -> str | None:
    """Return the reference that shows a canonical object, or None if it is not HubSpot's."""
    namespace, _, rest = ref.id.partition(":")
    portal, _, id = rest.partition(".")
    if namespace != NAMESPACE or ref.kind not in KINDS or not is_id(portal) or not is_id(id):
        return None
    return str(Ref(portal, ref.kind, id))
