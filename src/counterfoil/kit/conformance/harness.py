"""What a connector's test gives the suite: its sandbox, samples of what it receives, and commands it must be able to deliver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from counterfoil.core.language.commands import Command
from counterfoil.kit.connector import Connector, Delivery, Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.requirements import Requirements
from counterfoil.kit.sandbox import FaultSwitch


@dataclass(frozen=True, slots=True)
class Sample:
    """A genuine delivery with what was fetched for it; normalizing it gives facts, or a named rule that ignores it."""

    name: str
    delivery: Delivery
    fetched: Mapping[str, Fetched] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A genuine webhook body and an instant at which it is fresh."""

    body: bytes
    now: datetime


class Harness(ABC):
    """Adapter between the suite and one connector. A fresh one is made for every check.

    Required are ``connector``, :meth:`open` and :meth:`close`; for a source :meth:`samples` and :meth:`change`; for a target
    :meth:`commands`, :meth:`count` and :meth:`requirements`. The rest has defaults.
    """

    connector: Connector
    secrets: tuple[str, ...] = ()  # every secret value in the settings: none may show in a message or log
    page_size_max: int = 1000  # most deliveries a page may hold
    stale_after_s: float = 3600.0  # a webhook this old must be refused; 0: the vendor signs no time
    write_path: str = r"^(POST|PUT|PATCH|DELETE) "  # which request lines of the sandbox are writes
    read_path: str = ""  # which are reads
    missing_ref: str = ""  # a reference of an object that does not exist
    fuzz_count: int = 40  # damaged bodies tried per sample

    @abstractmethod
    async def open(self) -> Context:
        """Start the sandbox and return a context that calls it; retries and waits should be short."""

    @abstractmethod
    async def close(self) -> None:
        """Stop the sandbox and release what :meth:`open` took."""

    def switch(self) -> FaultSwitch | None:
        """Return the sandbox's fault switch; None: it has none, and the connector cannot be proven."""
        return None

    def samples(self) -> Sequence[Sample]:
        """Return genuine deliveries, at least one per kind of payload."""
        return ()

    def webhooks(self) -> Sequence[Webhook]:
        """Return genuine webhook bodies; empty if the vendor has no webhooks."""
        return ()

    def sign(self, body: bytes, now: datetime) -> Mapping[str, str]:
        """Return the headers with which the vendor would send the body now."""
        return {}

    async def change(self, ctx: Context) -> None:
        """Change something in the sandbox that the next poll must see; called after a first poll."""
        raise LookupError(f"the harness of {self.connector.name} cannot change anything")

    def commands(self) -> Sequence[Command]:
        """Return commands in sending order, at least one per kind the connector delivers; prerequisites before what needs them."""
        return ()

    def refusable(self) -> Command | None:
        """Return a command the target refuses, of the same kind and batch key as the first command; None: no such command is known."""
        return None

    def bindings(self) -> Mapping[str, str]:
        """Return what the commands need beyond what they produce themselves."""
        return {}

    async def count(self, ctx: Context, command: Command) -> int:
        """Return how many counterparts of the command the target has, looked at without the connector."""
        raise LookupError(f"the harness of {self.connector.name} cannot count {command.kind}")

    def requirements(self) -> Requirements:
        """Return what the sandbox satisfies, for the target's check."""
        return Requirements(entities={}, accounts={}, taxes={}, currencies=())


@asynccontextmanager
async def opened(kind: type[Harness]) -> AsyncIterator[tuple[Harness, Context]]:
    """Make a fresh harness, open it, and close it whatever happens."""
    harness = kind()
    try:
        yield harness, await harness.open()
    finally:
        await harness.close()
