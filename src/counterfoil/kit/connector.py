"""The declaration of a connector and the protocols of its parts: what is filled in is what it can do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from counterfoil.core.commands.books import Account
from counterfoil.core.commands.crm import StatusPart
from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.adopted_documents import ExistingDocument
from counterfoil.core.identity.adoption import ExistingRecord
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.commands import Command, CommandKind
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.proving.items import AccountingPeriod, ProofItem
from counterfoil.kit.context import Context
from counterfoil.kit.holdings import ExistingPage, Holding, KnownPage
from counterfoil.kit.questions import Question
from counterfoil.kit.requirements import Requirements, TargetState
from counterfoil.kit.suggestions import Processors, Suggestion
from counterfoil.kit.writing import CommandWriter, Whereabouts

if TYPE_CHECKING:
    from pydantic import BaseModel

    from counterfoil.kit.calling import Client


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing a source gave us, to be kept as a receipt.

    Attributes:
        dedupe_key: unique per connection; the same delivery again has the same key.
        shard_key: deliveries of one subject share it; order is kept within it.
        kind: the vendor's own type (``invoice.paid``) or ``<object>.fetched`` for listed and fetched objects.
        occurred_at: when the source says it happened; aware UTC.
        parked: reason why a genuine delivery cannot be processed (unknown account), empty otherwise; those with one reason share a case.
        place: where it stood, in words people know (a file and its line), for that case.
    """

    dedupe_key: str
    shard_key: str
    kind: str
    body: bytes
    occurred_at: datetime
    account: str = ""
    api_version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    parked: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll or backfill.

    ``cursor`` continues after this page; ``covers_until``: every change the source made before this instant has now been seen.
    ``recoverable_since``: the source can no longer show changes before this instant (event retention).
    """

    deliveries: tuple[Delivery, ...]
    cursor: str
    has_more: bool
    covers_until: datetime | None = None
    recoverable_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A normalizer's statement that a delivery has no counterpart, by a named rule (conservation counts it)."""

    rule: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object fetched for a receipt. ``body`` None: the source says it does not exist (any more). ``fetched_at``: aware UTC."""

    ref: str
    body: bytes | None
    fetched_at: datetime


Normalized = tuple[Fact, ...] | Ignored


class Normalizes(Protocol):
    """What makes a connector a source: payloads become facts."""

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the canonical facts. Pure and total: raises only RejectedError (and DriftError)."""
        ...


class Fetches(Protocol):
    """Of a source whose objects can be read one by one: what a delivery needs to be understood, and what something waits for."""

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        """Return connector-specific references (e.g. ``invoice/in_1``) to be fetched before normalizing. Pure."""
        ...

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        """Fetch the references, in bulk where the vendor can; one answer per ref. Raises TransientError, SetupError."""
        ...

    def locate(self, ref: ObjectRef) -> str | None:
        """Return the fetch reference of a canonical object of this vendor, or None if it is not ours or cannot be fetched. Pure."""
        ...


