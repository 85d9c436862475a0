"""Who a customer is by now: the one that is left of all merges."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.identity.merges import chain
from counterfoil.core.kinds import total_of
from counterfoil.core.kinds.customer import CUSTOMER, Customer

from . import refusals
from .draft import Draft


def customer_of(draft: Draft, customer_id: str) -> Customer | None:
    """Return the customer that survived all merges, or None and wait for it; adds a problem if merges lead in a circle."""
    if not customer_id:
        return None

    def merged_into(id: str) -> str:
        found = draft.view.get(CUSTOMER.ref(id))
        return found.merged_into if isinstance(found, Customer) else ""

    merges = chain(customer_id, merged_into)
    if merges.is_circle:
        _in_a_circle(draft, merges.ids)
        return None
    found = draft.view.get(CUSTOMER.ref(merges.survivor))
    if not isinstance(found, Customer):
        draft.findings.wait_for(CUSTOMER.ref(merges.survivor))
        return None
    return found


def survivor_of(draft: Draft, customer_id: str) -> str:
    """Return the id of the customer that survived all merges as far as they are known; waits for a customer that is not known."""
    found = customer_of(draft, customer_id)
    return found.id if found else customer_id


def _in_a_circle(draft: Draft, circle: Sequence[str]) -> None:
    """Add the problem of a circle of merges, and wait for a new state of any of its customers."""
    draft.findings.problem(refusals.merged_in_a_circle(circle, total_of(draft.state)))
    for customer_id in circle:
        draft.findings.wait_for(CUSTOMER.ref(customer_id))
