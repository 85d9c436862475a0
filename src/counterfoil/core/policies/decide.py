"""The one way in: decide(event, view, rules) -> decision, dispatching to one module per kind of object."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules

from counterfoil.core.commands import kinds_for
from counterfoil.core.facts.events import Event
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds import KINDS, kind_of, total_of
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for_destination
from counterfoil.core.language.money import CurrencyError
from counterfoil.core.language.records import KindError, Purpose, Record

from .decision import Decision, Problem, View
from .draft import Draft
from .hierarchies import with_circle
from .policy import Policy, nobody
from .related import affected, related
from .rules import Rules
from .stepping import PROCESSES, begun, step

__all__ = ["Decision", "Rules", "View", "decide", "decided_after", "decided_with", "related"]


def _declared() -> Iterator[Policy]:
    for module in iter_modules(__import__(__package__, fromlist=["__path__"]).__path__):
        if module.name != __name__.rpartition(".")[2]:
            yield from getattr(import_module(f"{__package__}.{module.name}"), "POLICIES", ())


def _checked(declared: Iterable[Policy]) -> Mapping[str, Mapping[Purpose, Policy]]:
    """Return the policies by kind and purpose: one for each kind and purpose, or a rule by which its facts are ignored there.

    A purpose that has a rule for all it is not about needs neither; one that nothing is decided or written for does not start.
    """
    found: dict[str, dict[Purpose, Policy]] = {name: {} for name in KINDS}
    for policy in declared:
        if policy.purpose in found[policy.kind.name]:
            raise KindError(f"kind {policy.kind.name} has two policies for {policy.purpose.value}")
        found[policy.kind.name][policy.purpose] = policy
    for name, kind in KINDS.items():
        for purpose in Purpose:
            has_policy, is_ignored = purpose in found[name], purpose in kind.ignored
            if has_policy and is_ignored:
                raise KindError(f"kind {name} has both a policy and a rule to ignore it for {purpose.value}")
            if not (has_policy or is_ignored or purpose.terms.others):
                raise KindError(f"kind {name} has neither a policy nor a rule to ignore it for {purpose.value}")
    for purpose in Purpose:
        if not any(purpose in policies for policies in found.values()):
            raise KindError(f"purpose {purpose.value} has no policy")
        if not kinds_for(purpose):
            raise KindError(f"purpose {purpose.value} has no kind of command")
    return found


POLICIES: Mapping[str, Mapping[Purpose, Policy]] = _checked(_declared())
"""By kind, what each purpose calls for; made of the ``POLICIES`` of this folder's modules and checked total at import."""

FOLLOWED: frozenset[str] = frozenset(
    name for name, policies in POLICIES.items() if any(one.after is not nobody for one in policies.values())
)
"""The kinds of objects after which others are decided again: see ``decided_after``."""


def decide(event: Event, view: View, rules: Rules) -> Decision:
    """Return everything the current state of the event's subject calls for, for all purposes that have a destination.

    Level-triggered: the subject's state is taken from the view (from the event where the view has none), and all commands that
    state calls for are returned, those wished before with the same id. So any event of the subject, in any order and number,
    leads to the same wishes. What stands in the way of one purpose holds up no other. Of a process, its step is decided beside.
    """
    state = view.get(event.subject) or event.data
    purposes = rules.purposes()
    decided = [_decide_for(purpose, event, state, view, rules) for purpose in purposes]
    process = PROCESSES.get(event.subject.kind)
    if process is not None:
        return together(_apart(event, [*purposes, Purpose.BOOKS], [*decided, step(process, event, state, view, rules)]))
    made = decided[0] if len(decided) == 1 else together(_apart(event, purposes, decided))
    return begun(with_circle(made, view, state), event, state, view, rules)


def _apart(event: Event, purposes: Sequence[Purpose], decided: Sequence[Decision]) -> list[Decision]:
    """Return decisions of which no two wish something of one connection under one external key: the earlier purpose has it, and the other
    goes on without it, with a problem. Two such wishes would take each other's place for ever.
    """
    seen: dict[tuple[str, str], Purpose] = {}
    found = []
    for purpose, one in zip(purposes, decided, strict=True):
        taken = [command for command in one.commands if (command.target, command.external_key) in seen]
        if taken:
            problems = [_taken(event, purpose, command, seen[command.target, command.external_key]) for command in taken]
            rest = tuple(command for command in one.commands if command not in taken)
            one = replace(one, commands=rest, problems=(*one.problems, *problems), held=tuple(dict.fromkeys((*one.held, purpose))))
        seen.update({(command.target, command.external_key): purpose for command in one.commands})
        found.append(one)
    return found


