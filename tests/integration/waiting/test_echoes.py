"""Two systems that a customer is written to and that tell of him: neither's echo is taken for its word, and what is set there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.builders import ANN, DE, US
from tests.integration.waiting.office import Office

from counterfoil.app.rehearsing import Rehearsal, _Play
from counterfoil.core.commands.books import BookCommand, UpsertCustomer
from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.echoes import Content
from counterfoil.core.identity.ownership import NOBODYS
from counterfoil.core.kinds.customer import CUSTOMER, Customer, CustomerEvent
from counterfoil.core.language.commands import Command
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Route, Rules
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Reader
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.stage import PLAIN
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus
from counterfoil.normalize.renaming import Renamer, Renaming
from counterfoil.store import receipts, written
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Incoming
from counterfoil.store.replays import ReplayOrder
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
    which nothing is taken yet.
    """

    name: str
    held: Customer | None = None
    news: list[Customer] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    refuses: bool = False
    is_polled: bool = False
    answers: list[OutcomeStatus] = field(default_factory=list)

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


@pytest.fixture
def both(pool: Pool, cipher: Cipher) -> Both:
    office = Office(pool, cipher, RULES, echoing=("left", "right"))
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


async def rules_of_ignored(both: Both) -> dict[str, int]:
    async with both.office.pool.connection() as conn:
        rows = await conn.execute("select rule, count(*) from receipt where state = 'ignored' group by 1")
        return dict(await rows.fetchall())


async def test_what_comes_back_changes_nothing_decides_nothing_and_is_counted(both: Both) -> None:
    await both.tell(ANN, "stripe")
    assert await both.rest() == 1
    assert (both.left.writes, both.right.writes) == (["Ann Ltd"], ["Ann Ltd"])
    assert await rules_of_ignored(both) == {"own_content_comes_back": 2}
    async with both.office.pool.connection() as conn:
        row = await (await conn.execute("select version, claimed from object where kind = 'customer'")).fetchone()
    assert row == (1, 0)
    assert await both.contents() == [1, 1]


async def test_what_was_written_to_a_connection_comes_back_under_its_new_name(both: Both) -> None:
    office = both.office
    office.echoing = ("left", "left_new", "right")
    await both.tell(ANN, "stripe")
    await both.write(both.left)
    async for _ in Renamer(office.pool, office.cipher, office.arm, NOBODYS).rename(Renaming("left", "left_new"), office.clock.now()):
        pass
    await both.tell(both.left.news.pop(), "left_new")
    assert await rules_of_ignored(both) == {"own_content_comes_back": 1}


async def test_what_was_written_under_the_new_name_already_stays_and_a_name_that_is_dropped_keeps_nothing(pool: Pool) -> None:
    ref = CUSTOMER.ref(ANN.id)
    former, new = Place("left", ref), Place("left_new", ref)
    async with pool.connection() as conn:
        await written.sent(conn, {former: [Content("c1", {"name": "1"}, 1)], new: [Content("c2", {"name": "2"}, 2)]})
        await written.rename(conn, "left", "left_new")
        assert {place: [one.command for one in there.contents] for place, there in (await written.load(conn, [former, new])).items()} == {
            new: ["c2"]
        }
        await written.rename(conn, "left_new", "")
        assert await written.load(conn, [former, new]) == {}


async def test_an_echo_that_is_told_after_a_newer_change_does_not_bring_back_what_was_before(both: Both) -> None:
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    await both.tell(replace(ANN, name="Anna Ltd"), "stripe")  # and only then both tell what they were written before that
    await both.hear(both.left, both.right)
    await both.rest()
    assert (both.left.writes, both.right.writes) == (["Ann Ltd", "Anna Ltd"], ["Ann Ltd", "Anna Ltd"])


async def test_what_is_set_in_one_goes_to_the_other_once_and_what_is_set_back_after_it_too(both: Both) -> None:
    await both.tell(ANN, "stripe")
    await both.rest()
    both.left.edit(name="Ann & Sons")
    await both.hear(both.left)
    await both.rest()
    assert both.right.writes == ["Ann Ltd", "Ann & Sons"]
    both.left.edit(name="Ann Ltd")  # what was written to it once: but by whoever sets it now
    await both.hear(both.left)
    await both.rest()
    assert both.right.held is not None
    assert both.right.held.name == "Ann Ltd"


async def test_what_is_set_beside_what_comes_back_is_all_that_is_said(both: Both) -> None:
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    both.left.news.clear()
    both.left.edit(phone="12")
    await both.tell(replace(ANN, name="Anna Ltd"), "stripe")  # while the left still has the former name
    await both.hear(both.left)
    await both.rest()
    assert both.left.held == both.right.held
    assert both.left.held is not None
    assert (both.left.held.name, both.left.held.phone) == ("Anna Ltd", "12")


