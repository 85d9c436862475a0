"""Which objects must be loaded before an object can be decided: those it names, and where that matters those that name it."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.core.kinds import kind_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record


def related(record: Record) -> tuple[ObjectRef, ...]:
    """Return the objects a record refers to, each once, in the order they are named.

    Load them, call this again with what was loaded, and so on until nothing new is named (refund, credit note, invoice, customer,
    the customer it was merged into). What cannot be found is left out; the decision waits for it if it needs it.
    """
    return _named(record, is_alone=False)


def looked_at_alone(record: Record) -> tuple[ObjectRef, ...]:
    """Return the objects a record names that are looked at for themselves alone, each once: the parent of a company."""
    return _named(record, is_alone=True)


def _named(record: Record, *, is_alone: bool) -> tuple[ObjectRef, ...]:
    found = (reference.refs(record) for reference in kind_of(record).refers_to if reference.is_alone is is_alone)
    return tuple(dict.fromkeys(ref for refs in found for ref in refs))


def links(record: Record) -> tuple[ObjectRef, ...]:
    """Return what a record names that is decided by all that name it: a refund's payment, a payment's and a credit note's invoice, a
    credit note's refunds. Each once.
    """
    return tuple(dict.fromkeys(ref for reference in kind_of(record).refers_to if reference.is_link for ref in reference.refs(record)))


def linked(records: Mapping[ObjectRef, Record]) -> dict[ObjectRef, tuple[ObjectRef, ...]]:
    """Return, by object, which of these link to it."""
    found: dict[ObjectRef, list[ObjectRef]] = {}
    for ref, record in records.items():
        for named in links(record):
            found.setdefault(named, []).append(ref)
    return {ref: tuple(others) for ref, others in found.items()}


def is_looked_back_from(record: Record) -> bool:
    """Tell whether what links to a record is loaded with it, too: its own decision, or that of what it was loaded for, needs it."""
    return kind_of(record).is_looked_back_from(record)


def affected(*states: Record) -> tuple[ObjectRef, ...]:
    """Return the objects that a record affects, by any of its states, each once: the payment of a refund, and so its other refunds."""
    references = ((reference, state) for state in states for reference in kind_of(state).affects)
    return tuple(dict.fromkeys(ref for reference, state in references for ref in reference.refs(state)))
