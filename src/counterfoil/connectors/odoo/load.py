"""Odoo's ``load`` in batches: one id per row, bad rows set aside by name, lost races repeated, nameless failures bisected."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from counterfoil.connectors.odoo.client import NO_UPDATE, OdooContext
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.refusals import is_database_trouble, is_lock_conflict, is_missing_right, is_record_rule, shortened
from counterfoil.connectors.odoo.wire import LoadMessage, LoadResult
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.errors import RejectedError, SetupError, TransientError

TRIES_MAX = 5
RACE_WAIT_S = (0.2, 2.0)
ERRORS_MAX = 10
"""After so many bad rows Odoo stops looking at the others."""

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One record to load: its key (ours, for the answer) and its physical rows, the parent first and continuation rows after it."""

    key: str
    cells: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was refused: Odoo's words, and the field if Odoo named one."""

    message: str
    field: str = ""


@dataclass(slots=True)
class LoadedRows:
    """What became of the rows: database ids and refusals, by key."""

    ids: dict[str, int] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadTable:
    """A model with the columns of its rows. ``is_insert_only``: insert if absent (NU), never touch what exists."""

    model: str
    fields: tuple[str, ...]
    is_insert_only: bool
    context: OdooContext


async def load(session: Session, table: LoadTable, rows: Sequence[LoadRow]) -> LoadedRows:
    """Load all rows that Odoo accepts.

    Sending the same rows again is always safe: inserts are keyed by our external ids, updates write the same values.

    Raises TransientError if the server kept losing races or its database was in trouble (nothing was written) or the outcome stayed
    unknown; SetupError (also for a right missing on the model), RejectedError.
    """
    done = LoadedRows()
    waiting = list(rows)
    while waiting:
        result = await _send(session, table, waiting)
        errors = [message for message in result.messages if message.type == "error"]
        if isinstance(result.ids, list) and not errors:
            _take(done, waiting, result.ids)
            return done
        _check_trouble(table, waiting, errors)
        bad = _named(waiting, errors)
        if bad:
            done.refused.update(bad)
            waiting = [row for row in waiting if row.key not in bad]
        elif len(waiting) == 1:
            words = str(errors[0].message) if errors else "Odoo refused the row without saying why"
            done.refused[waiting[0].key] = Refusal(shortened(words))
            return done
        else:
            return await _bisect(session, table, waiting, done)
    return done


def _take(done: LoadedRows, rows: Sequence[LoadRow], ids: Sequence[int]) -> None:
    if len(ids) != len(rows):
        raise RejectedError(f"load answered {len(ids)} ids for {len(rows)} rows", code="odoo.protocol", case_class=CaseClass.SCHEMA_DRIFT)
    done.ids.update(zip((row.key for row in rows), ids, strict=True))


def _check_trouble(table: LoadTable, rows: Sequence[LoadRow], errors: Sequence[LoadMessage]) -> None:
    """Raise where the messages, though each names a row, are about no row at all: ``load`` answers those like refusals."""
    words = [str(message.message) for message in errors if not isinstance(message.field, str) or not message.field]
    trouble = next((text for text in words if is_database_trouble(text)), None)
    if trouble is not None:
        cause = f"{table.model}.load: Odoo's database is in trouble, nothing was written: {shortened(trouble)}"
        raise TransientError(cause, code="odoo.database_away", is_unavailable=True)
    denied = next((text for text in words if is_missing_right(text)), None)
    if denied is None and len(rows) > 1:  # one record out of reach is that record's matter; all of them are the user's rights
        ruled = [message for message in errors if is_record_rule(str(message.message))]
        denied = str(ruled[0].message) if len({message.record for message in ruled}) >= min(len(rows), ERRORS_MAX) else None
    if denied is not None:
        remedy = "Give the integration user the missing right or company"
        raise SetupError(f"{table.model}.load: {shortened(denied)}. {remedy}", code="odoo.forbidden")


def _named(rows: Sequence[LoadRow], errors: Sequence[LoadMessage]) -> dict[str, Refusal]:
    """Return the refusals of rows that Odoo named by their index, those only that are proven."""
    named = [message for message in errors if message.record is not None and 0 <= message.record < len(rows)]
    bad: dict[str, Refusal] = {}
    for message in _proven(named):
        name = message.field if isinstance(message.field, str) else ""
        bad.setdefault(rows[message.record or 0].key, Refusal(shortened(str(message.message)), name))
    return bad


def _proven(errors: Sequence[LoadMessage]) -> Sequence[LoadMessage]:
    """Return the messages less those of a whole batch, as long as others are left.

    18 and 19 put what the first try of a batch failed with at the head of the list, under the name of the batch's first row, good or not;
    what the rows failed with one by one follows in their order. A first row that is bad itself is named again when the others are gone.
    """
    heads = 0
    while heads < len(errors) and _may_head(errors, heads):
        heads += 1
    rest = errors[heads:]
    return rest if any(message.record != errors[0].record for message in rest) else errors


def _may_head(errors: Sequence[LoadMessage], index: int) -> bool:
    """Whether a message may be about a whole batch: about the first row of all, or out of order before one of an earlier row."""
    message = errors[index]
    record, following = message.record or 0, errors[index + 1].record if index + 1 < len(errors) else None
    is_early = record == 0 or (following is not None and following < record)
    return not message.field and is_early and (index == 0 or (errors[index - 1].record or 0) > record)


async def _bisect(session: Session, table: LoadTable, rows: Sequence[LoadRow], done: LoadedRows) -> LoadedRows:
    middle = len(rows) // 2
    for part in (rows[:middle], rows[middle:]):
        found = await load(session, table, part)
        done.ids.update(found.ids)
        done.refused.update(found.refused)
    return done


async def _send(session: Session, table: LoadTable, rows: Sequence[LoadRow]) -> LoadResult:
    """Send the rows, again after a lost race: ``load`` swallows those into messages and rolls everything back."""
    data = [cells for row in rows for cells in row.cells]
    context: Mapping[str, object] = {**table.context, **(NO_UPDATE if table.is_insert_only else {})}
    for _ in range(TRIES_MAX):
        answer = await session.client.call(
            table.model, "load", fields=list(table.fields), data=data, context=context, is_write=True, is_idempotent=True
        )
        result = msgspec.convert(answer, LoadResult)
        if not any(is_lock_conflict(str(message.message)) for message in result.messages):
            return result
        await asyncio.sleep(random.uniform(*RACE_WAIT_S))  # noqa: S311 - spreads retries, guards nothing
    raise TransientError(f"{table.model}.load kept losing races for locks; nothing was written", code="odoo.locked", retry_after_s=2.0)