STEPS = ("left tells", "right tells", "stripe tells", "left writes", "right writes")


@pytest.mark.parametrize("order", list(permutations(STEPS))[::7], ids="-".join)
async def test_whatever_the_order_they_come_to_rest_with_the_newest_word(both: Both, order: tuple[str, ...]) -> None:
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    both.left.edit(name="Ann & Sons")
    for one in order:
        match one:
            case "left tells":
                await both.hear(both.left)
            case "right tells":
                await both.hear(both.right)
            case "stripe tells":
                await both.tell(replace(ANN, phone="12"), "stripe")
            case "left writes":
                await both.write(both.left)
            case _:
                await both.write(both.right)
    await both.rest()
    assert both.left.held == both.right.held


async def test_what_was_refused_is_no_content_of_the_hub(both: Both) -> None:
    both.left.refuses = True
    await both.tell(ANN, "stripe")
    await both.write(both.left)
    assert await both.contents() == [0]
    await both.tell(ANN, "left")  # the left has it of itself
    assert await rules_of_ignored(both) == {}


@dataclass
class Remembered:
    """A source that reads deliveries as they were told: by dedupe key the record, its place and when."""

    told: dict[str, Fact]

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the fact."""
        del settings, fetched
        return (self.told[delivery.dedupe_key],)


async def rehearsed(both: Both, told: dict[str, Fact], *connections: str) -> Rehearsal:
    """Return what reading some connections' deliveries again would come to."""
    office = both.office
    sources = {name: (Reader(Remembered(told)), both.deliverer.targets["left"].ctx) for name in connections}
    hub: Any = SimpleNamespace(
        pool=office.pool, cipher=office.cipher, rules=office.rules_source(), readers=sources, echoing=frozenset(office.echoing)
    )
    async with office.pool.connection() as conn:
        ids = [
            row[0]
            for row in await (await conn.execute("select id from receipt where connection = any(%s)", (list(connections),))).fetchall()
        ]
        batch = await receipts.read(conn, office.cipher, sorted(ids))
    play = _Play(hub, ReplayOrder((), None), office.clock.now())
    await play.read(batch)
    await play.decide()
    return play.result


async def test_a_rehearsal_knows_what_was_written_and_tells_of_no_difference_where_there_is_none(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Fact] = {}
    write = both.office._write

    async def noted(state: Record, connection: str, is_apart: bool = False, same_as: str | None = None) -> None:
        await write(state, connection, is_apart, same_as)
        place = both.office.told
        told[f"ev_{place}"] = Fact(CustomerEvent.UPDATED, both.office.clock.now(), place, state)

    monkeypatch.setattr(both.office, "_write", noted)
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    both.left.edit(phone="12")  # told beside the name that was written: of that delivery the telephone alone is news
    await both.hear(both.left, both.right)
    await both.rest()
    found = await rehearsed(both, told, "left", "right")
    assert found.read == len(told) - 1
    assert found.is_without_effect, (found.outcomes, found.examples)


async def test_what_is_not_there_yet_after_a_try_without_an_answer_is_still_no_word_of_that_system_when_it_comes_late(both: Both) -> None:
    both.left.answers = [OutcomeStatus.UNKNOWN, OutcomeStatus.RETRY]
    await both.tell(ANN, "stripe")
    for _ in range(2):
        await both.write(both.left)
        both.office.later(minutes=20)
    assert (both.left.answers, await both.contents()) == ([], [1])
    await both.tell(Customer(ANN.id, ANN.name, email=ANN.email, phone=ANN.phone, address=ANN.address), "left")
    assert await rules_of_ignored(both) == {"own_content_comes_back": 1}


async def test_a_rehearsal_of_what_was_never_read_takes_what_was_written_for_what_it_is(both: Both) -> None:
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    written_at = int(both.office.clock.now().timestamp() * 1_000_000)
    await both.tell(replace(ANN, name="Anna Ltd"), "stripe")
    async with both.office.pool.connection() as conn, conn.transaction():
        parked = Incoming("left", "ev_parked", "1", "told", b"{}", both.office.clock.now(), parked="test.held")
        await receipts.append(conn, both.office.cipher, [parked], both.office.clock.now())
    found = await rehearsed(both, {"ev_parked": Fact(CustomerEvent.UPDATED, both.office.clock.now(), written_at, ANN)}, "left")
    assert found.outcomes == {("parked: test.held", "ignored: own_content_comes_back"): 1}
    assert found.objects == {}
