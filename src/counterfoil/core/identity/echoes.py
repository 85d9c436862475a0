"""Echoes: what was written to a system, and it tells again. Pure.

A system that fields of a record are written to tells of them like of anything else. What it tells so is the hub's own content coming back,
and no word of that system: taken for one, and for the newest, it would bring back what has changed elsewhere meanwhile, and two systems
would write to each other for ever.

What somebody there set after the writing is that system's word, also where it is the content of before. So contents are kept with when they
were written, oldest first, and a field that was told otherwise since is no content of the hub any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, TypeVar

from counterfoil.core.kinds import kind_of
from counterfoil.core.language.records import Record, Survivorship
from counterfoil.core.language.text import canonical_text

R = TypeVar("R", bound=Record)

CONTENTS_MAX = 5
"""Contents that are kept of a thing at a connection: what comes back late may be of one before the last."""

OWN_CONTENT = "own_content_comes_back"
"""The rule by which a delivery is ignored that tells nothing but what was written."""

Matches = Callable[[str, str], bool]
"""Whether a kept digest is that of a text."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was written of a thing by one command.

    Attributes:
        command: its id.
        fields: by field that comes back, the digest of what was written (of ``text_of``).
        sent_at: when it was sent, in microseconds since the epoch, as sources order their states.
        done_at: when it certainly was there; None: it may be there by now, or later, or never.
    """

    command: str
    fields: Mapping[str, str]
    sent_at: int
    done_at: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of one thing at one connection: the last contents, oldest first.

    ``seen``: the newest place in that connection's order of states at which it told content of the hub; 0: never.
    """

    contents: tuple[Content, ...] = ()
    seen: int = 0


@dataclass(frozen=True, slots=True)
class EchoMatch:
    """What a told record means for what was written: its place, whether any of that came back, and the fields others have set since."""

    place: int
    has_come_back: bool = False
    gone: frozenset[str] = frozenset()

    def of(self, written: Written) -> Written:
        """Return what is kept of contents from now on; those that may still be on their way stay as they are."""
        contents = tuple(self._left(one) for one in written.contents)
        seen = max(written.seen, self.place) if self.has_come_back else written.seen
        return Written(tuple(one for one in contents if one.fields), seen)

    def _left(self, one: Content) -> Content:
        if not self.gone or one.done_at is None or one.done_at >= self.place:
            return one
        return replace(one, fields={name: text for name, text in one.fields.items() if name not in self.gone})


@dataclass(frozen=True, slots=True)
class Heard:
    """A record as a connection told it, less what was written there.

    Attributes:
        record: what it says itself; a field that only comes back is unsaid.
        is_echo: something comes back, and nothing of it is its own and new.
        trace: what is to be noted of the contents.
    """

    record: Record
    is_echo: bool
    trace: EchoMatch


def text_of(name: str, value: object) -> str:
    """Return the text of a field's value, of which digests are made: equal values, and no others, have equal texts."""
    return f"{name}={canonical_text(value)}"


def texts_of(record: Record, names: tuple[str, ...]) -> dict[str, str]:
    """Return the texts of some fields of a record, by field."""
    return {name: text_of(name, getattr(record, name)) for name in names}


def heard(told: Record, place: int, word: Record | None, written: Written, matches: Matches) -> Heard:
    """Return what a connection says itself, of a record it told.

    Args:
        told: the record as told.
        place: its place in the connection's order of states.
        word: what that connection said of it before, as it is known; None: nothing.
        written: what was written of it there.
        matches: tells whether a digest is that of a text.
    """
    own = _Own(written, place, matches)
    coming_back, news = set(), set()
    for one in _told(told):
        value = getattr(told, one.name)
        if own.is_ours(one.name, value):
            coming_back.add(one.name)
        elif _is_news(one, value, word):
            news.add(one.name)
    trace = EchoMatch(place, bool(coming_back), frozenset(name for name in news if own.is_later_than(name)))
    if not coming_back or not news:
        return Heard(told, bool(coming_back), trace)
    return Heard(_unsaid(told, coming_back, word), False, trace)


@dataclass(frozen=True, slots=True)
class _Own:
    written: Written
    place: int
    matches: Matches

    def is_ours(self, name: str, value: object) -> bool:
        """Tell whether a value is what was written, at a place at which that may have been there; or older than what was seen there."""
        contents = self.written.contents
        if self.place < self.written.seen and contents and name in contents[-1].fields:
            return True
        text = text_of(name, value)
        until = [one.done_at for one in contents[1:]]
        followed = zip(contents, (self._first(until[start:]) for start in range(len(contents))), strict=True)
        return any(
            name in one.fields and (end is None or self.place <= end) and self.matches(one.fields[name], text) for one, end in followed
        )

    def is_later_than(self, name: str) -> bool:
        """Tell whether the told state is certainly later than the last writing of a field."""
        last = next((one for one in reversed(self.written.contents) if name in one.fields), None)
        return last is not None and last.done_at is not None and self.place > last.done_at

    @staticmethod
    def _first(ends: list[int | None]) -> int | None:
        return next((end for end in ends if end is not None), None)


def _told(record: Record) -> tuple[Field[Any], ...]:
    return tuple(one for one in fields(record) if one.name != "id")  # type: ignore[arg-type]


def _is_news(one: Field[Any], value: Any, word: Record | None) -> bool:
    return bool(value != (_nothing(one) if word is None else getattr(word, one.name)))


def _nothing(one: Field[Any]) -> Any:
    """Return the value by which a record says nothing of a field."""
    return "" if one.default is MISSING else one.default


def _unsaid(told: R, coming_back: set[str], word: Record | None) -> R:
    """Return a record without what only comes back; a field of which it says what it said before stays its own. Of a record that is told
    whole nothing is taken away: its parts would not add up.
    """
    if kind_of(told).survivorship is Survivorship.WHOLE:
        return told
    unsaid = {
        one.name: _nothing(one)
        for one in _told(told)
        if one.name in coming_back and (word is None or getattr(word, one.name) != getattr(told, one.name))
    }
    return replace(told, **unsaid)  # type: ignore[type-var]
