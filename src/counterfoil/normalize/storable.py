"""What the database cannot hold: found while a receipt is normalized, so that only it is parked; pure.

PostgreSQL's text holds no NUL (https://www.postgresql.org/docs/current/datatype-character.html), and an index holds no entry above a third
of a page, 2,704 bytes: ids are bounded well below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from counterfoil.core.canonical.events import Fact
from counterfoil.kit.codec import encode

ID_MAX = 500
"""Characters of an object's id that are taken; vendors' ids have up to some 60."""
_MARKS = (b"\x00", b"\\u0000")
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""JSON's escape of a NUL, behind any number of escaped backslashes."""


def what_is_unstorable(body: bytes, facts: tuple[Fact, ...]) -> str:
    """Return in words what of a receipt's facts the database cannot hold, without repeating the value; empty if it can hold all.

    ``body``: the payload they were made from. Only where it has a NUL, as such or as JSON's escape, are the facts searched for one.
    """
    for fact in facts:
        for name, value in _ids(fact):
            if len(value) > ID_MAX:
                return f"{name} has {len(value)} characters; at most {ID_MAX} are taken"
    if any(mark in body for mark in _MARKS) and any(_has_nul(fact) for fact in facts):
        return "a text in it holds a NUL character, which neither the database nor the books can hold"
    return ""


def _ids(fact: Fact) -> Iterator[tuple[str, str]]:
    yield f"the id of the {fact.subject.kind.value}", fact.subject.id
    yield "the id of its customer", str(getattr(fact.data, "customer_id", ""))
    yield "the account", fact.account
    yield "the correlation id", fact.correlation_id


def _has_nul(fact: Fact) -> bool:
    return any("\0" in value for _, value in _ids(fact)) or _ESCAPED_NUL.search(encode(fact.data)) is not None
