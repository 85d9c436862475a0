"""What a sales system shows of its companies and deals: how the customers stand that they are, and what was billed of deals.

A company is those customers that its own system names (``Company.customer_ids``), with all that were merged into them or they into. It is
shown where it came from: one account's companies are no business of another's. A deal shows of those customers' documents the ones that its
own system says came of it (``Deal.billed_as``), or that say so themselves (``deal_ids``). Contacts show nothing: they are persons of a
company, which shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from counterfoil.core.commands.crm import CrmCommand, ShowStatus, StatusPart
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.company import COMPANY, Company, CompanyState
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.deal import DEAL, Deal, DealState
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.kinds.subscription import Subscription
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose, Record

from .decision import Problem, View
from .draft import Draft
from .policy import Policy, nobody
from .requests import DisplayRequest
from .standing import about, dunned, next_due, status_of, subscribed

NAME = "crm_status"
OF_DEALS = "crm_status_deal"
"""Names the wishes of deals: a company's id may be the same."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A status, what it was made of, and the time zone its days are of."""

    status: ShowStatus
    documents: Sequence[Record] = ()
    zone: tzinfo = UTC


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


def _deals(view: View, company: Company) -> tuple[ObjectRef, ...]:
    """Return the deals with a company that show what was billed of them: those that name it, and those that the documents name."""
    naming = (DEAL.ref(one.id) for one in view.linked_to(COMPANY.ref(company.id)) if isinstance(one, Deal))
    customers = family(view, (CUSTOMER.ref(id) for id in company.customer_ids))
    named = (DEAL.ref(id) for ref in customers for one in view.documents_of(ref) for id in _deal_ids(one))
    return tuple(dict.fromkeys((*naming, *named)))


def _deal_ids(document: Record) -> tuple[str, ...]:
    """Return the deals that a document says it came of."""
    return document.deal_ids if isinstance(document, Invoice | Subscription) else ()


def company(draft: Draft, state: Company) -> None:
    """Show how the customers of a company stand. What was shown of one that names no known customer any more is taken away."""
    ref = COMPANY.ref(state.id)
    places = _places(draft, ref)
    if not places:
        draft.findings.ignore("company_is_of_no_destination")
        return
    if state.state is not CompanyState.PRESENT:
        draft.findings.ignore("company_is_not_there")
        return
    customers = family(draft.view, (CUSTOMER.ref(id) for id in state.customer_ids))
    status = _status(draft, ref, customers, _documents(draft, customers)) if customers else None
    if not _show(draft, places, NAME, ref, status):
        draft.findings.ignore("company_names_no_known_customer")


def deal(draft: Draft, state: Deal) -> None:
    """Show what was billed of a deal, of the customers its companies are: of several, those of the one that buys.

    What was shown of one that names nothing known is taken away; where it cannot be told who buys, it stays until a person has said so.
    """
    ref = DEAL.ref(state.id)
    places = [place for place in _places(draft, ref) if StatusPart.DEALS in draft.rules.shows(draft.purpose, place)]
    if not places:
        draft.findings.ignore("deal_is_of_no_destination")
        return
    if state.state in (DealState.DELETED, DealState.MERGED):
        draft.findings.ignore("deal_is_not_there")
        return
    if state.billed_as and len(state.buying_company_ids) > 1:
        draft.findings.problem(_undecided(state))
        return
    companies = [one for id in state.buying_company_ids or state.company_ids if isinstance(one := draft.view.get(COMPANY.ref(id)), Company)]
    customers = family(draft.view, (CUSTOMER.ref(id) for one in companies for id in one.customer_ids))
    known = _documents(draft, customers)
    documents = about(known, {*state.billed_as, *(ref_of(one).key for one in known if state.id in _deal_ids(one))})
    status = _status(draft, ref, customers, documents) if documents else None
    if not _show(draft, places, OF_DEALS, ref, status):
        draft.findings.ignore("deal_names_nothing_billed")


def _undecided(state: Deal) -> Problem:
    """Return the case of a deal of which several companies are marked as the customer."""
    return Problem(
        CaseClass.UNKNOWN_CUSTOMER,
        "decide.deal_customer_undecided",
        f"deal {state.id} has several companies that may be its customer: {', '.join(state.buying_company_ids)}",
        "In the sales system, leave the label that says who is billed on one company of the deal, or make one of them its primary company;"
        " this closes by itself when that is read",
        owner=Purpose.CRM_STATUS.terms.owner,
    )


def _status(draft: Draft, ref: ObjectRef, customers: Iterable[ObjectRef], documents: Sequence[Record]) -> _Seen:
    """Return what a record shows of documents; it is decided again when an open invoice among them becomes due."""
    due = next_due(documents, draft.instant)
    if due is not None:
        draft.findings.look_again(due)
    zone = _zone(draft, customers)
    return _Seen(status_of(ref, documents, draft.instant, zone), documents, zone)


def _show(draft: Draft, places: Iterable[str], name: str, ref: ObjectRef, seen: _Seen | None) -> bool:
    """Show a status at every place, or, of None, that there is none any more; return False if none was shown before either."""
    if seen is None and not draft.past.has_wished(name, ref.id):  # also if the last of several was never sent: one before it may show
        return False
    for place in places:
        shown = _shown(draft, place, seen or _Seen(ShowStatus(ref)))
        draft.outbox.show(DisplayRequest(place, CrmCommand.SHOW_STATUS, name, ref.id, shown, order_key=ref.key))
    return True


def _places(draft: Draft, ref: ObjectRef) -> list[str]:
    """Return the destinations a record came from."""
    return [place for place in draft.routes.destinations() if place == draft.routes.origin_of(ref).connection]


def _shown(draft: Draft, place: str, seen: _Seen) -> ShowStatus:
    """Return what a destination shows of a status: of dunning and subscriptions only what its connector says that it does."""
    parts, status = draft.rules.shows(draft.purpose, place), seen.status
    if StatusPart.DUNNING in parts:
        status = dunned(status, seen.documents, lambda one: draft.rules.days_to(one.entity, one.stage))
    return subscribed(status, seen.documents, seen.zone) if StatusPart.SUBSCRIPTIONS in parts else status


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
    Policy(kind=COMPANY, purpose=Purpose.CRM_STATUS, decide=company, after=_deals, looks_back=False, sees_documents=True),
    Policy(
        # Whether a document names it, only the documents say.
        kind=DEAL, purpose=Purpose.CRM_STATUS, decide=deal, after=nobody, looks_back=True, sees_documents=True,
        is_seeing=lambda deal: bool(deal.company_ids),
    ),
    Policy(
        kind=CUSTOMER, purpose=Purpose.CRM_STATUS, decide=customer, after=lambda view, state: _companies(view, state), looks_back=True,
        sees_documents=False,
    ),
)  # fmt: skip
