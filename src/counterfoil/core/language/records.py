"""What a kind of record is: all the core must know of it to merge, load, sum up, find and watch its records. Pure.

Each kind stands in one file of ``core/kinds``; nothing here has a default, so that a kind that leaves something out does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, EnumType, StrEnum
from typing import Any, Generic, Self, TypeVar

from .ids import ObjectRef
from .money import Money
from .states import Lifecycle


class KindError(TypeError):
    """A kind of record or command is incomplete, or contradicts another one: nothing starts. The message says which and what is missing."""


class Divided(EnumType):
    """Of an enumeration whose members stand in its subclasses: going through it as such would go through nothing, without a word."""

    def __iter__(cls) -> Iterator[Any]:
        """Yield the members; raise TypeError if they are elsewhere."""
        if not cls._member_names_:
            raise TypeError(f"{cls.__name__} has its members in the files of its kinds; go through their table")
        return super().__iter__()


class EventType(StrEnum, metaclass=Divided):
    """What the event types of every kind derive from; a value is ``<what>.<happened>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of whoever serves a purpose, and what comes of the facts it is not about.

    Attributes:
        verb: what a connection that serves it does, after "can".
        is_per_entity: it is written for one legal entity at a time, which has exactly one place for it, and its facts must have such a
            place. Any other purpose has any number of places, for one legal entity or for the whole company, and is left out without any.
        needs: by part a connector must have to serve it (a field of ``Connector``), what a connector without that part lacks.
        takes_entity: whether a destination of it may be for one legal entity alone.
        owner: whose case it is when a target refuses what is written for it.
        collects: how long what changed is collected before those it affects are decided again for it; zero: they are at once.
        others: the rule by which kinds of record without a policy for it are ignored; empty: each has a policy, or a rule of its own.
    """

    verb: str
    is_per_entity: bool
    needs: Mapping[str, str]
    takes_entity: bool
    owner: str
    collects: timedelta
    others: str


class Purpose(StrEnum):
    """Why something is written. Adding a member here, with its terms, adds a purpose; there is no other list of them."""

    terms: Terms

    def __new__(cls, name: str, terms: Terms) -> Self:
        """Make a member that is its name, as the configuration has it, and knows its terms."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.terms = terms
        return member

    BOOKS = (
        "books",
        Terms(
            verb="keep books",
            is_per_entity=True,
            needs={"books": "its connector has no accounts and no periods to be locked"},
            takes_entity=False,
            owner="finance",
            collects=timedelta(0),
            others="",
        ),
    )
    CRM_STATUS = (
        "crm_status",
        Terms(
            verb="show how customers stand",
            is_per_entity=False,
            needs={},
            takes_entity=False,
            owner="sales operations",
            collects=timedelta(seconds=2),
            others="not_shown_in_crm",
        ),
    )


class Record:
    """What every record is: a frozen value with a canonical id, ``<namespace>:<source id>``."""

    __slots__ = ()

    id: str


class Survivorship(Enum):
    """How several claims of one thing become one record (``core/identity``)."""

    BY_FIELD = "by field"
    """Each field is its owner's, else the newest that says it: what several systems know of something outside of all of them."""
    WHOLE = "whole"
    """The record is one system's, as that system says it: amounts of one and lines of another would not add up. What it leaves out and the
    kind keeps comes from the others."""


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Reference(Generic[R]):
    """Which objects of one kind a record names.

    Attributes:
        kind: the name of the kind it names.
        ids: their canonical ids; an empty one is no object.
        is_link: what it names is decided in view of all that name it.
        is_alone: what it names is looked at for itself, and for what that names in the same way: neither what else that refers to nor what
            refers to it.
    """

    kind: str
    ids: Callable[[R], Iterable[str]]
    is_link: bool = False
    is_alone: bool = False

    def refs(self, record: R) -> tuple[ObjectRef, ...]:
        """Return the objects a record names, in its order."""
        return tuple(ObjectRef(self.kind, id) for id in self.ids(record) if id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[R]):
    """All the core knows of one kind of record.

    Attributes:
        name: as it is written in keys, tables and events, e.g. ``credit_note``.
        record: its type.
        noun: what people call one of it.
        events: its event types.
        lifecycle: which state may follow which.
        survivorship: how claims of several sources become one record.
        keeps: a newer record with what it does not say and what, once said, cannot be unsaid, taken from an older one.
        refers_to: the objects a record names, in the order in which they are loaded.
        affects: the objects whose decisions a change of a record concerns, beside its own: those of them are decided again that some
            purpose decides in view of such changes (``Policy.looks_back``).
        is_looked_back_from: whether what links to a record is loaded with it, as its own decision, or that of what it was loaded for,
            needs it.
        total: what a record is about as one amount, as the document says it; None for what is about no one amount.
        amounts: the amounts that are kept or summed up for themselves, beside the total.
        customer_of: the canonical id of the customer a record is about; empty if there is none.
        found_by: what people look for a record by, besides its ids.
        wait_limit: how long a record may wait for what its source is to tell before people are told; None: as long as others.
        service_level: 95 % of its records should have their effect in a target within so long of being told; None: nothing comes of them.
        is_made_again: whether its record in a target may be made again when it is gone, as master data are; a document that somebody
            took out of the books is for people to judge.
        ignored: by purpose, the name of the rule by which its facts have no counterpart there. A purpose that is not named needs a policy,
            or ignores what it is not about by its own rule (``Terms.others``).
    """

    name: str
    record: type[R]
    noun: str
    events: type[EventType]
    lifecycle: Lifecycle
    survivorship: Survivorship
    keeps: Callable[[R, R], R]
    refers_to: tuple[Reference[R], ...]
    affects: tuple[Reference[R], ...]
    is_looked_back_from: Callable[[R], bool]
    total: Callable[[R], Money | None]
    amounts: Callable[[R], Iterable[Money]]
    customer_of: Callable[[R], str]
    found_by: Callable[[R], tuple[str, ...]]
    wait_limit: timedelta | None
    service_level: timedelta | None
    is_made_again: bool
    ignored: Mapping[Purpose, str]

    def ref(self, id: str) -> ObjectRef:
        """Return the reference of the object with a canonical id."""
        return ObjectRef(self.name, id)


def newest(newer: R, _older: R) -> R:
    """Keep nothing of an older record."""
    return newer


def never(_record: Record) -> bool:
    """Say no of every record."""
    return False


def of_no_amount(_record: Record) -> None:
    """Return that a record is about no one amount."""


def nothing(_record: Record) -> tuple[Any, ...]:
    """Return nothing, of every record."""
    return ()


def of_nobody(_record: Record) -> str:
    """Return that a record is about no customer."""
    return ""
