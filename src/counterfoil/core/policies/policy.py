"""What a policy is: for one kind of record and one purpose, which commands a state calls for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Kind, Purpose, Record

from .decision import View
from .draft import Draft

After = Callable[[View, Any], tuple[ObjectRef, ...]]


def nobody(_view: View, _record: Record) -> tuple[ObjectRef, ...]:
    """Return that nothing is decided again after an object was."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the facts of one kind are booked, or whatever else the purpose is.

    Attributes:
        decide: adds to the draft what a state calls for.
        after: the objects to be decided again after an object was, whatever it called for.
        looks_back: whether it decides in view of what affects its subject (``Kind.affects``), whose changes then have the subject decided
            again. Without it they put nothing on the agenda.
        sees_documents: whether it looks at all documents of the customers that its subject names (``View.documents_of``).
        is_seeing: whether it does so for one record; of another no documents are loaded.
    """

    kind: Kind[Any]
    purpose: Purpose
    decide: Callable[[Draft, Any], None]
    after: After
    looks_back: bool
    sees_documents: bool
    is_seeing: Callable[[Any], bool] = lambda _record: True
