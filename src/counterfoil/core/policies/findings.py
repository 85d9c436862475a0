"""What a decision comes to: collected part by part, closed once. It knows nothing of why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from counterfoil.core.finance.summary import SummaryDocument, SummaryItem
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose

from .decision import Decision, Problem


@dataclass(slots=True)
class Findings:
    """Collects what one decision wishes, waits for and cannot do for one purpose.

    Attributes:
        subject: what is decided.
        instant: when.
        bill_total: what the subject comes to if it is a bill: what stands still with one is all of it, not only the line or tax that is in
            the way.
    """

    subject: ObjectRef
    instant: datetime
    bill_total: Money | None = None
    _commands: dict[str, Command] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _waits: dict[ObjectRef, None] = field(default_factory=dict)
    _problems: list[Problem] = field(default_factory=list)
    _summary: list[SummaryItem] = field(default_factory=list)
    _documents: list[SummaryDocument] = field(default_factory=list)
    _withdrawn: dict[tuple[str, str], None] = field(default_factory=dict)
    _ignored: str = ""
    _is_of_nothing: bool = False
    _again_at: datetime | None = None

    def add(self, command: Command) -> None:
        """Add a command; the same one is added once."""
        self._commands[command.id] = command
        self._keys.add(command.external_key)

    def has_command(self, external_key: str) -> bool:
        """Tell whether a command with this external key was added."""
        return external_key in self._keys

    def wait_for(self, ref: ObjectRef) -> None:
        """Wait for an object to arrive; for the subject itself: for a later state of it, e.g. for its settlement."""
        self._waits.setdefault(ref)

    def problem(self, problem: Problem) -> None:
        """Add a problem, once."""
        if self.bill_total is not None:
            problem = replace(problem, money=self.bill_total)
        if problem not in self._problems:
            self._problems.append(problem)

    @property
    def has_problems(self) -> bool:
        """Whether a problem was added."""
        return bool(self._problems)

    def sum_up(self, items: Iterable[SummaryItem], document: SummaryDocument | None = None) -> None:
        """Add a document's items to the entity's daily entry; ``document``: what else is kept of it, if it was not summed up before."""
        self._summary.extend(items)
        if document is not None:
            self._documents.append(document)

    def sums_up(self, external_key: str) -> bool:
        """Tell whether items of the document with this external key were added."""
        return any(item.document_id == external_key for item in self._summary)

    def withdraw(self, connection: str, external_key: str) -> None:
        """Say that what is wished of a connection under a key is not wished any more, unless it is added after all."""
        self._withdrawn[connection, external_key] = None

    def ignore(self, rule: str) -> None:
        """Say by which rule the fact has no counterpart."""
        self._ignored = rule

    def note_nothing(self) -> None:
        """Say that no money is to be booked of something, and none was: where nothing else is found, that is the rule of the fact."""
        self._is_of_nothing = True

    def look_again(self, at: datetime) -> None:
        """Have the subject decided again at an instant: of several the earliest counts, and one that has come calls for nothing more."""
        if at > self.instant:
            self._again_at = min(at, self._again_at or at)

    def decision(self, purpose: Purpose) -> Decision:
        """Return what was collected."""
        has_more = self._commands or self._waits or self._problems or self._summary
        if self._is_of_nothing and not has_more:
            self.ignore(f"{self.subject.kind}_moved_no_money")
        wished = {(command.target, command.external_key) for command in self._commands.values()} if self._withdrawn else set()
        return Decision(
            commands=tuple(self._commands.values()),
            waits=tuple(self._waits),
            problems=tuple(self._problems),
            ignored=self._ignored,
            summary=tuple(self._summary),
            documents=tuple(self._documents),
            withdrawn=tuple(one for one in self._withdrawn if one not in wished),
            held=(purpose,) if self._waits or self._problems else (),
            again_at=self._again_at,
        )
