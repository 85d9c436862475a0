"""The definitions of what is written: looked at by ``counterfoil check``, and made once before the first status is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from counterfoil.core.kinds.company import COMPANY
from counterfoil.kit.connector import Context, Finding, Severity
from counterfoil.kit.errors import RejectedError, SetupError

from .client import Api
from .refs import PATHS
from .shown import GROUP, PROPERTIES, Property
from .wire import Definition, Definitions

SCOPES = "crm.objects.companies.write, crm.schemas.companies.read and crm.schemas.companies.write"
_DEFINED = "hubspot.defined"
_COMPANIES = PATHS[COMPANY.name]


async def defined(ctx: Context) -> dict[str, Definition]:
    """Return the properties companies have, by name. Raises TransientError, SetupError."""
    api = Api(ctx)
    answer = await api.get(f"/crm/properties/{ctx.settings.api_version}/{_COMPANIES}")
    return {one.name: one for one in api.decoded(answer, Definitions).results}


async def ensure(ctx: Context) -> None:
    """Make what is missing; once a process, since nobody but people takes properties away. Raises TransientError, SetupError."""
    if ctx.state.get(_DEFINED):
        return
    found = await defined(ctx)
    wrong = _wrong(found)
    if wrong:
        raise SetupError(_words(wrong), code="hubspot.property_type")
    missing = [one.definition() for one in PROPERTIES if one.name not in found]
    if missing:
        await _make(ctx, "groups", {**GROUP, "displayOrder": -1})
        await _make(ctx, "batch/create", {"inputs": missing})
        found = await defined(ctx)
        if lacking := [one.name for one in PROPERTIES if one.name not in found]:
            remedy = "make them by hand as the connector's README says, or report this"
            raise SetupError(f"HubSpot did not make the properties {', '.join(lacking)}: {remedy}", code="hubspot.properties_missing")
    ctx.state[_DEFINED] = True


async def _make(ctx: Context, what: str, body: dict[str, Any]) -> None:
    """Make something that may be there already, and is refused then: another worker may have been quicker."""
    with contextlib.suppress(RejectedError):
        await Api(ctx).write(f"/crm/properties/{ctx.settings.api_version}/{_COMPANIES}/{what}", body)


def forget(ctx: Context) -> None:
    """Have the definitions looked at again before the next write: HubSpot says that one is not there."""
    ctx.state.pop(_DEFINED, None)


async def check_target(ctx: Context) -> tuple[Finding, ...]:
    """Return what stands in the way of writing a status. Raises TransientError, SetupError."""
    return tuple(_findings(await defined(ctx)))


def _findings(found: dict[str, Definition]) -> Iterator[Finding]:
    wrong = _wrong(found)
    missing = [one.name for one in PROPERTIES if one.name not in found]
    if wrong:
        remedy = "In HubSpot, rename or delete them; the hub makes its own with the next status"
        yield Finding(Severity.ERROR, "hubspot.property_type", _words(wrong), remedy)
    elif missing:
        message = f"{len(missing)} of {len(PROPERTIES)} properties of companies are still to be made ({missing[0]} ...)"
        yield Finding(Severity.WARNING, "hubspot.properties_missing", message, f"They are made with the first status; that needs {SCOPES}")
    else:
        yield Finding(Severity.OK, "hubspot.properties", f"companies have the {len(PROPERTIES)} properties that are written")


def _wrong(found: dict[str, Definition]) -> Sequence[Property]:
    return [one for one in PROPERTIES if one.name in found and found[one.name].type != one.type]


def _words(wrong: Sequence[Property]) -> str:
    named = ", ".join(f"{one.name} ({one.type})" for one in wrong)
    return f"companies have properties of these names and another type: {named}"
