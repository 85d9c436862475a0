"""Problems of things that cannot be booked where, when or as they would have to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for, wait_for_entity, wait_for_period, wait_for_route
from counterfoil.core.language.money import Money

from .decision import Origin, Problem
from .rules import EntityRules


def entity_gone(ref: ObjectRef, name: str, money: Money | None) -> Problem:
    """Return the problem of something that was booked, or follows what was, in an entity that is declared no longer."""
    return Problem(
        CaseClass.UNMAPPED_ACCOUNT,
        "decide.entity_gone",
        f"{ref.key} was booked in the books of entity {name!r}, which the configuration does not declare any more.",
        f"Declare entity {name!r} again, with its books, until nothing of it is open; new facts go where the routes send them.",
        money,
        releases_on=wait_for_entity(name),
        entity=name,
    )


def merged_in_a_circle(circle: Sequence[str], money: Money | None) -> Problem:
    """Return the problem of what belongs to customers of whom none is left: each was merged into the next, the last into the first.

    Whatever belongs to one of them has the same cause, whichever of them it names; ``circle``: their ids in that order.
    """
    first = circle.index(min(circle))
    ordered = (*circle[first:], *circle[: first + 1])
    return Problem(
        CaseClass.UNKNOWN_CUSTOMER,
        "decide.customers_merged_in_a_circle",
        f"Customers are merged in a circle, so none is left to book for: {' into '.join(ordered)}.",
        "Correct merged_into of one of them at the source: it must name a customer that is not merged (an empty one undoes the merge)."
        " What waits is booked as soon as that arrives.",
        money,
        releases_on=wait_for(CUSTOMER.ref(ordered[0])),
    )


def no_route(ref: ObjectRef, origin: Origin, by: tuple[str, str], money: Money | None) -> Problem:
    """Return the problem of something no route sends anywhere; ``by``: the country and the currency it was routed by."""
    where = f"connection {origin.connection!r}, account {origin.account!r}, country {by[0]!r}, currency {by[1]!r}"
    return Problem(
        CaseClass.UNMAPPED_ACCOUNT,
        "decide.no_route",
        f"No route sends this to a legal entity: {where}.",
        "Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take"
        " what it told for the new one's: `counterfoil identity rename-source`.",
        money,
        releases_on=wait_for_route(origin.connection),
    )


def changed_after_posting(ref: ObjectRef, booked: str, entity: str, money: Money | None) -> Problem:
    """Return the problem of something that is another at the source than it was when it was booked."""
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "decide.changed_after_posting",
        f"{ref.key} was changed at the source after {booked}.",
        "Correct it at the source by a credit note, or correct the document in the target and waive this case.",
        money,
        entity=entity,
    )


def period_locked(key: str, day: date, entity: EntityRules, locked_until: date | None, money: Money | None) -> Problem:
    """Return the problem of a booking on a locked day, where the entity parks such."""
    return Problem(
        CaseClass.PERIOD_LOCKED,
        "decide.period_locked",
        f"The books of {entity.name} are locked until {locked_until}; what is dated {day} is not posted.",
        "Reopen the period: what waits goes by itself within a minute. Or book late facts on the first open day: `locked_period ="
        ' "first_open_day"` of the entity.',
        money,
        releases_on=wait_for_period(entity.name, day.isoformat()),
        entity=entity.name,
    )
