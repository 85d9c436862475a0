"""Steps that are done one after the other and undone backwards: what a process over several postings is made of.

Nothing is kept of it but what stands in the outbox: which wishes took effect, which may have, which certainly did not. So it does not
matter how often, or at which moment, a process is asked to go on or back; it ends in the same postings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterfoil.core.language.ids import external_key
from counterfoil.core.policies.decision import OutboxCommand
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.requests import BookingRequest
from counterfoil.core.policies.rules import PostingMode


@dataclass(frozen=True, slots=True)
class Step:
    """A posting and what undoes it, each with a name and id of its own. What cannot be undone comes last, and has no ``undo``."""

    do: BookingRequest
    undo: BookingRequest | None = None


def forward(draft: Draft, steps: Sequence[Step]) -> bool:
    """Wish each step once the one before it is done; return whether all are."""
    return all(_is_done(draft, step.do) for step in steps)


def backward(draft: Draft, steps: Sequence[Step]) -> bool:
    """Undo what was done, the last step first, each once the one after it is undone; return whether nothing is left of any.

    A step that certainly took no effect is not wished any more. One of which that is not known is resolved before anything is undone.

    Raises:
        ValueError: a step took effect that cannot be undone.
    """
    return all(_is_undone(draft, step) for step in reversed(steps))


def _is_done(draft: Draft, request: BookingRequest) -> bool:
    draft.outbox.wish(request, mode=PostingMode.DETAILED)
    wish = _wish_of(draft, request)
    return wish is not None and wish.is_done


def _is_undone(draft: Draft, step: Step) -> bool:
    wish = _wish_of(draft, step.do)
    if wish is None or wish.is_open:
        draft.outbox.withdraw(step.do.name, step.do.object_id)  # should it be sent just now after all, this decision is made again
        return True
    if not _is_done(draft, step.do):
        return False
    if step.undo is None:
        raise ValueError(f"{wish.command.external_key} took effect and cannot be undone")
    return _is_done(draft, step.undo)


def _wish_of(draft: Draft, request: BookingRequest) -> OutboxCommand | None:
    return draft.view.wished(external_key(request.name, request.object_id), request.connection)
