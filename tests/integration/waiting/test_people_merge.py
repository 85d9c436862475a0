"""Customers that people merge, keep apart and take back, and things they name the same, beside what systems say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from tests.core.builders import ANN, PRO
from tests.integration.waiting.test_merges import BILL, BOB, MERGED, PAID, booked_for
from tests.integration.waiting.test_same_facts import BILLED, BOTH, CLEARED, posted, tell_billed
from tests.integration.waiting.weeks import Weeks

from counterfoil.app import identities
from counterfoil.app.identities import IdentityAct, IdentityPlan, IdentityVerb
from counterfoil.core.kinds.customer import Customer
from counterfoil.engine import membership
from counterfoil.kit.errors import SetupError
from counterfoil.store import audit, workers
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

CAROL = Customer("stripe:cus_C", "Carol")


@dataclass
class Desk(Weeks):
    """An office with people who say who is who."""

    async def act(self, verb: str, one: str, other: str = "", reason: str = "it is one firm") -> IdentityPlan:
        """Say something as the command does, a moment later than all before."""
        self.later(seconds=10)
        self.told = int(self.clock.now().timestamp() * 1_000_000)
        act = IdentityAct(IdentityVerb(verb), one, other)
        plan = await identities.decide(self.database(), act, "mira", reason, self.clock.now())
        await self.read()
        return plan


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def test_what_people_merge_follows_and_what_they_take_back_is_as_before(office: Desk) -> None:
    await office.tell(ANN, BOB, PRO, BILL, PAID)
    before = await booked_for(office)
    plan = await office.act("merge", BOB.id, f"customer/{ANN.id}")
    assert (plan.into, plan.documents) == (f"customer/{ANN.id}", 2)
    merged = await booked_for(office)
    assert "customer_stripe.cus_B" not in merged
    assert "invoice_stripe.in_1 for stripe:cus_A" in merged
    assert "payment_stripe.ch_1 for stripe:cus_A" in merged
    await office.act("unmerge", BOB.id)
    assert await booked_for(office) == before
    await office.take_all()
    assert set((await booked_for(office)).values()) == {"done"}
    assert await office.cases() == []


async def test_what_people_and_a_source_both_merged_is_kept_apart_when_people_take_it_back(office: Desk) -> None:
    await office.tell(ANN, BOB, MERGED)
    await office.act("merge", BOB.id, ANN.id)
    plan = await office.act("unmerge", BOB.id)
    assert plan.act.verb is IdentityVerb.KEEP_APART
    assert (await identities.show(office.database(), f"customer/{BOB.id}")).into == ""


async def test_nobody_is_merged_into_who_is_merged_into_him_however_far_the_way_goes_on(office: Desk) -> None:
    await office.tell(ANN, BOB, CAROL)
    await office.act("merge", ANN.id, BOB.id)
    await office.act("merge", BOB.id, CAROL.id)
    for one in (BOB, CAROL):
        with pytest.raises(ValueError, match="nobody would be left"):
            await office.act("merge", one.id, ANN.id)


async def test_a_plan_says_what_of_peoples_own_word_ends(office: Desk) -> None:
    await office.tell(ANN, BOB, CAROL, MERGED)
    await office.act("unmerge", BOB.id)
    planned = await identities.plan_of(office.database(), IdentityAct(IdentityVerb.MERGE, BOB.id, ANN.id))
    assert planned.notes == ("people keep it apart so far: that ends",)
    await office.act("merge", BOB.id, ANN.id)
    planned = await identities.plan_of(office.database(), IdentityAct(IdentityVerb.MERGE, BOB.id, CAROL.id))
    assert planned.notes == (
        f"people have merged it into {ANN.id}: that ends",
        f"stripe says it is merged into {ANN.id}: what people say counts from now on",
    )


async def test_news_of_the_source_leave_what_people_said(office: Desk) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    await office.act("merge", BOB.id, ANN.id)
    office.later(days=1)
    await office.tell(replace(BOB, name="Bob & Co"), BOB)
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)


async def test_what_a_source_merged_is_kept_apart_whatever_it_says_and_merged_again_by_people(office: Desk) -> None:
    await office.tell(ANN, BOB, CAROL, PRO, BILL, MERGED)
    plan = await office.act("unmerge", BOB.id)
    assert plan.act.verb is IdentityVerb.KEEP_APART
    assert "stripe says it is merged" in plan.notes[0]
    office.later(days=1)
    await office.tell(replace(MERGED, name="Bob & Co"))
    assert "invoice_stripe.in_1 for stripe:cus_B" in await booked_for(office)
    await office.act("merge", BOB.id, CAROL.id)
    assert "invoice_stripe.in_1 for stripe:cus_C" in await booked_for(office)
    assert await office.cases() == []


async def test_after_a_merge_of_people_alone_was_taken_back_a_sources_merge_counts_again(office: Desk) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    await office.act("merge", BOB.id, ANN.id)
    await office.act("unmerge", BOB.id)
    office.later(days=1)
    await office.tell(MERGED)
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)


async def test_who_did_what_when_and_why_is_in_the_audit_and_shown(office: Desk, pool: Pool) -> None:
    await office.tell(ANN, BOB)
    await office.act("merge", BOB.id, ANN.id, "one tax id")
    merged_at = office.clock.now()
    await office.act("unmerge", BOB.id, reason="two branches")
    found = await identities.show(office.database(), BOB.id)
    assert [(line.at, line.actor, line.action, dict(line.detail)) for line in found.acts] == [
        (office.clock.now(), "mira", "unmerge", {"reason": "two branches"}),
        (merged_at, "mira", "merge", {"other": f"customer/{ANN.id}", "reason": "one tax id"}),
    ]
    assert [(one.golden, one.why, one.connection, one.since) for one in found.links] == [(ANN.id, "merged", "people", merged_at)]
    assert found.into == ""
    assert await identities.linked(office.database()) == []
    assert len(await identities.linked(office.database(), does_include_ended=True)) == 1


@pytest.mark.parametrize(
    ("verb", "one", "other", "error", "words"),
    [
        ("merge", BOB.id, BOB.id, ValueError, "customer/stripe:cus_B cannot be merged into itself"),
        ("merge", BOB.id, "stripe:cus_9", LookupError, "nothing is known as customer/stripe:cus_9"),
        ("merge", "stripe:cus_9", BOB.id, LookupError, "nothing is known as customer/stripe:cus_9"),
        ("merge", BOB.id, f"product/{PRO.id}", ValueError, "they are of different kinds"),
        ("merge", f"product/{PRO.id}", BOB.id, ValueError, "is merged in the system that keeps it"),
        ("merge", BOB.id, "partner/7", ValueError, "'partner' is no kind of record"),
        ("merge", ANN.id, BOB.id, ValueError, "customer/stripe:cus_B into customer/stripe:cus_A already, and nobody would be left"),
        ("merge", BOB.id, ANN.id, ValueError, "is merged into customer/stripe:cus_A already"),
        ("unmerge", ANN.id, "", ValueError, "is merged into nothing"),
        ("same_as", BOB.id, BOB.id, ValueError, "cannot be the same as itself"),
        ("same_as", BOB.id, f"product/{PRO.id}", ValueError, "they are of different kinds"),
        ("not_same_as", BOB.id, "", ValueError, "is not said to be the same as another"),
    ],
)
async def test_what_would_leave_nobody_or_means_nothing_is_refused_and_nothing_is_kept(
    office: Desk, pool: Pool, verb: str, one: str, other: str, error: type[Exception], words: str
) -> None:
    await office.tell(ANN, BOB, PRO)
    await office.act("merge", BOB.id, ANN.id)
    with pytest.raises(error, match=words):
        await office.act(verb, one, other)
    async with pool.connection() as conn:
        assert len(await audit.recent(conn)) == 1


async def test_nothing_is_said_without_a_reason(office: Desk) -> None:
    await office.tell(ANN, BOB)
    with pytest.raises(ValueError, match="say why"):
        await office.act("merge", BOB.id, ANN.id, reason="  ")


async def test_the_same_said_twice_of_the_same_is_kept_once(office: Desk, pool: Pool) -> None:
    await office.tell(ANN, BOB)
    act = IdentityAct(IdentityVerb.MERGE, BOB.id, ANN.id)
    for _ in range(2):  # before any worker has read the first
        await identities.decide(office.database(), act, "mira", "one firm", office.clock.now())
    async with pool.connection() as conn:
        assert len(await audit.recent(conn)) == 1


async def test_what_is_said_after_what_was_read_counts_also_where_a_clock_is_behind(office: Desk) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    await office.act("merge", BOB.id, ANN.id)
    act = IdentityAct(IdentityVerb.UNMERGE, BOB.id)
    await identities.decide(office.database(), act, "mira", "two branches", office.clock.now().replace(hour=1))
    await office.read()
    assert "invoice_stripe.in_1 for stripe:cus_B" in await booked_for(office)


async def test_two_that_people_and_a_system_merge_in_opposite_directions_are_one_case(office: Desk) -> None:
    await office.tell(ANN, BOB, PRO)
    act = IdentityAct(IdentityVerb.MERGE, ANN.id, BOB.id)
    await identities.decide(office.database(), act, "mira", "one firm", office.clock.now())
    await office.tell(MERGED)  # comes between the decision and its being read
    await office.read()
    await office.tell(BILL)
    [case] = await office.cases()
    assert case.code == "decide.customers_merged_in_a_circle"
    await office.act("unmerge", ANN.id)
    assert await office.cases() == []
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)


async def test_while_a_worker_of_an_older_program_is_at_work_nothing_is_kept(office: Desk, pool: Pool, database: str) -> None:
    await office.tell(ANN, BOB)
    member = await membership.join(database, "old")
    try:
        assert await workers_older(pool) == []
        async with pool.connection() as conn:
            await conn.execute("update worker set schema = 40")  # as one of before knows no such column, and leaves 0 there
        with pytest.raises(SetupError, match=f"{member.id} of an older program") as refused:
            await office.act("merge", BOB.id, ANN.id)
        assert refused.value.code == "identity.older_worker"
        async with pool.connection() as conn:
            await conn.execute("update worker set schema = default")
        assert await workers_older(pool) == [member.id]
    finally:
        await member.leave()
    await office.act("merge", BOB.id, ANN.id)


async def workers_older(pool: Pool) -> list[str]:
    async with pool.connection() as conn:
        return await workers.older(conn, identities.KNOWS_PEOPLE, 20.0)


async def test_payments_that_people_name_the_same_are_booked_once_and_two_again_when_they_say_so(pool: Pool, cipher: Cipher) -> None:
    office = Desk(pool, cipher, BOTH)
    bare = replace(BILLED, applications=())
    await office.tell(ANN, PRO, BILL, CLEARED)
    await tell_billed(office, bare, same_as=None)
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)
    await office.act("same_as", f"payment/{bare.id}", f"payment/{CLEARED.id}")
    assert "payment_acme.p1" not in await posted(office)
    with pytest.raises(ValueError, match="are the same already"):
        await office.act("same_as", f"payment/{CLEARED.id}", f"payment/{bare.id}")
    with pytest.raises(ValueError, match=f"payment/{bare.id} is said to be the same as it"):
        await office.act("not_same_as", f"payment/{CLEARED.id}")
    await office.act("not_same_as", f"payment/{bare.id}")
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)
    office.later(days=1)
    await tell_billed(office, replace(bare, method="card"))  # its source says again that they are one: people said otherwise
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)
