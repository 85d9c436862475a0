"""What is wrong in a configuration, in plain words: the line, the setting's whole path, what it must be, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from counterfoil.app.toml_lines import line_of

Loc = tuple[str | int, ...]

_SENTENCES: Mapping[str, str] = {
    "missing": "is required and missing",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "string_type": "must be a text in quotation marks",
    "string_too_short": "must not be empty",
    "path_type": "must be a path in quotation marks",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list in square brackets",
    "list_type": "must be a list in square brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "date_type": "must be a day as 2026-01-31",
    "date_parsing": "must be a day as 2026-01-31",
    "date_from_datetime_parsing": "must be a day as 2026-01-31",
    "time_type": "must be a time of day as 06:00:00",
    "time_parsing": "must be a time of day as 06:00:00",
    "datetime_type": "must be a moment as 2026-01-31T06:00:00",
    "datetime_parsing": "must be a moment as 2026-01-31T06:00:00",
    "datetime_from_date_parsing": "must be a moment as 2026-01-31T06:00:00",
}
"""By pydantic's kind of error: https://docs.pydantic.dev/latest/errors/validation_errors/"""

_OF_A_UNION = frozenset({"str", "int", "float", "bool", "[key]"})
"""What pydantic adds to a path that is none of the file's: the member of a union it tried, and that a key is meant."""


def located(name: str, text: str, path: Loc, message: str) -> str:
    """Return a message with the file, the line and the whole path of the setting it is about."""
    line = line_of(text, path)
    where = f"{name}:{line}" if line else name
    return f"{where}: {'.'.join(str(part) for part in path)}: {message}"


def explained(
    name: str, text: str, prefix: Loc, error: ValidationError, model: type[BaseModel], unknown_values: Collection[str] = ()
) -> list[str]:
    """Return one line for each setting that is wrong. ``prefix``: where ``model`` stands in the file.

    ``unknown_values``: settings that are given and whose values could not be had; neither they nor the whole can be called wrong.
    """
    errors = [one for one in plain_errors(error, model) if not unknown_values or (one[0] and one[0][0] not in unknown_values)]
    return [located(name, text, (*prefix, *loc), message) for loc, message in errors]


def plain_errors(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """Yield each setting that is wrong with what it must be; of one that may be several things, all of them."""
    found: dict[Loc, list[str]] = {}
    for item in error.errors(include_input=False, include_url=False):
        loc = tuple(item["loc"])
        while loc and loc[-1] in _OF_A_UNION and len(loc) > 1:
            loc = loc[:-1]
        message = _sentence(item["type"], item["msg"], item.get("ctx", {}), loc, model)
        if message not in found.setdefault(loc, []):
            found[loc].append(message)
    for loc, messages in found.items():
        yield loc, " or ".join([messages[0], *(one.removeprefix("must be ") for one in messages[1:])])


def _sentence(kind: str, words: str, context: Mapping[str, Any], loc: Loc, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return unknown(str(loc[-1]), tuple(_fields_at(model, loc)))
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        field = _fields_at(model, loc).get(str(loc[-1]))
        examples = field.examples if field is not None else None
        return f'must look like "{examples[0]}"' if examples else f"does not have the form {context['pattern']}"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format_map(context)
    return words.replace("Input should be", "must be")


def unknown(name: str, known: Sequence[str]) -> str:
    """Return the message for a setting that is not known, with the name that was probably meant."""
    near = difflib.get_close_matches(name, known, 1, 0.6)
    if near:
        return f"is not a known setting; did you mean {near[0]}?"
    return f"is not a known setting; known: {', '.join(known)}" if known else "is not a known setting; remove it"


def _fields_at(model: type[BaseModel], loc: Loc) -> Mapping[str, FieldInfo]:
    """Return the fields of the table a setting stands in, by the models along its path; empty where the path leads out of them."""
    current: Any = model
    for part in loc[:-1]:
        inner = _first(current, lambda one: isinstance(one, type) and issubclass(one, BaseModel))
        if inner is not None and not _is_container(current):
            field = inner.model_fields.get(str(part))
            current = None if field is None else field.annotation
        else:
            arguments = [one for one in get_args(_first(current, _is_container)) if one is not Ellipsis]
            current = arguments[-1] if arguments else None
    inner = _first(current, lambda one: isinstance(one, type) and issubclass(one, BaseModel))
    return {} if inner is None else inner.model_fields


def _is_container(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (dict, tuple, list)


def _first(annotation: Any, holds: Callable[[Any], bool]) -> Any:
    """Return the first member of a type that a condition holds for, itself included, or None."""
    if holds(annotation):
        return annotation
    return next((found for one in get_args(annotation) if (found := _first(one, holds)) is not None), None)
