"""What a sales system shows of its companies: how the customers stand that they are, by the documents of billing.

A company is those customers that its own system names (``Company.customer_ids``), with all that were merged into them or they into. It is
shown where it came from: one account's companies are no business of another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo

from counterfoil.core.commands.crm import CrmCommand, ShowStatus, StatusPart
from counterfoil.core.kinds.company import COMPANY, Company, CompanyState
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose, Record

from .decision import View
from .draft import Draft
from .policy import Policy, nobody
from .requests import DisplayRequest
from .standing import dunned, next_due, status_of

NAME = "crm_status"


def family(view: View, customers: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
    """Return the known customers among these, with those merged into them and those they were merged into, each once."""
    found: dict[ObjectRef, None] = {}
    following = list(customers)
    while following:
        ref = following.pop(0)
        customer = view.get(ref)
        if ref in found or not isinstance(customer, Customer):
            continue
        found[ref] = None
        following += [CUSTOMER.ref(customer.merged_into)] if customer.merged_into else []
        following += [CUSTOMER.ref(other.id) for other in view.linked_to(ref) if isinstance(other, Customer)]
    return tuple(sorted(found))


def _companies(view: View, customer: Customer) -> tuple[ObjectRef, ...]:
    """Return the companies that show this customer."""
    linked = (one for ref in family(view, (CUSTOMER.ref(customer.id),)) for one in view.linked_to(ref))
    return tuple(dict.fromkeys(COMPANY.ref(one.id) for one in linked if isinstance(one, Company)))


def customer(draft: Draft, _state: Customer) -> None:
    """Show nothing of a customer itself: it is shown by the companies it is, which are decided after it."""
    draft.findings.ignore("customer_is_shown_by_its_companies")


def company(draft: Draft, state: Company) -> None:
    """Show how the customers of a company stand. What was shown of one that names no known customer any more is taken away."""
    ref = COMPANY.ref(state.id)
    places = [place for place in draft.routes.destinations() if place == draft.routes.origin_of(ref).connection]
    if not places:
        draft.findings.ignore("company_is_of_no_destination")
        return
    if state.state is not CompanyState.PRESENT:
        draft.findings.ignore("company_is_not_there")
        return
    customers = family(draft.view, (CUSTOMER.ref(id) for id in state.customer_ids))
    documents = _documents(draft, customers)
    if customers:
        status = status_of(ref, documents, draft.instant, _zone(draft, customers))
        due = next_due(documents, draft.instant)
        if due is not None:
            draft.findings.look_again(due)
    elif draft.past.has_wished(NAME, state.id):  # also if the last of several was never sent: one before it may show
        status = ShowStatus(ref)
    else:
        draft.findings.ignore("company_names_no_known_customer")
        return
    for place in places:
        seen = _shown(draft, place, status, documents)
        draft.outbox.show(DisplayRequest(place, CrmCommand.SHOW_STATUS, NAME, state.id, seen, order_key=ref.key))


def _shown(draft: Draft, place: str, status: ShowStatus, documents: Sequence[Record]) -> ShowStatus:
    """Return what a destination shows of a status: the dunning only where its connector says that it does."""
    if StatusPart.DUNNING not in draft.rules.shows(draft.purpose, place):
        return status
    return dunned(status, documents, lambda one: draft.rules.days_to(one.entity, one.stage))


def _documents(draft: Draft, customers: Iterable[ObjectRef]) -> list[Record]:
    return [one for ref in customers for one in draft.view.documents_of(ref)]


def _zone(draft: Draft, customers: Iterable[ObjectRef]) -> tzinfo:
    """Return the time zone of the legal entity that the first customer with a route is routed to; UTC without any."""
    for ref in customers:
        state = draft.view.get(ref)
        entity = draft.routes.find(ref, state.address.country, state.currency) if isinstance(state, Customer) else None
        if entity is not None:
            return entity.time_zone
    return UTC


POLICIES = (
    Policy(kind=COMPANY, purpose=Purpose.CRM_STATUS, decide=company, after=nobody, looks_back=False, sees_documents=True),
    Policy(
        kind=CUSTOMER, purpose=Purpose.CRM_STATUS, decide=customer, after=lambda view, state: _companies(view, state), looks_back=True,
        sees_documents=False,
    ),
)  # fmt: skip
