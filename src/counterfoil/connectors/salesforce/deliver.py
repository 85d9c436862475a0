"""Statuses onto accounts and opportunities: read what is there, write what differs, read back and compare.

Salesforce knows no key of a write, and needs none: the same values written twice are written once. Up to so many changes go in collections
of 200, more of them as one load job (``loading``); both tell of each record what became of it. Rows are written in the order of their
parents, so that few calls meet at one: a record whose parent is locked is refused, and tried again.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.writing import Outcome, OutcomeStatus

from . import definitions, loading
from .api import Api
from .client import Refusal, RefusedError, told
from .refs import PARENTS, SHOWING, Ref, shown_on, to_18
from .refusals import LOCKED, NOUNS, RecordRefusal, refused
from .shown import BY_NAME, PREFIX, SUFFIX, as_json, differing, stamped, values_of
from .wire import Row, flat

RETRIEVE_MAX = 2_000
COLLECTION_MAX = 200
LOCK_TRIES = 3
LOCK_S = 0.2
"""How long a locked record is left alone before it is tried again; twice as long each time."""
SAVE_ANYWAY = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""A status makes no duplicate of a record; a rule that warns of them is not about it."""


@dataclass(frozen=True, slots=True)
class Write:
    """One status on its way: the record it is of, and the value of every field."""

    command: Command
    ref: Ref
    values: Mapping[str, str]

    @property
    def id(self) -> str:
        """The record's id."""
        return self.ref.id

    @property
    def name(self) -> str:
        """The type of the record."""
        return SHOWING[self.ref.kind]

    @property
    def words(self) -> str:
        """What people call it."""
        return f"{NOUNS[self.name].one} {self.id}"


class _Result(msgspec.Struct, frozen=True):
    id: str = ""
    success: bool = False
    errors: tuple[Refusal, ...] = ()


