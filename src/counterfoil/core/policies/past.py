"""What was wished, booked and summed up before, by the name and id of a posting; and by this very decision, where that counts as much."""

from __future__ import annotations

from dataclasses import dataclass

from counterfoil.core.commands.books import PostDocument
from counterfoil.core.finance.summary import document_of
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.records import Purpose

from .decision import OutboxCommand, View
from .findings import Findings
from .requests import BookedPlace
from .rules import PostingMode


@dataclass(frozen=True, slots=True)
class Past:
    """What one decision for a purpose knows of earlier ones."""

    view: View
    purpose: Purpose
    findings: Findings

    def wished(self, key: str) -> OutboxCommand | None:
        """Return what was wished for this purpose under an external key, wherever: what may have taken effect before what did not."""
        found = self.view.wished_for(self.purpose, key)
        return found[0] if found else None

    def booking(self, key: str) -> OutboxCommand | None:
        """Return the same of the books, whatever is decided here."""
        found = self.view.wished_for(Purpose.BOOKS, key)
        return found[0] if found else None

    def has_wished(self, name: str, object_id: str) -> bool:
        """Tell whether a command was wished under this name and id, in this decision or before."""
        key = external_key(name, object_id)
        return self.findings.has_command(key) or self.wished(key) is not None

    def may_have_acted(self, name: str, object_id: str) -> bool:
        """Tell whether a command was wished under this name and id and may have taken effect, or is wished in this very decision."""
        key = external_key(name, object_id)
        if self.findings.has_command(key):
            return True
        earlier = self.wished(key)
        return earlier is not None and not earlier.is_open

    def booked(self, name: str, object_id: str) -> Command | None:
        """Return the command that booked something under this name and id, if it may have taken effect: it stays as it was booked."""
        earlier = self.booking(external_key(name, object_id))
        return earlier.command if earlier is not None and not earlier.is_open else None

    def booked_arguments(self, name: str, object_id: str) -> Arguments | None:
        """Return what was booked under this name and id; None if nothing was (or only summed up with its day): see ``booked``."""
        command = self.booked(name, object_id)
        return command.arguments if command is not None else None

    def summed_up_document(self, name: str, object_id: str) -> PostDocument | None:
        """Return the invoice or credit note that was summed up under this name and id, as far as it was kept; None if none was."""
        key = external_key(name, object_id)
        kept, items = self.view.summary_document(key), self.view.summarized(key)
        if kept is not None and kept.booked is not None:
            return kept.booked
        return document_of(items, is_credit_note=name == "credit_note") if items else None

    def place(self, object_id: str, *names: str) -> BookedPlace | None:
        """Return where the first of these was booked, as a document or within a day; None if nothing of it was."""
        for name in names:
            command = self.booked(name, object_id)
            if command is not None:
                return BookedPlace(command.entity, PostingMode.DETAILED)
            items = self.view.summarized(external_key(name, object_id))
            if items:
                return BookedPlace(items[0].entity, PostingMode.SUMMARY)
        return None

    def mode_of(self, name: str, object_id: str) -> PostingMode | None:
        """Return whether something is a document or summed up with its day, by this decision or an earlier one; None if it is neither."""
        key = external_key(name, object_id)
        if self.findings.has_command(key):
            return PostingMode.DETAILED
        if self.findings.sums_up(key):
            return PostingMode.SUMMARY
        if self.booking(key) is not None:
            return PostingMode.DETAILED
        return PostingMode.SUMMARY if self.view.summarized(key) else None
