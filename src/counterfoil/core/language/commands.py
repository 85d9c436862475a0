"""What a command is, and what the hub must know of each kind of it: wishes against a target system, in canonical terms. Pure.

The kinds stand in ``core/commands``, one file an area, each with its arguments and its ``Spec``; nothing in a spec has a default.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from .ids import ObjectRef
from .keys import BINDS_NOTHING, NeedKey
from .money import Money
from .records import Divided, Purpose, Record


class Lane(IntEnum):
    """Priority lanes; a smaller number is served first (architecture: lanes)."""

    REAL_TIME = 10
    MICRO_BATCH = 20
    BATCH = 30
    REPLAY = 40


class CommandKind(StrEnum, metaclass=Divided):
    """What the kinds of command of every area derive from."""


def _names(arguments: Any) -> list[str]:
    return [one.name for one in dataclass_fields(arguments)]


def _with(arguments: Any, values: Mapping[str, Any]) -> Arguments:
    changed: Arguments = replace(arguments, **values)
    return changed


class Arguments(ABC):
    """What every command's arguments are: a frozen value in canonical terms."""

    __slots__ = ()

    record_type: ClassVar[type[Record] | None] = None
    """The kind of record whose fields it writes; None: it writes no record's fields."""

    watched_fields: ClassVar[tuple[str, ...]] = ()
    """The fields, of that record or else its own, that systems could have written again and again, by what they tell or do upon a write."""

    @property
    def written_record(self) -> Record | None:
        """The record whose fields it writes, as a connection that tells of such records would tell it; None: there is none."""
        return None

    @property
    def watched(self) -> Mapping[str, Any]:
        """What of it is compared with what was written before, by field."""
        return {name: getattr(self.written_record or self, name) for name in self.watched_fields}

    def keeping(self, earlier: Arguments, fields: Collection[str]) -> Arguments:
        """Return it with some of the watched fields as earlier arguments of its kind have them."""
        values = {name: earlier.watched[name] for name in fields}
        record: Any = self.written_record
        if record is None:
            return _with(self, values)
        [holding] = [name for name in _names(self) if getattr(self, name) is record]
        return _with(self, {holding: replace(record, **values)})

    @property
    @abstractmethod
    def money(self) -> Money | None:
        """What is at stake in it; None where there is no money in it."""

    @property
    @abstractmethod
    def personal(self) -> tuple[tuple[str, str], ...]:
        """What is personal in it: values, and what each is."""


@dataclass(frozen=True, slots=True)
class Command:
    """One wish against one target.

    Attributes:
        id: digest of kind, target, external key and content: deciding twice wishes once.
        target: name of the connection it is sent to.
        entity: legal entity it belongs to; empty: it is of the whole company.
        subject: the source object that asks for it.
        external_key: deterministic key of what it writes in the target: the two of them together tell one wish from every other.
        needs: what must be bound in the target first.
        produces: what being done binds: of documents and master data; of matches (``match/...``, ``unmatch/...``) only
            where something must come after them.
        order_key: commands with the same order key are sent in order.
        not_before: not to be sent earlier (summary windows); None = now.
        content: digest of what the source said where a later change of it must not pass unnoticed (documents); else empty.
    """

    id: str
    kind: CommandKind
    target: str
    entity: str
    subject: ObjectRef
    external_key: str
    arguments: Arguments
    needs: tuple[NeedKey, ...] = ()
    produces: NeedKey = BINDS_NOTHING
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
    not_before: datetime | None = None
    rules_version: int = 0
    content: str = ""


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Generic[A]):
    """All the hub knows of one kind of command, whoever delivers it.

    Attributes:
        kind: its name, as it is written in tables.
        purpose: what it is written for; a connection that serves a purpose takes all kinds of command of it.
        arguments: the type of its arguments.
        domain: the data domain it belongs to, as the configuration names it (lanes, promises).
        noun: what people call what it writes, one of it; ``title``: many of them, at the head of a table's row.
        service_level: 95 % should be done within so long of being called for.
        is_ordered: what is wished of one subject is sent in the order it was wished in (``order_key``); documents are ordered by what they
            need.
        same_thing: the external keys of the commands that write on the same thing in the target, its own included.
    """

    kind: CommandKind
    purpose: Purpose
    arguments: type[A]
    domain: str
    noun: str
    title: str
    service_level: timedelta
    is_ordered: bool
    same_thing: Callable[[Command], tuple[str, ...]]
