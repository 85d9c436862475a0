"""What deciding takes and gives: the view of current states, the decision, its problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from counterfoil.core.commands import purpose_of
from counterfoil.core.finance.summary import SummaryDocument, SummaryItem
from counterfoil.core.identity.loops import FieldLoop
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import WAITS_FOR_NOTHING, WaitKey
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose, Record


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a fact, or a part of it, cannot be booked: a case in the making.

    Attributes:
        code: stable and documented, e.g. ``decide.tax_unmapped``.
        cause: what is wrong, in plain language, with the record's id.
        remedy: what to do next.
        money: what is at stake.
        releases_on: what is waited for, and decides again when it comes; empty: only a new state of the subject or a person can help.
        releases_also: further keys that would release it as well (less or more specific mappings).
        owner: who is to see to it; empty: whom its class names.
        about: what of the subject it is, where several of one code are told apart, each in a case of its own.
    """

    case_class: CaseClass
    code: str
    cause: str
    remedy: str
    money: Money | None = None
    releases_on: WaitKey = WAITS_FOR_NOTHING
    releases_also: tuple[WaitKey, ...] = ()
    entity: str = ""
    owner: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """All that the subject's current state calls for.

    Attributes:
        commands: every command the state calls for, in sending order, also those wished before (with the same id).
        waits: objects that must arrive (be normalized) before the rest can be decided; the arrival of any of them decides again. The
            subject's own reference means: a later state of the subject itself (its settlement is not known yet).
        problems: what stands in the way otherwise.
        ignored: the named rule by which the fact has no counterpart; empty if it has one.
        summary: items for the entity's daily entries (posting mode summary); those of one document are kept once, as first decided.
        documents: the documents among them that were not summed up before.
        withdrawn: connection and external key of matches and entries that are certainly not called for any more, whatever else waits or
            stands in the way, and whoever wished them: an open command with such a key is canceled unless it is wished here.
        held: the purposes of which something waits or stands in the way: what was wished of them before may still be called for.
        again_at: the subject is decided again at this instant, whatever happens before; after the instant of deciding. A later decision
            says anew whether and when.
        processes: the states of processes as they are from now on: begun by the subject, or the subject's own, moved.
        then: what is decided again now that the subject was: processes that step, and records that may begin one.
    """

    commands: tuple[Command, ...] = ()
    waits: tuple[ObjectRef, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: str = ""
    summary: tuple[SummaryItem, ...] = ()
    documents: tuple[SummaryDocument, ...] = ()
    withdrawn: tuple[tuple[str, str], ...] = ()
    held: tuple[Purpose, ...] = ()
    again_at: datetime | None = None
    processes: tuple[Record, ...] = ()
    then: tuple[ObjectRef, ...] = ()

    @property
    def has_owner(self) -> bool:
        """Whether anything comes of it: a command, a wait, a problem, a named rule, a part of a daily entry, or a later decision."""
        return bool(self.commands or self.waits or self.problems or self.ignored or self.summary or self.again_at)


@dataclass(frozen=True, slots=True)
class OutboxCommand:
    """A command in the outbox. ``is_open``: it certainly took no effect and may still be replaced (waiting, refused, cancelled);
    ``is_done``: it certainly did. Of one that is neither, nobody knows yet.
    """

    command: Command
    is_open: bool = False
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class WrittenAgain:
    """What is known of a place that was written to again and again: what was written last, and the fields that may be in a loop."""

    arguments: Arguments
    loops: tuple[FieldLoop, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object's current state was reported: the configured connection and the source's account."""

    connection: str
    account: str = ""


class View(Protocol):
    """What deciding may look at. All of it is loaded beforehand: see ``related``."""

    def get(self, ref: ObjectRef) -> Record | None:
        """Return the current state of an object, or None if it is not known."""
        ...

    def linked_to(self, ref: ObjectRef) -> tuple[Record, ...]:
        """Return the objects that name this one (``related.links``), as far as they are known and are looked at: in order of their ids."""
        ...

    def documents_of(self, customer: ObjectRef) -> tuple[Record, ...]:
        """Return all that affects a customer, in order of kind and id; of nobody but those whom a policy that sees documents names."""
        ...

    def origin(self, ref: ObjectRef) -> Origin | None:
        """Return where the object's state was reported; None: from the same connection and account as the event."""
        ...

    def wished(self, external_key: str, connection: str) -> OutboxCommand | None:
        """Return the command last wished of a connection under this external key by the subject or a related object, or None."""
        ...

    def wished_for(self, purpose: Purpose, external_key: str) -> tuple[OutboxCommand, ...]:
        """Return the commands last wished for a purpose under this external key, of whichever connections: at most one of each.

        Those that may have taken effect come before those that certainly did not. Documents and matches are in the books of one
        connection only; customers and products may be in those of several.
        """
        ...

    def was_canceled(self, command_id: str) -> bool:
        """Tell whether this very command was canceled because nothing called for it any more: whoever wants it again needs a new one."""
        ...

    def written_again(self, external_key: str, connection: str) -> WrittenAgain | None:
        """Return what was written of a connection under this external key again and again; None: nothing was that could be a loop."""
        ...

    def summarized(self, external_key: str) -> tuple[SummaryItem, ...]:
        """Return the summary items kept before of the document with this external key (posting mode summary)."""
        ...

    def summary_document(self, external_key: str) -> SummaryDocument | None:
        """Return what else is kept of a document that was summed up; None if it was not, or before that was kept."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryView:
    """A view over loaded rows: objects by reference, their origins, the outbox's commands and summary items by external key.

    ``wishes``: by external key, then by connection. ``canceled``: ids of commands that nothing called for any more. ``links``: by object,
    those that name it. ``affecting``: by customer, all that affects it, where that is looked at. ``again``: by external key and connection,
    what was written again and again.
    """

    objects: Mapping[ObjectRef, Record]
    origins: Mapping[ObjectRef, Origin] = field(default_factory=dict)
    wishes: Mapping[str, Mapping[str, OutboxCommand]] = field(default_factory=dict)
    items: Mapping[str, tuple[SummaryItem, ...]] = field(default_factory=dict)
    canceled: Set[str] = frozenset()
    documents: Mapping[str, SummaryDocument] = field(default_factory=dict)
    links: Mapping[ObjectRef, Collection[ObjectRef]] = field(default_factory=dict)
    affecting: Mapping[ObjectRef, tuple[Record, ...]] = field(default_factory=dict)
    again: Mapping[tuple[str, str], WrittenAgain] = field(default_factory=dict)

    def get(self, ref: ObjectRef) -> Record | None:
        """Return the current state of an object, or None."""
        return self.objects.get(ref)

    def linked_to(self, ref: ObjectRef) -> tuple[Record, ...]:
        """Return the known objects that name this one."""
        return tuple(self.objects[other] for other in sorted(self.links.get(ref, ())) if other in self.objects)

    def documents_of(self, customer: ObjectRef) -> tuple[Record, ...]:
        """Return all that affects a customer, in order of kind and id."""
        return self.affecting.get(customer, ())

    def origin(self, ref: ObjectRef) -> Origin | None:
        """Return where the object's state was reported, or None."""
        return self.origins.get(ref)

    def wished(self, external_key: str, connection: str) -> OutboxCommand | None:
        """Return the command wished of a connection under this external key, or None."""
        by_connection = self.wishes.get(external_key)
        return None if by_connection is None else by_connection.get(connection)

    def wished_for(self, purpose: Purpose, external_key: str) -> tuple[OutboxCommand, ...]:
        """Return the commands wished for a purpose under this external key, those that may have taken effect first."""
        by_connection = self.wishes.get(external_key)
        if by_connection is None:
            return ()
        if len(by_connection) == 1:
            [wish] = by_connection.values()
            return (wish,) if purpose_of(wish.command.kind) is purpose else ()
        found = [wish for wish in by_connection.values() if purpose_of(wish.command.kind) is purpose]
        return tuple(sorted(found, key=lambda wish: wish.is_open))

    def was_canceled(self, command_id: str) -> bool:
        """Tell whether this command was canceled because nothing called for it any more."""
        return command_id in self.canceled

    def written_again(self, external_key: str, connection: str) -> WrittenAgain | None:
        """Return what was written again and again of a connection under this external key, or None."""
        return self.again.get((external_key, connection))

    def summarized(self, external_key: str) -> tuple[SummaryItem, ...]:
        """Return the summary items kept of this document."""
        return self.items.get(external_key, ())

    def summary_document(self, external_key: str) -> SummaryDocument | None:
        """Return what else is kept of this document, or None."""
        return self.documents.get(external_key)
