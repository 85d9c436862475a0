"""Companies as a sales system keeps them: whom it deals with. No customers of the books: those come from where bills come from."""

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
    nothing,
    of_no_amount,
    of_nobody,
)
from counterfoil.core.language.states import States


class CompanyState(StrEnum):
    """Canonical states of companies."""

    PRESENT = "present"
    DELETED = "deleted"  # may be restored
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Company(Record):
    """Whom a sales system deals with. ``merged_into`` holds the survivor's id once this one was merged; country as the system says it.

    ``customer_ids``: the customers of other systems that it is, by canonical id, as its own system says. ``parent_id``: the company it
    belongs to, by canonical id, as its own system says; nothing of the parent's becomes its own by that.
    """

    id: str
    name: str
    state: CompanyState = CompanyState.PRESENT
    domain: str = ""
    phone: str = ""
    country: str = ""
    merged_into: str = ""
    customer_ids: tuple[str, ...] = ()
    parent_id: str = ""


class CompanyEvent(EventType):
    """What happens to a company."""

    CREATED = "company.created"
    UPDATED = "company.updated"
    MERGED = "company.merged"
    DELETED = "company.deleted"
    RESTORED = "company.restored"


_S = CompanyState


def _keeps(newer: Company, older: Company) -> Company:
    """Keep the survivor of a merge, and of what is deleted or merged all that was known: it may be told as no more than its id."""
    if newer.state is _S.PRESENT:
        return newer
    return replace(
        newer,
        state=_S.MERGED if older.state is _S.MERGED else newer.state,
        name=newer.name or older.name,
        domain=newer.domain or older.domain,
        phone=newer.phone or older.phone,
        country=newer.country or older.country,
        merged_into=newer.merged_into or older.merged_into,
        customer_ids=newer.customer_ids or older.customer_ids,
        parent_id=newer.parent_id or older.parent_id,
    )


COMPANY = Kind(
    name="company",
    record=Company,
    noun="company",
    events=CompanyEvent,
    lifecycle=States(CompanyState, {_S.PRESENT: (_S.DELETED, _S.MERGED), _S.DELETED: (_S.PRESENT, _S.MERGED), _S.MERGED: ()}),
    survivorship=Survivorship.BY_FIELD,
    keeps=_keeps,
    refers_to=(
        Reference("company", lambda company: (company.merged_into,)),
        Reference("customer", lambda company: company.customer_ids, is_link=True),
        Reference("company", lambda company: (company.parent_id,), is_alone=True),
    ),
    affects=(),
    # The deals that show what was billed of them are decided after it.
    is_looked_back_from=lambda _company: True,
    total=of_no_amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=lambda company: tuple(text for text in (company.name, company.domain) if text),
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "company_has_no_counterpart"},
)
