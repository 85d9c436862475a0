"""HubSpot's payloads, only the fields that are read. Values of properties are texts, whatever type the property has.

Events: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide, journal:
https://developers.hubspot.com/docs/api-reference/latest/webhooks-journal/guide, objects:
https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm, associations:
https://developers.hubspot.com/docs/api-reference/latest/crm/associations/guide.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Head(msgspec.Struct, frozen=True):
    """Of an event what intake needs. ``occurredAt``: milliseconds."""

    subscriptionType: str
    portalId: int
    occurredAt: int
    eventId: int | None = None
    objectTypeId: str | None = None
    fromObjectTypeId: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """What is told of a record, in whatever way: by an event or the journal (numbers), or by a list (``id``, made by this connector).

    No way tells the record itself: it is fetched.
    """

    id: str | None = None
    objectId: int | None = None
    primaryObjectId: int | None = None
    newObjectId: int | None = None
    mergedObjectIds: tuple[int, ...] | None = None
    associationType: str | None = None
    propertyName: str | None = None
    fromObjectId: int | None = None
    fromObjectTypeId: str | None = None
    toObjectId: int | None = None
    toObjectTypeId: str | None = None
    associatedObjectId: int | None = None
    associatedObjectTypeId: str | None = None


class Change(msgspec.Struct, frozen=True):
    """What a list says of a record: that it changed, or that it is deleted, and when. Made by this connector."""

    id: str
    at: str


class Row(msgspec.Struct, frozen=True):
    """A record of any type. ``archived``: deleted."""

    id: str
    properties: dict[str, str | None] = {}
    createdAt: str = ""
    updatedAt: str = ""
    archived: bool = False
    archivedAt: str = ""


class Cursor(msgspec.Struct, frozen=True):
    """Where a list goes on."""

    after: str = ""


class Paging(msgspec.Struct, frozen=True):
    """What follows a page."""

    next: Cursor | None = None


class Rows(msgspec.Struct, frozen=True):
    """A page of records: of a list, a search or a batch."""

    results: tuple[Row, ...] = ()
    paging: Paging | None = None

    @property
    def after(self) -> str:
        """Where the list goes on; empty: it has ended."""
        return self.paging.next.after if self.paging is not None and self.paging.next is not None else ""


class AssociationType(msgspec.Struct, frozen=True):
    """One of the ways two records belong together. ``label``: what people call it; None: the plain way."""

    typeId: int = 0
    label: str | None = None


class AssociationEnd(msgspec.Struct, frozen=True):
    """The other end of an association."""

    toObjectId: int | str
    associationTypes: tuple[AssociationType, ...] = ()


class From(msgspec.Struct, frozen=True):
    """The end that was asked about."""

    id: str


class Associations(msgspec.Struct, frozen=True):
    """What belongs to one record."""

    from_: From = msgspec.field(name="from")
    to: tuple[AssociationEnd, ...] = ()
    paging: Paging | None = None


class AssociationPage(msgspec.Struct, frozen=True):
    """What belongs to each of some records; those to which nothing does are left out."""

    results: tuple[Associations, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """A record as it is kept for normalizing: itself, and what belongs to it (ids; of a deal or quote the line items themselves).

    ``labels``: of a deal's companies, what people call the way in which each belongs to it.
    """

    object: Row
    companies: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    line_items: tuple[Row, ...] = ()
    labels: dict[str, tuple[str, ...]] = {}
    deals: tuple[str, ...] = ()


class OwnersOfLine(msgspec.Struct, frozen=True):
    """The deal or quote a line item stands in (one, or none any more)."""

    deals: tuple[Found, ...] = ()
    quotes: tuple[Found, ...] = ()


class LabelDefinition(msgspec.Struct, frozen=True):
    """One way in which records of two types may belong together."""

    typeId: int = 0
    label: str | None = None


class LabelDefinitions(msgspec.Struct, frozen=True):
    """All ways in which records of two types may belong together."""

    results: tuple[LabelDefinition, ...] = ()


class Details(msgspec.Struct, frozen=True):
    """What an account says of itself: https://developers.hubspot.com/docs/api-reference/latest/account/account-information/guide."""

    portalId: int
    companyCurrency: str = ""
    additionalCurrencies: tuple[str, ...] = ()


