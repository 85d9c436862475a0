"""Properties of an account's own, and their groups: https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import HubspotError, invalid, malformed
from .types import Obj, Type

BATCH_MAX = 100
FIELD_TYPES = {
    "string": {"text", "textarea", "phonenumber", "html"},
    "number": {"number"},
    "date": {"date"},
    "datetime": {"date"},
    "bool": {"booleancheckbox"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MIDNIGHT_MS = 86_400_000


class Properties:
    """What an account defined beside what every account has; by type of object."""

    def __init__(self) -> None:
        self.own: dict[str, dict[str, Obj]] = {}
        self.groups: dict[str, dict[str, Obj]] = {}
        self.rules: dict[tuple[str, str], tuple[str, str]] = {}
        """Validation rules by type and property: the code of what does not keep to one, and the pattern that a value must have."""

    def has(self, type_: Type, name: str) -> bool:
        """Tell whether a type has a property."""
        return name in type_.properties or name in self.own.get(type_.path, {})

    def listed(self, type_: Type) -> tuple[int, Obj]:
        """Return all properties of a type."""
        always = [_shown({"name": name, **_of_every_account(type_, name)}) for name in sorted(type_.properties)]
        return 200, {"results": [*always, *(_shown(one) for one in self.own.get(type_.path, {}).values())]}

    def grouped(self, type_: Type) -> list[Obj]:
        """Return the groups an account made for a type."""
        return list(self.groups.get(type_.path, {}).values())

    def group(self, type_: Type, body: Obj) -> tuple[int, Obj]:
        """Make a group. Raises HubspotError."""
        name = str(body["name"])
        if name in self.groups.setdefault(type_.path, {}):
            raise HubspotError(409, "CONFLICT", f"A property group named '{name}' already exists.")
        self.groups[type_.path][name] = {"name": name, "label": str(body["label"]), "displayOrder": -1, "archived": False}
        return 201, self.groups[type_.path][name]

    def create(self, type_: Type, body: Obj) -> Obj:
        """Make a property. Raises HubspotError."""
        name, kind, field = str(body["name"]), str(body["type"]), str(body["fieldType"])
        if not _NAME.fullmatch(name):
            raise invalid(f"{name} is no name of a property", "INVALID_PROPERTY_NAME", propertyName=name)
        if field not in FIELD_TYPES.get(kind, set()):
            raise malformed(f"fieldType {field} is none of type {kind}")
        if body["groupName"] not in self.groups.get(type_.path, {}):
            raise HubspotError(400, "VALIDATION_ERROR", f"Property group '{body['groupName']}' does not exist")
        if self.has(type_, name):
            raise HubspotError(409, "CONFLICT", f"Property with name: {name} already exists.")
        made = {**body, "label": str(body["label"]), "options": body.get("options") or []}
        self.own.setdefault(type_.path, {})[name] = made
        return _shown(made)

    def batch(self, type_: Type, inputs: Any) -> tuple[int, list[Obj], list[Obj]]:
        """Make several; what cannot be made is told, and fails no other."""
        if not isinstance(inputs, list) or not 0 < len(inputs) <= BATCH_MAX:
            raise malformed(f"inputs must be 1 to {BATCH_MAX}")
        made, errors = [], []
        for one in inputs:
            try:
                made.append(self.create(type_, one))
            except HubspotError as error:
                told = {key: error.body[key] for key in ("status", "category", "message")}
                errors.append({**told, "context": {"name": [str(one.get("name"))]}, "errors": [], "links": {}})
        return (207 if errors else 201), made, errors

    def check(self, type_: Type, name: str, text: str) -> None:
        """See that a value is one of its property. Raises HubspotError."""
        code, pattern = self.rules.get((type_.path, name), ("", ""))
        if code and text and not re.fullmatch(pattern, text):
            raise invalid(f"{text} does not keep to the rule", code, propertyName=name)
        made = self.own.get(type_.path, {}).get(name)
        if made is None or not text:
            return
        match made["type"]:
            case "number" if not is_number(text):
                raise invalid(f"{text} was not a valid number.", "INVALID_NUMBER", propertyName=name)
            case "enumeration" if text not in {one["value"] for one in made["options"]}:
                raise invalid(f"{text} was not one of the allowed options", "INVALID_OPTION", propertyName=name)
            case "date" if not _is_day(text):
                raise invalid(f"{text} was not a valid date.", "INVALID_DATE", propertyName=name)
            case "datetime" if not _is_instant(text):
                raise invalid(f"{text} was not a valid date.", "INVALID_DATE", propertyName=name)


def is_number(text: str) -> bool:
    """Tell whether a text is a number."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _is_day(text: str) -> bool:
    """Tell whether a text is a day: as such, or as the milliseconds of its midnight in UTC."""
    try:
        return int(text) % _MIDNIGHT_MS == 0 if text.lstrip("-").isdecimal() else date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    """Tell whether a text is an instant: in milliseconds, or with its zone."""
    try:
        return text.lstrip("-").isdecimal() or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _of_every_account(type_: Type, name: str) -> Obj:
    kind = "number" if name in type_.numbers else "string"
    return {"label": name, "type": kind, "fieldType": {"number": "number", "string": "text"}[kind], "groupName": f"{type_.name}information"}


def _shown(made: Obj) -> Obj:
    at = datetime(2026, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    base = {"description": "", "options": [], "displayOrder": -1, "hidden": False, "archived": False, "createdAt": at, "updatedAt": at}
    return {**base, **made}
