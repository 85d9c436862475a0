"""Form encoding with nested names, as several vendors want it: ``items[0][price]=price_1&expand[]=customer``.

Source: https://docs.stripe.com/api (request bodies are form-encoded); the bracket convention is PHP's and Rack's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import urlencode

Scalar: TypeAlias = str | int | bool | Decimal | datetime | None
Nested: TypeAlias = "Scalar | Mapping[str, Nested] | Sequence[Nested]"


def flatten(fields: Mapping[str, Nested]) -> list[tuple[str, str]]:
    """Return (name, value) pairs in the given order.

    Mappings become ``a[b]``, sequences ``a[0]``. None is sent as an empty string (it unsets a field), True as ``true``; an empty sequence
    or mapping is left out. A datetime becomes whole Unix seconds. Raises TypeError for a float: amounts and rates are never floats.
    """
    return [pair for name, value in fields.items() for pair in _walk(name, value)]


def encode_form(fields: Mapping[str, Nested]) -> bytes:
    """Return the fields as an ``application/x-www-form-urlencoded`` body."""
    return urlencode(flatten(fields)).encode("ascii")


def _walk(name: str, value: Nested) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(f"{name}[{key}]", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _walk(f"{name}[{index}]", inner)
    else:
        yield name, _text(name, value)


def _text(name: str, value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}: an instant needs its zone")
        return str(int(value.timestamp()))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str | int):
        return str(value)
    raise TypeError(f"{name}: cannot send a {type(value).__name__} in a form")
