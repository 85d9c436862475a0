"""What the database cannot hold: found while a receipt is normalized, so that only it is parked; pure.

PostgreSQL's text holds no NUL (https://www.postgresql.org/docs/current/datatype-character.html), and an index holds no entry above a third
of a page, 2,704 bytes: ids are bounded well below it. Its bigint holds 64 bits, one of them the sign
(https://www.postgresql.org/docs/current/datatype-numeric.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds import kind_of, total_of
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.kit.codec import encode

ID_MAX = 500
"""Characters of an object's id that are taken; vendors' ids have up to some 60."""
MINOR_MAX = 2**63 - 1
"""Minor units the amounts of one record may come to: what a bigint holds."""
_MARKS = (b"\x00", b"\\u0000")
_MARKS_OF_HALVES = (b"\\ud", b"\\uD", b"\xed")
"""How surrogates begin as JSON's escapes, and as bytes of UTF-8 taken for it: https://www.rfc-editor.org/rfc/rfc3629#section-3."""
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""JSON's escape of a NUL, behind any number of escaped backslashes."""


def what_is_unstorable(body: bytes, facts: tuple[Fact, ...]) -> str:
    """Return in words what of a receipt's facts the database cannot hold, without repeating the value; empty if it can hold all.

    ``body``: the payload they were made from. Only where it has a NUL or a surrogate, as such or as JSON's escape, are the facts
    searched for one.
    """
    for fact in facts:
        for name, value in _ids(fact):
            if len(value) > ID_MAX:
                return f"{name} has {len(value)} characters; at most {ID_MAX} are taken"
        if sum(abs(amount.minor) for amount in _amounts(fact.data)) > MINOR_MAX:
            return f"the amounts of the {fact.subject.kind} are more than the database can hold, and than any amount can be"
    if any(mark in body for mark in _MARKS) and any(_has_nul(fact) for fact in facts):
        return "a text in it holds a NUL character, which neither the database nor the books can hold"
    if any(mark in body for mark in _MARKS_OF_HALVES) and any(_has_half(fact) for fact in facts):
        return "a text in it holds half of a surrogate pair, which is no character: no encoding can hold it"
    return ""


def _ids(fact: Fact) -> Iterator[tuple[str, str]]:
    yield f"the id of the {fact.subject.kind}", fact.subject.id
    yield "the id of its customer", kind_of(fact.data).customer_of(fact.data)
    yield "the account", fact.account
    yield "the correlation id", fact.correlation_id


def _amounts(record: Record) -> Iterator[Money]:
    """Yield the total and every part that is kept or summed up for itself: if together they fit, so does each and any sum of them."""
    total = total_of(record)
    if total is not None:
        yield total
    yield from kind_of(record).amounts(record)


def _has_nul(fact: Fact) -> bool:
    return any("\0" in value for _, value in _ids(fact)) or _ESCAPED_NUL.search(encode(fact.data)) is not None


def _has_half(fact: Fact) -> bool:
    try:
        for _, value in _ids(fact):
            value.encode()
        encode(fact.data)
    except UnicodeEncodeError:
        return True
    return False
