"""What a process is: a kind of record whose state its own step moves, what begins one, and what has it look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from counterfoil.core.kinds import kind_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import EventType, Kind, Record

from .draft import Draft
from .rules import Rules

Get = Callable[[ObjectRef], Record | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. Everything in it is pure; the instant is the draft's.

    Attributes:
        kind: the kind of its state.
        declared: what of the rules its steps are made by; empty: nothing is, and nothing begins. Once that changes, all that may be
            concerned are decided again.
        concerns: the processes a record concerns, whether they are there or not: those that are step again when it is decided.
        looks_at: of its state, the objects in view of all that name them it steps, beside those it names itself.
        opens: the first state of the process a record calls for that is not there; None: not now (the draft may say when to look again).
        step: the state now; adds to the draft what that calls for. Level-triggered: of the same records, rules and instant always the same
            state, whatever it was before and however often it is asked.
        event: the event type of a state, by the one before (None: there was none).
        over: the states in which it waits for nothing.
        asks: the question a state has for a person; empty: none.
        verbs: what people may decide on one; of each, whether it answers that question, and not the process as a whole.
        begins_with: the kinds, and of each the states, of records that may call for one. They are decided in view of what names them.
        begun_by: of a process's id, the record that calls for it: while there is no such process, it is decided again after whatever else
            would concern one.
    """

    kind: Kind[Any]
    declared: Callable[[Rules], tuple[object, ...]]
    concerns: Callable[[Get, Record], tuple[ObjectRef, ...]]
    looks_at: Callable[[Any], tuple[ObjectRef, ...]]
    opens: Callable[[Draft, Record], Record | None]
    step: Callable[[Draft, Any], Record]
    event: Callable[[Any, Any], EventType]
    over: tuple[str, ...]
    asks: Callable[[Any], str]
    verbs: Mapping[str, bool]
    begins_with: Mapping[str, tuple[str, ...]]
    begun_by: Callable[[str], ObjectRef]

    def may_begin_with(self, record: Record) -> bool:
        """Tell whether a record may call for a process."""
        return str(getattr(record, "state", "")) in self.begins_with.get(kind_of(record).name, ())
