"""Closing a day of summary posting: its entry as a command, with locked periods handled as for any other booking."""

from __future__ import annotations

from datetime import datetime

from counterfoil.core.commands.books import BookCommand
from counterfoil.core.facts.events import EVENT_VERSION, Event
from counterfoil.core.finance.summary import DayEntry
from counterfoil.core.kinds.journal_entry import JOURNAL_ENTRY, ImportedEntry, JournalEntryEvent
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.keys import entry_need

from .decision import Decision, View
from .draft import Draft
from .requests import BookingRequest
from .rules import PostingMode, Rules


def close(entry: DayEntry, view: View, rules: Rules, closed_at: datetime) -> Decision:
    """Return the command that posts a daily entry, or the problem that its period is locked; nothing if it cancels out.

    ``closed_at`` is only the time of the closing event the command names as its cause; it does not shape the command.
    """
    rules_of_entity = rules.entities[entry.entity]
    subject = ImportedEntry(entry.id, entry.entity, entry.day, ())
    event = Event(
        id=entry.id,
        type=JournalEntryEvent.IMPORTED,
        version=EVENT_VERSION,
        connection="",
        subject=JOURNAL_ENTRY.ref(entry.id),
        occurred_at=closed_at,
        received_at=closed_at,
        sequence=entry.number,
        data=subject,
    )
    draft = Draft(event, view, rules)
    if entry.entry is None:
        draft.findings.ignore("summary_cancels_out")
        return draft.decision()
    key = entry_need("summary", entry.id)
    request = BookingRequest(rules_of_entity, BookCommand.POST_ENTRY, "summary", entry.id, entry.entry, (), key, entry.entity, Lane.BATCH)
    draft.outbox.wish(request, mode=PostingMode.DETAILED)
    return draft.decision()
