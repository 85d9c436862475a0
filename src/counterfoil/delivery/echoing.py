"""What is kept of fields that are written to a connection which tells of them, too: noted with the intent, and with how the try ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from counterfoil.core.commands import command_kind
from counterfoil.core.facts.events import ref_of
from counterfoil.core.identity.echoes import Content, texts_of
from counterfoil.core.language.records import Record
from counterfoil.delivery.resting import TargetLink
from counterfoil.kit.codec import decode_arguments
from counterfoil.kit.writing import Outcome
from counterfoil.store import written
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, End, EndStatus
from counterfoil.store.pool import Conn
from counterfoil.store.written import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WITHOUT_EFFECT = (EndStatus.REFUSED, EndStatus.RETRY, EndStatus.WAITING)


async def note_sent(conn: Conn, cipher: Cipher, link: TargetLink, rows: Sequence[CommandRow]) -> None:
    """Note what is about to be written, in the transaction that keeps the intent: it may come back before anybody knows that it is done."""
    contents: dict[Place, list[Content]] = {}
    for row in rows:
        place, content = _of(cipher, link, row)
        if content is not None:
            contents.setdefault(place, []).append(content)
    await written.sent(conn, contents)


async def note_ended(
    conn: Conn, cipher: Cipher, link: TargetLink, tried: Sequence[tuple[CommandRow, Outcome, End]], reported: Collection[str]
) -> None:
    """Note what was written for certain, and what was not. Of what nobody knows, what was noted before it was sent stays.

    ``reported``: the commands of which this try's report counts.
    """
    done: dict[Place, list[Content]] = {}
    dropped: dict[Place, list[str]] = {}
    for row, outcome, end in tried:
        sent_to, content = _of(cipher, link, row)
        if content is None:
            continue
        if end.status is EndStatus.DONE:
            place, content = _of(cipher, link, row, outcome.record)
            if content is not None:
                done.setdefault(place, []).append(replace(content, done_at=_now(link)))
            if place != sent_to:
                dropped.setdefault(sent_to, []).append(row.id)
        elif end.status in _WITHOUT_EFFECT and row.id in reported and not row.in_doubt:
            dropped.setdefault(sent_to, []).append(row.id)
    await written.ended(conn, done, dropped)


def _of(cipher: Cipher, link: TargetLink, row: CommandRow, held: Record | None = None) -> tuple[Place, Content | None]:
    """Return where a command writes, and what; None: nothing of it comes back. ``held``: the record as the connection has it."""
    names = link.deliver[command_kind(row.kind)].echoes
    record = held or (decode_arguments(command_kind(row.kind), row.arguments).written_record if names else None)
    if record is None:
        return Place(row.target, row.subject), None
    fields = {name: cipher.lookup(exact(text)) for name, text in texts_of(record, names).items()}
    return Place(row.target, ref_of(record)), Content(row.id, fields, _now(link))


def exact(text: str) -> str:
    """Return a text whose digest tells case and spaces, too."""
    return text.encode().hex()


def _now(link: TargetLink) -> int:
    return (link.ctx.clock.now() - _EPOCH) // timedelta(microseconds=1)
