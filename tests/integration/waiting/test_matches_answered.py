"""What people say of customers that may be one, and what becomes of it when they take it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import PRO, RULES, usd
from tests.core.builders import invoice as bill_of
from tests.integration.waiting.clerks import ACME, BERLIN, OTHER, SAME, Clerks
from tests.integration.waiting.test_merges import booked_for

from counterfoil.core.kinds.customer import CUSTOMER, Customer, TaxId
from counterfoil.core.policies.rules import MatchingPolicy, Route
from counterfoil.store import audit, cases, links, matches
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Clerks:
    routes = (*RULES.routes, Route("US", "files"))
    return Clerks(pool, cipher, replace(RULES, routes=routes))


async def test_people_say_it_is_one_and_the_case_closes_with_what_was_billed_of_both(office: Clerks) -> None:
    await office.report(ACME, SAME)
    [case] = await office.cases()
    await office.tell(PRO, bill_of(usd(100_00), customer_id=SAME.id))
    await office.wish("same_as", SAME, ACME)
    assert await office.asked() == []
    assert "invoice_stripe.in_1 for stripe:cus_1" in await booked_for(office)
    async with office.pool.connection() as conn:
        shown = await cases.show(conn, case.id)
        assert shown is not None
        assert shown.case.state is CaseState.RESOLVED
    await office.report(replace(SAME, phone="+49 30 777777"))
    assert await office.asked() == []
    assert await office.pairs() == []


async def test_people_say_they_are_two_and_who_said_it_is_in_the_audit(office: Clerks) -> None:
    await office.report(ACME, SAME)
    await office.wish("not_same_as", ACME, SAME)
    assert await office.asked() == []
    assert await office.pairs() == []
    assert [(one.answer, one.rule) for one in await office.pairs(ACME.id)] == [("apart", "tax id")]
    async with office.pool.connection() as conn:
        [line] = await audit.recent(conn)
        assert (line.actor, line.action, line.subject) == ("mira", "apart_from", f"customer/{ACME.id}")


async def test_two_told_apart_before_anybody_compared_them_are_not_asked_of(office: Clerks) -> None:
    await office.tell(ACME)
    await office.tell(SAME, connection="files")
    await office.act("not_same_as", ACME.id, SAME.id)
    await office.compare()
    assert await office.asked() == []
    assert [(one.answer, one.rule) for one in await office.pairs(SAME.id)] == [("apart", "tax id")]


async def test_what_the_hub_linked_and_people_take_back_is_not_linked_or_asked_of_again(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(ACME, SAME)
    assert await office.asked() == []
    await office.tell(PRO, bill_of(usd(100_00), customer_id=SAME.id))
    assert "invoice_stripe.in_1 for stripe:cus_1" in await booked_for(office)
    await office.wish("not_same_as", SAME)
    assert "invoice_stripe.in_1 for files:17" in await booked_for(office)
    await office.report(replace(SAME, phone="+49 30 888888"))
    assert await office.asked() == []
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 10) == []


async def test_what_people_answer_while_two_are_compared_stays(office: Clerks) -> None:
    await office.report(ACME, SAME)
    async with office.pool.connection() as conn, conn.transaction():
        [pair] = await matches.pairs_of(conn, office.cipher, [ACME.id])
        await matches.tell_apart(conn, [(CUSTOMER.ref(ACME.id), CUSTOMER.ref(SAME.id))], office.clock.now())
        await matches.keep(conn, office.cipher, {replace(pair, entity="DE"): pair.answer})
    assert [(one.answer, one.entity) for one in await office.pairs(ACME.id)] == [("apart", pair.entity)]


async def test_what_people_linked_and_take_back_is_two_without_another_question(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.tell(ACME)
    await office.tell(SAME, connection="files")
    await office.act("same_as", SAME.id, ACME.id)
    await office.compare()
    await office.wish("not_same_as", SAME)
    assert await office.asked() == []
    assert [(one.answer, one.rule) for one in await office.pairs(SAME.id)] == [("apart", "tax id")]
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 10) == []
    await office.wish("same_as", SAME, ACME)
    assert await office.pairs(SAME.id) == []  # said anew: what was said before is none any more


async def test_what_people_merged_and_unmerge_is_two_without_another_question(office: Clerks) -> None:
    await office.report(ACME, SAME)
    await office.wish("merge", SAME, ACME)
    assert await office.asked() == []
    await office.wish("unmerge", SAME)
    assert await office.asked() == []
    assert [one.answer for one in await office.pairs(SAME.id)] == ["apart"]
    await office.report(replace(SAME, email=ACME.email))  # more than ever spoke for it
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]


async def test_an_answer_outlives_a_merge_of_either_without_what_it_was_given_on(office: Clerks) -> None:
    await office.report(ACME, SAME, OTHER)
    await office.wish("not_same_as", SAME, ACME)
    for gone in (SAME, ACME):
        await office.wish("merge", gone, OTHER)
        async with office.pool.connection() as conn:
            kept = [pair for pair in await matches.pairs_of(conn, office.cipher, [SAME.id]) if ACME.id in pair.ids]
        assert [(pair.answer, pair.found) for pair in kept] == [("apart", b"")]
        await office.wish("unmerge", gone)
        assert await office.asked() == []
        assert [one.rule for one in await office.pairs(SAME.id) if f"customer/{ACME.id}" in one.keys] == ["tax id"]
    await office.report(replace(SAME, is_deleted=True))
    async with office.pool.connection() as conn:
        assert await matches.pairs_of(conn, office.cipher, [SAME.id]) == []


async def test_who_is_told_apart_from_one_of_two_that_are_one_is_not_asked_of_with_the_other(office: Clerks) -> None:
    third = replace(SAME, id="files:20", email="")
    await office.report(ACME, third)
    await office.wish("same_as", third, ACME)
    await office.report(SAME)
    for one in (ACME, third):
        if f"{SAME.id} {one.id}" in await office.asked() or f"{one.id} {SAME.id}" in await office.asked():
            await office.wish("not_same_as", SAME, one)
    await office.report(replace(SAME, phone="+49 30 555555"), replace(third, phone="+49 30 444444"))
    assert await office.asked() == []


async def test_who_people_say_is_another_stands_in_nobodys_way(office: Clerks) -> None:
    await office.report(ACME, SAME)
    await office.wish("not_same_as", ACME, SAME)
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(Customer("files:30", ACME.name, "berlin@acme-tools.com", address=BERLIN))
    async with office.pool.connection() as conn:
        assert [(one.ref.id, one.golden) for one in await links.newest(conn, 10)] == [("files:30", ACME.id)]
    await office.report(replace(ACME, phone="+49 30 121212"))
    assert [one.remarks for one in await office.pairs(ACME.id) if one.answer == "apart"] == [()]


async def test_two_the_hub_linked_that_come_to_contradict_each_other_are_for_people_once(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True, owner="controllers"),))
    await office.report(ACME, SAME)
    other = replace(SAME, name="Windmill Bakery", tax_ids=(TaxId("eu_vat", "DE129274202"),))
    await office.report(other)
    [case] = await office.cases()
    assert (case.code, case.owner, case.count) == ("identity.linked_in_doubt", "controllers", 2)
    assert f"not-same-as customer/{SAME.id}`" in case.next_step
    assert "Windmill" not in case.cause + case.next_step
    await office.report(replace(other, phone="+49 30 666666"))
    assert [one.id for one in await office.cases()] == [case.id]
    await office.report(SAME)  # corrected
    assert await office.cases() == []
    await office.report(other)
    [case] = await office.cases()
    async with office.pool.connection() as conn, conn.transaction():
        await cases.close(conn, case.id, CaseState.WAIVED, "mira", "renamed", office.clock.now())
    await office.report(replace(other, phone="+49 30 777777"))
    assert await office.cases() == []
    await office.wish("not_same_as", SAME)
    assert [one.answer for one in await office.pairs(SAME.id)] == ["apart"]


async def test_what_is_in_doubt_is_closed_by_taking_the_link_back(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(ACME, SAME)
    await office.report(replace(SAME, name="Windmill Bakery", tax_ids=(TaxId("eu_vat", "DE129274202"),)))
    assert len(await office.cases()) == 1
    await office.wish("not_same_as", SAME)
    assert await office.cases() == []


async def test_who_waived_is_not_asked_again_for_less_than_was_known(office: Clerks) -> None:
    await office.report(ACME, SAME)
    [case] = await office.cases()
    async with office.pool.connection() as conn, conn.transaction():
        await cases.close(conn, case.id, CaseState.WAIVED, "mira", "later", office.clock.now())
    [before] = await office.pairs()
    office.later(days=1)
    await office.report(replace(SAME, tax_ids=()))
    assert await office.asked() == []
    [after] = await office.pairs()
    assert (after.found_at, after.rule != before.rule) == (before.found_at, True)


async def test_a_case_says_what_is_so_by_now(office: Clerks) -> None:
    await office.report(ACME, SAME)
    [case] = await office.cases()
    assert "tax id" in case.cause
    await office.report(replace(SAME, tax_ids=()))
    [again] = await office.cases()
    assert (again.id, "tax id" in again.cause) == (case.id, False)


async def test_open_documents_follow_whoever_was_linked(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(SAME)
    await office.tell(ACME, PRO, bill_of(usd(100_00), customer_id=ACME.id))
    assert f"invoice_stripe.in_1 for {ACME.id}" in await booked_for(office)
    await office.compare()
    assert f"invoice_stripe.in_1 for {SAME.id}" in await booked_for(office)


async def test_a_pair_is_of_the_entity_that_either_is_of(office: Clerks) -> None:
    await office.report(ACME, replace(SAME, id="crm:17"))  # no route leads anywhere for the second
    assert [case.entity for case in await office.cases() if case.code == "identity.may_be_one"] == ["US"]