class Webhooks(Protocol):
    """Of a source that sends deliveries itself."""

    def verify(self, settings: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
        """Verify a webhook over the raw bytes and split it into deliveries. Raises IntakeRefused; 404 where these settings take none."""
        ...


class Polls(Protocol):
    """Of a source whose changes can be listed; of one that lists them in several places, one of those (see ``Streams``)."""

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page of changes after the cursor (empty cursor: from now, less the vendor's overlap)."""
        ...


Streams = Callable[[Any], Mapping[str, Polls]]
"""streams(settings) -> the lists in which a source tells its changes, by name: each has a place of its own, and one that fails waits while
the others are read. Pure; a name means the same list for ever."""


class Listens(Protocol):
    """Of a source that streams its changes over a connection that we hold."""

    def listen(self, ctx: Context, position: str) -> AsyncGenerator[Page, None]:
        """Yield what comes after a position (empty: from now), for as long as the stream lasts.

        A page is what came together; its ``cursor`` is the position after it, kept in the transaction that keeps its deliveries. What was
        not kept is asked for again: a stream gives everything at least once. The first page says that the stream stands and where, with or
        without deliveries.
        Raises TransientError, SetupError.
        """
        ...


class Backfills(Protocol):
    """Of a source whose history can be listed."""

    def backfill_kinds(self) -> tuple[str, ...]:
        """Return the vendor's object kinds that can be backfilled, in dependency order."""
        ...

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        """Return the next page of objects of a kind created at or after since."""
        ...


class Source(Normalizes, Fetches, Protocol):
    """A source as the stages read it, whatever parts it has."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A source as the stages read it: without ``fetches``, a delivery says all there is and nothing can be asked for."""

    normalizes: Normalizes
    fetches: Fetches | None = None

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the canonical facts."""
        return self.normalizes.normalize(settings, delivery, fetched)

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        """Return what is to be fetched before normalizing."""
        return () if self.fetches is None else self.fetches.needs(delivery)

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        """Fetch references. Raises ValueError where nothing can be fetched: none was named by ``needs`` or ``locate``."""
        if not refs:
            return ()
        if self.fetches is None:
            raise ValueError(f"{ctx.connection} cannot be asked for {', '.join(refs)}")
        return await self.fetches.fetch(ctx, refs)

    def locate(self, ref: ObjectRef) -> str | None:
        """Return the fetch reference of a canonical object, None if it cannot be fetched."""
        return None if self.fetches is None else self.fetches.locate(ref)


SourceProof = Callable[[Any, AccountingPeriod], AsyncIterator[ProofItem]]
"""source_proof(settings, period): everything a source says of a month and of now, read by a client that shares no code with the connector's
own. Raises TransientError, SetupError."""

BooksProof = Callable[[Any, str, AccountingPeriod, Sequence[str]], AsyncIterator[ProofItem]]
"""books_proof(settings, entity, period, processors): the same of an entity's books; ``processors``: the connections whose clearing
accounts and payment journals count."""


class Severity(StrEnum):
    """How bad a finding is: an error stops posting for the entity it names, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check: what was looked at, what was found and how to mend it. ``entity`` empty: the whole connection."""

    severity: Severity
    code: str
    message: str
    remedy: str = ""
    entity: str = ""


SourceCheck = Callable[[Context], Awaitable[tuple[Finding, ...]]]
"""source_check(ctx) -> what the key may not read, and whether it belongs where the settings say. Raises TransientError, SetupError."""


class Lists(Protocol):
    """Of a target that can list what bears our keys."""

    async def known(self, ctx: Context, cursor: str) -> KnownPage:
        """Return the next page of the records that bear one of our external keys, of every kind (empty cursor: from the first).

        A hub restored from a backup learns from it what it must not post again. Raises TransientError, SetupError.
        """
        ...


class Adopts(Protocol):
    """Of a target that may hold customers and documents before the hub. All raises TransientError, SetupError (also: the user may not)."""

    async def existing(self, ctx: Context, what: Holding, cursor: str) -> ExistingPage:
        """Return the next page of what it holds, whoever made it (empty cursor: from the first); calls grow with pages alone."""

    def written(self, customer: Customer) -> Customer:
        """Return as much of a customer as would be written over a record that is there, and no tax id it has no place for. Pure."""
        ...

    async def look_at(self, ctx: Context, external_ids: Sequence[str]) -> tuple[ExistingRecord | ExistingDocument, ...]:
        """Return some of it as it is now, in any order; what is gone, or could be nobody's and nothing's, is left out."""

    async def adopt(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, str]:
        """Give records our external keys (key -> external id), nothing else; return who bears each then: one that bore it keeps it."""


class Books(Protocol):
    """Of a target in which books are kept: their accounts, and the days that are locked."""

    async def check(self, ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
        """Name every missing right, journal, account, tax, currency and rate before anything is posted."""
        ...

    async def state(self, ctx: Context) -> TargetState:
        """Return the target's version and lock dates."""
        ...

    async def suggest(self, ctx: Context, processors: Processors) -> Suggestion:
        """Return the legal entities found in the target with likely settings, for ``counterfoil init``."""
        ...


BatchKey = Callable[[Any, Command], str]
"""batch_key(settings, command) -> the partition it is sent in: commands with different keys may be sent in parallel. Pure."""

AccountCode = Callable[[Any, str, Account], str]
"""account_code(settings, entity, account) -> the books' own code, empty if the settings name none. Pure."""

TargetCheck = Callable[[Context], Awaitable[tuple[Finding, ...]]]
"""target_check(ctx) -> what a target that keeps no books lacks for what is sent to it. Raises TransientError, SetupError."""


@dataclass(frozen=True, slots=True)
class Connector:
    """The declaration: everything the hub knows of a vendor. What is filled in is what it can do.

    Of a source: ``source`` makes facts of payloads; ``webhooks``, ``polls`` (one list of changes) or ``streams`` (several), ``listens`` and
    ``backfills`` are the ways in which they come, ``fetches`` reads single objects. Of a target: ``deliver`` is how each kind of command
    is written, ``batch_key`` what may be sent in parallel (None: the kind of command alone), ``lists`` what bears our keys (None: it cannot
    tell; after a restore each is looked up by itself), ``adopts`` that what it had before the hub can become the hub's. ``books`` is
    there only where books are kept; ``target_check`` what ``counterfoil check`` tries of any other target.

    ``client`` builds the (unopened) client of one connection from its settings: address, authentication, budget, what answers mean. It
    speaks HTTP, gRPC or a database's language; the hub opens it, puts it into the :class:`Context` and closes it. None: nobody is called.

    ``intake`` is what of the settings ``webhooks.verify`` reads: a model of some of ``config``'s fields. A process that only takes
    deliveries reads no other field and resolves no other secret; a secret that is optional in it may be left away there. None: all of
    ``config``.

    ``tells``: the kinds of record a source tells of, by name; empty: it may be of any. Of which no purpose makes anything needs no route.

    ``has_balance``: the money a source tells of stands on a balance, as a processor's does: it has a clearing account.

    ``is_streamed``: whether a connection with these settings is listened to, of a source whose stream may be left out.

    ``shows``: of a target that shows how customers stand, what it shows of what may be left out. ``fields``: what it shows that in, each
    field's name and what it says, for people who are to read or make them.

    ``whereabouts`` finds out what people deleted or merged in a target; with it, ``source`` and ``fetches``, which report its documents,
    what people do to them is watched.

    ``booking_settings``: the settings that decide what is written and how, none of them secret: all workers must have the same.
    A release holds them; ``client`` is the file's and must read none of them: what it needs of them goes with each call.

    ``account_code`` says how the books call an account of an entity by the settings; empty: they do not say, as the books choose it
    themselves. What rules would post is told by it before they are released.

    ``source_proof`` and ``books_proof`` read what ``counterfoil prove`` compares.

    ``link`` gives the address of a thing in the system's own pages, for people: from the connection's settings as they stand in the file
    (without secrets that are not at hand) and ``<kind>/<source id>`` or the target's own id as outcomes name it; empty: it has no page.
    ``known_as`` gives the canonical id (without its kind) of a record by its id as the system's own pages show it, which somebody pasted;
    from the same settings; empty: it is no such id. ``source_check`` is what ``counterfoil check`` tries of a source beside reading a page
    of changes; only reads. None: nothing more.
    ``asks`` are the options of ``counterfoil init`` for what the connector must be told; any setting can be given without them.
    """

    name: str
    config: type[BaseModel]
    client: Callable[[Any], Client] | None = None
    source: Normalizes | None = None
    fetches: Fetches | None = None
    webhooks: Webhooks | None = None
    polls: Polls | None = None
    streams: Streams | None = None
    listens: Listens | None = None
    is_streamed: Callable[[Any], bool] = lambda _settings: True
    backfills: Backfills | None = None
    tells: tuple[str, ...] = ()
    has_balance: bool = False
    deliver: Mapping[CommandKind, CommandWriter] = field(default_factory=dict)
    batch_key: BatchKey | None = None
    lists: Lists | None = None
    adopts: Adopts | None = None
    books: Books | None = None
    target_check: TargetCheck | None = None
    shows: tuple[StatusPart, ...] = ()
    fields: Callable[[], Mapping[str, str]] | None = None
    account_code: AccountCode | None = None
    sandbox: Callable[..., Any] | None = None
    intake: type[BaseModel] | None = None
    whereabouts: Whereabouts | None = None
    booking_settings: tuple[str, ...] = ()
    source_proof: SourceProof | None = None
    books_proof: BooksProof | None = None
    link: Callable[[Mapping[str, Any], str], str] | None = None
    known_as: Callable[[Mapping[str, Any], str], str] | None = None
    source_check: SourceCheck | None = None
    asks: tuple[Question, ...] = ()

    @property
    def reader(self) -> Reader | None:
        """The source as the stages read it; None of a connector that reads nothing."""
        return None if self.source is None else Reader(self.source, self.fetches)

    @property
    def is_polled(self) -> bool:
        """Whether changes can be listed."""
        return self.polls is not None or self.streams is not None

    def lists_of_changes(self, settings: Any) -> Mapping[str, Polls]:
        """Return every list of changes by its name; where there is one alone, it has none."""
        if self.streams is not None:
            return self.streams(settings)
        return {} if self.polls is None else {"": self.polls}

    @property
    def probe(self) -> Callable[[Context], Awaitable[object]]:
        """A cheap read that tells whether a target is there: of its books, or what is tried of any other target.

        Raises:
            ValueError: the connector writes nothing.
        """
        found = self.target_check if self.books is None else self.books.state
        if found is None:
            raise ValueError(f"connector {self.name} writes nothing that could be looked at")
        return found
