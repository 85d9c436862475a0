"""What people are told of a field that goes round in a loop: which record, who fights by which rule, since when, and what to do. Pure.

Values that tell who somebody is are shown by their form alone: a loop of formats is seen by that.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from counterfoil.core.identity.loops import FieldLoop
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for_any_owner

from .decision import Problem

CODE = "decide.loop"
"""That of its cases."""
_PERSONAL = frozenset({"name", "email", "phone", "address", "tax_ids"})
_VALUES_MAX = 3
_SHOWN_MAX = 40
_OWNER = "its declared owner"


def in_a_loop(ref: ObjectRef, loop: FieldLoop) -> Problem:
    """Return the problem of a field of a record that is written no further."""
    places = " and ".join(sorted(loop.turns))
    return Problem(
        CaseClass.OWNERSHIP_VIOLATION,
        "decide.loop",
        f"{loop.field} of {ref.key} goes round in a loop: since {loop.since():%Y-%m-%d %H:%M} UTC it was written to {places}"
        f" {loop.times()} times, each time otherwise ({_alternating(ref, loop)}). {_fight(ref, loop)} What was written last stays"
        " there, and further changes of this field are held; all else of the record goes on.",
        _remedy(ref, loop),
        releases_on=wait_for_any_owner(ref.kind, loop.field),
        about=f"{ref.key}|{loop.owner}",
    )


def owner_of(fingerprint: str) -> str:
    """Return whose word on the field counted when a case of a loop was opened, by its fingerprint; empty: nobody's."""
    return fingerprint.rpartition("|")[2]


def field_of(fingerprint: str) -> str:
    """Return the field a case of a loop is of, by its fingerprint."""
    return fingerprint.split("|")[1].rpartition("/")[2]


def _fight(ref: ObjectRef, loop: FieldLoop) -> str:
    """Return who tells the values, and by which rules they count."""
    tellers = loop.told_by()
    if not tellers:
        return "Who told the values is not known any more."
    words = " and ".join(f"{one}{f' ({_OWNER})' if one == loop.owner else ''}" for one in tellers[:2])
    if len(tellers) > 1:
        told = f"{words} tell it by turns, each otherwise"
    elif tellers[0] in loop.turns:
        told = f"{words} answers what it is written with another value each time"
    else:
        told = f"{words} tells another value each time"
    if loop.field not in {one.name for one in fields(KINDS[ref.kind].record)}:
        return f"{told}."
    if not loop.owner:
        return f"{told}: nobody is declared its owner, so the newest word counts, whoever says it."
    return f"{told}; where {loop.owner} says nothing, the newest word of the others counts."


def _remedy(ref: ObjectRef, loop: FieldLoop) -> str:
    """Return what to do. What is made of a record, as its status is, has no owner: there whom the record names is what changes."""
    tellers = " or ".join(loop.told_by()[:2]) or " or ".join(sorted(loop.turns))
    answers = "Retry writes the word that counts by now once more; waive leaves what was written last, until another value comes."
    if loop.field not in {one.name for one in fields(KINDS[ref.kind].record)}:
        return (
            f"Look in {tellers} for what changes by itself whom {ref.key} names (a workflow, an automation) and switch it off."
            f" `counterfoil why {ref.key}` shows who says what. {answers}"
        )
    declare = "declare its owner" if not loop.owner else "declare another owner"
    return (
        f"Look in {tellers} for what changes {loop.field} by itself (a workflow, an automation, a rule that formats it) and switch it off;"
        f" or {declare} under [[ownership]] (kind {ref.kind}, field {loop.field}): that ends this case. `counterfoil why {ref.key}"
        f" {loop.field}` shows who says what. {answers}"
    )


def _alternating(ref: ObjectRef, loop: FieldLoop) -> str:
    values = loop.values()
    is_personal = loop.field in _PERSONAL and ref.kind != PRODUCT.name
    shown = [repr(_form(text) if is_personal else text[:_SHOWN_MAX]) for text in map(_plain, values[:_VALUES_MAX])]
    more = len(values) - len(shown)
    words = " and ".join(shown) + (f" and {more} more" if more else "")
    return f"values of the form {words}" if is_personal else f"values {words}"


def _form(text: str) -> str:
    """Return the form of a text: letters, capitals and digits by one sign each."""
    signs = ("9" if sign.isdigit() else "X" if sign.isupper() else "x" if sign.isalpha() else sign for sign in text[:_SHOWN_MAX])
    return "".join(signs)


def _plain(value: Any) -> str:
    """Return a value as a text, its parts one after the other."""
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    if is_dataclass(value):
        return ", ".join(filter(None, (_plain(getattr(value, one.name)) for one in fields(value))))
    return str(value.value if isinstance(value, Enum) else value)
