"""Statuses onto companies and deals, a hundred a call: read what is there, write what differs, read back and compare.

HubSpot knows no key of a write, and needs none: the same values written twice are written once. What answers 207 tells which records of a
batch it did not take; a value that is refused has the whole batch refused (400), which is then halved until the record stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome, OutcomeStatus

from . import definitions
from .client import Api
from .refs import PATHS, SHOWING, Ref, shown_on
from .shown import PREFIX, differing, stamped, values_of
from .wire import BatchErrors, Rows


@dataclass(frozen=True, slots=True)
class Write:
    """One status on its way: which record of HubSpot's it is of, and the value of every property."""

    command: Command
    ref: Ref
    values: Mapping[str, str]

    @property
    def id(self) -> str:
        """The record's number."""
        return self.ref.id

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.ref.kind} {self.ref.id}"


async def show(ctx: Context, batch: Sequence[Command], _bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write statuses; one outcome for each. Raises TransientError, SetupError."""
    writes, outcomes = _writes(ctx, batch)
    for kind in SHOWING:
        if several := [one for one in writes if one.ref.kind == kind]:
            outcomes |= await _show(ctx, kind, several)
    return tuple(outcomes[command.id] for command in batch)


async def _show(ctx: Context, kind: str, writes: Sequence[Write]) -> dict[str, Outcome]:
    """Write the statuses of records of one kind; the outcomes by command."""
    await definitions.ensure(ctx, kind)
    found = await _read(ctx, kind, writes)
    outcomes = {one.command.id: _gone(one) for one in writes if one.id not in found}
    there = [one for one in writes if one.id in found]
    now = ctx.clock.now()
    changes = {one.id: changed for one in there if (changed := stamped(differing(one.values, found[one.id]), now))}
    refused = await _update(ctx, kind, changes)
    # What was deleted or merged since it was read is in this answer no more.
    after = await _read(ctx, kind, [one for one in there if one.id in changes])
    for one in there:
        values = after.get(one.id) if one.id in changes else found[one.id]
        outcomes[one.command.id] = _refused(one, refused[one.id]) if values is not None and one.id in refused else _compared(one, values)
    return outcomes


async def look(ctx: Context, batch: Sequence[Command], _bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Tell which statuses are there, and have the others written (again). Raises TransientError, SetupError."""
    writes, outcomes = _writes(ctx, batch)
    for kind in SHOWING:
        several = [one for one in writes if one.ref.kind == kind]
        found = await _read(ctx, kind, several)
        for one in several:
            is_there = one.id in found and not differing(one.values, found[one.id])
            outcomes[one.command.id] = _done(one) if is_there else Outcome(one.command.id, OutcomeStatus.RETRY)
    return tuple(outcomes[command.id] for command in batch)


def _writes(ctx: Context, batch: Sequence[Command]) -> tuple[list[Write], dict[str, Outcome]]:
    """Return what is to be written, and the refusals of what is of no company or deal here."""
    writes: list[Write] = []
    refused: dict[str, Outcome] = {}
    for command in batch:
        status = command.arguments
        ref = shown_on(ctx.settings.portal_id, status.record) if isinstance(status, ShowStatus) else None
        if ref is not None and isinstance(status, ShowStatus):
            writes.append(Write(command, ref, values_of(status)))
        else:
            message = f"{command.external_key} is of no company or deal of account {ctx.settings.portal_id}"
            refused[command.id] = _no(
                command, message, "Compare portal_id with the account the record is of.", code="hubspot.other_account"
            )
    return writes, refused


async def _read(ctx: Context, kind: str, writes: Sequence[Write]) -> dict[str, dict[str, str | None]]:
    """Return the values of records that are there, by number; one that was merged has another number, and is not there."""
    if not writes:
        return {}
    api = Api(ctx)
    body = {"inputs": [{"id": one.id} for one in writes], "properties": list(writes[0].values), "propertiesWithHistory": []}
    answer = await api.post(f"/crm/objects/{ctx.settings.api_version}/{PATHS[kind]}/batch/read", body)
    return {row.id: row.properties for row in api.decoded(answer, Rows).results}


async def _update(ctx: Context, kind: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Write changes by record; return what was refused, with HubSpot's classification. Whoever is not refused is read back."""
    if not changes:
        return {}
    body = {"inputs": [{"id": id, "properties": values} for id, values in changes.items()]}
    try:
        answer = await Api(ctx).write(f"/crm/objects/{ctx.settings.api_version}/{PATHS[kind]}/batch/update", body)
    except RejectedError as error:
        definitions.forget(ctx, kind)
        if len(changes) == 1:
            return dict.fromkeys(changes, str(error))
        rows, half = list(changes.items()), (len(changes) + 1) // 2
        return await _update(ctx, kind, dict(rows[:half])) | await _update(ctx, kind, dict(rows[half:]))
    errors = Api(ctx).decoded(answer, BatchErrors).errors
    return {id: error.category for error in errors for id in error.context.get("ids", ()) if id in changes}


def _compared(one: Write, found: Mapping[str, str | None] | None) -> Outcome:
    if found is None:
        return _gone(one)
    names = sorted(name.removeprefix(PREFIX) for name in differing(one.values, found))
    if not names:
        return _done(one)
    message = f"{one.name} does not show what was written: {', '.join(names)}"
    remedy = "Look in HubSpot which workflow or person changes these properties, end that, then retry this case."
    return _no(one.command, message, remedy, code="hubspot.not_kept")


def _done(one: Write) -> Outcome:
    return Outcome(one.command.id, OutcomeStatus.DONE, f"{one.ref.kind}/{one.id}", one.name)


def _gone(one: Write) -> Outcome:
    message = f"{one.name} is not there any more: it was deleted or merged"
    remedy = f"Nothing: this closes by itself when HubSpot's news of it is read; retry it if the {one.ref.kind} was restored."
    return _no(one.command, message, remedy, code="hubspot.record_gone")


def _refused(one: Write, why: str) -> Outcome:
    remedy = "Look at the validation rules of the properties of the group Billing status in HubSpot, then retry this case."
    return _no(one.command, f"{one.name} does not take the status: {why}", remedy, code="hubspot.values_refused")


def _no(command: Command, message: str, remedy: str, *, code: str) -> Outcome:
    return Outcome(command.id, OutcomeStatus.REFUSED, code=code, case_class=CaseClass.REJECTED_BY_TARGET, message=message, remedy=remedy)
