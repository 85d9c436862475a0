"""Dunning over a real store: weeks of virtual time, people's answers by a source of their own, changed rules, deaths between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.core.builders import ANN, PRO, RULES, at, payment, usd
from tests.integration.waiting.office import Office
from tests.integration.waiting.weeks import BILL, DUNNED, KEY, STAGES, START, Weeks, paid

from counterfoil.app import desk, people
from counterfoil.app import processes as seen
from counterfoil.app.database import Database
from counterfoil.app.hub import Hub, open_hub, wait_until
from counterfoil.app.settings import from_values
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.dunning import DUNNING, Block
from counterfoil.core.kinds.intent import PEOPLE, Intent
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payment import PaymentState
from counterfoil.core.policies.rules import DunningStage, Route
from counterfoil.decide import processes
from counterfoil.kit.clock import FollowingClock, SettableClock
from counterfoil.store import agenda, agenda_deadlines, audit, bundles, receipts, views
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Weeks:
    return Weeks(pool, cipher, DUNNED, SettableClock(START))


async def test_weeks_of_dunning_with_a_failed_a_partial_a_disputed_and_a_recovered_payment(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("03-17")
    assert await office.standing() == "none"
    await office.until("03-18")
    assert await office.standing() == "running reminded 100.00 USD"
    await office.tell(replace(BILL, attempt_count=1))  # a payment failed: nothing changes but the count
    await office.until("03-29")
    assert await office.standing() == "running warned upgrades 100.00 USD"
    assert await office.case_words() == [("dunning.stage_begun", "collections", 100_00)]
    part = payment(usd(40_00), ("stripe:in_1", 40_00))
    await office.tell(part, paid(60_00))
    assert await office.standing() == "running warned upgrades 60.00 USD"
    assert await office.case_words() == [("dunning.stage_begun", "collections", 60_00)]
    dispute = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(40_00), office.clock.now())
    await office.tell(dispute)
    await office.until("04-20")
    assert await office.standing() == "held warned dispute upgrades 60.00 USD"
    await office.tell(replace(dispute, state=DisputeState.WON, closed_at=office.clock.now()))
    assert await office.standing() == "asking warned suspended upgrades 60.00 USD"
    # Of one process only its present stage is a case.
    assert await office.case_words() == [("dunning.approval_needed", "head of finance", 60_00)]
    await office.until("06-01")
    assert await office.say("approve", reason="no answer in six weeks")
    assert await office.standing() == "running suspended access 60.00 USD"
    await office.tell(paid(0, InvoiceState.PAID))
    assert await office.standing() == "ended - paid 0.00 USD"
    assert await office.case_words() == []


async def test_an_invoice_whose_payments_alone_tell_that_it_is_paid_or_under_way_is_not_dunned(office: Weeks) -> None:
    pending = replace(payment(usd(100_00), (BILL.id, 100_00), occurred_at=START), state=PaymentState.PENDING)
    await office.tell(ANN, PRO, replace(BILL, amount_remaining=None), pending)
    await office.until("03-20")
    assert await office.standing() == "none"
    await office.tell(replace(pending, state=PaymentState.FAILED))
    assert await office.standing() == "running reminded 100.00 USD"


async def test_what_a_person_decides_is_a_receipt_logged_counted_audited_and_told_once(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("04-14")
    assert await office.say("approve", reason="she asked for it")
    assert await office.say("hold")
    async with office.pool.connection() as conn:
        lines = await audit.recent(conn, subject=KEY)
        where = await views.conservation(conn)
        query = f"select kind, {bundles.STATE} from receipt r where connection = 'people' order by id"
        stored = await (await conn.execute(query)).fetchall()
    assert [(line.actor, line.action, dict(line.detail)) for line in lines][-1] == ("mira", "approve", {"about": "suspended"})
    assert "she asked" not in repr(lines)
    assert [(kind, state) for kind, state in stored] == [("intent.approve", "normalized"), ("intent.hold", "normalized")]
    [line] = [one for one in where.sources if one.connection == PEOPLE]
    assert (line.received, line.normalized, line.is_balanced) == (2, 2, True)


async def test_the_same_answer_of_the_same_person_to_the_same_state_counts_once(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("04-14")
    now, database = office.clock.now(), office.database()
    assert await seen.answer(database, KEY, "approve", "mira", now)
    assert not await seen.answer(database, KEY, "approve", "mira", now + timedelta(seconds=2))
    assert await seen.answer(database, KEY, "approve", "ben", now)
    await office.read()
    assert await office.standing() == "running suspended access 100.00 USD"
    with pytest.raises(ValueError, match="asks nothing now"):
        await seen.answer(database, KEY, "approve", "mira", now)
    with pytest.raises(ValueError, match="nothing to be decided on a dunning; there are approve, reject, hold, resume, waive"):
        await seen.answer(database, KEY, "cancel", "mira", now)
    with pytest.raises(LookupError, match="no process dunning/stripe:in_9"):
        await seen.answer(database, "dunning/stripe:in_9", "hold", "mira", now)


async def test_an_answer_that_comes_twice_or_late_answers_no_other_question(office: Weeks) -> None:
    office.rules = replace(RULES, dunning=(*STAGES, DunningStage("ended", 40, (Block.ACCESS,), tells="head of finance", asks=True)))
    await office.tell(ANN, PRO, BILL)
    await office.until("05-01")
    assert await office.standing() == "asking warned suspended upgrades 100.00 USD"
    [case] = await office.cases()
    assert "approve --about suspended" in case.next_step
    assert await office.say("approve", about="suspended")
    assert await office.standing() == "asking suspended ended access 100.00 USD"
    with pytest.raises(ValueError, match="asks about 'ended', not about 'suspended'"):
        await office.say("approve", about="suspended")
    with pytest.raises(ValueError, match="not about 'suspended'"):
        await office.say("reject", "ben", about="suspended")
    assert await office.standing() == "asking suspended ended access 100.00 USD"


async def test_the_last_word_counts_also_if_it_was_said_before_of_the_same_state(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("03-20")
    part = payment(usd(40_00), ("stripe:in_1", 40_00))
    dispute = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(40_00), office.clock.now())
    await office.tell(part, paid(60_00), dispute)
    for verb in ("hold", "resume", "hold"):  # none of them changes where it stands: it is held by the dispute
        office.later(minutes=1)
        assert await office.say(verb)
        assert await office.standing() == "held reminded dispute 60.00 USD"
    office.later(minutes=1)
    await office.tell(replace(dispute, state=DisputeState.WON, closed_at=office.clock.now()))
    assert await office.standing() == "held reminded person 60.00 USD"


async def test_a_waived_case_of_a_stage_comes_back_only_if_the_process_moves(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("03-29")
    [case] = await office.cases()
    await desk.waive_cases(office.database(), [case.id], "mira", "they promised", office.clock.now())
    await office.tell(replace(BILL, attempt_count=1))  # a payment failed: it stands where it stood
    await office.decide_again(replace(BILL))
    assert await office.case_words() == []
    await office.tell(paid(60_00))
    assert await office.case_words() == [("dunning.stage_begun", "collections", 60_00)]


async def test_people_s_receipts_read_again_change_nothing(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("04-14")
    await office.say("approve")
    before = await seen.show_process(office.database(), KEY)
    async with office.pool.connection() as conn, conn.transaction():
        ids = [row[0] for row in await (await conn.execute("select id from receipt where connection = 'people'")).fetchall()]
        await receipts.requeue(conn, ids)
    await office.read()
    assert await seen.show_process(office.database(), KEY) == before


async def test_changed_stages_are_taken_up_once_by_all_that_may_be_concerned(office: Weeks) -> None:
    office.rules = RULES  # nothing is declared yet
    other = replace(BILL, id="stripe:in_2", due_at=at("2026-03-25 12:00"))
    await office.tell(ANN, PRO, BILL, other)
    await office.until("04-01")
    assert await seen.list_processes(office.database(), does_include_ended=True) == []
    office.rules = DUNNED
    await office.until("04-02")
    assert await stages(office) == {KEY: "running warned", "dunning/stripe:in_2": "running reminded"}
    office.rules = replace(RULES, dunning=(DunningStage("called", 1), DunningStage("warned", 20)))
    await office.until("04-03")
    assert await stages(office) == {KEY: "running called", "dunning/stripe:in_2": "running called"}
    async with office.pool.connection() as conn:
        assert await processes.renew(conn, office.rules, office.clock.now()) == []  # known: nothing is decided anew at a restart
    await office.until("04-04")
    assert await stages(office) == {KEY: "running warned", "dunning/stripe:in_2": "running called"}
    office.rules = RULES
    await office.until("04-05")
    assert await stages(office) == {KEY: "ended ", "dunning/stripe:in_2": "ended "}
    assert await office.case_words() == []


async def stages(office: Weeks) -> dict[str, str]:
    found: list[Any] = await seen.list_processes(office.database(), does_include_ended=True)
    return {one.key: f"{one.state.state.value} {one.state.stage}" for one in found}


async def test_two_that_move_one_process_at_once_leave_one_state_and_its_history(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    office.clock.advance_to(at("2026-03-29 12:00"))
    async with office.pool.connection() as conn, conn.transaction():
        await agenda_deadlines.take(conn, office.clock.now(), 10)
    await office.decide()
    async with office.pool.connection() as conn, conn.transaction():
        await agenda.add(conn, [agenda.Subject(DUNNING.ref(BILL.id))], office.clock.now())
        # The version somebody else has made meanwhile, from the same state.
        await conn.execute("update object set version = version + 1, linked = version + 1 where kind = 'dunning'")
    office.rules = replace(RULES, dunning=(DunningStage("called", 1),))
    await office.decide()
    assert await stages(office) == {KEY: "running called"}
    found = await seen.show_process(office.database(), KEY)
    assert found is not None
    assert [step.event for step in found.steps] == ["dunning.begun", "dunning.moved", "dunning.moved"]


async def test_an_invoice_that_two_systems_tell_of_is_dunned_once(office: Weeks) -> None:
    office.rules = replace(DUNNED, routes=(*DUNNED.routes, Route("US", "crm")))
    other = replace(BILL, id="crm:I1")
    await office.tell(ANN, PRO, BILL)
    await office.tell(other, connection="crm")
    await office.take_all()
    await office.until("03-29")
    assert await stages(office) == {KEY: "running warned", "dunning/crm:I1": "running warned"}
    await office.tell(replace(other, number="R-1"), connection="crm", same_as=BILL.id)
    assert await stages(office) == {KEY: "running warned", "dunning/crm:I1": "ended "}
    await office.tell(paid(0, InvoiceState.PAID))
    assert await stages(office) == {KEY: "ended ", "dunning/crm:I1": "ended "}
    assert "dunning.stage_begun" not in [code for code, *_ in await office.case_words()]


async def test_ten_thousand_that_run_cost_nothing_between_their_steps(office: Weeks) -> None:
    await office.tell(ANN, PRO, BILL)
    await office.until("03-20")
    async with office.pool.connection() as conn:
        assert await views.undecided(conn) == 0
        assert await _waits(conn) == 0


async def _waits(conn: Conn) -> int:
    row = await (await conn.execute("select count(*) from wait where subject_kind = 'dunning'")).fetchone()
    return 0 if row is None else int(row[0])


async def test_an_intent_about_nothing_known_is_kept_and_ignored_by_rule(office: Weeks) -> None:
    async with office.pool.connection() as conn, conn.transaction():
        assert await people.note(conn, office.database(), Intent("", "case/7", "assign", "mira", START, about="ben"))
    await office.read(does_decide=False)
    # A program of before, which takes part in deciding while the upgrade rolls on, could not read it.
    assert await office.left() == 0
    assert await office.case_words() == []


async def test_a_hub_at_work_steps_by_itself_hears_people_and_goes_on_after_a_restart(database: str, home: Path) -> None:
    clock = FollowingClock(START)
    stages = [{"stage": one.name, "days_after_due": one.days_after_due, "tells": one.tells, "asks": one.asks} for one in STAGES]
    values = {
        "hub": {"home": str(home), "database_url": database},
        "connections": {"books": {"connector": "files", "inbox": str(home / "in"), "outbox": str(home / "out"), "namespace": "crm"}},
        "entities": {"US": {"target": "books", "currency": "USD", "time_zone": "America/New_York"}},
        "routes": [{"entity": "US"}],
        "dunning": stages,
    }
    async with open_hub(from_values(values), clock) as hub:
        seen_by = Database(hub.dsn, hub.pool, hub.cipher)

        async def stands(state: str, stage: str) -> bool:
            found = await seen.show_process(seen_by, KEY)
            record: Any = None if found is None else found.seen.state
            return record is not None and (record.state.value, record.stage) == (state, stage)

        office = Office(hub.pool, hub.cipher, hub_rules(hub), SettableClock(START))
        await office.tell(ANN, PRO, BILL, connection="books")
        clock.follow(at("2026-03-20 12:00"))
        await hub.start_work("first")
        assert await wait_until(partial(stands, "running", "reminded"), timeout_s=30)
        await hub.stop_work()
        clock.follow(at("2026-04-20 12:00"))
        await hub.start_work("second")
        assert await wait_until(partial(stands, "asking", "warned"), timeout_s=30)
        assert await seen.answer(seen_by, KEY, "approve", "mira", clock.now())
        assert await wait_until(partial(stands, "running", "suspended"), timeout_s=30)


def hub_rules(hub: Hub) -> Any:
    """Return a hub's rules as a decision takes them."""
    source = hub.rules
    return replace(DUNNED, entities=source.entities, routes=source.routes, dunning=source.dunning)
