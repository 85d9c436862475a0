"""A batch of commands cut into calls, a few in flight at once; every command gets exactly one outcome, whatever happens to its chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.writing import Outcome, OutcomeStatus

SendChunk = Callable[[Sequence[Command]], Awaitable[Sequence[Outcome]]]

SPLIT_FROM = 50
"""Batches of this size or more are cut in two even if they fit one call: two workers share them, at almost the same cost per record."""


_AGAIN = "It was made again and was gone again: see in Odoo who or what deletes it there, and have that end. Then retry this case."
"""What is to be done about a command that missed the same thing so often that nobody makes it again by itself."""


def done(command: Command, model: str, record_id: int, name: str = "", *, code: str = "", message: str = "") -> Outcome:
    """Return the outcome of a command that took effect."""
    return Outcome(command.id, OutcomeStatus.DONE, f"{model}/{record_id}", name, code=code, message=message)


def refused(command: Command, error: RejectedError, *, external_id: str = "", external_name: str = "") -> Outcome:
    """Return the outcome of a command that will not succeed unchanged."""
    return Outcome(
        command.id, OutcomeStatus.REFUSED, external_id, external_name, code=error.code, case_class=error.case_class, message=str(error)
    )


def waiting(command: Command, *keys: str) -> Outcome:
    """Return the outcome of a command whose prerequisites (dependency keys, at least one) are not in this target, or no more."""
    return Outcome(
        command.id,
        OutcomeStatus.WAITING,
        code="odoo.dependency_missing",
        case_class=CaseClass.DEPENDENCY_MISSING,
        message=f"{' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} not in Odoo",
        missing=keys,
        remedy=_AGAIN,
    )


class MissingDependency(Exception):
    """Raised while a row is built: a record the command needs is not bound. ``key`` is its dependency key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def bound(bindings: Mapping[str, str], *keys: str) -> tuple[str, int]:
    """Return model and database id bound to the first of the keys that is bound. Raises MissingDependency naming the last key."""
    for key in keys:
        model, _, record_id = bindings.get(key, "").partition("/")
        if record_id.isdigit():
            return model, int(record_id)
    raise MissingDependency(keys[-1])


@contextmanager
def after_a_write() -> Iterator[None]:
    """Mark: something of this chunk is in Odoo already, so a failure in here leaves the outcome unknown, never "no effect"."""
    try:
        yield
    except (TransientError, SetupError) as error:
        error.is_outcome_unknown = True
        raise


def chunks(commands: Sequence[Command], size_max: int, concurrency: int) -> list[Sequence[Command]]:
    """Cut commands into equal chunks of at most ``size_max``, in order; enough of them to keep ``concurrency`` calls busy."""
    count = -(-len(commands) // size_max)
    if count < concurrency and len(commands) >= SPLIT_FROM:
        count = max(count, min(concurrency, len(commands) // (SPLIT_FROM // 2)))
    if count == 0:
        return []
    size = -(-len(commands) // count)
    return [commands[start : start + size] for start in range(0, len(commands), size)]


async def in_chunks(commands: Sequence[Command], size_max: int, concurrency: int, send: SendChunk) -> tuple[Outcome, ...]:
    """Send all chunks, ``concurrency`` at once, and return one outcome per command in the commands' order.

    A TransientError makes its chunk unknown, or to be retried if it certainly took no effect; a RejectedError refuses its chunk.
    A SetupError is raised after the other chunks have ended: it stops the connection. What they did is told, and the rest is to be retried.
    """
    queue = list(reversed(chunks(commands, size_max, concurrency)))
    outcomes: dict[str, Outcome] = {}
    fatal: list[HubError] = []

    async def work() -> None:
        while queue and not fatal:
            chunk = queue.pop()
            try:
                found = await send(chunk)
            except TransientError as error:
                found = [_failed(command, error) for command in chunk]
            except RejectedError as error:
                found = [refused(command, error) for command in chunk]
            except HubError as error:
                fatal.append(error)
                return
            outcomes.update((outcome.command_id, outcome) for outcome in found)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    if not fatal:
        return tuple(outcomes.get(command.id) or _lost(command) for command in commands)
    worst = next((error for error in fatal if error.is_outcome_unknown or not isinstance(error, SetupError)), fatal[0])
    if not outcomes:
        raise worst
    return tuple(outcomes.get(command.id) or _stopped(command, worst) for command in commands)


def _failed(command: Command, error: TransientError) -> Outcome:
    status = OutcomeStatus.UNKNOWN if error.is_outcome_unknown else OutcomeStatus.RETRY
    return Outcome(
        command.id,
        status,
        code=error.code,
        message=str(error),
        retry_after_s=error.retry_after_s,
        is_unavailable=error.is_unavailable,
    )


def _stopped(command: Command, error: HubError) -> Outcome:
    """The outcome of a command that others of its batch went before until Odoo refused our key or rights."""
    is_refused = isinstance(error, SetupError)
    status = OutcomeStatus.RETRY if is_refused and not error.is_outcome_unknown else OutcomeStatus.UNKNOWN
    case_class: CaseClass | Literal[""] = CaseClass.AUTHENTICATION_REFUSED if is_refused else ""
    return Outcome(command.id, status, code=error.code, case_class=case_class, message=str(error), is_unavailable=is_refused)


def _lost(command: Command) -> Outcome:
    return Outcome(
        command.id, OutcomeStatus.UNKNOWN, code="odoo.no_outcome", message="the chunk ended without saying what became of this command"
    )


def by_entity(commands: Sequence[Command]) -> dict[str, list[Command]]:
    """Group commands by entity, keeping their order."""
    groups: dict[str, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.entity, []).append(command)
    return groups
