"""Canonical states: how native states map onto them, and which state may follow which (domain: canonical state maps)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from .entities import (
    CreditNoteState,
    DisputeState,
    InvoiceState,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)

S = TypeVar("S", bound=StrEnum)


class UnknownStateError(ValueError):
    """A native state that is in no map: schema drift. ``field`` names it the vendor's way, ``value`` is what it said."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"{field} says {value!r}, which is in no state map")
        self.field = field
        self.value = value


@dataclass(frozen=True, slots=True)
class StateMap(Generic[S]):
    """A vendor's native states of one field and the canonical state each one is."""

    field: str
    states: Mapping[str, S]

    def canonical(self, native: str) -> S:
        """Return the canonical state. Raises UnknownStateError for a native state that is not in the map: never a guess."""
        try:
            return self.states[native]
        except KeyError:
            raise UnknownStateError(self.field, native) from None


_I, _P, _R, _D, _O, _S = InvoiceState, PaymentState, RefundState, DisputeState, PayoutState, SubscriptionState
_RUNNING: set[StrEnum] = {_S.TRIALING, _S.ACTIVE, _S.PAST_DUE, _S.UNPAID, _S.PAUSED}
_TRYING: set[StrEnum] = {_P.AUTHORIZED, _P.PENDING, _P.FAILED}

_NEXT: dict[type[StrEnum], dict[StrEnum, set[StrEnum]]] = {
    InvoiceState: {
        _I.DRAFT: {_I.ISSUED, _I.DELETED},
        _I.ISSUED: {_I.PARTIALLY_PAID, _I.PAID, _I.VOID, _I.UNCOLLECTIBLE},
        _I.PARTIALLY_PAID: {_I.ISSUED, _I.PAID, _I.VOID, _I.UNCOLLECTIBLE},
        _I.UNCOLLECTIBLE: {_I.PAID, _I.VOID},  # a written-off invoice may still be paid
        _I.PAID: set(),
        _I.VOID: set(),
        _I.DELETED: set(),
    },
    CreditNoteState: {CreditNoteState.ISSUED: {CreditNoteState.VOID}, CreditNoteState.VOID: set()},
    PaymentState: {
        **{state: {*_TRYING, _P.SUCCEEDED, _P.CANCELED} for state in _TRYING},  # a failed try may be followed by another
        _P.SUCCEEDED: set(),
        _P.CANCELED: set(),
    },
    RefundState: {
        _R.PENDING: {_R.SUCCEEDED, _R.FAILED, _R.CANCELED},
        _R.SUCCEEDED: {_R.FAILED},  # the bank sent the money back
        _R.FAILED: set(),
        _R.CANCELED: set(),
    },
    DisputeState: {
        _D.WARNING: {_D.OPEN, _D.WON, _D.LOST, _D.PREVENTED},
        _D.OPEN: {_D.WON, _D.LOST, _D.PREVENTED},
        _D.WON: {_D.LOST},  # arbitration may overturn a decision, either way
        _D.LOST: {_D.WON},
        _D.PREVENTED: set(),
    },
    PayoutState: {
        _O.PENDING: {_O.IN_TRANSIT, _O.PAID, _O.FAILED, _O.CANCELED},
        _O.IN_TRANSIT: {_O.PAID, _O.FAILED, _O.CANCELED},
        _O.PAID: {_O.FAILED},  # the bank refused it afterwards
        _O.FAILED: set(),
        _O.CANCELED: set(),
    },
    SubscriptionState: {
        _S.INCOMPLETE: {*_RUNNING, _S.EXPIRED, _S.CANCELED},
        _S.EXPIRED: set(),
        **{state: {*_RUNNING, _S.CANCELED} for state in _RUNNING},
        _S.CANCELED: set(),
    },
}


def _reachable(steps: Mapping[StrEnum, set[StrEnum]], start: StrEnum) -> frozenset[StrEnum]:
    seen: set[StrEnum] = set()
    ahead = [start]
    while ahead:
        fresh = steps[ahead.pop()] - seen
        seen |= fresh
        ahead.extend(fresh)
    return frozenset(seen - {start})


FOLLOWERS: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    kind: {state: _reachable(steps, state) for state in steps} for kind, steps in _NEXT.items()
}
"""By type of state (texts of different types are alike): every state and all that may come after it, also with states in between unseen."""


def may_follow(before: StrEnum, after: StrEnum) -> bool:
    """Tell whether an object seen in one state may be seen in the other later; the same state may always follow itself."""
    return before is after or (type(before) is type(after) and after in FOLLOWERS[type(before)][before])


def is_final(state: StrEnum) -> bool:
    """Tell whether nothing can come after a state."""
    return not FOLLOWERS[type(state)][state]
