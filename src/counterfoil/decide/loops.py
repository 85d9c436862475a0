"""Loops as they are found: by what was written of the subjects, which is loaded anyway. Where nothing is written again and again, nothing
is asked of the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from counterfoil.core.commands import SPECS, command_kind
from counterfoil.core.identity.loops import HISTORY_MAX, UNASKED, FieldLoop, FieldsWritten, LoopAnswer, LoopLimits, loop_of, suspects
from counterfoil.core.language.commands import Arguments
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.decision import WrittenAgain
from counterfoil.core.policies.looping import CODE, field_of, owner_of
from counterfoil.core.policies.rules import Rules
from counterfoil.kit.codec import decode_arguments
from counterfoil.store import case_closing, events
from counterfoil.store.case_closing import CaseAnswer
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow
from counterfoil.store.pool import Conn

_WATCHED = frozenset(kind.value for kind, spec in SPECS.items() if spec.arguments.watched_fields)
_EVENT = "event/"

_Thing = tuple[ObjectRef, str]
"""A subject, and the external key it is written by."""


async def written_again(
    conn: Conn, cipher: Cipher, subjects: Collection[ObjectRef], written: Iterable[CommandRow], rules: Rules
) -> dict[tuple[str, str], WrittenAgain]:
    """Return what was written of some subjects again and again, by external key and connection.

    ``written``: their commands that took effect, or may have, in order of wishing.
    """
    found: dict[tuple[str, str], WrittenAgain] = {}
    for (ref, key), places in _often(subjects, written, rules.loops).items():
        places = {place: rows[-HISTORY_MAX:] for place, rows in places.items()}
        arguments = {place: [_arguments(row) for row in rows] for place, rows in places.items()}
        history = {place: _history(rows, arguments[place]) for place, rows in places.items()}
        fields = suspects(history, rules.loops)
        if not fields:
            continue
        tellers = await _tellers(conn, cipher, history)
        answers = await case_closing.answers(conn, "decide", ref.key, CODE)
        loops = tuple(_loop(ref, field, history, rules, tellers, answers) for field in fields)
        found.update({(key, place): WrittenAgain(several[-1], loops) for place, several in arguments.items()})
    return found


def _often(subjects: Collection[ObjectRef], written: Iterable[CommandRow], limits: LoopLimits) -> dict[_Thing, dict[str, list[CommandRow]]]:
    """Return what was written of things, by place, of which one was written to often enough for a loop."""
    asked = set(subjects)
    things: dict[_Thing, dict[str, list[CommandRow]]] = defaultdict(lambda: defaultdict(list))
    for row in written:
        if row.kind in _WATCHED and row.subject in asked:
            things[row.subject, row.external_key][row.target].append(row)
    return {thing: places for thing, places in things.items() if max(map(len, places.values())) >= limits.writes_min}


def _arguments(row: CommandRow) -> Arguments:
    return decode_arguments(command_kind(row.kind), row.arguments)


def _history(rows: Sequence[CommandRow], arguments: Sequence[Arguments]) -> list[FieldsWritten]:
    return [
        FieldsWritten(row.created_at, one.watched, row.causation_id.removeprefix(_EVENT)) for row, one in zip(rows, arguments, strict=True)
    ]


async def _tellers(conn: Conn, cipher: Cipher, history: Mapping[str, Sequence[FieldsWritten]]) -> dict[str, str]:
    """Return who told the events that something was written after."""
    asked = sorted({one.event for several in history.values() for one in several if one.event})
    return {one.id: one.connection for one in await events.read(conn, cipher, asked)}


def _loop(
    ref: ObjectRef,
    field: str,
    history: Mapping[str, Sequence[FieldsWritten]],
    rules: Rules,
    tellers: Mapping[str, str],
    answers: Iterable[CaseAnswer],
) -> FieldLoop:
    owner = rules.ownership.owner(ref.kind, field)
    last = next((one for one in answers if field_of(one.fingerprint) == field), None)
    return loop_of(field, history, rules.loops, tellers, owner, UNASKED if last is None else _answer(last, owner))


def _answer(case: CaseAnswer, owner: str) -> LoopAnswer:
    """Return what became of the last case of a loop; whose word counts may be declared otherwise by now."""
    if case.state is CaseState.OPEN and owner_of(case.fingerprint) != owner:
        return LoopAnswer(is_ruled=True)
    if case.state is CaseState.WAIVED:
        return LoopAnswer(at=case.closed_at, is_waived=True)
    if case.retried_at is not None:
        return LoopAnswer(at=case.retried_at, is_retried=True)
    return LoopAnswer(is_open=case.state is CaseState.OPEN, at=case.closed_at)
