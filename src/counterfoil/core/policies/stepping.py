"""Processes beside policies: which records begin one, which it looks at, and the step of its own state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from importlib import import_module
from pkgutil import iter_modules

from counterfoil.core.facts.events import Event, ref_of
from counterfoil.core.kinds import kind_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import KindError, Record

from .decision import Decision, View
from .draft import Draft
from .process import Get, Process
from .rules import Rules

_PLACE = "counterfoil.core.processes"


def _declared() -> Mapping[str, Process]:
    """Return the processes by the kind of their state: of each file of ``core/processes`` its ``PROCESSES``."""
    found: dict[str, Process] = {}
    for module in iter_modules(import_module(_PLACE).__path__):
        for process in getattr(import_module(f"{_PLACE}.{module.name}"), "PROCESSES", ()):
            if process.kind.name in found:
                raise KindError(f"kind {process.kind.name} has two processes")
            found[process.kind.name] = process
    return found


PROCESSES: Mapping[str, Process] = _declared()
"""Every process by the kind of its state."""


def processes_of(get: Get, record: Record, rules: Rules) -> Iterator[ObjectRef]:
    """Yield the processes a record concerns, whether they are there or not, as far as any are declared."""
    for process in PROCESSES.values():
        if process.declared(rules):
            yield from process.concerns(get, record)


def looked_at(record: Record) -> tuple[ObjectRef, ...]:
    """Return the objects in view of all that name them a process steps; nothing, of any other record."""
    process = PROCESSES.get(kind_of(record).name)
    return () if process is None else process.looks_at(record)


def digests(rules: Rules) -> dict[str, str]:
    """Return a digest of what each process is declared by, by its kind; empty of one that is not."""
    texts = {name: "\n".join(map(repr, process.declared(rules))) for name, process in PROCESSES.items()}
    return {name: text and blake2b(text.encode(), digest_size=16).hexdigest() for name, text in texts.items()}


def may_begin(record: Record, rules: Rules) -> bool:
    """Tell whether a record may call for a process of those that are declared."""
    return any(process.declared(rules) and process.may_begin_with(record) for process in PROCESSES.values())


def concerned(view: View, record: Record, rules: Rules) -> tuple[ObjectRef, ...]:
    """Return what is decided again because of a record, each once: the processes that are there, and what may call for one that is not."""
    found: dict[ObjectRef, None] = {}
    for process in PROCESSES.values():
        for ref in process.concerns(view.get, record) if process.declared(rules) else ():
            beginner = process.begun_by(ref.id)
            other = view.get(beginner)
            if view.get(ref) is not None:
                found[ref] = None
            elif beginner != ref_of(record) and other is not None and process.may_begin_with(other):
                found[beginner] = None
    return tuple(found)


def begun(decision: Decision, event: Event, state: Record, view: View, rules: Rules) -> Decision:
    """Return the decision of a record with the processes that begin with it, or step again because of it."""
    opened, again = [], [decision.again_at]
    for process in PROCESSES.values():
        if not process.declared(rules):
            continue
        draft = Draft(event, view, rules)
        first = process.opens(draft, state)
        if first is not None and view.get(ref_of(first)) is None:
            opened.append(first)
        again.append(draft.decision().again_at)
    again_at = min((at for at in again if at is not None), default=None)
    return replace(decision, processes=tuple(opened), then=concerned(view, state, rules), again_at=again_at)


def step(process: Process, event: Event, state: Record, view: View, rules: Rules) -> Decision:
    """Return the decision of a process: its state if that moved, and what it calls for."""
    draft = Draft(event, view, rules)
    moved = process.step(draft, state)
    found = draft.decision()
    rule = "" if found.has_owner else f"{process.kind.name}_stands"
    return replace(found, ignored=found.ignored or rule, processes=() if moved == state else (moved,))
