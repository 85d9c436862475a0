"""Customers that may be one are found as they come, asked of once, answered by people, and closed by what happens to either."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from psycopg import AsyncConnection
from tests.core.builders import ANN, PRO, RULES, usd
from tests.core.builders import invoice as bill_of
from tests.integration.waiting.clerks import ACME, ALIKE, BERLIN, OTHER, SAME, Clerks

from counterfoil.core.identity.matching.evidence import Agreement
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.core.policies.rules import MatchingPolicy, Route
from counterfoil.store import cases, links, matches, objects
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.matches import KeyedCustomer
from counterfoil.store.pool import Pool

STATEMENTS_MAX = 100
KEYS_MAX = 100


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Clerks:
    routes = (*RULES.routes, Route("US", "files"))
    return Clerks(pool, cipher, replace(RULES, routes=routes))


async def test_two_sources_one_customer_is_a_case_with_both_sides_and_the_evidence(office: Clerks) -> None:
    await office.report(OTHER, ACME, SAME)
    [case] = await office.cases()
    assert (case.code, case.owner, case.count, case.entity) == ("identity.may_be_one", "sales operations", 2, "US")
    assert case.cause.startswith("customer/files:17 and customer/stripe:cus_1 may be one customer: same: tax id, name, domain")
    assert "Acme" not in case.cause + case.next_step
    assert "DE136695976" not in case.cause + case.next_step
    [pair] = await office.pairs()
    assert (pair.keys, pair.connections) == (("customer/files:17", "customer/stripe:cus_1"), ("files", "stripe"))
    assert (pair.verdict, pair.rule, pair.answer) == ("same", "tax id", "")
    assert {"tax id", "name", "domain"} <= {one.about for one in pair.evidence if one.agreement is Agreement.SAME}
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 10) == []  # nothing is linked by itself


async def test_who_is_only_alike_is_for_people_too_and_strangers_are_not(office: Clerks) -> None:
    await office.report(ACME, OTHER, ALIKE)
    assert await office.asked() == [f"{ALIKE.id} {ACME.id}"]
    [pair] = await office.pairs()
    assert (pair.verdict, pair.rule) == ("review", "score")


async def test_two_of_one_source_are_found_as_well(office: Clerks) -> None:
    await office.report(ACME, replace(ACME, id="stripe:cus_2", name="Acme Tools"))
    assert await office.asked() == ["stripe:cus_1 stripe:cus_2"]


async def test_nobody_is_asked_twice_of_what_was_asked_before_whatever_else_is_told(office: Clerks) -> None:
    await office.report(ACME, SAME)
    [case] = await office.cases()
    await office.report(replace(SAME, phone="+49 30 999999"), replace(ACME, currency="EUR"))
    assert [one.id for one in await office.cases()] == [case.id]
    async with office.pool.connection() as conn, conn.transaction():
        await cases.close(conn, case.id, CaseState.WAIVED, "mira", "later", office.clock.now())
    await office.report(replace(SAME, phone="+49 30 888888"))
    assert await office.asked() == []


async def test_what_speaks_for_it_and_did_not_before_is_asked_of_again(office: Clerks) -> None:
    await office.report(ACME, SAME)
    await office.wish("not_same_as", SAME, ACME)
    assert await office.asked() == []
    await office.report(replace(SAME, address=replace(BERLIN, line1="Ringweg 9", postal_code="20095", city="Hamburg")))
    assert await office.asked() == []  # less like than before
    await office.report(replace(SAME, email=ACME.email))
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]


async def test_a_case_closes_by_itself_when_one_side_is_merged_or_erased(office: Clerks) -> None:
    await office.report(ACME, SAME, ALIKE)
    assert len(await office.asked()) > 1
    await office.report(replace(SAME, is_deleted=True))
    assert await office.asked() == [f"{ALIKE.id} {ACME.id}"]
    async with office.pool.connection() as conn:
        gone = await (await conn.execute("select keys, counted from match_key where id = %s", (SAME.id,))).fetchone()
        assert gone == ([], [])
        assert await matches.pairs_of(conn, office.cipher, [SAME.id]) == []
    await office.wish("merge", ALIKE, ACME)
    assert await office.asked() == []


async def test_a_case_closes_when_what_was_compared_is_corrected(office: Clerks) -> None:
    await office.report(ACME, ALIKE)
    await office.report(Customer(ALIKE.id, "Windmill Bakery", "windmill@bakery.fr", address=Address(country="FR")))
    assert await office.asked() == []
    assert await office.pairs(ACME.id) == []


async def test_a_third_with_one_tax_id_is_for_people_with_both(office: Clerks) -> None:
    await office.report(ACME, SAME, replace(SAME, id="files:20", email=""))
    assert await office.asked() == [f"{SAME.id} {ACME.id}", "files:17 files:20", f"files:20 {ACME.id}"]


async def test_those_who_are_one_already_count_once_for_who_comes(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy(links=True),))
    await office.report(ACME, SAME, replace(SAME, id="files:20", email=""))
    async with office.pool.connection() as conn:
        named = [(one.ref.id, one.golden, one.connection) for one in await links.newest(conn, 10)]
    assert ("files:17", ACME.id, "matching") in named
    assert "files:20" in {ref for ref, _, _ in named}
    assert len(named) == 2


async def test_certain_ones_are_linked_only_where_both_entities_declare_it(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy("US", links=True), MatchingPolicy(owner="controllers")))
    german = replace(SAME, currency="EUR")  # stripe in euros is the German entity's
    await office.report(ACME, replace(german, id="stripe:cus_9"))
    [case] = await office.cases()
    assert (case.fingerprint, case.entity, case.owner) == ("identity.may_be_one|stripe:cus_1|stripe:cus_9", "DE", "controllers")
    await office.report(SAME)
    async with office.pool.connection() as conn:
        assert len(await links.newest(conn, 10)) <= 1


async def test_thresholds_are_the_entitys(office: Clerks) -> None:
    office.rules = replace(office.rules, matching=(MatchingPolicy("US", same=1.0, review=0.999999),))
    await office.report(ACME, ALIKE)
    assert await office.asked() == []


async def test_customers_of_before_get_their_keys_and_are_only_noted(office: Clerks) -> None:
    await office.tell(ACME)
    await office.tell(SAME, connection="files")
    async with office.pool.connection() as conn:
        await conn.execute("delete from match_due")  # as an older program leaves it
    for _ in range(4):
        await office.matcher().turn("all")
    assert await office.asked() == []
    assert [one.rule for one in await office.pairs()] == ["tax id"]
    await office.report(replace(SAME, phone="+49 30 888888"))  # told now: it is asked of
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]


async def test_keys_by_a_former_key_still_find_and_are_made_anew(office: Clerks, cipher: Cipher) -> None:
    await office.report(ACME)
    office.cipher = Cipher({"newer": b"n" * 32, cipher.key_id: bytes(range(32))})
    await office.report(SAME)
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]
    office.later(days=2)
    for _ in range(3):
        await office.matcher().turn("all")
    async with office.pool.connection() as conn:
        assert await (await conn.execute("select distinct digested_by from match_key")).fetchall() == [("newer",)]
    assert len(await office.cases()) == 1


async def test_all_that_come_at_once_are_compared_with_each_other_too(office: Clerks) -> None:
    for one in (ACME, SAME, OTHER, ALIKE):
        await office.tell(one, connection=one.id.partition(":")[0])
    await office.matcher().turn("all")
    assert sorted(await office.asked()) == [f"{SAME.id} {ALIKE.id}", f"{SAME.id} {ACME.id}", f"{ALIKE.id} {ACME.id}"]
    assert {case.count for case in await office.cases()} == {2}


async def test_a_retried_case_is_compared_again(office: Clerks) -> None:
    await office.report(ACME, SAME)
    async with office.pool.connection() as conn:
        assert await matches.due(conn, 5) == []
        keys = await matches.look_again(conn, matches.subjects_of(SAME.id, ACME.id))
        assert keys == [matches.WORK]
        assert sorted(one.id for one in await matches.due(conn, 5)) == [SAME.id, ACME.id]


async def test_what_is_no_customer_writes_nothing_to_be_compared(office: Clerks) -> None:
    await office.report(ACME)
    await office.tell(ANN, PRO, bill_of(usd(100_00)))
    async with office.pool.connection() as conn:
        assert [one.id for one in await matches.due(conn, 10)] == [ANN.id]
        assert len(await objects.of_kinds(conn, office.cipher, ["customer"], 10)) == 2
    await office.report(replace(ACME, balance=usd(-5)))
    async with office.pool.connection() as conn:
        assert await matches.due(conn, 10) == []


async def test_what_is_shown_of_two_names_nobody(office: Clerks) -> None:
    mail = replace(ACME, name='O\'Hara "Tools" GmbH')
    await office.report(mail, replace(SAME, name="Windmill", tax_ids=mail.tax_ids), replace(ALIKE, tax_ids=mail.tax_ids, email=mail.email))
    shown = repr(await office.pairs())
    for value in ("Hara", "Windmill", "acme", "136695976", "Berlin", "10115", "hauptst"):
        assert value not in shown, shown
    pair = next(one for one in await office.pairs() if ACME.id in "".join(one.keys))
    assert pair.names == ("[name]", "[name]")
    told = {(one.about, one.agreement.value, one.left) for one in pair.evidence}
    assert ("tax id", "same", "[VAT id]") in told
    assert any("[name]" in remark or "[VAT id]" in remark for one in await office.pairs() for remark in one.remarks)


async def test_a_worker_taken_for_dead_brings_nothing_of_an_erased_customer_back(office: Clerks, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.report(ACME)
    await office.tell(SAME, connection="files")
    plain, others = objects.load, list[asyncio.Task[Any]]()

    async def slow(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(objects, "load", plain)
        rows = await plain(*given, **more)
        await office.tell(replace(SAME, is_deleted=True), connection="files")
        others.append(asyncio.create_task(office.matcher().turn("all")))
        await _done_or_waiting(office, others[0])
        return rows

    monkeypatch.setattr(objects, "load", slow)
    await office.matcher().turn("all")
    await others[0]
    await office.compare()
    assert await office.asked() == []
    async with office.pool.connection() as conn:
        assert await matches.pairs_of(conn, office.cipher, [SAME.id]) == []
        cursor = await conn.execute("select keys, counted from match_key where id = %s", (SAME.id,))
        assert await cursor.fetchone() == ([], [])
        late = [KeyedCustomer(SAME.id, 1, frozenset({"nacmetools"}))]  # of a program that waits for nobody
        await matches.put(conn, office.cipher, late)
        cursor = await conn.execute("select keys from match_key where id = %s", (SAME.id,))
        assert await cursor.fetchone() == ([],)


async def _done_or_waiting(office: Clerks, other: asyncio.Task[Any]) -> None:
    """Return once another worker's turn has ended, or waits for this one's."""
    waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
    async with office.pool.connection() as conn:
        for _ in range(1000):
            row = await (await conn.execute(waiting)).fetchone()
            if other.done() or (row is not None and row[0]):
                return
            await asyncio.sleep(0.01)


async def test_what_too_many_bear_is_looked_up_once_and_still_counts_as_borne_by_many(office: Clerks) -> None:
    often, keys = matches.OftenKeys(), {"nacme", "nrare"}
    many = [KeyedCustomer(f"files:{n}", 1, frozenset({"nacme"})) for n in range(60)]
    async with office.pool.connection() as conn, conn.transaction():
        await matches.put(conn, office.cipher, [*many, KeyedCustomer("files:x", 1, frozenset({"nrare"}))])
        await matches.sweep(conn)
        first = await matches.bearers(conn, office.cipher, keys, often, 50)
        second = await matches.bearers(conn, office.cipher, keys, often, 50)
        assert (len(first["nacme"]), second) == (51, {"nrare": ["files:x"]})
        assert often.of(office.cipher, {"nacme", "nrare", "nnone"}) == {"nacme": 51}
        stand = await matches.count_again(conn, office.clock.now())
        await often.renew(conn, stand.counted_at)  # counted anew: what was seen before may be so no more
        assert (stand.records, often.of(office.cipher, keys), often.seen) == (61, {"nacme": 60}, {})
        assert len((await matches.bearers(conn, office.cipher, keys, often, 50))["nacme"]) == 51


async def test_a_text_of_thousands_of_words_has_a_few_keys_and_still_is_found(office: Clerks) -> None:
    long = " ".join(f"word{n}xyz" for n in range(5000))
    ids = tuple(TaxId("", f"DE{n:09}") for n in range(1000, 6000))
    await office.report(replace(ACME, name=f"Acme {long}", tax_ids=ids), replace(SAME, name=f"Acme {long} more", tax_ids=ids))
    assert f"{SAME.id} {ACME.id}" in await office.asked()
    async with office.pool.connection() as conn:
        [(most,)] = await (await conn.execute("select max(cardinality(keys)) from match_key")).fetchall()
    assert most < KEYS_MAX


async def test_a_worker_cut_before_any_statement_loses_nobody_and_asks_once(office: Clerks, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.report(ACME)
    await office.tell(SAME, connection="files")  # the worker ends between the customer and its keys
    plain, left = AsyncConnection.execute, [0]

    async def cut(self: Any, *given: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise _Cut
        return await plain(self, *given, **more)

    ends = []
    for statements in range(STATEMENTS_MAX):
        left[0] = statements
        with monkeypatch.context() as patched:
            patched.setattr(AsyncConnection, "execute", cut)
            try:
                await office.matcher().turn("all")
            except _Cut:
                ends.append(statements)
            else:
                break
        async with office.pool.connection() as conn:
            assert [one.id for one in await matches.due(conn, 5)] == [SAME.id]
            assert await matches.pairs_of(conn, office.cipher, [SAME.id]) == []
        assert await office.asked() == []
    assert 10 < len(ends) < STATEMENTS_MAX
    assert await office.asked() == [f"{SAME.id} {ACME.id}"]
    await office.compare()
    assert [case.count for case in await office.cases()] == [2]


class _Cut(Exception):
    """A worker ends here."""
