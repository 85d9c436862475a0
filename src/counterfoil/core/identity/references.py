"""References to what is known by another id: a record that names a claim names the golden object it belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from counterfoil.core.kinds import kind_of
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record

R = TypeVar("R", bound=Record)

_Path = tuple[str | int, ...]


def resolved(record: R, heads: Mapping[ObjectRef, ObjectRef]) -> R:
    """Return a record that names, instead of each of these things, the one it is known as. Its own id stays.

    What a kind refers to (``Kind.refers_to``) tells which of a record's texts name which kind: one text may be the id of an invoice in one
    field and of a customer in another.
    """
    for reference in kind_of(record).refers_to:
        for ref in dict.fromkeys(reference.refs(record)):
            head = heads.get(ref, ref)
            for path in _places(record, ref.id) if head != ref else ():
                candidate = _with(record, path, head.id)
                if path != ("id",) and list(reference.ids(candidate)) != list(reference.ids(record)):
                    record = candidate
    return record


def _places(value: Any, text: str) -> Iterator[_Path]:
    """Yield where in a value a text stands."""
    if isinstance(value, str) and value == text:
        yield ()
    elif isinstance(value, tuple):
        yield from ((place, *path) for place, one in enumerate(value) for path in _places(one, text))
    elif is_dataclass(value):
        yield from ((field.name, *path) for field in fields(value) for path in _places(getattr(value, field.name), text))


def _with(value: Any, path: _Path, text: str) -> Any:
    if not path:
        return text
    first, *rest = path
    if isinstance(first, int):
        return (*value[:first], _with(value[first], tuple(rest), text), *value[first + 1 :])
    return replace(value, **{first: _with(getattr(value, first), tuple(rest), text)})
