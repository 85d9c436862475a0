"""Two systems that a customer is written to and that tell of him: neither's echo is taken for its word, and what is set there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.builders import ANN
from tests.integration.waiting.systems import Both, between

from counterfoil.app.rehearsing import Rehearsal, _Play
from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.echoes import Content
from counterfoil.core.identity.ownership import NOBODYS
from counterfoil.core.kinds.customer import CUSTOMER, Customer, CustomerEvent
from counterfoil.core.language.records import Record
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Reader
from counterfoil.kit.writing import OutcomeStatus
from counterfoil.normalize.renaming import Renamer, Renaming
from counterfoil.store import receipts, written
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Incoming
from counterfoil.store.replays import ReplayOrder
from counterfoil.store.written import Place


@pytest.fixture
def both(pool: Pool, cipher: Cipher) -> Both:
    return between(pool, cipher)


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
