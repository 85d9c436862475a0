"""Canonical states: which state may follow which (domain: canonical state maps)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S", bound=StrEnum)


class Lifecycle(Protocol):
    """Which record may follow which, of one kind."""

    @property
    def erased(self) -> StrEnum | None:
        """The state of what was erased by a person's right, of kinds that have one: nothing that was told of it before is kept."""

    def allows(self, before: Any, after: Any) -> bool:
        """Tell whether an object told as one record may be told as the other later."""


class States(Generic[S]):
    """The states of a kind whose records have one: every state, with those that may come next.

    ``erased``: the state of what was erased by a person's right, if there is one; nothing can come after it.

    Raises:
        TypeError: a state does not say what may follow it, or something may follow what was erased.
    """

    def __init__(self, states: type[S], steps: Mapping[S, Iterable[S]], *, erased: S | None = None) -> None:
        missing = [state.value for state in states if state not in steps]
        if missing:
            raise TypeError(f"{states.__name__} does not say what may follow {', '.join(missing)}")
        self.followers: Mapping[S, frozenset[S]] = {state: _reachable(steps, state) for state in states}
        """Every state and all that may come after it, also with states in between unseen."""
        if erased is not None and self.followers[erased]:
            raise TypeError(f"{states.__name__} has something follow {erased.value}, which is for ever")
        self.erased: S | None = erased

    def allows(self, before: Any, after: Any) -> bool:
        """Tell whether a record in one state may be followed by one in the other."""
        return self.may_follow(before.state, after.state)

    def may_follow(self, before: S, after: S) -> bool:
        """Tell whether an object seen in one state may be seen in the other later; the same state may always follow itself."""
        return before is after or after in self.followers[before]


def _reachable(steps: Mapping[S, Iterable[S]], start: S) -> frozenset[S]:
    seen: set[S] = set()
    ahead = [start]
    while ahead:
        fresh = set(steps[ahead.pop()]) - seen
        seen |= fresh
        ahead.extend(fresh)
    return frozenset(seen - {start})


class Deletable:
    """Of records without a state that may be deleted at the source: what is deleted stays so."""

    erased = None

    def allows(self, before: Any, after: Any) -> bool:
        """Tell whether the later record does not bring a deleted one back."""
        return bool(after.is_deleted or not before.is_deleted)


class Stateless:
    """Of records that have no state: any may follow any."""

    erased = None

    def allows(self, before: Any, after: Any) -> bool:
        """Say yes."""
        return True
