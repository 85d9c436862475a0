"""A batch of commands -> one outcome each: all are written to the outbox, once by external key; customers and products when they change."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from counterfoil.connectors.files.columns import rows_of
from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.disk import disk_of
from counterfoil.connectors.files.formats import FORMATS, OutgoingDocument
from counterfoil.connectors.files.outbox import OutboxFolder
from counterfoil.core.commands import kinds_for
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command, CommandKind
from counterfoil.core.language.ids import digest
from counterfoil.core.language.records import Purpose
from counterfoil.kit.codec import encode
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError
from counterfoil.kit.holdings import KnownPage
from counterfoil.kit.requirements import Requirements, TargetState
from counterfoil.kit.suggestions import Processors, Suggestion
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus

BATCH_SIZE_MAX = 500
KNOWN_PAGE_SIZE = 5000

T = TypeVar("T")

UPDATED = frozenset({BookCommand.UPSERT_CUSTOMER.value, BookCommand.UPSERT_PRODUCT.value})
"""Kinds whose newest content counts; of all others what is written never changes."""


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Append the commands that are not in the outbox yet. Raises TransientError with an unknown outcome when the disk fails."""
    items = [_item(command) for command in batch]
    contents = await _on_disk(ctx, lambda outbox: outbox.write(items, is_updated=items[0].kind in UPDATED))
    return tuple(_outcome(command, item, contents[item.external_key]) for command, item in zip(batch, items, strict=True))


async def resolve(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Look the commands up in the index and write nothing: done if there, to be sent again if not."""
    found = await _on_disk(ctx, lambda outbox: outbox.find(batch[0].kind.value, [command.external_key for command in batch]))
    outcomes = []
    for command in batch:
        content = found.get(command.external_key)
        if content is None or (command.kind.value in UPDATED and content != _item(command).content):
            outcomes.append(Outcome(command.id, OutcomeStatus.RETRY, code="files.not_written", message="not in the outbox"))
        else:
            outcomes.append(_outcome(command, _item(command), content))
    return tuple(outcomes)


_ONE = CommandWriter(send, resolve, "looks the external key up in the outbox's index and never writes", BATCH_SIZE_MAX)
ECHOED = ("name", "email", "phone", "address")
"""What is written of a customer and a file may tell again: a system that takes customers from here may export them, too."""
DELIVER: Mapping[CommandKind, CommandWriter] = {
    **dict.fromkeys(kinds_for(Purpose.BOOKS), _ONE),
    BookCommand.UPSERT_CUSTOMER: replace(_ONE, echoes=ECHOED),
}


class FilesTarget:
    """The writing half: a folder has no journals, taxes or locked periods."""

    async def check(self, ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
        """Say whether the outbox can be written."""
        settings: FilesConfig = ctx.settings
        try:
            await asyncio.to_thread(partial(settings.outbox.mkdir, parents=True, exist_ok=True))
        except OSError as error:
            return (_finding(f"the outbox cannot be made: {error.strerror}"),)
        if not os.access(settings.outbox, os.W_OK | os.X_OK):
            return (_finding("the outbox may not be written"),)
        return (Finding(Severity.OK, "files.outbox", "the outbox can be written"),)

    async def state(self, ctx: Context) -> TargetState:
        """Return the version of the layout written; nothing is ever locked."""
        return TargetState("1", {})

    async def known(self, ctx: Context, cursor: str) -> KnownPage:
        """Return the next page of what is in the outbox."""
        found = await _on_disk(ctx, lambda outbox: outbox.list_after(int(cursor or "0"), KNOWN_PAGE_SIZE))
        records = tuple((key, f"{kind}/{key}") for _, kind, key in found)
        return KnownPage(records, str(found[-1][0]) if found else cursor, has_more=len(found) == KNOWN_PAGE_SIZE)

    async def suggest(self, ctx: Context, processors: Processors) -> Suggestion:
        """Say that files need no mapping."""
        return Suggestion((f"{ctx.connection}: files need no mapping of entities",))


def _finding(message: str) -> Finding:
    return Finding(Severity.ERROR, "files.outbox", message, "set `outbox` to a folder that this program may write")


def _item(command: Command) -> OutgoingDocument:
    document = encode(command.arguments)
    return OutgoingDocument(
        kind=command.kind.value,
        external_key=command.external_key,
        content=digest(command.kind.value, command.entity, document.decode()),
        entity=command.entity,
        subject=command.subject.key,
        document=document,
        rows=rows_of(command.arguments),
    )


def _outcome(command: Command, item: OutgoingDocument, content: str) -> Outcome:
    external_id = f"{item.kind}/{command.external_key}"
    if content == item.content:
        return Outcome(command.id, OutcomeStatus.DONE, external_id, command.external_key)
    return Outcome(
        command.id,
        OutcomeStatus.REFUSED,
        external_id,
        command.external_key,
        code="files.already_written",
        case_class=CaseClass.REJECTED_BY_TARGET,
        message=f"{command.external_key} is in the outbox with other content; what is written never changes, post a correction instead",
    )


async def _on_disk(ctx: Context, work: Callable[[OutboxFolder], T]) -> T:
    settings: FilesConfig = ctx.settings
    outbox = OutboxFolder(settings.outbox, FORMATS[settings.output], disk_of(ctx))
    try:
        return await asyncio.to_thread(work, outbox)
    except OSError as error:  # the folder or its disk: no fault of what was to be written
        words = f"the outbox failed: {error.strerror}"
        raise TransientError(words, code="files.disk", is_outcome_unknown=True, is_unavailable=True) from error
    except sqlite3.OperationalError as error:
        words = f"the outbox's index failed: {error}"
        raise TransientError(words, code="files.index", is_outcome_unknown=True, is_unavailable=True) from error
