"""Fields that are made by the API, and who may see and write them: nobody, until a permission set that is assigned says so.

https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm
"""

from __future__ import annotations

from typing import Any

from .errors import SalesforceError, not_found
from .ids import make_id
from .rest import Answer, Call
from .schema import Field
from .world import World

Obj = dict[str, Any]

TYPES = {
    "Picklist": "picklist", "Number": "double", "Date": "date", "DateTime": "datetime", "Text": "string", "LongTextArea": "textarea",
    "Checkbox": "boolean", "Currency": "currency",
}  # fmt: skip


class Tooling:
    """The Tooling API of one org."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0

    def answer(self, call: Call) -> Answer:
        """Answer a call. Raises SalesforceError."""
        if (call.method, call.parts) != ("POST", ("tooling", "sobjects", "CustomField")):
            raise not_found()
        self._world.need_customizing()
        type_name, _, name = str(call.values.get("FullName", "")).partition(".")
        given = call.values.get("Metadata")
        type_ = self._world.type_of(type_name)
        if not isinstance(given, dict) or not name.endswith("__c") or given.get("type") not in TYPES or not given.get("label"):
            raise SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", f"{name}: the field is not described as it must be")
        if type_.find(name) is not None:
            raise SalesforceError(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a field named {name} on {type_name}.")
        type_.fields[name] = _field(name, given)
        self._world.hidden.add((type_.name, name))
        self._made += 1
        return Answer(201, {"id": make_id("00N", self._made), "success": True, "errors": [], "warnings": [], "infos": []})


def _field(name: str, given: Obj) -> Field:
    values = ((given.get("valueSet") or {}).get("valueSetDefinition") or {}).get("value") or ()
    return Field(
        name,
        TYPES[given["type"]],
        label=str(given["label"]),
        length=int(given.get("length", 255)),
        precision=int(given.get("precision", 0)),
        scale=int(given.get("scale", 0)),
        values=tuple(str(one["fullName"]) for one in values),
        restricted=bool((given.get("valueSet") or {}).get("restricted")),
        unique=bool(given.get("unique")),
        external=bool(given.get("externalId")),
    )
