"""Why HubSpot does not take a record, in words for sales operations, and what is to be done. PURE.

A refusal names properties and codes, and is told in two shapes: as ``errors``, each with its context, or as JSON inside of the message.
https://developers.hubspot.com/docs/api-reference/latest/error-handling, and of validation rules
https://developers.hubspot.com/changelog/upcoming-property-validations-rules-will-be-enforced-for-apis-and-integrations.
HubSpot's own words are left out: they may quote what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from .refs import PATHS
from .shown import BY_NAME
from .wire import BatchError, ErrorDetail

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TOLD_MAX = 5
"""Properties that one refusal names."""


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """One value that was refused: HubSpot's code, and the property; each empty where it is not told."""

    code: str
    property: str


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """One record's refusal. ``about``: what many records may be refused for alike, which is then one case."""

    code: str
    message: str
    remedy: str = ""
    about: str = ""
    is_to_be_tried_again: bool = False
    is_of_definition: bool = False


class _Invalid(msgspec.Struct, frozen=True):
    error: str = ""
    name: str = ""


_INVALID = msgspec.json.Decoder(tuple[_Invalid, ...])
_AGAIN = frozenset({"RATE_LIMITS", "INTERNAL_ERROR", "RESOURCE_LOCKED", "SERVICE_UNAVAILABLE", "TIMEOUT"})
"""Categories that speak of this moment, not of the record."""
_UNDEFINED, _OPTION = "PROPERTY_DOESNT_EXIST", "INVALID_OPTION"


def faults_of(error: BatchError) -> tuple[InvalidValue, ...]:
    """Return the values an error refuses, each once: of its details, and of what its message holds as JSON."""
    told = [*_of_details(error.errors), *_of_message(error.message)]
    return tuple(dict.fromkeys(InvalidValue(_if(_CODE, code), _if(_NAME, name)) for code, name in told))


def problems_of(kind: str, errors: Sequence[BatchError], sent: Mapping[str, object]) -> dict[str, RecordRefusal]:
    """Return what was not taken of a batch, by record.

    An error names records by their number, or by the trace that was sent with each; one that names none may be of any that no other names.
    """
    told: dict[str, list[BatchError]] = {}
    for error in errors:
        for id in _ids_of(error, sent):
            told.setdefault(id, []).append(error)
    rest = [error for error in errors if not _ids_of(error, sent)]
    found = {id: told.get(id) or rest for id in sent}
    return {
        id: refused(kind, id, several[0].category, [fault for one in several for fault in faults_of(one)])
        for id, several in found.items()
        if several
    }


def _ids_of(error: BatchError, sent: Mapping[str, object]) -> tuple[str, ...]:
    named = (*error.context.get("ids", ()), *error.context.get("objectWriteTraceId", ()))
    return tuple(dict.fromkeys(id for id in named if id in sent))


def refused(kind: str, id: str, category: str, faults: Iterable[InvalidValue]) -> RecordRefusal:
    """Return what the refusal of one record means.

    Args:
        kind: the kind of the record.
        id: its number.
        category: HubSpot's classification of the error.
        faults: the values that are refused.
    """
    told = [one for one in faults if one.code or one.property]
    record = f"{kind} {id}"
    if category in _AGAIN:
        return RecordRefusal(code="hubspot.not_now", message=f"{record} could not be written now: {category}", is_to_be_tried_again=True)
    if any(one.code == _UNDEFINED for one in told):
        # The definitions are looked at before the next try, which makes them or names them.
        message = f"{record} has no property {_names(told)} any more"
        return RecordRefusal(code="hubspot.property_unknown", message=message, is_to_be_tried_again=True, is_of_definition=True)
    named = [one for one in told if one.property]
    if not named:
        why = " ".join(dict.fromkeys((_if(_CODE, category), *(one.code for one in told)))).strip() or "no reason was told"
        remedy = f"Look at the {kind} in HubSpot for what stands in the way, then retry this case."
        return RecordRefusal(code="hubspot.values_refused", message=f"{record} does not take the status: {why}", remedy=remedy)
    return _of_properties(kind, record, named)


def _of_properties(kind: str, record: str, faults: list[InvalidValue]) -> RecordRefusal:
    """Return the refusal of values by what is set up for their properties: whoever changes that has all records go on."""
    names, codes = _names(faults), ", ".join(dict.fromkeys(one.code for one in faults if one.code))
    about = "/".join((PATHS[kind], *sorted(f"{one.property}:{one.code}" for one in faults)))
    if all(one.code == _OPTION for one in faults):
        remedy = f"In HubSpot, give the property {names} of {PATHS[kind]} the option that is missing, then retry this case."
        return RecordRefusal(
            code="hubspot.option_missing", message=f"{record} cannot show its status: {names} lacks the option", remedy=remedy, about=about
        )
    remedy = (
        f"In HubSpot, under Settings, Properties, look at the rules of {names} of {PATHS[kind]}: change the rule so that it takes the"
        " value, or correct what it asks of the record; then retry this case."
    )
    words = f"{record} does not take the status: a rule of its property {names} refuses the value" + (f" ({codes})" if codes else "")
    return RecordRefusal(code="hubspot.rule_refuses", message=words, remedy=remedy, about=about)


def _names(faults: Iterable[InvalidValue]) -> str:
    """Return properties as people and programs call them."""
    names = list(dict.fromkeys(one.property for one in faults if one.property))
    told = [f"{BY_NAME[name].label} ({name})" if name in BY_NAME else name for name in names[:_TOLD_MAX]]
    return ", ".join(told) + (" and others" if len(names) > _TOLD_MAX else "") if told else "of those that are written"


def _of_details(errors: Iterable[ErrorDetail]) -> Iterator[tuple[str, str]]:
    for one in errors:
        for name in one.names or ("",):
            yield one.code, name


def _of_message(message: str) -> Iterator[tuple[str, str]]:
    start = message.find("[")
    if start < 0:
        return
    try:
        found = _INVALID.decode(message[start : message.rfind("]") + 1])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    yield from ((one.error, one.name) for one in found)


def _if(shape: re.Pattern[str], text: str) -> str:
    """Return a text that has a shape, else nothing: what is told is HubSpot's to say, and may be a person's data."""
    return text if shape.fullmatch(text) else ""