class Definition(msgspec.Struct, frozen=True):
    """A property as it is defined: https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide."""

    name: str
    type: str


class Definitions(msgspec.Struct, frozen=True):
    """All properties of a type of object."""

    results: tuple[Definition, ...] = ()


class ErrorDetail(msgspec.Struct, frozen=True):
    """One value that was refused. ``context``: of several shapes, all of them optional."""

    code: str = ""
    in_: str = msgspec.field(name="in", default="")
    context: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """The properties it is about."""
        told = self.context.get("propertyName") if isinstance(self.context, dict) else None
        names = [told] if isinstance(told, str) else told if isinstance(told, list) else [self.in_]
        return tuple(name for name in names if isinstance(name, str) and name)


class BatchError(msgspec.Struct, frozen=True):
    """Why some records of a batch were not taken (207), or, as a whole answer, why none was (400)."""

    category: str = ""
    message: str = ""
    context: dict[str, tuple[str, ...]] = {}
    errors: tuple[ErrorDetail, ...] = ()


class BatchErrors(msgspec.Struct, frozen=True):
    """What of a batch was not taken."""

    errors: tuple[BatchError, ...] = ()


class JournalGap(msgspec.Struct, frozen=True):
    """That the journal could not go on where it was left; ``since``: when it was last read. Made by this connector."""

    since: str = ""


class JournalPlace(msgspec.Struct, frozen=True):
    """Where the file of one entry of the journal lies, and the entry's own place."""

    url: str
    currentOffset: str


class JournalEvent(msgspec.Struct, frozen=True):
    """One event of the journal."""

    action: str
    portalId: int
    occurredAt: str
    objectTypeId: str = ""


class JournalFile(msgspec.Struct, frozen=True):
    """The file of one entry of the journal: each event as it stands there."""

    journalEvents: tuple[msgspec.Raw, ...] = ()


class Token(msgspec.Struct, frozen=True):
    """A token. ``expires_in``: seconds; ``hub_id``: the account it is of, where that is told."""

    access_token: str
    expires_in: int = 0
    hub_id: int = 0


PROPERTIES: dict[str, tuple[str, ...]] = {
    "company": ("name", "domain", "phone", "country", "hs_merged_object_ids", "hs_lastmodifieddate"),
    "contact": ("firstname", "lastname", "email", "phone", "hs_merged_object_ids", "lastmodifieddate"),
    "deal": (
        "dealname", "amount", "deal_currency_code", "dealstage", "pipeline", "closedate", "hs_is_closed", "hs_is_closed_won",
        "hs_merged_object_ids", "hs_lastmodifieddate",
    ),
    "quote": (
        "hs_title", "hs_status", "hs_quote_number", "hs_quote_amount", "hs_currency", "hs_expiration_date", "hs_esign_enabled",
        "hs_esign_num_signers_required", "hs_esign_num_signers_completed", "hs_esign_date", "hs_manually_signed", "hs_payment_status",
        "hs_payment_date", "hs_lastmodifieddate",
    ),
    "line_item": (
        "name", "quantity", "price", "amount", "hs_product_id", "hs_sku", "recurringbillingfrequency", "hs_recurring_billing_start_date",
        "hs_lastmodifieddate",
    ),
}  # fmt: skip

CHANGED_AT: dict[str, str] = {
    "company": "hs_lastmodifieddate",
    "contact": "lastmodifieddate",
    "deal": "hs_lastmodifieddate",
    "quote": "hs_lastmodifieddate",
    "line_item": "hs_lastmodifieddate",
}
"""The property that tells when a record changed last."""
