"""Schemas are published promises: these tests fail when a change would break what was written or who reads it.

After a compatible change record it with ``python -m counterfoil.kit.schemas tests/kit/schemas``.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from counterfoil.core.commands import SPECS
from counterfoil.core.facts.events import Event, ref_of
from counterfoil.core.kinds import EVENT_TYPES, kind_of_event
from counterfoil.core.kinds.balance_entry import BalanceEntry, BalanceEntryEvent
from counterfoil.core.kinds.customer import Customer, CustomerEvent
from counterfoil.core.kinds.customer_credit import CustomerCredit, CustomerCreditEvent
from counterfoil.core.kinds.refund import Refund, RefundEvent, RefundState
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import encode
from counterfoil.kit.schemas import incompatibilities, schemas, write_schemas

GOLDEN = Path(__file__).parent / "schemas"


def _golden() -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text("utf-8")) for path in sorted(GOLDEN.rglob("*.json"))]
    return {schema["$id"]: schema for schema in found}


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_words(part) for key, part in value.items() if not (key == "description" and isinstance(part, str))}
    return [_without_words(part) for part in value] if isinstance(value, list) else value


def _registry() -> Registry[Any]:
    return Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas().items())


def test_no_schema_changed_incompatibly_within_its_version() -> None:
    current = schemas()
    broken = {name: incompatibilities(old, current[name]) if name in current else ("was withdrawn",) for name, old in _golden().items()}
    assert {name: why for name, why in broken.items() if why} == {}


def test_every_schema_is_recorded_as_it_is() -> None:
    golden, current = _golden(), schemas()
    assert sorted(golden) == sorted(current)
    changed = [name for name in current if _without_words(golden[name]) != _without_words(current[name])]
    assert changed == []


def test_every_event_type_and_command_kind_has_a_valid_schema() -> None:
    names = set(schemas())
    assert {f"counterfoil/event/{t.value}/1" for t in EVENT_TYPES} <= names
    assert {f"counterfoil/command/{k.value}/1" for k in SPECS} <= names
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)


def test_an_encoded_event_validates_against_its_schema_and_a_damaged_one_does_not() -> None:
    refund = Refund("acme:r", "acme:p", RefundState.FAILED, Money(-5, "USD"), datetime(2026, 1, 1, tzinfo=UTC))
    event = Event("ev", RefundEvent.FAILED, 1, "acme", ref_of(refund), refund.occurred_at, refund.occurred_at, 1, refund)
    validator = Draft202012Validator(schemas()["counterfoil/event/refund.failed/1"], registry=_registry())
    written = json.loads(encode(event))
    validator.validate(written)
    written["data"]["amount"]["minor"] = "5"
    with pytest.raises(ValidationError):
        validator.validate(written)


def test_fees_and_balance_movements_carry_balance_entries_and_credit_changes_customer_credits() -> None:
    assert kind_of_event(BalanceEntryEvent.FEE_CHARGED).record is BalanceEntry
    assert kind_of_event(CustomerCreditEvent.CHANGED).record is CustomerCredit
    assert kind_of_event(CustomerEvent.MERGED).record is Customer


OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "state": {"enum": ["open", "paid"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "due": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["id", "state"],
    "$defs": {"Line": {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}},
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    *way, last = path.split("/")
    place: Any = new
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return new


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/memo", {"type": "string", "default": ""}),
        ("$defs/Line/properties/memo", {"type": "string"}),
        ("required", ["id"]),
        ("description", "other words"),
        ("properties/state/enum", ["open", "paid", "void"]),
    ],
)
def test_an_optional_field_a_new_state_or_other_words_are_compatible(path: str, value: Any) -> None:
    assert incompatibilities(OLD, _changed(path, value)) == ()


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("properties/due", None, "due: was removed"),
        ("properties/id/type", "integer", "id: type was 'string', now 'integer'"),
        ("$defs/Line/properties/amount/type", "number", "lines[].amount: type was 'integer', now 'number'"),
        ("$defs/Line/properties/amount", None, "lines[].amount: was removed"),
        ("required", ["id", "state", "due"], "due: is newly required"),
        ("properties/state/enum", ["open"], "state: value 'paid' was removed"),
        ("properties/state", {"type": "string"}, "state: type was None, now 'string'"),
        ("properties/due/anyOf", [{"type": "string"}], "due: is no longer the same kind of value"),
        ("properties/due/anyOf/0/type", "integer", "due: type was 'string', now 'integer'"),
        ("properties/lines/items", {"type": "integer"}, "lines[]: $ref was '#/$defs/Line', now None"),
    ],
)
def test_removing_renaming_retyping_or_requiring_is_incompatible(path: str, value: Any, why: str) -> None:
    assert why in incompatibilities(OLD, _changed(path, value))


def test_writing_schemas_twice_leaves_the_same_files(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path)
    times = [path.stat().st_mtime_ns for path in paths]
    assert [path.stat().st_mtime_ns for path in write_schemas(tmp_path)] == times
    assert (tmp_path / "event" / "invoice.issued.1.json") in paths
