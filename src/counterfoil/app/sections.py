"""A connection's section of the configuration file, written from its connector's settings: given, required, or possible."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from counterfoil.kit.suggestions import SettingLine, Suggestion

Given = Mapping[str, Any]
"""Setting -> value; ``{"env": "NAME"}`` is a reference to a secret."""

_ATTRIBUTE = re.compile(r"^ {4,8}([a-z_][a-z0-9_, ]*): (.*)$")


def section(name: str, connector: str, config: type[BaseModel], given: Given) -> list[str]:
    """Return the lines of ``[connections.<name>]``. Required settings that are not given are marked; tables are left to others."""
    notes = notes_of(config)
    lines = [f"[connections.{name}]", f"connector = {literal(connector)}"]
    for field, info in config.model_fields.items():
        note = notes.get(field, "")
        if field in given:
            lines.append(f"{field} = {literal(given[field])}")
        elif info.is_required():
            lines += _required(name, field, info, note)
    optional = list(_optional(config, given, notes))
    return [*lines, *(["# Settings with their defaults:", *optional] if optional else [])]


def _required(name: str, field: str, info: FieldInfo, note: str) -> Iterator[str]:
    if note:
        yield f"# {note}"
    if is_secret(info):
        reference = f'{{ env = "{name.upper()}_{secret_suffix(field)}" }}'
        yield f"{field} = [{reference}]" if is_many(info) else f"{field} = {reference}"
    else:
        yield f'{field} = "..."  # required: fill this in'


def suggested(name: str, suggestion: Suggestion) -> Iterator[str]:
    """Yield the lines of what a connection's target suggests: a table for each it names, with what people should know."""
    yield from (f"# {note}".rstrip() if note else "" for note in suggestion.notes)
    for books in suggestion.books:
        yield f"# {books.name}, books in {books.currency or '?'}"
        for table in books.tables:
            header = ".".join(bare(part) for part in ("connections", name, *table.path))
            yield f"[{header}]" + (f"  # {table.note}" if table.note else "")
            yield from (_suggested(line) for line in table.lines)
            yield ""


def _suggested(line: SettingLine) -> str:
    is_meant = line.is_meant and line.value != ""
    value = '"CODE"' if line.value == "" else literal(line.value)
    note = f"  # {line.note}".replace("\n", " ") if line.note else ""
    return f"{'' if is_meant else '# '}{bare(line.key)} = {value}{note}"


def bare(key: str) -> str:
    """Return a key as TOML writes it: in quotes unless it is of letters, digits, _ and - alone."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else literal(key)


def secret_suffix(field: str) -> str:
    """Return the end of the environment variable a secret is read from: ``webhook_secrets`` -> ``WEBHOOK_SECRET``."""
    return field.upper().removesuffix("S") if field.endswith("secrets") else field.upper()


def _optional(config: type[BaseModel], given: Given, notes: Mapping[str, str]) -> Iterator[str]:
    for field, info in config.model_fields.items():
        default = info.get_default(call_default_factory=True, validated_data={})
        if field in given or info.is_required() or is_secret(info) or (isinstance(default, dict) and not info.examples):
            continue
        value = _example(info) if default is None or isinstance(default, dict) else literal(default)
        said = "for example" if isinstance(default, dict) else "not set by default" if default is None else ""
        note = "; ".join(part for part in (said, notes.get(field, "")) if part)
        yield f"# {field} = {value}" + (f"  # {note}" if note else "")


def _example(info: FieldInfo) -> str:
    """Return a value a setting without a default may have, as TOML: the line must be TOML when its # is taken away."""
    if info.examples and isinstance(info.examples[0], Mapping):
        return literal(info.examples[0])
    kinds = _types(info.annotation)
    return "true" if bool in kinds else "1" if kinds & {int, float} else '""'


def typed(info: FieldInfo, value: Any) -> Any:
    """Return what was written of a setting as its type has it: ``123`` is a number only where the setting may be one.

    Text in quotes is text without them; of a list each item is told apart. What is no text stays as it is.
    """
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except json.JSONDecodeError:
        return value
    if isinstance(read, list) and is_many(info):
        return [_scalar(info, item, json.dumps(item)) for item in read]
    return _scalar(info, read, value)


def _scalar(info: FieldInfo, read: Any, text: str) -> Any:
    kinds = _types(info.annotation)
    is_number = isinstance(read, int | float) and not isinstance(read, bool) and bool(kinds & {int, float, Decimal})
    return read if isinstance(read, str) or is_number or (isinstance(read, bool) and bool in kinds) else text


def is_secret(info: FieldInfo) -> bool:
    """Tell whether a setting is a secret, or several."""
    return SecretStr in _types(info.annotation)


def is_many(info: FieldInfo) -> bool:
    """Tell whether a setting is a list."""
    return get_origin(info.annotation) in (tuple, list)


def _types(annotation: Any) -> set[Any]:
    return {annotation} | {found for part in get_args(annotation) for found in _types(part)}


def notes_of(config: type[BaseModel]) -> dict[str, str]:
    """Return what the class's docstring says of each setting, one line each (``name: text`` under ``Attributes:``)."""
    notes: dict[str, str] = {}
    names: list[str] = []
    for line in (config.__doc__ or "").partition("Attributes:")[2].splitlines():
        match = _ATTRIBUTE.match(line)
        if match:
            names = [part.strip() for part in match.group(1).split(",")]
            notes.update(dict.fromkeys(names, match.group(2).strip()))
        elif line.strip():
            notes.update({name: f"{notes[name]} {line.strip()}" for name in names})
    for name in list(notes):
        notes.update(_apart(name, notes[name].replace("``", "`"), config))
    return notes


def _apart(name: str, note: str, config: type[BaseModel]) -> dict[str, str]:
    """Return a note that tells of further settings on the same lines as one note each."""
    parts = re.split(r"\. (" + "|".join(config.model_fields) + r"): ", note)
    return dict(zip([name, *parts[1::2]], parts[0::2], strict=True))


def literal(value: Any) -> str:
    """Return a value as TOML writes it. Raises ValueError for one it cannot hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return literal(value.value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str | Path):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{bare(key)} = {literal(item)}" for key, item in value.items()) + " }"
    raise ValueError(f"{type(value).__name__} cannot be written as TOML")
