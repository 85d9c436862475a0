"""Loops: one field of one record that systems have written again and again, since each of them answers the other. Pure.

What the hub wrote is looked at, place by place. A *return* is a value that was written there before and gave way to another meanwhile; an
*answer* is a value told by a system that is written to itself. People do both, a few times: what counts is how often within a window.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

HISTORY_MAX = 60
"""The newest writes of a place that are looked at: more than limits may be, and few enough to be read with every decision."""
AGAIN_MAX = 2
"""Turns after a person had a field written once more: the one that was asked for, and the one that shows that it goes on."""


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """How often is a loop: so many returns of a field at one place within the window, or so many answers."""

    returns: int = 4
    answers: int = 12
    window: timedelta = timedelta(days=7)

    @property
    def writes_min(self) -> int:
        """Fewer writes of a place than this are no loop: the first two of them bring nothing back, and the first answers nothing."""
        return min(self.returns + 2, self.answers + 1)


USUAL = LoopLimits()
"""What holds where nothing is declared."""


@dataclass(frozen=True, slots=True)
class FieldsWritten:
    """What was written of a record at a place: when it was wished, its fields, and the event it was wished after."""

    at: datetime
    fields: Mapping[str, Any]
    event: str = ""


@dataclass(frozen=True, slots=True)
class LoopTurn:
    """A write that gave a field another value. ``told_by``: the connection whose word it was; empty: not known any more."""

    at: datetime
    value: Any
    told_by: str
    is_return: bool
    is_answer: bool


@dataclass(frozen=True, slots=True)
class LoopAnswer:
    """What became of the last case of a loop.

    Attributes:
        is_open: nobody answered it yet.
        at: when it was answered; what was written until then counts no more.
        is_retried: by having the field written once more.
        waived: the values that were let go for good: they are written no more.
        is_ruled: by another owner of the field, just now.
    """

    is_open: bool = False
    at: datetime | None = None
    is_retried: bool = False
    is_waived: bool = False
    is_ruled: bool = False


UNASKED = LoopAnswer()
"""There never was a case."""


@dataclass(frozen=True, slots=True)
class FieldLoop:
    """What was written of a field that may be in a loop: by place the turns, oldest first.

    ``owner``: the connection whose word on it counts; empty: nobody's.
    """

    field: str
    turns: Mapping[str, tuple[LoopTurn, ...]]
    owner: str = ""
    answer: LoopAnswer = UNASKED

    def is_held(self, now: datetime, limits: LoopLimits) -> bool:
        """Tell whether the field is written no further, at an instant."""
        if self.answer.is_open or self.answer.is_ruled:
            return self.answer.is_open
        again = self.answer.is_retried
        returns = AGAIN_MAX if again else limits.returns
        answers = AGAIN_MAX if again else limits.answers
        for several in self.turns.values():
            late = [turn for turn in self._counted(several) if now - turn.at <= limits.window]
            if _count(late, returns=True) >= returns or _count(late, returns=False) >= answers:
                return True
        return False

    def let_go(self) -> tuple[Any, ...]:
        """Return the values that a person let go for good; empty: none."""
        until = self.answer.at
        if not self.answer.is_waived or until is None:
            return ()
        return tuple(turn.value for several in self.turns.values() for turn in several if turn.at <= until)

    def values(self) -> tuple[Any, ...]:
        """Return the values that take turns, in the order they came first."""
        values = [turn.value for turn in self._all()]
        return tuple(value for place, value in enumerate(values) if value not in values[:place])

    def told_by(self) -> tuple[str, ...]:
        """Return the connections whose words they are, the most frequent first."""
        tellers = [turn.told_by for turn in self._all() if turn.told_by]
        return tuple(sorted(set(tellers), key=lambda one: (-tellers.count(one), one)))

    def since(self) -> datetime:
        """Return when it began."""
        return min(turn.at for turn in self._all())

    def times(self) -> int:
        """Return how often the field was written with another value, at the place where that was most often."""
        return max(len(self._counted(several) or several) for several in self.turns.values())

    def _all(self) -> list[LoopTurn]:
        """Return the turns of all places in order, those before an answer left out as long as there are any after it."""
        counted = [turn for several in self.turns.values() for turn in self._counted(several)]
        return sorted(counted or [turn for several in self.turns.values() for turn in several], key=lambda turn: turn.at)

    def _counted(self, several: Iterable[LoopTurn]) -> list[LoopTurn]:
        return [turn for turn in several if self.answer.at is None or turn.at > self.answer.at]


def suspects(places: Mapping[str, Sequence[FieldsWritten]], limits: LoopLimits) -> tuple[str, ...]:
    """Return the fields that may be in a loop, or were: whoever told what was written is not looked at yet."""
    found = []
    for field in sorted({name for several in places.values() for one in several for name in one.fields}):
        for several in places.values():
            turns = tuple(turns_of(several, field, limits.window, {}, ()))
            is_often = _crowd([turn.at for turn in turns if turn.is_return], limits.returns, limits.window)
            if is_often or _crowd([turn.at for turn in turns], limits.answers, limits.window):
                found.append(field)
                break
    return tuple(found)


def loop_of(
    field: str,
    places: Mapping[str, Sequence[FieldsWritten]],
    limits: LoopLimits,
    tellers: Mapping[str, str],
    owner: str = "",
    answer: LoopAnswer = UNASKED,
) -> FieldLoop:
    """Return what was written of a field.

    Args:
        field: its name.
        places: what was written of the record, oldest first, by connection.
        limits: what is a loop.
        tellers: by event, the connection that told it.
        owner: the connection whose word on the field counts; empty: nobody's.
        answer: what became of the last case.
    """
    turns = {place: tuple(turns_of(several, field, limits.window, tellers, places)) for place, several in places.items()}
    return FieldLoop(field, {place: several for place, several in turns.items() if several}, owner, answer)


def turns_of(
    writes: Sequence[FieldsWritten], field: str, window: timedelta, tellers: Mapping[str, str], written_to: Collection[str]
) -> Iterator[LoopTurn]:
    """Yield the writes of one place that gave a field another value than the one before them; the first of all gives it its first one."""
    seen: list[tuple[Any, datetime]] = []
    for one in writes[-HISTORY_MAX:]:
        if field not in one.fields:
            continue
        value = one.fields[field]
        if seen and seen[-1][0] != value:
            told_by = tellers.get(one.event, "")
            is_return = any(value == former and one.at - at <= window for former, at in seen)
            yield LoopTurn(one.at, value, told_by, is_return, told_by in written_to)
        seen.append((value, one.at))


def _count(turns: Sequence[LoopTurn], *, returns: bool) -> int:
    return sum(turn.is_return if returns else turn.is_answer for turn in turns)


def _crowd(times: Sequence[datetime], count: int, window: timedelta) -> bool:
    """Tell whether so many of these times, which are in order, ever lay within a window."""
    return any(last - first <= window for first, last in zip(times, times[count - 1 :], strict=False))
