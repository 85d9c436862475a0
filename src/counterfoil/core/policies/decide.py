"""The one way in: decide(event, view, rules) -> decision, dispatching to one module per kind of object."""

from __future__ import annotations

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.events import Event

from . import masters
from .decision import Decision, View
from .draft import Draft
from .related import related
from .rules import Rules

__all__ = ["Decision", "Rules", "View", "decide", "related"]


def decide(event: Event, view: View, rules: Rules) -> Decision:
    """Return everything the current state of the event's subject calls for.

    Level-triggered: the subject's state is taken from the view (from the event where the view has none), and all commands that
    state calls for are returned, those wished before with the same id. So any event of the subject, in any order and number,
    leads to the same wishes.
    """
    draft = Draft(event, view, rules)
    state = view.get(event.subject) or event.data
    match state:
        case e.Customer():
            masters.customer(draft, state)
        case e.Product():
            masters.product(draft, state)
        case e.Price() | e.TaxRate() | e.Subscription() | e.ErpDocument():
            draft.ignore(f"{event.subject.kind.value}_has_no_counterpart")
        case _:
            draft.ignore("")
    return draft.decision()
