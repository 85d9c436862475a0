"""Contacts as a sales system keeps them: the persons it deals with. No customers of the books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from counterfoil.core.language.records import (
    EventType,
    Kind,
    Purpose,
    Record,
    Reference,
    Survivorship,
    never,
    nothing,
    of_no_amount,
    of_nobody,
)
from counterfoil.core.language.states import States


class ContactState(StrEnum):
    """Canonical states of contacts."""

    PRESENT = "present"
    DELETED = "deleted"  # may be restored
    MERGED = "merged"
    ERASED = "erased"  # by the person's right: nothing personal is kept, and it never comes back


@dataclass(frozen=True, slots=True)
class Contact(Record):
    """A person a sales system deals with, and for which companies. ``merged_into``: the survivor's id once this one was merged."""

    id: str
    name: str
    state: ContactState = ContactState.PRESENT
    email: str = ""
    phone: str = ""
    company_ids: tuple[str, ...] = ()
    merged_into: str = ""


class ContactEvent(EventType):
    """What happens to a contact."""

    CREATED = "contact.created"
    UPDATED = "contact.updated"
    MERGED = "contact.merged"
    DELETED = "contact.deleted"
    RESTORED = "contact.restored"
    ERASED = "contact.erased"


_S = ContactState


def _keeps(newer: Contact, older: Contact) -> Contact:
    """Keep of a deleted contact what was known; of an erased one nothing personal, whatever came.

    Of a merged one neither: all of it is its survivor's, and whoever erases the survivor erases the person.
    """
    states, merged_into = (newer.state, older.state), newer.merged_into or older.merged_into
    if _S.ERASED in states:
        return Contact(newer.id, "", _S.ERASED, merged_into=merged_into)
    if newer.state is _S.PRESENT:
        return newer
    if _S.MERGED in states:
        return Contact(newer.id, "", _S.MERGED, merged_into=merged_into)
    return replace(
        newer,
        name=newer.name or older.name,
        email=newer.email or older.email,
        phone=newer.phone or older.phone,
        company_ids=newer.company_ids or older.company_ids,
    )


CONTACT = Kind(
    name="contact",
    record=Contact,
    noun="contact",
    events=ContactEvent,
    lifecycle=States(
        ContactState,
        {
            _S.PRESENT: (_S.DELETED, _S.MERGED, _S.ERASED),
            _S.DELETED: (_S.PRESENT, _S.MERGED, _S.ERASED),
            _S.MERGED: (_S.ERASED,),
            _S.ERASED: (),
        },
        erased=_S.ERASED,
    ),
    survivorship=Survivorship.WHOLE,
    keeps=_keeps,
    refers_to=(
        Reference("contact", lambda contact: (contact.merged_into,)),
        Reference("company", lambda contact: contact.company_ids),
    ),
    affects=(),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=lambda contact: tuple(text for text in (contact.name, contact.email) if text),
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "contact_has_no_counterpart"},
)
