"""JSON Schemas of everything canonical, by name and version, and the rule of what may change within a version.

A name is also the ``$id``: ``counterfoil/entity/invoice/1``, ``counterfoil/event/invoice.issued/1``, ``counterfoil/command/post_entry/1``.
Dialect: https://json-schema.org/draft/2020-12/schema.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from counterfoil.core.commands import SPECS
from counterfoil.core.facts.events import EVENT_VERSION
from counterfoil.core.kinds import EVENT_TYPES, KINDS, kind_of_event
from counterfoil.core.language.records import EventType

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_INSTANT: Schema = {"type": "string", "format": "date-time"}


def schemas() -> dict[str, Schema]:
    """Return every schema by its name: one per kind of record, event type and command kind."""
    found: dict[str, Schema] = {}
    for name, kind in KINDS.items():
        found[_name("entity", name)] = _schema_of(kind.record)
    for event_type in EVENT_TYPES:
        found[_name("event", event_type.value)] = _event(event_type)
    for command_kind, spec in SPECS.items():
        found[_name("command", command_kind.value)] = _schema_of(spec.arguments)
    return {name: _plain({"$schema": DIALECT, "$id": name, **schema}) for name, schema in found.items()}


def write_schemas(dest: Path) -> tuple[Path, ...]:
    """Write every schema to ``dest/<group>/<name>.<version>.json`` and return the paths; a file that is already the same is left alone."""
    paths = []
    for name, schema in schemas().items():
        _hub, group, title, version = name.split("/")
        path = dest / group / f"{title}.{version}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
        paths.append(path)
    return tuple(paths)


def incompatibilities(old: Schema, new: Schema) -> tuple[str, ...]:
    """Return why data written by the old schema, or a reader made for it, would fail with the new one; empty: compatible.

    Allowed: a new optional field, a required field made optional, a new value of an enumeration, other words. Everything else needs a new
    version: a field removed, renamed or retyped, a new required field, an enumeration value removed.
    """
    return tuple(_differences(old, new, old.get("$defs", {}), new.get("$defs", {}), "", frozenset()))


def _plain(schema: Schema) -> Schema:
    """Return the schema as a JSON reader would give it: lists for tuples, objects for default values."""
    return msgspec.json.decode(msgspec.json.encode(schema), type=Schema)


def _name(group: str, title: str) -> str:
    return f"counterfoil/{group}/{title}/{EVENT_VERSION}"


def _schema_of(type_: type) -> Schema:
    """Return the self-contained schema of one canonical type."""
    (top,), parts = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    parts = dict(parts)
    # The type itself is a component too; it becomes the top level.
    own = parts.pop(top["$ref"].rpartition("/")[2])
    return _cleaned({**own, "$defs": parts} if parts else own)


def _cleaned(schema: Schema) -> Schema:
    """Return the schema with descriptions freed of their docstring's indentation."""
    clean: Schema = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            clean[key] = inspect.cleandoc(value)
        else:
            clean[key] = _cleaned(value) if isinstance(value, dict) else value
    return clean


def _event(event_type: EventType) -> Schema:
    """Return the schema of an event: the envelope all share, with its own data."""
    kind = kind_of_event(event_type.value)
    subject = {"type": "object", "properties": {"kind": {"const": kind.name}, "id": _TEXT}, "required": ["kind", "id"]}
    required: dict[str, Schema] = {
        "id": _TEXT,
        "type": {"const": event_type.value},
        "version": {"const": EVENT_VERSION},
        "connection": _TEXT,
        "subject": subject,
        "occurred_at": _INSTANT,
        "received_at": _INSTANT,
        "sequence": {"type": "integer"},
        "data": {"$ref": f"../../entity/{kind.name}/{EVENT_VERSION}"},
    }
    optional: dict[str, Schema] = {"account": _TEXT, "correlation_id": _TEXT, "causation_id": _TEXT}
    return {"title": event_type.value, "type": "object", "properties": required | optional, "required": list(required)}


_WORDS = frozenset(
    {"title", "description", "default", "$defs", "$schema", "properties", "required", "enum", "items", "anyOf", "prefixItems"}
)


def _differences(
    old: Schema, new: Schema, old_defs: Mapping[str, Schema], new_defs: Mapping[str, Schema], at: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    old_ref, new_ref = old.get("$ref", ""), new.get("$ref", "")
    if old_ref.startswith("#/$defs/") and new_ref.startswith("#/$defs/"):
        if (old_ref, new_ref) in seen:
            return
        seen = seen | {(old_ref, new_ref)}
        old, new = old_defs[old_ref.rpartition("/")[2]], new_defs[new_ref.rpartition("/")[2]]
    place = at or "the whole"
    for word in sorted((old.keys() | new.keys()) - _WORDS):
        if old.get(word) != new.get(word):
            yield f"{place}: {word} was {old.get(word)!r}, now {new.get(word)!r}"
    yield from (f"{place}: value {value!r} was removed" for value in old.get("enum", ()) if value not in new.get("enum", ()))
    if ("enum" in old) != ("enum" in new):
        yield f"{place}: is no longer the same kind of value"
    for name in old.get("properties", {}):
        if name not in new.get("properties", {}):
            yield f"{_join(at, name)}: was removed"
    for name in new.get("required", ()):
        if name not in old.get("required", ()):
            yield f"{_join(at, name)}: is newly required"
    for path, old_part, new_part in _parts(old, new, at):
        if old_part is None or new_part is None:
            yield f"{path}: is no longer the same kind of value"
        else:
            yield from _differences(old_part, new_part, old_defs, new_defs, path, seen)


def _parts(old: Schema, new: Schema, at: str) -> Iterator[tuple[str, Schema | None, Schema | None]]:
    """Yield the schemas within, old beside new; None where one side has none."""
    for name, old_property in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield _join(at, name), old_property, new["properties"][name]
    for word in ("anyOf", "prefixItems"):
        old_list, new_list = old.get(word, []), new.get(word, [])
        for index in range(max(len(old_list), len(new_list))):
            yield (
                f"{at or 'the whole'}",
                old_list[index] if index < len(old_list) else None,
                new_list[index] if index < len(new_list) else None,
            )
    old_items, new_items = old.get("items"), new.get("items")
    if isinstance(old_items, dict) or isinstance(new_items, dict):
        yield f"{at}[]", old_items if isinstance(old_items, dict) else None, new_items if isinstance(new_items, dict) else None


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
