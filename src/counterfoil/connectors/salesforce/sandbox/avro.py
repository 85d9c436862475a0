"""Events as Avro: the schema of each, and which of its fields changed as bitmaps.

A bit for each field of the schema by its place; of a compound field its place, a dash, and a bit for each of its own:
https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import fastavro

from .schema import Field, SObject

Obj = dict[str, Any]

CHANGES = ("CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW")
COMPOUNDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "Account": {
        "BillingAddress": {
            "BillingStreet": "Street", "BillingCity": "City", "BillingPostalCode": "PostalCode", "BillingState": "State",
            "BillingCountry": "Country",
        },
    },
    "Contact": {"Name": {"FirstName": "FirstName", "LastName": "LastName"}},
}  # fmt: skip
"""Fields that are told as part of another, by type: the compound, and what each is called in it."""
_LEFT_OUT = {"Id", "IsDeleted", "SystemModstamp"}
_TYPES = {"boolean": "boolean", "double": "double", "currency": "double", "percent": "double", "int": "int", "datetime": "long"}
_HEADER: Obj = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": {"type": "array", "items": "string"}},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": list(CHANGES)}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        *({"name": name, "type": {"type": "array", "items": "string"}} for name in ("nulledFields", "diffFields", "changedFields")),
    ],
}


def change_schema(type_: SObject) -> Obj:
    """Return the schema of a type's change events."""
    compounds = COMPOUNDS.get(type_.name, {})
    inside = {name for parts in compounds.values() for name in parts}
    plain = [one for one in type_.fields.values() if one.name not in _LEFT_OUT | inside | set(compounds)]
    fields: list[Obj] = [{"name": "ChangeEventHeader", "type": _HEADER}]
    for name, parts in compounds.items():
        record = {"type": "record", "name": f"Switchable_{name}", "fields": [_field(part, "string") for part in parts.values()]}
        fields.append({"name": name, "type": ["null", "string", record] if name == "Name" else ["null", record], "default": None})
    fields += [_field(one.name, _TYPES.get(one.type, "string")) for one in plain]
    return {"type": "record", "name": f"{type_.name}ChangeEvent", "namespace": "com.sforce.eventbus", "fields": fields}


def event_schema(name: str, fields: Mapping[str, Field]) -> Obj:
    """Return the schema of a platform event."""
    own = [_field(one.name, _TYPES.get(one.type, "string")) for one in fields.values()]
    always = [{"name": "CreatedDate", "type": "long"}, {"name": "CreatedById", "type": "string"}]
    return {"type": "record", "name": name, "namespace": "com.sforce.eventbus", "fields": [*always, *own]}


def _field(name: str, type: str) -> Obj:
    return {"name": name, "type": ["null", type], "default": None}


def values_of(type_: SObject, values: Mapping[str, Any]) -> Obj:
    """Return a record's values as its events have them: parts of a compound in it."""
    compounds = COMPOUNDS.get(type_.name, {})
    inside = {name: (compound, part) for compound, parts in compounds.items() for name, part in parts.items()}
    found: Obj = {}
    for name, value in values.items():
        if name in inside:
            compound, part = inside[name]
            found.setdefault(compound, {})[part] = value
        elif name not in _LEFT_OUT and name not in compounds and value is not None:
            found[name] = value
    return found


def bitmaps(schema: Obj, type_: SObject, names: Iterable[str]) -> list[str]:
    """Return fields as bitmaps of a schema."""
    places = {one["name"]: place for place, one in enumerate(schema["fields"])}
    inside = {name: (compound, part) for compound, parts in COMPOUNDS.get(type_.name, {}).items() for name, part in parts.items()}
    top, nested = 0, dict[int, int]()
    for name in names:
        if name in inside:
            compound, part = inside[name]
            place = places[compound]
            record = next(one for one in schema["fields"][place]["type"] if isinstance(one, dict))
            bit = [one["name"] for one in record["fields"]].index(part)
            nested[place] = nested.get(place, 0) | 1 << bit
        elif name in places:
            top |= 1 << places[name]
    return [*([f"0x{top:X}"] if top else []), *(f"{place}-0x{bits:X}" for place, bits in sorted(nested.items()))]


def schema_id(schema: Obj) -> str:
    """Return the fingerprint of a schema."""
    return sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:22]


@cache
def _parsed(text: str) -> Any:
    return fastavro.parse_schema(json.loads(text))


def encoded(schema: Obj, value: Obj) -> bytes:
    """Return an event."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(json.dumps(schema, sort_keys=True)), value)
    return out.getvalue()
