"""What a write must keep to: fields there are and may be written, values of their type, what is required, unique, allowed by rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from .errors import SalesforceError
from .ids import to_18
from .schema import Field, SObject

if TYPE_CHECKING:
    from .world import Record, World

NUMBERS = {"double", "currency", "percent", "int"}


@dataclass(frozen=True)
class Rule:
    """A validation rule: refuses a record whose field is above (below) a value, or empty."""

    type: str
    field: str
    operator: str
    value: float
    message: str

    def is_broken_by(self, record: Record) -> bool:
        """Whether a record may not be saved so."""
        found = record.get(self.field)
        if self.operator == "empty":
            return found in (None, "")
        return found is not None and (found > self.value if self.operator == ">" else found < self.value)


def checked(world: World, type_: SObject, values: Mapping[str, Any], record: Record | None) -> dict[str, Any]:
    """Return the values that are to be written. Raises SalesforceError."""
    found: dict[str, Any] = {}
    if type_.name in ("PermissionSet", "FieldPermissions", "PermissionSetAssignment"):
        world.need_customizing()
    for name, value in values.items():
        if name in ("attributes", "Id", "id"):
            continue
        field = type_.find(name)
        if field is None or world.is_hidden(type_.name, field.name):
            raise SalesforceError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {type_.name}")
        if not field.writable or (type_.name, field.name) in world.closed:
            words = f"Unable to create/update fields: {name}. Please check the security settings of this field."
            raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", words, (name,))
        found[field.name] = _of_type(world, field, value)
    _required(type_, found, record)
    _unique(world, type_, found, record)
    return found


def obeyed(world: World, type_: SObject, record: Record) -> None:
    """See that no validation rule is broken. Raises SalesforceError."""
    for rule in world.rules:
        if rule.type == type_.name and rule.is_broken_by(record):
            raise SalesforceError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, (rule.field,))


def _required(type_: SObject, values: Mapping[str, Any], record: Record | None) -> None:
    known = {} if record is None else record.values
    after = {**known, **values}
    missing = [
        one.name
        for one in type_.fields.values()
        if one.required and after.get(one.name) in (None, "") and not (one.name == "Name" and after.get("LastName"))
    ]
    if missing:
        raise SalesforceError(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", tuple(missing))


def _unique(world: World, type_: SObject, values: Mapping[str, Any], record: Record | None) -> None:
    for name, value in values.items():
        if type_.fields[name].unique and value is not None:
            others = [one for one in world.by_value(type_.name, name, value) if record is None or one.id != record.id]
            if others:
                words = f"duplicate value found: {name} duplicates value on record with id: {others[0].id[:15]}"
                raise SalesforceError(400, "DUPLICATE_VALUE", words)


def _of_type(world: World, field: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    bad = SalesforceError(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.type} from value {str(value)[:40]}")
    if field.type in NUMBERS:
        return _number(field, value, bad)
    if field.type == "boolean":
        if not isinstance(value, bool):
            raise bad
        return value
    if not isinstance(value, str):
        raise bad
    match field.type:
        case "date":
            try:
                return date.fromisoformat(value).isoformat()
            except ValueError:
                raise bad from None
        case "datetime":
            return _instant_ms(value, bad)
        case "reference":
            return _reference(world, field, value)
        case "picklist" if field.restricted and value not in field.values:
            words = f"bad value for restricted picklist field: {value}"
            raise SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words, (field.name,))
    if len(value) > field.length and field.type in ("string", "picklist", "email", "phone"):
        raise SalesforceError(
            400, "STRING_TOO_LONG", f"{field.label or field.name}: data value too large: (max length={field.length})", (field.name,)
        )
    return value


def _instant_ms(value: str, bad: SalesforceError) -> int:
    """Return an instant as the world keeps it; one without a zone is none."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise bad from None
    if at.tzinfo is None:
        raise bad
    return int(at.timestamp() * 1000)


def _number(field: Field, value: Any, bad: SalesforceError) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise bad
    try:
        number = float(value)
    except ValueError:
        raise bad from None
    if field.precision and abs(number) >= 10 ** (field.precision - field.scale):
        raise SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"{field.name}: value outside of valid range", (field.name,))
    return round(number, field.scale) if field.precision else number


def _reference(world: World, field: Field, value: str) -> str:
    id = to_18(value)
    target = world.records.get(id)
    if len(id) != 18 or target is None or target.type != field.to:
        raise SalesforceError(400, "MALFORMED_ID", f"{field.label or field.name}: id value of incorrect type: {value}", (field.name,))
    if target.deleted_ms is not None:
        raise SalesforceError(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id")
    return id
