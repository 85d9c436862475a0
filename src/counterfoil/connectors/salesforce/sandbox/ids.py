"""Record ids: 15 characters of which case counts, and 18 that are safe without it.

https://help.salesforce.com/s/articleView?id=000385585: the suffix has a character for each block of five, whose bits tell the capitals.
"""

from __future__ import annotations

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def to_18(id15: str) -> str:
    """Return an id with its suffix; one that is not 15 characters long stays as it is."""
    if len(id15) != 15:
        return id15
    blocks = (id15[start : start + 5] for start in (0, 5, 10))
    return id15 + "".join(_SUFFIX[sum(1 << place for place, one in enumerate(block) if one.isupper())] for block in blocks)


def make_id(prefix: str, number: int) -> str:
    """Return the id of the record with a number among those of a type."""
    text = ""
    while number:
        number, rest = divmod(number, len(_DIGITS))
        text = _DIGITS[rest] + text
    return to_18(prefix + "xx" + text.rjust(10, "0"))
