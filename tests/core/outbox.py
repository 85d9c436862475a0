"""A hub in small for laws: commands are sent in any order as soon as what they need is there; what is wished no longer is canceled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from tests.core.builders import NOON, World, event_of
from tests.core.ledger import Ledger
from tests.core.stories import play

from counterfoil.core.facts.events import Fact, ref_of
from counterfoil.core.language.commands import Command
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import Decision, MemoryView, OutboxCommand

PICK = Callable[[int], int]
"""Returns one of so many places."""


def _place(command: Command) -> tuple[str, str]:
    return command.target, command.external_key


@dataclass
class Outbox(World):
    """A world whose commands are sent by and by. ``rows``: those that are not canceled, in the order they were wished."""

    rows: list[Command] = field(default_factory=list)
    done: dict[str, Command] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    canceled: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)

    def view(self) -> MemoryView:
        """Return the view of now: of each key the command last wished; one that was not sent is open."""
        self.wishes = {(row.target, row.external_key): OutboxCommand(row, is_open=row.id not in self.done) for row in self.rows}
        return replace(super().view(), canceled=frozenset(self.canceled))

    def redecide(self, state: Record, *, when: datetime = NOON) -> Decision:
        """Decide a known state and write what it calls for, as the deciding stage does."""
        decision = decide(event_of(state, self.connection, when=when), self.view(), self.rules)
        known = {row.id for row in self.rows}
        new = {_place(command): command for command in decision.commands if command.id not in known}
        moot = [row for row in self.rows if _place(row) in new]
        wished = {command.id for command in decision.commands}
        if not decision.waits and not decision.problems:
            moot += [row for row in self.rows if row.subject == ref_of(state) and row.id not in wished]
        summed = {document.document_id for document in decision.documents}
        displaced = [row for row in self.rows if row.external_key in summed or _place(row) in decision.withdrawn]
        moot += [row for row in displaced if row.id not in wished]
        gone = {row.id for row in moot if row.id not in self.done}
        self.canceled |= gone
        self.rows = [row for row in self.rows if row.id not in gone] + list(new.values())
        self.sum_up(decision)
        return decision

    def send(self, pick: PICK) -> bool:
        """Send one command that may be sent; False if there is none."""
        ready = [row for row in self.rows if row.id not in self.done and self.bound.issuperset(row.needs)]
        if not ready:
            return False
        command = ready[pick(len(ready))]
        self.ledger.take([command])
        self.done[command.id] = command
        self.bound |= {command.produces} - {""}
        return True

    @property
    def stuck(self) -> list[tuple[str, set[str]]]:
        """The commands that cannot be sent, and what each of them needs."""
        return [(row.external_key, {str(key) for key in row.needs} - self.bound) for row in self.rows if row.id not in self.done]


def at_rest(facts: Sequence[Fact], random: Random, books: Outbox) -> Ledger:
    """Take in facts in some order, with commands sent in some order in between and after, and return what the target holds then."""
    shuffled = list(facts)
    random.shuffle(shuffled)

    def some() -> None:
        for _ in range(random.randrange(8)):
            books.send(random.randrange)

    play(shuffled, books, some)
    while books.send(random.randrange):
        pass
    assert books.stuck == []
    return books.ledger
