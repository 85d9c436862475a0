"""Systems that answer each other through the hub: a field that goes round is held, with one case, and goes on when somebody answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.core.builders import ANN
from tests.integration.waiting.systems import Both, between

from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.kinds.customer import Customer
from counterfoil.store import case_work, cases
from counterfoil.store.cases import Case
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

CYCLES = 5
DIGITS, GROUPED = "12125550100", "+1 212 5550100"
PHONED = replace(ANN, phone=DIGITS)
QUARREL = (("stripe", DIGITS), ("crm", DIGITS), ("crm", GROUPED), ("stripe", GROUPED))
"""What two systems tell that copy from each other beside the hub, and each of which then writes the number as it likes it."""


@pytest.fixture
def both(pool: Pool, cipher: Cipher) -> Both:
    return between(pool, cipher)


async def quarrel(both: Both, cycles: int = CYCLES, tells: Sequence[tuple[str, str]] = QUARREL, name: str = ANN.name) -> int:
    """Have the two go on; return how much was written. What the systems would tell of it are echoes (test_echoes.py), and left out."""
    before = written(both)
    for _ in range(cycles):
        for teller, phone in tells:
            await both.tell(replace(PHONED, phone=phone, name=name), teller)
            await both.write(both.left, both.right)
            both.left.news.clear()
            both.right.news.clear()
    return written(both) - before


async def settle(both: Both) -> int:
    """Have both systems take what is wished, and tell of it, until nothing moves; return how much was written."""
    before = written(both)
    await both.rest()
    return written(both) - before


def written(both: Both) -> int:
    return len(both.left.writes) + len(both.right.writes)


def phones(both: Both) -> list[str]:
    return [one.held.phone for one in (both.left, both.right) if one.held]


async def loops(both: Both) -> list[Case]:
    return [case for case in await both.office.cases() if case.code == "decide.loop"]


async def looping(both: Both) -> Case:
    """Have a telephone number go round until it is held, and return the case."""
    await quarrel(both)
    assert await quarrel(both, 2) == 0
    [case] = await loops(both)
    return case


async def retry(both: Both, case: Case) -> None:
    async with both.office.pool.connection() as conn, conn.transaction():
        await case_work.retry(conn, case.id, "mira", both.office.clock.now())
    await both.office.decide()


async def waive(both: Both, case: Case) -> None:
    async with both.office.pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, case.id, "mira", "they are the same number", both.office.clock.now())


async def state_of(both: Both, case: Case) -> str:
    async with both.office.pool.connection() as conn:
        shown = await cases.show(conn, case.id)
    assert shown is not None
    return shown.case.state.value


async def test_a_field_that_two_systems_quarrel_about_is_held_and_one_case_names_the_loop(both: Both) -> None:
    case = await looping(both)
    assert [len(both.left.writes), len(both.right.writes)] == [6, 6]  # two first values, and four that came back
    assert (case.case_class, case.owner, case.count) == ("ownership_violation", "the domain's owner", 1)
    assert f"phone of customer/{ANN.id} goes round in a loop: since 2026-03-10 12:0" in case.cause
    assert "it was written to left and right 5 times" in case.cause
    assert "values of the form '+9 999 9999999' and '99999999999'" in case.cause
    assert "crm and stripe tell it by turns, each otherwise: nobody is declared its owner, so the newest word counts" in case.cause
    assert "declare its owner under [[ownership]] (kind customer, field phone)" in case.next_step
    assert "5550100" not in case.cause + case.next_step


async def test_what_is_held_holds_up_no_other_field_and_no_other_record(both: Both) -> None:
    case = await looping(both)
    before = phones(both)
    await quarrel(both, 1, name="Anna Ltd")
    assert [one.held and one.held.name for one in (both.left, both.right)] == ["Anna Ltd", "Anna Ltd"]
    assert phones(both) == before
    await both.tell(Customer("stripe:cus_B", "Bob", phone="12", currency="USD"), "stripe")
    assert [row.external_key for row in await both.office.commands("upsert_customer")][-1] == "customer_stripe.cus_B"
    assert [one.id for one in await loops(both)] == [case.id]


async def test_it_stays_held_for_as_long_as_nobody_answers(both: Both) -> None:
    case = await looping(both)
    both.office.later(days=40)
    await both.tell(replace(PHONED, phone="+1 646 5550199"), "stripe")
    assert await settle(both) == 0
    assert [one.id for one in await loops(both)] == [case.id]


async def test_retried_once_the_cause_is_gone_the_latest_word_is_written_and_the_case_closes(both: Both) -> None:
    case = await looping(both)
    await both.tell(replace(PHONED, phone="+1 646 5550199"), "stripe")
    assert await settle(both) == 0
    await retry(both, case)
    assert (await settle(both), phones(both)) == (2, ["+1 646 5550199", "+1 646 5550199"])
    assert (await both.office.cases(), await state_of(both, case)) == ([], "resolved")
    both.office.later(hours=1)
    await both.tell(replace(PHONED, phone="+1 646 5550111"), "stripe")  # a change like any other
    assert await settle(both) == 2


async def test_retried_while_it_goes_on_it_is_written_once_more_each_way_and_held_again(both: Both) -> None:
    case = await looping(both)
    await retry(both, case)
    assert await quarrel(both) == 4
    [again] = await loops(both)
    assert again.id != case.id
    assert await state_of(both, case) == "resolved"
    assert "to left and right 2 times" in again.cause


async def test_declared_an_owner_it_goes_on_by_his_word_and_the_case_closes(both: Both) -> None:
    case = await looping(both)
    owners = ownership_of([Owner("customer", "crm", ("phone",))])
    both.office.rules = replace(both.office.rules, ownership=owners)
    await both.office.decide_again(PHONED)
    assert await state_of(both, case) == "resolved"
    await both.tell(replace(PHONED, phone="+1 646 5550199"), "crm")
    for phone in (DIGITS, GROUPED) * 3:
        await both.tell(replace(PHONED, phone=phone), "stripe")
        await both.write(both.left, both.right)
    assert phones(both) == ["+1 646 5550199", "+1 646 5550199"]
    assert {one.code for one in await both.office.cases()} == {"decide.not_the_owner"}


async def test_an_owner_who_changes_his_own_word_to_and_fro_is_named_as_such(both: Both) -> None:
    both.office.rules = replace(both.office.rules, ownership=ownership_of([Owner("customer", "stripe", ("phone",))]))
    await quarrel(both, 10)
    [case] = await loops(both)
    assert "stripe (its declared owner) tells another value each time; where stripe says nothing" in case.cause
    assert "declare another owner" in case.next_step


async def test_waived_it_stays_as_it_was_written_last_until_another_value_comes(both: Both) -> None:
    case = await looping(both)
    await waive(both, case)
    assert (await quarrel(both), await both.office.cases()) == (0, [])
    await both.tell(replace(PHONED, phone="+1 646 5550199"), "stripe")
    assert await settle(both) == 2
    assert await both.office.cases() == []


async def test_one_system_that_adds_to_what_it_is_written_is_a_loop_although_no_value_comes_back(both: Both) -> None:
    both.left.workflow = lambda written: replace(written, name=f"{written.name}.")
    await both.tell(ANN, "stripe")
    for _ in range(20):
        await both.write(both.left, both.right)
        await both.hear(both.left, both.right)
    assert len(both.left.writes) == 13  # the first one, and twelve answers
    [case] = await loops(both)
    assert "left answers what it is written with another value each time" in case.cause
    assert "and 9 more" in case.cause


def bare(written: Customer) -> Customer:
    """A workflow that keeps telephone numbers as digits alone."""
    return replace(written, phone="".join(sign for sign in written.phone if sign.isdigit()))


def grouped(written: Customer) -> Customer:
    """A workflow that writes them as they are read aloud."""
    digits = bare(written).phone
    return replace(written, phone=f"+{digits[0]} {digits[1:4]} {digits[4:]}")


async def test_two_systems_that_each_format_what_they_are_written_come_to_rest_by_themselves(both: Both) -> None:
    both.left.workflow, both.right.workflow = bare, grouped
    await both.tell(replace(PHONED, phone="+1 (212) 555-0100"), "stripe")
    await both.rest()
    assert sorted(phones(both)) == [GROUPED, DIGITS]
    assert await both.office.cases() == []


async def test_what_people_set_to_and_fro_a_few_times_is_no_loop(both: Both) -> None:
    await both.tell(PHONED, "stripe")
    for phone in ("1", "2", "1", "2"):
        await both.tell(replace(PHONED, phone=phone), "stripe")
        await both.write(both.left, both.right)
    assert both.left.held is not None
    assert (both.left.held.phone, await both.office.cases()) == ("2", [])


async def test_what_comes_back_more_slowly_than_the_window_is_no_loop(both: Both) -> None:
    for phone in ("1", "2") * 8:
        both.office.later(days=8)
        await both.tell(replace(PHONED, phone=phone), "stripe")
        await both.write(both.left, both.right)
    assert (len(both.left.writes), await both.office.cases()) == (16, [])


async def test_what_was_never_sent_is_no_write(both: Both) -> None:
    for phone in ("1", "2") * 10:
        await both.tell(replace(PHONED, phone=phone), "stripe")  # the systems are away
    await both.write(both.left, both.right)
    assert (len(both.left.writes), await both.office.cases()) == (1, [])


async def test_what_is_wished_and_not_sent_yet_is_no_write_either(both: Both) -> None:
    await quarrel(both, 2)
    await quarrel(both, 1, QUARREL[:1])
    for teller, phone in (*QUARREL[1:], *QUARREL):  # the systems are away
        await both.tell(replace(PHONED, phone=phone), teller)
    assert await both.office.cases() == []


async def test_what_wakes_the_case_without_another_owner_answers_nothing(both: Both) -> None:
    case = await looping(both)
    async with both.office.pool.connection() as conn, conn.transaction():
        assert await case_work.release_on(conn, [case.releases_on], both.office.clock.now()) != []
    await both.office.decide()
    assert (await quarrel(both), [one.id for one in await loops(both)]) == (0, [case.id])


async def test_two_workers_that_decide_at_once_hold_it_as_one_does_and_open_one_case(both: Both) -> None:
    for teller, phone in QUARREL * CYCLES:
        both.office.later(seconds=10)
        both.office.told = int(both.office.clock.now().timestamp() * 1_000_000)
        await both.office._write(replace(PHONED, phone=phone), teller)
        await asyncio.gather(both.office.decide(), both.office.decide())
        await asyncio.gather(both.write(both.left), both.write(both.right))
    assert [len(both.left.writes), len(both.right.writes)] == [6, 6]
    [case] = await loops(both)
    assert case.count == 1


async def test_nothing_is_asked_of_the_database_where_nothing_is_written_again_and_again(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def noted(*given: object) -> list[object]:
        asked.append(str(given[2]))
        return []

    await looping(both)
    bob = Customer("stripe:cus_B", "Bob", currency="USD", merged_into=ANN.id)
    monkeypatch.setattr("counterfoil.store.case_closing.answers", noted)
    await both.tell(bob, "stripe")  # the one that loops is looked at, and not decided
    assert asked == []
    both.office.later(days=30)
    for phone in ("1", "2", "3", "4", "5", "6"):
        await both.tell(replace(bob, merged_into="", phone=phone), "stripe")
        await both.write(both.left, both.right)
    assert asked == []
