"""Salesforce's payloads, only what is read. A row is a text for each field, whichever API it came by; empty is no value.

Fields: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_list.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .refs import ACCOUNT, CONTACT_ROLE, CONTACTS, LINE_ITEM, OPPORTUNITY

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Row = dict[str, str]
"""Values by field; of a parent's field by the way to it: ``Product2.Name``."""

STAMPS = ("Id", "IsDeleted", "CreatedDate", "SystemModstamp")
"""What every record has."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    ACCOUNT: (*STAMPS, "Name", "MasterRecordId", "ParentId", "Website", "Phone", "BillingCountry"),
    CONTACTS: (*STAMPS, "Name", "MasterRecordId", "AccountId", "Email", "Phone"),
    OPPORTUNITY: (*STAMPS, "Name", "AccountId", "StageName", "IsClosed", "IsWon", "Amount", "CloseDate"),
    LINE_ITEM: (*STAMPS, "OpportunityId", "Product2Id", "ProductCode", "Quantity", "UnitPrice", "ServiceDate"),
    CONTACT_ROLE: (*STAMPS, "OpportunityId", "ContactId", "IsPrimary"),
}
"""The fields that are read of each type, which every org has. One that is hidden from the integration user stops reading."""

OPTIONAL: Mapping[str, tuple[str, ...]] = {
    ACCOUNT: ("BillingCountryCode",),
    OPPORTUNITY: ("CurrencyIsoCode", "RecordTypeId"),
}
"""Fields that are read where an org has them: country picklists, several currencies, record types."""


class Found(msgspec.Struct, frozen=True):
    """A record as it is kept for normalizing, with what belongs to an opportunity. ``read_at``: of a list's row, when it was read."""

    object: Row
    lines: tuple[Row, ...] = ()
    contacts: tuple[Row, ...] = ()
    read_at: str = ""


class Notice(msgspec.Struct, frozen=True):
    """What a list says of an opportunity: that it, a line or a contact role of it changed, and when. Made by this connector."""

    id: str
    at: str


class Change(msgspec.Struct, frozen=True):
    """What a stream says of one record. Made by this connector of a change event, or of a platform event.

    Attributes:
        entity, id: which record; ``opportunity``: the one it belongs to, if the event says so.
        change: the change type of the event; empty: a platform event names the record.
        fields: the fields that changed, by their names (``BillingAddress.City``); empty: it is not said which.
        nulled, diff: of these, those that were emptied, and those told as a difference.
        by, origin: the user, and through which client.
    """

    entity: str
    id: str
    change: str = ""
    fields: tuple[str, ...] = ()
    nulled: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    opportunity: str = ""
    by: str = ""
    origin: str = ""


class StreamGap(msgspec.Struct, frozen=True):
    """What a stream did not tell: everything on a topic since an instant, or what an event on it says."""

    topic: str
    since: str = ""


class DealsOfPart(msgspec.Struct, frozen=True):
    """The opportunity a line item or contact role belongs to; none any more if it is gone for good."""

    deals: tuple[Found, ...] = ()


class QueryPage(msgspec.Struct, frozen=True):
    """A page of a query. ``nextRecordsUrl``: the path of the next one."""

    records: tuple[dict[str, Any], ...] = ()
    done: bool = True
    nextRecordsUrl: str = ""


class PicklistValue(msgspec.Struct, frozen=True):
    """A value of a picklist as it is described."""

    value: str = ""
    active: bool = True


class FieldDefinition(msgspec.Struct, frozen=True):
    """A field as it is described."""

    name: str
    type: str = ""
    updateable: bool = False
    picklistValues: tuple[PicklistValue, ...] = ()


class Description(msgspec.Struct, frozen=True):
    """A type of object as it is described: only what the integration user may see."""

    fields: tuple[FieldDefinition, ...] = ()


def flat(record: Mapping[str, Any]) -> Row:
    """Return a record of a JSON answer as a row: of parents their fields, of children nothing."""
    row: Row = {}
    for name, value in record.items():
        if name == "attributes" or (isinstance(value, dict) and "records" in value):
            continue
        if isinstance(value, dict):
            row |= {f"{name}.{inner}": text for inner, text in flat(value).items()}
        else:
            row[name] = text_of(value)
    return row


def text_of(value: Any) -> str:
    """Return a value of a JSON answer as a text; numbers keep their digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(str(value))


def plain(text: str) -> str:
    """Return a value as all APIs have it: REST ends an instant with ``+0000``, Bulk with ``Z``."""
    return f"{text[:-1]}+0000" if _INSTANT.fullmatch(text) else text
