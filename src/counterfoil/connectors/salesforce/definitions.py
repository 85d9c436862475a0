"""The fields that are written: looked at by ``counterfoil check``, and made before the first status is written, if the user may make some.

A field the Tooling API makes is seen by nobody: a permission set of the hub's own, assigned to its integration user, lets it be written.
https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm,
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_fieldpermissions.htm
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, SetupError

from .api import Api
from .client import RefusedError, user_of
from .refs import ACCOUNT, OPPORTUNITY
from .refusals import NOUNS
from .shown import DESCRIBED, FIELDS, STANDING, STANDINGS, Shown
from .soql import quoted
from .wire import FieldDefinition

RIGHTS = "Customize Application and Manage Profiles and Permission Sets"
SET = "Counterfoil"
_DEFINED = "salesforce.defined"
_THERE = frozenset({"DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"})
_BY_HAND = "make them by hand as the connector's README says, and let the integration user edit them"


async def ensure(ctx: Context, name: str) -> None:
    """Make what a type lacks; once a process, since nobody but people takes fields away. Raises TransientError, SetupError."""
    if name in ctx.state.get(_DEFINED, ()):
        return
    api = Api(ctx)
    found = await api.described(name)
    if wrong := _wrong(found):
        raise SetupError(_of_type(name, wrong), code="salesforce.field_type")
    if _unusable(found):
        refusal = await _made(ctx, api, name)
        found = await api.described(name)
        if lacking := _unusable(found):
            why = f" ({refusal})" if refusal else ""
            message = f"{NOUNS[name].several} lack fields the hub writes, or it may not write them: {', '.join(lacking)}{why}"
            raise SetupError(f"{message}. Give the integration user {RIGHTS}, or {_BY_HAND}", code="salesforce.fields_missing")
    if lacking := _values_missing(found):
        raise SetupError(_of_values(name, lacking), code="salesforce.picklist_value_missing")
    ctx.state[_DEFINED] = {*ctx.state.get(_DEFINED, ()), name}


def forget(ctx: Context, name: str) -> None:
    """Have the fields of a type looked at again before the next write: Salesforce says that one is not there."""
    ctx.state[_DEFINED] = {*ctx.state.get(_DEFINED, ())} - {name}


async def _made(ctx: Context, api: Api, name: str) -> str:
    """Make the fields of a type, and let the hub's user write them; return why that was refused. Raises TransientError, SetupError."""
    try:
        found = await api.described(name)
        for one in FIELDS:
            if one.name not in found:
                await _once(api, "/tooling/sobjects/CustomField", one.definition(name))
        await _granted(ctx, api, name)
    except RejectedError as error:
        return ", ".join(error.codes) if isinstance(error, RefusedError) else error.code
    except SetupError as error:
        if error.code not in ("salesforce.forbidden", "salesforce.address_unknown", "salesforce.field_unknown"):
            raise
        return "the integration user may not make fields"
    return ""


async def _granted(ctx: Context, api: Api, name: str) -> None:
    user = await user_of(ctx)
    sets = await api.rows(f"SELECT Id FROM PermissionSet WHERE Name = '{SET}'", with_deleted=False)
    if not sets:
        await _once(api, "/sobjects/PermissionSet", {"Name": SET, "Label": "Counterfoil: billing status"})
        sets = await api.rows(f"SELECT Id FROM PermissionSet WHERE Name = '{SET}'", with_deleted=False)
    parent = sets[0]["Id"]
    rows = await api.rows(f"SELECT Field FROM FieldPermissions WHERE ParentId = {quoted(parent)}", with_deleted=False)
    known = {row.get("Field", "") for row in rows}
    lacking = [field for one in FIELDS if (field := f"{name}.{one.name}") not in known]
    if lacking:
        given: dict[str, Any] = {"attributes": {"type": "FieldPermissions"}, "ParentId": parent, "SobjectType": name}
        wanted = [{**given, "Field": field, "PermissionsRead": True, "PermissionsEdit": True} for field in lacking]
        # What of it is refused is seen by what may be written in the end.
        await api.write("POST", "/composite/sobjects", {"allOrNone": False, "records": wanted})
    where = f"PermissionSetId = {quoted(parent)} AND AssigneeId = {quoted(user)}"
    if not await api.rows(f"SELECT Id FROM PermissionSetAssignment WHERE {where}", with_deleted=False):
        await _once(api, "/sobjects/PermissionSetAssignment", {"PermissionSetId": parent, "AssigneeId": user})