def together(decided: Sequence[Decision]) -> Decision:
    """Return the decisions for several purposes as one. A fact is ignored only if all of them ignore it, by the rules of all."""
    rules = [one.ignored for one in decided]
    return Decision(
        commands=tuple(command for one in decided for command in one.commands),
        waits=tuple(dict.fromkeys(ref for one in decided for ref in one.waits)),
        problems=tuple(dict.fromkeys(problem for one in decided for problem in one.problems)),
        ignored=" and ".join(dict.fromkeys(rules)) if all(rules) else "",
        summary=tuple(item for one in decided for item in one.summary),
        documents=tuple(document for one in decided for document in one.documents),
        withdrawn=tuple(key for one in decided for key in one.withdrawn),
        held=tuple(purpose for one in decided for purpose in one.held),
        again_at=min((one.again_at for one in decided if one.again_at is not None), default=None),
        processes=tuple(record for one in decided for record in one.processes),
        then=tuple(ref for one in decided for ref in one.then),
    )


def _decide_for(purpose: Purpose, event: Event, state: Record, view: View, rules: Rules) -> Decision:
    """Return what one purpose calls for."""
    kind = kind_of(state)
    draft = Draft(event, view, rules, purpose)
    policy = POLICIES[kind.name].get(purpose)
    if policy is None:
        draft.findings.ignore(kind.ignored.get(purpose) or purpose.terms.others)
        return draft.decision()
    try:
        policy.decide(draft, state)
    except (InvariantError, CurrencyError) as error:
        return Decision(problems=(_mismatch(event, state, error),), held=(purpose,))
    decided = draft.decision()
    return decided if decided.has_owner else Decision(problems=(_undecided(event, state),), held=(purpose,))


_LOOKING_BACK: Mapping[str, tuple[Purpose, ...]] = {
    name: tuple(purpose for purpose, policy in policies.items() if policy.looks_back) for name, policies in POLICIES.items()
}


def decided_with(states: Sequence[Record], purposes: Collection[Purpose]) -> dict[ObjectRef, timedelta]:
    """Return the objects to be decided again when an object changed, beside itself, and how long such changes are collected before.

    Args:
        states: the object's state, and the one before if there was one: what it affects no more shows it, too.
        purposes: what is written for. What no policy of these looks back from is left out: nothing of it would be decided otherwise.
    """
    found: dict[ObjectRef, timedelta] = {}
    for ref in affected(*states):
        waits = [purpose.terms.collects for purpose in _LOOKING_BACK[ref.kind] if purpose in purposes]
        if waits:
            found[ref] = min(waits)
    return found


def looks_back(kind: str, purposes: Collection[Purpose]) -> bool:
    """Tell whether objects of a kind are decided in view of what affects them."""
    return any(purpose in purposes for purpose in _LOOKING_BACK[kind])


def sees_documents(kind: str, purposes: Collection[Purpose]) -> bool:
    """Tell whether objects of a kind are decided in view of all documents of the customers they name."""
    return any(policy.sees_documents for purpose, policy in POLICIES[kind].items() if purpose in purposes)


def is_seeing(record: Record, purposes: Collection[Purpose]) -> bool:
    """Tell whether one record is decided in view of all documents of the customers it names."""
    policies = (policy for purpose, policy in POLICIES[kind_of(record).name].items() if purpose in purposes)
    return any(policy.sees_documents and policy.is_seeing(record) for policy in policies)


def decided_after(view: View, record: Record) -> tuple[ObjectRef, ...]:
    """Return the objects to be decided again after an object was.

    What a refund gives back of its payment is what the payment's other refunds leave: it is decided again whenever the payment is, which
    any of them has done when it changes, and any credit note that accounts for one of them. So the last of them to come has all of them
    decided in view of each other.
    """
    policies = POLICIES[kind_of(record).name].values()
    return tuple(dict.fromkeys(ref for policy in policies for ref in policy.after(view, record)))


def _undecided(event: Event, state: Record) -> Problem:
    """Return the problem of a state that calls for nothing, waits for nothing and is ignored by no rule: it would be forgotten."""
    return Problem(
        CaseClass.SCHEMA_DRIFT,
        "decide.nothing_called_for",
        f"{event.subject.key} is in a state that no rule books or names as needing no booking.",
        "Compare it with the source and book it by hand if money moved, then waive this case; and report it: a rule is missing.",
        total_of(state),
    )


def _taken(event: Event, purpose: Purpose, command: Command, other: Purpose) -> Problem:
    return Problem(
        CaseClass.SCHEMA_DRIFT,
        "decide.key_taken",
        f"{event.subject.key} wishes {command.external_key} of {command.target} for {purpose.value}, which {other.value} has.",
        f"Send {purpose.value} or {other.value} to another connection ([[destinations]]); and report it: two rules use one key.",
        command.arguments.money,
        releases_on=wait_for_destination(command.target, purpose.value),
    )


def _mismatch(event: Event, state: Record, error: ValueError) -> Problem:
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "decide.parts_differ",
        f"{event.subject.key} does not add up: {error}.",
        "Nothing of it was booked. Correct it at the source, or report the payload if the source is right.",
        total_of(state),
    )
