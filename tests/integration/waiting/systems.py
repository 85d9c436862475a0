"""Two systems that a customer is written to and that tell of him, and the hub between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.core.builders import ANN, DE, US
from tests.integration.waiting.office import Office

from counterfoil.core.commands.books import BookCommand, UpsertCustomer
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.commands import Command
from counterfoil.core.policies.rules import Route, Rules
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.stage import PLAIN
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus
from counterfoil.store import written
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.written import Place

RULES = Rules(
    1,
    {"US": replace(US, target="left"), "DE": replace(DE, target="right")},
    (Route("DE", "stripe", currency="EUR"), Route("US", "stripe"), Route("US", "left"), Route("DE", "right")),
)
ECHOES = ("name", "email", "phone", "address")
ROUNDS_MAX = 12


@dataclass
class System:
    """A system that keeps customers: what it was written, and what it has to tell.

    ``refuses``: it takes nothing. ``is_polled``: of several states it tells the last one alone. ``answers``: how the next tries end, of
    which nothing is taken yet. ``workflow``: what it makes of a customer that was written.
    """

    name: str
    held: Customer | None = None
    news: list[Customer] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    refuses: bool = False
    is_polled: bool = False
    answers: list[OutcomeStatus] = field(default_factory=list)
    workflow: Callable[[Customer], Customer] = lambda written: written

    def edit(self, **changes: Any) -> None:
        """Have somebody change the customer there."""
        assert self.held is not None
        self.held = replace(self.held, **changes)
        self.news.append(self.held)

    async def send(self, ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
        """Take customers, and tell of them like of anything else."""
        del ctx, bindings
        if self.answers:
            status = self.answers.pop(0)
            return tuple(Outcome(one.id, status, code="left.lost", message="lost") for one in batch)
        if self.refuses:
            return tuple(Outcome(one.id, OutcomeStatus.REFUSED, code="left.no", message="no") for one in batch)
        for one in batch:
            assert isinstance(one.arguments, UpsertCustomer)
            told = one.arguments.customer
            base = self.held or Customer(told.id, told.name)
            self.held = replace(base, name=told.name, email=told.email, phone=told.phone, address=told.address)
            self.writes.append(told.name)
            self.held = self.workflow(self.held)
            self.news.append(self.held)
        return tuple(Outcome(one.id, OutcomeStatus.DONE, f"partner/{one.external_key}") for one in batch)


@dataclass
class Both:
    """The hub between two systems."""

    office: Office
    left: System
    right: System
    deliverer: Deliverer

    async def write(self, *systems: System) -> None:
        """Send what is wished of systems."""
        for one in systems:
            await self.deliverer.turn(f"{one.name}/all", PLAIN)

    async def hear(self, *systems: System) -> None:
        """Have systems tell what they have to tell, and all that follows decided."""
        for one in systems:
            del one.news[: -1 if one.is_polled else 0]
            while one.news:
                await self.tell(one.news.pop(0), one.name)

    async def tell(self, told: Customer, connection: str) -> None:
        """Have a customer told at a later instant than all before."""
        self.office.later(seconds=10)
        self.office.told = int(self.office.clock.now().timestamp() * 1_000_000)
        await self.office.tell(told, connection=connection)

    async def rest(self) -> int:
        """Go on until nothing moves; return in how many rounds."""
        for count in range(ROUNDS_MAX):
            before = (len(self.left.writes), len(self.right.writes))
            await self.write(self.left, self.right)
            await self.hear(self.left, self.right)
            if before == (len(self.left.writes), len(self.right.writes)):
                return count
        raise AssertionError(f"they write to each other for ever: {self.left.writes}, {self.right.writes}")

    async def contents(self) -> list[int]:
        """Return how many contents are kept of each system."""
        async with self.office.pool.connection() as conn:
            found = await written.load(conn, [Place(one.name, CUSTOMER.ref(ANN.id)) for one in (self.left, self.right)])
        return [len(one.contents) for _, one in sorted(found.items())]


def between(pool: Pool, cipher: Cipher, rules: Rules = RULES) -> Both:
    """Return the hub between two systems, by rules of its own or the usual ones."""
    office = Office(pool, cipher, rules, echoing=("left", "right"))
    systems = {name: System(name) for name in ("left", "right")}

    async def probe(ctx: Context) -> None:
        del ctx

    links = {
        name: TargetLink(
            Context(name, None, HttpClient("http://127.0.0.1:9", budget=LocalBudget()), office.clock),
            {BookCommand.UPSERT_CUSTOMER: CommandWriter(one.send, one.send, "writes the same again", 100, echoes=ECHOES)},
            probe,
        )
        for name, one in systems.items()
    }
    deliverer = Deliverer(pool, cipher, links, office.clock, office.arm, Rest(pool, office.clock, office.arm, lambda: ""))
    return Both(office, systems["left"], systems["right"], deliverer)