async def _once(api: Api, path: str, body: Mapping[str, Any]) -> None:
    """Make something that may be there already, and is refused then: another worker may have been quicker."""
    try:
        await api.write("POST", path, body)
    except RefusedError as error:
        if not _THERE & set(error.codes):
            raise


async def check_target(ctx: Context) -> tuple[Finding, ...]:
    """Return what stands in the way of writing a status. Raises TransientError, SetupError."""
    api = Api(ctx)
    try:
        found = {name: await api.described(name) for name in (ACCOUNT, OPPORTUNITY)}
    except HubError:
        forget(ctx, ACCOUNT)
        forget(ctx, OPPORTUNITY)
        raise
    # What names the opportunity may stand on the side of billing as well: once one was shown, its fields are looked at, too.
    is_shown = ctx.settings.deal_documents or any(one.name in found[OPPORTUNITY] for one in FIELDS)
    return tuple(finding for name in (ACCOUNT, *((OPPORTUNITY,) if is_shown else ())) for finding in _findings(name, found[name]))


def _findings(name: str, found: Mapping[str, FieldDefinition]) -> Iterator[Finding]:
    missing, closed = [one.name for one in FIELDS if one.name not in found], _closed(found)
    if wrong := _wrong(found):
        remedy = "In Salesforce, rename or delete them; the hub makes its own with the next status"
        yield Finding(Severity.ERROR, "salesforce.field_type", _of_type(name, wrong), remedy)
    elif missing or closed:
        told = (
            f"{len(missing)} of {len(FIELDS)} fields of {NOUNS[name].several} are still to be made"
            if missing
            else f"the hub may not write fields it made of {NOUNS[name].several}"
        )
        message = f"{told} ({(missing or closed)[0]} ...)"
        remedy = f"They are made with the first status; that needs {RIGHTS}. Or {_BY_HAND}"
        yield Finding(Severity.WARNING, "salesforce.fields_missing", message, remedy)
    elif lacking := _values_missing(found):
        yield Finding(
            Severity.ERROR, "salesforce.picklist_value_missing", _of_values(name, lacking), "Add them to the picklist in Salesforce"
        )
    else:
        yield Finding(Severity.OK, "salesforce.fields_written", f"{NOUNS[name].several} have the {len(FIELDS)} fields that are written")


def _wrong(found: Mapping[str, FieldDefinition]) -> Sequence[Shown]:
    return [one for one in FIELDS if one.name in found and found[one.name].type != DESCRIBED[one.type]]


def _closed(found: Mapping[str, FieldDefinition]) -> list[str]:
    return [one.name for one in FIELDS if one.name in found and not found[one.name].updateable]


def _unusable(found: Mapping[str, FieldDefinition]) -> list[str]:
    return [*(one.name for one in FIELDS if one.name not in found), *_closed(found)]


def _values_missing(found: Mapping[str, FieldDefinition]) -> list[str]:
    known = {one.value for one in found[STANDING].picklistValues if one.active} if STANDING in found else set(STANDINGS)
    return [value for value in STANDINGS if value not in known]


def _of_type(name: str, wrong: Sequence[Shown]) -> str:
    named = ", ".join(f"{one.name} ({one.type})" for one in wrong)
    return f"{NOUNS[name].several} have fields of these names and another type: {named}"


def _of_values(name: str, lacking: Sequence[str]) -> str:
    noun = NOUNS[name]
    return f"the picklist {STANDING} of {noun.several} lacks {', '.join(lacking)}: an {noun.one} that stands so could not be shown"
