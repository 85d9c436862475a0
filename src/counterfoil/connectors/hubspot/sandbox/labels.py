"""Labels of associations: what an account calls the ways in which its records belong together.

https://developers.hubspot.com/docs/api-reference/latest/crm/associations/guide
"""

from __future__ import annotations

from .errors import HubspotError
from .types import ASSOCIATIONS, Obj, Type

FIRST_ID = 1_001

Link = tuple[str, str, str, str]
"""One association: type and number of a record, type and number of the other one."""


class Labels:
    """The labels that were defined, and which associations have them."""

    def __init__(self) -> None:
        self._defined: dict[tuple[str, str], dict[int, str]] = {}
        self._put: dict[Link, set[int]] = {}
        self._next_id = FIRST_ID

    def define(self, from_: Type, to: Type, label: str, inverse: str = "") -> tuple[int, int]:
        """Make a label, and the one of the other direction; return the numbers of both. Raises HubspotError."""
        if (from_.path, to.path) not in ASSOCIATIONS:
            raise HubspotError(400, "VALIDATION_ERROR", f"{from_.name} to {to.name} is no association")
        if label in self._defined.get((from_.path, to.path), {}).values():
            raise HubspotError(400, "VALIDATION_ERROR", f"there is a label {label} already")
        made = self._next_id, self._next_id + 1
        self._next_id += 2
        self._defined.setdefault((from_.path, to.path), {})[made[0]] = label
        self._defined.setdefault((to.path, from_.path), {})[made[1]] = inverse or label
        return made

    def has(self, from_: Type, to: Type, type_id: int) -> bool:
        """Tell whether a number is that of a label."""
        return type_id in self._defined.get((from_.path, to.path), {})

    def listed(self, from_: Type, to: Type) -> list[Obj]:
        """Return all ways in which records of two types may belong together."""
        plain, primary = ASSOCIATIONS.get((from_.path, to.path), (0, 0))
        always = [(primary, "Primary"), (plain, None)] if primary else [(plain, None)]
        own = self._defined.get((from_.path, to.path), {})
        return [
            *({"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label} for type_id, label in always),
            *({"category": "USER_DEFINED", "typeId": type_id, "label": label} for type_id, label in own.items()),
        ]

    def put(self, link: Link, type_id: int) -> None:
        """Give an association a label."""
        self._put.setdefault(link, set()).add(type_id)

    def of(self, from_: Type, id: str, to: Type, other_id: str) -> list[Obj]:
        """Return the labels an association has."""
        named = self._defined.get((from_.path, to.path), {})
        found = sorted(self._put.get((from_.path, id, to.path, other_id), ()))
        return [{"category": "USER_DEFINED", "typeId": type_id, "label": named[type_id]} for type_id in found]

    def drop(self, link: Link) -> None:
        """Take the labels of an association away."""
        self._put.pop(link, None)

    def move(self, type_: Type, old: str, new: str) -> None:
        """Give a record the labels of one that was merged into it."""
        for (path, id, other, other_id), type_ids in list(self._put.items()):
            moved = (
                path,
                new if (path, id) == (type_.path, old) else id,
                other,
                new if (other, other_id) == (type_.path, old) else other_id,
            )
            if moved != (path, id, other, other_id):
                del self._put[path, id, other, other_id]
                self._put.setdefault(moved, set()).update(type_ids)
