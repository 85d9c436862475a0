"""The one way in: decide(event, view, rules) -> decision, dispatching to one module per kind of object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from counterfoil.core.facts.events import Event
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds import KINDS, kind_of, total_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import CurrencyError
from counterfoil.core.language.records import KindError, Purpose, Record

from .decision import CaseClass, Decision, Problem, View
from .draft import Draft
from .policy import Policy, nobody
from .related import related
from .rules import Rules

__all__ = ["Decision", "Rules", "View", "decide", "decided_after", "related"]


def _declared() -> Iterator[Policy]:
    for module in iter_modules(__import__(__package__, fromlist=["__path__"]).__path__):
        if module.name != __name__.rpartition(".")[2]:
            yield from getattr(import_module(f"{__package__}.{module.name}"), "POLICIES", ())


def _checked(declared: Iterable[Policy]) -> Mapping[str, Mapping[Purpose, Policy]]:
    """Return the policies by kind and purpose: one for each kind and purpose, or a rule by which its facts are ignored there."""
    found: dict[str, dict[Purpose, Policy]] = {name: {} for name in KINDS}
    for policy in declared:
        if policy.purpose in found[policy.kind.name]:
            raise KindError(f"kind {policy.kind.name} has two policies for {policy.purpose.value}")
        found[policy.kind.name][policy.purpose] = policy
    for name, kind in KINDS.items():
        for purpose in Purpose:
            if (purpose in found[name]) == (purpose in kind.ignored):
                what = "both a policy and a rule to ignore it" if purpose in kind.ignored else "neither a policy nor a rule to ignore it"
                raise KindError(f"kind {name} has {what} for {purpose.value}")
    return found


POLICIES: Mapping[str, Mapping[Purpose, Policy]] = _checked(_declared())
"""By kind, what each purpose calls for; made of the ``POLICIES`` of this folder's modules and checked total at import."""

FOLLOWED: frozenset[str] = frozenset(
    name for name, policies in POLICIES.items() if any(one.after is not nobody for one in policies.values())
)
"""The kinds of objects after which others are decided again: see ``decided_after``."""


def decide(event: Event, view: View, rules: Rules) -> Decision:
    """Return everything the current state of the event's subject calls for.

    Level-triggered: the subject's state is taken from the view (from the event where the view has none), and all commands that
    state calls for are returned, those wished before with the same id. So any event of the subject, in any order and number,
    leads to the same wishes.
    """
    draft = Draft(event, view, rules)
    state = view.get(event.subject) or event.data
    try:
        _dispatch(draft, state)
    except (InvariantError, CurrencyError) as error:
        return Decision(problems=(_mismatch(event, state, error),))
    decided = draft.decision()
    return decided if decided.has_owner else Decision(problems=(_undecided(event, state),))


def decided_after(view: View, record: Record) -> tuple[ObjectRef, ...]:
    """Return the objects to be decided again after an object was.

    What a refund gives back of its payment is what the payment's other refunds leave: it is decided again whenever the payment is, which
    any of them has done when it changes, and any credit note that accounts for one of them. So the last of them to come has all of them
    decided in view of each other.
    """
    policies = POLICIES[kind_of(record).name].values()
    return tuple(dict.fromkeys(ref for policy in policies for ref in policy.after(view, record)))


def _dispatch(draft: Draft, record: Record) -> None:
    """Have every purpose say what it calls for. A fact is ignored only if all of them ignore it."""
    kind = kind_of(record)
    policies = POLICIES[kind.name]
    for policy in policies.values():
        policy.decide(draft, record)
    if not policies:
        draft.ignore(" and ".join(dict.fromkeys(kind.ignored.values())))


def _undecided(event: Event, state: Record) -> Problem:
    """Return the problem of a state that calls for nothing, waits for nothing and is ignored by no rule: it would be forgotten."""
    return Problem(
        CaseClass.SCHEMA_DRIFT,
        "decide.nothing_called_for",
        f"{event.subject.key} is in a state that no rule books or names as needing no booking.",
        "Compare it with the source and book it by hand if money moved, then waive this case; and report it: a rule is missing.",
        total_of(state),
    )


def _mismatch(event: Event, state: Record, error: ValueError) -> Problem:
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "decide.parts_differ",
        f"{event.subject.key} does not add up: {error}.",
        "Nothing of it was booked. Correct it at the source, or report the payload if the source is right.",
        total_of(state),
    )
