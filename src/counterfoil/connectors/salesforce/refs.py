"""Names of things: ids of 15 and 18 characters, canonical ids ``salesforce:<org>.<id>``, fetch references, types of objects. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.language.ids import ObjectRef

NAMESPACE = "salesforce"

ACCOUNT, CONTACTS, OPPORTUNITY = "Account", "Contact", "Opportunity"
LINE_ITEM, CONTACT_ROLE = "OpportunityLineItem", "OpportunityContactRole"
"""The last two are of no kind of their own: a line item and a contact role are told as part of their opportunity."""

KINDS: tuple[str, ...] = (COMPANY.name, CONTACT.name, DEAL.name)
"""The kinds that are told, what is named before what names it."""

OBJECTS: Mapping[str, str] = {COMPANY.name: ACCOUNT, CONTACT.name: CONTACTS, DEAL.name: OPPORTUNITY}
"""What each kind is called in Salesforce."""

SHOWING: Mapping[str, str] = {COMPANY.name: ACCOUNT, DEAL.name: OPPORTUNITY}
"""The kinds of records a status is shown on, and what each is called in Salesforce."""

PARENTS: Mapping[str, str] = {ACCOUNT: "ParentId", OPPORTUNITY: "AccountId"}
"""The field of each type that is written that names what is locked with a record."""

BATCH_MAX = 5_000
"""Records of one batch that is written."""

PARTS: Mapping[str, str] = {"line_item": LINE_ITEM, "contact_role": CONTACT_ROLE}
"""What belongs to an opportunity, and what it is called in Salesforce."""

EVENT_TOPIC = re.compile(r"/event/[A-Za-z]\w{0,79}__e")
DOCUMENT = re.compile(r"[a-z][a-z0-9_]*/(invoice|subscription)")
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
ID = re.compile(r"[A-Za-z0-9]{15}([A-Z0-5]{3})?")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def is_id(text: str) -> bool:
    """Tell whether a text is an id of a record."""
    return ID.fullmatch(text) is not None


def to_18(id: str) -> str:
    """Return an id of 15 characters, of which case counts, with the suffix that makes it safe without; one of 18 stays as it is.

    Source: https://help.salesforce.com/s/articleView?id=000385585&type=1
    """
    if len(id) != 15:
        return id
    blocks = (id[start : start + 5] for start in (0, 5, 10))
    return id + "".join(_SUFFIX[sum(1 << place for place, one in enumerate(block) if "A" <= one <= "Z")] for block in blocks)


class NamingSettings(Protocol):
    """Settings that say which fields name what other systems know."""

    @property
    def customer_ids(self) -> Mapping[str, str]:
        """The fields of accounts, and the systems whose customers they name."""

    @property
    def deal_documents(self) -> Mapping[str, str]:
        """The fields of opportunities, and the systems and kinds of document they name."""


class Ref(NamedTuple):
    """A reference taken apart."""

    org: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.org}/{self.kind}/{self.id}"


def naming_fields(settings: NamingSettings, name: str) -> Mapping[str, str]:
    """Return the fields of a type that name what other systems know, and of what each of them is, as the settings say."""
    return {ACCOUNT: settings.customer_ids, OPPORTUNITY: settings.deal_documents}.get(name, {})


def parse(ref: str) -> Ref | None:
    """Return the parts of a reference, None if it is none of ours."""
    org, _, rest = ref.partition("/")
    kind, _, id = rest.partition("/")
    return Ref(to_18(org), kind, to_18(id)) if (kind in KINDS or kind in PARTS) and is_id(org) and is_id(id) else None


def canonical(org: str, id: str) -> str:
    """Return the canonical id of a record; empty stays empty. Ids are unique within an org alone: a copy of it has the same."""
    return f"{NAMESPACE}:{to_18(org)}.{to_18(id)}" if id else ""


def shown_on(org: str, ref: ObjectRef) -> Ref | None:
    """Return which record of an org a status is shown on; None if it is none of that org's, or of a kind that shows none."""
    prefix = f"{NAMESPACE}:{to_18(org)}."
    id = ref.id.removeprefix(prefix)
    return Ref(to_18(org), ref.kind, to_18(id)) if ref.kind in SHOWING and ref.id.startswith(prefix) and is_id(id) else None


def locate(ref: ObjectRef) -> str | None:
    """Return the reference that shows a canonical object, or None if it is not Salesforce's."""
    namespace, _, rest = ref.id.partition(":")
    org, _, id = rest.partition(".")
    if namespace != NAMESPACE or ref.kind not in KINDS or not is_id(org) or not is_id(id):
        return None
    return str(Ref(to_18(org), ref.kind, to_18(id)))
