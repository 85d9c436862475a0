"""The definitions of what is written: looked at by ``counterfoil check``, and made once before the first status is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError

from .client import Api
from .refs import PATHS, SHOWING
from .shown import GROUP, PROPERTIES, Property
from .wire import Definition, Definitions

_DEFINED = "hubspot.defined"


def scopes_of(kind: str) -> str:
    """Return the scopes that writing onto records of a kind needs."""
    return f"crm.objects.{PATHS[kind]}.write, crm.schemas.{PATHS[kind]}.read and crm.schemas.{PATHS[kind]}.write"


async def defined(ctx: Context, kind: str) -> dict[str, Definition]:
    """Return the properties records of a kind have, by name. Raises TransientError, SetupError."""
    api = Api(ctx)
    answer = await api.get(f"/crm/properties/{ctx.settings.api_version}/{PATHS[kind]}")
    return {one.name: one for one in api.decoded(answer, Definitions).results}


async def ensure(ctx: Context, kind: str) -> None:
    """Make what is missing; once a process, since nobody but people takes properties away. Raises TransientError, SetupError."""
    if kind in ctx.state.get(_DEFINED, ()):
        return
    found = await defined(ctx, kind)
    wrong = _wrong(found)
    if wrong:
        raise SetupError(_words(kind, wrong), code="hubspot.property_type")
    missing = [one.definition() for one in PROPERTIES if one.name not in found]
    if missing:
        await _make(ctx, kind, "groups", {**GROUP, "displayOrder": -1})
        await _make(ctx, kind, "batch/create", {"inputs": missing})
        found = await defined(ctx, kind)
        if lacking := [one.name for one in PROPERTIES if one.name not in found]:
            remedy = "make them by hand as the connector's README says, or report this"
            raise SetupError(
                f"HubSpot did not make the properties {', '.join(lacking)} of {PATHS[kind]}: {remedy}", code="hubspot.properties_missing"
            )
    ctx.state[_DEFINED] = {*ctx.state.get(_DEFINED, ()), kind}


async def _make(ctx: Context, kind: str, what: str, body: dict[str, Any]) -> None:
    """Make something that may be there already, and is refused then: another worker may have been quicker."""
    with contextlib.suppress(RejectedError):
        await Api(ctx).write(f"/crm/properties/{ctx.settings.api_version}/{PATHS[kind]}/{what}", body)


def forget(ctx: Context, kind: str) -> None:
    """Have the definitions looked at again before the next write: HubSpot says that one is not there."""
    ctx.state[_DEFINED] = {*ctx.state.get(_DEFINED, ())} - {kind}


async def check_target(ctx: Context) -> tuple[Finding, ...]:
    """Return what stands in the way of writing a status. Raises TransientError, SetupError."""
    kinds = SHOWING if ctx.settings.deal_documents else SHOWING[:1]
    return tuple([finding for kind in kinds for finding in _findings(kind, await defined(ctx, kind))])


def _findings(kind: str, found: dict[str, Definition]) -> Iterator[Finding]:
    wrong = _wrong(found)
    missing = [one.name for one in PROPERTIES if one.name not in found]
    if wrong:
        remedy = "In HubSpot, rename or delete them; the hub makes its own with the next status"
        yield Finding(Severity.ERROR, "hubspot.property_type", _words(kind, wrong), remedy)
    elif missing:
        message = f"{len(missing)} of {len(PROPERTIES)} properties of {PATHS[kind]} are still to be made ({missing[0]} ...)"
        remedy = f"They are made with the first status; that needs {scopes_of(kind)}"
        yield Finding(Severity.WARNING, "hubspot.properties_missing", message, remedy)
    else:
        yield Finding(Severity.OK, "hubspot.properties", f"{PATHS[kind]} have the {len(PROPERTIES)} properties that are written")


def _wrong(found: dict[str, Definition]) -> Sequence[Property]:
    return [one for one in PROPERTIES if one.name in found and found[one.name].type != one.type]


def _words(kind: str, wrong: Sequence[Property]) -> str:
    named = ", ".join(f"{one.name} ({one.type})" for one in wrong)
    return f"{PATHS[kind]} have properties of these names and another type: {named}"