async def show(ctx: Context, batch: Sequence[Command], _bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write statuses; one outcome for each. Raises TransientError, SetupError."""
    writes, outcomes = _writes(ctx, batch)
    for name in SHOWING.values():
        if several := [one for one in writes if one.name == name]:
            outcomes |= await _show(ctx, name, several)
    return tuple(outcomes[command.id] for command in batch)


async def _show(ctx: Context, name: str, writes: Sequence[Write]) -> dict[str, Outcome]:
    """Write the statuses of records of one type; the outcomes by command."""
    await definitions.ensure(ctx, name)
    found = await _read(ctx, name, [one.id for one in writes])
    now = ctx.clock.now()
    changes = {one.id: changed for one in writes if one.id in found and (changed := stamped(differing(one.values, found[one.id]), now))}
    problems = await _written(ctx, name, _in_order(name, changes, found))
    if any(one.is_of_field for one in problems.values()):
        definitions.forget(ctx, name)
    # What was deleted or merged since it was read is in this answer no more.
    after = await _read(ctx, name, list(changes))
    rows = {one.id: after.get(one.id) if one.id in changes else found.get(one.id) for one in writes}
    return {one.command.id: _end(one, rows[one.id], problems.get(one.id)) for one in writes}


async def look(ctx: Context, batch: Sequence[Command], _bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Tell which statuses are there, and have the others written (again) once no load job could still write them.

    Raises TransientError, SetupError.
    """
    writes, outcomes = _writes(ctx, batch)
    for name in SHOWING.values():
        if several := [one for one in writes if one.name == name]:
            outcomes |= await _look(ctx, name, several)
    return tuple(outcomes[command.id] for command in batch)


async def _look(ctx: Context, name: str, writes: Sequence[Write]) -> dict[str, Outcome]:
    absent = await _absent(ctx, name, writes)
    is_loading = bool(absent) and await loading.is_under_way(ctx, name)
    if not is_loading:
        absent = await _absent(ctx, name, absent)  # a job may have ended since they were read
    outcomes = {one.command.id: _done(one) for one in writes}
    return outcomes | {one.command.id: _loading(one) if is_loading else Outcome(one.command.id, OutcomeStatus.RETRY) for one in absent}


async def _absent(ctx: Context, name: str, writes: Sequence[Write]) -> list[Write]:
    """Return the statuses that are not shown; all of them where a field is missing, which the next write makes or names."""
    try:
        found = await _read(ctx, name, [one.id for one in writes])
    except SetupError as error:
        if error.code != "salesforce.field_unknown":
            raise
        found = {}
    return [one for one in writes if one.id not in found or differing(one.values, found[one.id])]


def _writes(ctx: Context, batch: Sequence[Command]) -> tuple[list[Write], dict[str, Outcome]]:
    """Return what is to be written, and the refusals of what is of no account or opportunity here."""
    writes: list[Write] = []
    ends: dict[str, Outcome] = {}
    for command in batch:
        status = command.arguments
        ref = shown_on(ctx.settings.org_id, status.record) if isinstance(status, ShowStatus) else None
        if ref is not None and isinstance(status, ShowStatus):
            writes.append(Write(command, ref, values_of(status)))
        else:
            message = f"{command.external_key} is of no account or opportunity of org {ctx.settings.org_id}"
            remedy = "Compare org_id with the org the record is of."
            ends[command.id] = _no(command, RecordRefusal(code="salesforce.other_org", message=message, remedy=remedy))
    return writes, ends


async def _read(ctx: Context, name: str, ids: Sequence[str]) -> dict[str, Row]:
    """Return the values of records of a type that are there, by id; one that was deleted or merged is not."""
    api, fields = Api(ctx), ["Id", PARENTS[name], *BY_NAME]
    found: dict[str, Row] = {}
    for start in range(0, len(ids), RETRIEVE_MAX):
        body = {"ids": list(ids[start : start + RETRIEVE_MAX]), "fields": fields}
        try:
            rows = api.objects(await api.post(f"/composite/sobjects/{name}", body))
        except SetupError:
            definitions.forget(ctx, name)
            raise
        found |= {to_18(row["Id"]): row for one in rows if one is not None and (row := flat(one)).get("Id")}
    return found


def _in_order(name: str, changes: Mapping[str, Mapping[str, str]], found: Mapping[str, Row]) -> dict[str, Mapping[str, str]]:
    """Return changes by record, those of one parent together."""
    return {id: changes[id] for id in sorted(changes, key=lambda id: (to_18(found[id].get(PARENTS[name], "")) or id, id))}


async def _written(ctx: Context, name: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, RecordRefusal]:
    """Write changes; return what was not taken, and why. Raises TransientError, SetupError."""
    if len(changes) >= ctx.settings.load_from:
        return await loading.load(ctx, name, changes)
    problems: dict[str, RecordRefusal] = {}
    left, tries = dict(changes), 0
    while left:
        problems = {id: one for id, one in problems.items() if id not in left} | await _collections(ctx, name, left)
        tries += 1
        left = {id: changes[id] for id in left if id in problems and problems[id].code == LOCKED}
        if tries > LOCK_TRIES:
            break
        if left:
            await asyncio.sleep(LOCK_S * 2 ** (tries - 1))
    return problems


async def _collections(ctx: Context, name: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, RecordRefusal]:
    api, rows = Api(ctx), list(changes.items())
    problems: dict[str, RecordRefusal] = {}
    for start in range(0, len(rows), COLLECTION_MAX):
        problems |= await _collection(api, name, rows[start : start + COLLECTION_MAX])
    return problems


async def _collection(api: Api, name: str, rows: Sequence[tuple[str, Mapping[str, str]]]) -> dict[str, RecordRefusal]:
    """Write records by one call; if that is refused as a whole, each half by itself, down to the record it is refused for."""
    records = [{"attributes": {"type": name}, "id": id, **as_json(values)} for id, values in rows]
    try:
        answer = await api.write("PATCH", "/composite/sobjects", {"allOrNone": False, "records": records}, SAVE_ANYWAY)
    except RefusedError as error:
        if error.is_outcome_unknown:
            raise
        if len(rows) == 1:
            return {id: refused(name, id, next(iter(error.codes), ""), str(error)) for id, _ in rows}
        half = len(rows) // 2
        return await _collection(api, name, rows[:half]) | await _collection(api, name, rows[half:])
    problems: dict[str, RecordRefusal] = {}
    for (id, _), result in zip(rows, api.decoded(answer, tuple[_Result, ...]), strict=False):
        if not result.success:
            first = next(iter(result.errors), Refusal(message="no reason was told"))
            problems[id] = refused(name, id, first.code, told(first))
    return problems


def _end(one: Write, found: Row | None, problem: RecordRefusal | None) -> Outcome:
    if found is None:
        message = f"{one.words} is not there any more: it was deleted or merged"
        remedy = "Nothing: this closes by itself when Salesforce's news of it is read; retry it if it was restored."
        return _no(one.command, RecordRefusal(code="salesforce.record_gone", message=message, remedy=remedy))
    if problem is not None and problem.is_to_be_tried_again:
        return Outcome(one.command.id, OutcomeStatus.RETRY, code=problem.code, message=problem.message)
    names = sorted(name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in differing(one.values, found))
    if not names:
        return _done(one)
    if problem is not None:
        return _no(one.command, problem)
    message = f"{one.words} does not show what was written: {', '.join(names)}"
    remedy = "Look in Salesforce which flow, trigger or person changes these fields, end that, then retry this case."
    return _no(one.command, RecordRefusal(code="salesforce.not_kept", message=message, remedy=remedy))


def _loading(one: Write) -> Outcome:
    message = f"a load job that may write {one.words} is under way"
    return Outcome(one.command.id, OutcomeStatus.UNKNOWN, code="salesforce.job_under_way", message=message)


def _done(one: Write) -> Outcome:
    return Outcome(one.command.id, OutcomeStatus.DONE, f"{one.ref.kind}/{one.id}", one.words)


def _no(command: Command, why: RecordRefusal) -> Outcome:
    return Outcome(
        command.id, OutcomeStatus.REFUSED, code=why.code, case_class=why.case_class, message=why.message, remedy=why.remedy, about=why.about
    )
