"""Companies that belong to others: parents that lead in a circle are no hierarchy, and a case, whatever the company is decided for.

What a company owes stays its own, whatever it belongs to: a parent is neither written into the books nor shown as anybody's standing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from counterfoil.core.identity.merges import chain
from counterfoil.core.kinds.company import COMPANY, Company, CompanyState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import wait_for
from counterfoil.core.language.records import Purpose, Record

from .decision import Decision, Problem, View


def circle_of(view: View, company: Company) -> tuple[str, ...]:
    """Return the companies of the circle that a company is in, by their parents from it on; none if it is in none.

    One that belongs to a circle without being in it has a parent as any other. Of more companies than are looked at no circle is seen.
    """

    def parent_of(id: str) -> str:
        found = company if id == company.id else view.get(COMPANY.ref(id))
        return found.parent_id if isinstance(found, Company) and found.state is CompanyState.PRESENT else ""

    above = chain(company.id, parent_of)
    return above.ids if above.is_circle and above.ids[0] == company.id else ()


def with_circle(decision: Decision, view: View, state: Record) -> Decision:
    """Return the decision of a company that is, through its parents, its own parent, with that problem, and looked at again with any word
    of a company of its circle; of anything else the decision as it is.
    """
    circle = circle_of(view, state) if isinstance(state, Company) else ()
    if not circle:
        return decision
    waits = (*decision.waits, *map(COMPANY.ref, circle))
    return replace(decision, problems=(*decision.problems, _in_a_circle(circle)), waits=tuple(dict.fromkeys(waits)))


def _in_a_circle(circle: Sequence[str]) -> Problem:
    """Return the problem of a circle: one for all of its companies, whichever is decided."""
    first = circle.index(min(circle))
    ordered = (*circle[first:], *circle[: first + 1])
    return Problem(
        CaseClass.OWNERSHIP_VIOLATION,
        "decide.companies_in_a_circle",
        f"Companies belong to each other in a circle, so none of them is the parent of the others: {' to '.join(ordered)}.",
        "Correct the parent of one of them where it is kept, and this case closes by itself. Until then none of them counts as another's"
        " parent; all else of them goes on as before.",
        releases_on=wait_for(COMPANY.ref(ordered[0])),
        owner=Purpose.CRM_STATUS.terms.owner,
    )
