"""Statuses onto companies and deals, a hundred a call: read what is there, write what differs, read back and compare.

HubSpot knows no key of a write, and needs none: the same values written twice are written once. Each record goes with a trace of its own,
so that an answer (207) says which were not taken; where a value has the whole batch refused (400), that is halved until the record stands
alone. Whatever was said, what is there afterwards decides: each record ends by itself.

https://developers.hubspot.com/docs/api-reference/latest/error-handling (multi-status errors)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.writing import Outcome, OutcomeStatus

from . import definitions
from .client import Api, RefusedError
from .refs import PATHS, SHOWING, Ref, shown_on
from .refusals import RecordRefusal, problems_of
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
    problems = await _update(ctx, kind, changes)
    if any(one.is_of_definition for one in problems.values()):
        definitions.forget(ctx, kind)
    # What was deleted or merged since it was read is in this answer no more.
    after = await _read(ctx, kind, [one for one in there if one.id in changes])
    for one in there:
        values = after.get(one.id) if one.id in changes else found[one.id]
        outcomes[one.command.id] = _end(one, values, problems.get(one.id))
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
    ends: dict[str, Outcome] = {}
    for command in batch:
        status = command.arguments
        ref = shown_on(ctx.settings.portal_id, status.record) if isinstance(status, ShowStatus) else None
        if ref is not None and isinstance(status, ShowStatus):
            writes.append(Write(command, ref, values_of(status)))
        else:
            message = f"{command.external_key} is of no company or deal of account {ctx.settings.portal_id}"
            remedy = "Compare portal_id with the account the record is of."
            ends[command.id] = _no(command, RecordRefusal(code="hubspot.other_account", message=message, remedy=remedy))
    return writes, ends


async def _read(ctx: Context, kind: str, writes: Sequence[Write]) -> dict[str, dict[str, str | None]]:
    """Return the values of records that are there, by number; one that was merged has another number, and is not there."""
    if not writes:
        return {}
    api = Api(ctx)
    body = {"inputs": [{"id": one.id} for one in writes], "properties": list(writes[0].values), "propertiesWithHistory": []}
    answer = await api.post(f"/crm/objects/{ctx.settings.api_version}/{PATHS[kind]}/batch/read", body)
    return {row.id: row.properties for row in api.decoded(answer, Rows).results}


async def _update(ctx: Context, kind: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, RecordRefusal]:
    """Write changes by record; return what may not have been taken, and why. Whether it was is for reading back to say."""
    if not changes:
        return {}
    body = {"inputs": [{"id": id, "objectWriteTraceId": id, "properties": values} for id, values in changes.items()]}
    try:
        answer = await Api(ctx).write(f"/crm/objects/{ctx.settings.api_version}/{PATHS[kind]}/batch/update", body)
    except RefusedError as error:
        if len(changes) == 1:
            return problems_of(kind, (error.error,), changes)
        rows, half = list(changes.items()), (len(changes) + 1) // 2
        return await _update(ctx, kind, dict(rows[:half])) | await _update(ctx, kind, dict(rows[half:]))
    errors = Api(ctx).decoded(answer, BatchErrors).errors
    return problems_of(kind, errors, changes)


def _end(one: Write, found: Mapping[str, str | None] | None, problem: RecordRefusal | None) -> Outcome:
    """Return how a record ended: by what it shows, and only where that is not the status, by what was said of it."""
    if found is None:
        return _gone(one)
    names = sorted(name.removeprefix(PREFIX) for name in differing(one.values, found))
    if not names:
        return _done(one)
    if problem is None:
        message = f"{one.name} does not show what was written: {', '.join(names)}"
        remedy = "Look in HubSpot which workflow or person changes these properties, end that, then retry this case."
        problem = RecordRefusal(code="hubspot.not_kept", message=message, remedy=remedy)
    if problem.is_to_be_tried_again:
        return Outcome(one.command.id, OutcomeStatus.RETRY, code=problem.code, message=problem.message)
    return _no(one.command, problem)


def _done(one: Write) -> Outcome:
    return Outcome(one.command.id, OutcomeStatus.DONE, f"{one.ref.kind}/{one.id}", one.name)


def _gone(one: Write) -> Outcome:
    message = f"{one.name} is not there any more: it was deleted or merged"
    remedy = f"Nothing: this closes by itself when HubSpot's news of it is read; retry it if the {one.ref.kind} was restored."
    return _no(one.command, RecordRefusal(code="hubspot.record_gone", message=message, remedy=remedy))


def _no(command: Command, why: RecordRefusal) -> Outcome:
    rejected = CaseClass.REJECTED_BY_TARGET
    return Outcome(
        command.id, OutcomeStatus.REFUSED, code=why.code, case_class=rejected, message=why.message, remedy=why.remedy, about=why.about
    )
