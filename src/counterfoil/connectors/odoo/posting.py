"""Drafts to posted documents: read the state, post only drafts, bisect where Odoo refuses a list without naming the record."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo.client import QUIET, OdooContext
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.load import RACE_WAIT_S, TRIES_MAX
from counterfoil.connectors.odoo.refusals import is_number_taken
from counterfoil.connectors.odoo.wire import Text, text
from counterfoil.kit.errors import RejectedError, TransientError

LATE_S = 130.0
"""How long after it got no answer a write may still be done: Odoo lets a request live for 120 s (limit_time_real)."""


class NumberRow(Struct, frozen=True):
    """A document's or payment's number."""

    id: int
    name: Text


def quiet(session: Session, context: OdooContext) -> OdooContext:
    """Return the context for creating: no chatter."""
    return {**context, **QUIET}


def posting_context(session: Session, context: OdooContext) -> OdooContext:
    """Return the context for posting: without chatter unless the settings keep it."""
    return context if session.settings.is_chatter_tracked else {**context, **QUIET}


async def post(session: Session, model: str, ids: Sequence[int], context: OdooContext, journal: str) -> dict[int, RejectedError]:
    """Post drafts and return those that Odoo refused. One bad record rolls back its whole list, so lists are halved until it stands alone.

    ``journal`` names what they are posted in: Odoo keeps a journal's last number locked until the call commits, so a second call would
    hold one of the server's workers only to wait.

    Raises TransientError; what was posted then is found by reading the states again.
    """
    if not ids:
        return {}
    error = await _post(session, model, ids, context, journal)
    for _ in range(TRIES_MAX - 1):
        if error is None or not is_number_taken(str(error)):
            break
        await _forget_numbers(session, model, ids, context)
        await asyncio.sleep(random.uniform(*RACE_WAIT_S))  # noqa: S311 - spreads retries, guards nothing
        error = await _post(session, model, ids, context, journal)
    if error is None:
        return {}
    if len(ids) == 1:
        return {ids[0]: error}
    middle = len(ids) // 2
    bad = await post(session, model, ids[:middle], context, journal)
    return bad | await post(session, model, ids[middle:], context, journal)


async def _post(session: Session, model: str, ids: Sequence[int], context: OdooContext, journal: str) -> RejectedError | None:
    """Post the drafts, all or none; return why not."""
    try:
        await session.client.call(model, "action_post", ids, context=posting_context(session, context), is_write=True, alone_in=journal)
    except RejectedError as error:
        return error
    return None


async def _forget_numbers(session: Session, model: str, ids: Sequence[int], context: OdooContext) -> None:
    """Take from drafts the number another document was given meanwhile: they would keep it and never be posted (17 numbers some drafts).

    Only drafts that have a number are written on: 18 and 19 give none before posting, and try another one by themselves.

    Raises TransientError. A write that may still come, however late, would take the number from a document that is posted by then: its
    commands are looked at again when it can come no more.
    """
    drafts = await session.client.read(model, [["id", "in", list(ids)], ["state", "=", "draft"]], NumberRow, context=context)
    numbered = [row.id for row in drafts if text(row.name) not in ("", "/")]
    if not numbered:
        return
    unnumbered = "/" if session.dialect.major == 17 else False
    try:
        await session.client.call(model, "write", numbered, vals={"name": unnumbered}, context=quiet(session, context), is_write=True)
    except TransientError as error:
        if error.is_outcome_unknown:
            error.retry_after_s, error.is_unavailable = max(error.retry_after_s or 0.0, LATE_S), False
        raise


async def remove_drafts(session: Session, model: str, ids: Iterable[int], context: OdooContext) -> set[int]:
    """Delete drafts, so that nothing half-done remains and a corrected wish starts afresh; return those that Odoo kept."""
    wanted = sorted(ids)
    if not wanted:
        return set()
    if session.dialect.major == 17:
        await _take_numbers_off(session, model, wanted, context)
    try:
        await session.client.call(model, "unlink", wanted, context=quiet(session, context), is_write=True)
    except RejectedError:
        if len(wanted) == 1:
            return {wanted[0]}
        middle = len(wanted) // 2
        kept = await remove_drafts(session, model, wanted[:middle], context)
        return kept | await remove_drafts(session, model, wanted[middle:], context)
    return set()


async def _take_numbers_off(session: Session, model: str, ids: Sequence[int], context: OdooContext) -> None:
    """Take the numbers off drafts: 17 gives one to the first draft of a period, where it would be missing, or keep the draft from going."""
    await session.client.call(model, "write", ids, vals={"name": "/"}, context=quiet(session, context), is_write=True)
