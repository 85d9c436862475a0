"""What a connection said under a former name is taken for its own, or dropped once it is gone; `check` says where it still counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.core.builders import ANN, PRO, RULES
from tests.integration.waiting.test_merges import BILL, BOB, booked_for
from tests.integration.waiting.weeks import Weeks

from counterfoil.app.renaming import unnamed
from counterfoil.core.identity.ownership import NOBODYS
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.rules import Route
from counterfoil.kit.codec import decode_record
from counterfoil.normalize.renaming import BY_FIELD, DOCUMENTS, Renamer, Renaming
from counterfoil.store import claims, links, matches, objects, outbox, unbooked
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, Pool

TOLD = replace(ANN, email="ann@example.com", phone="1")


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Weeks:
    return Weeks(pool, cipher)


async def rename(office: Weeks, former: str, name: str = "") -> list[int]:
    """Rename as the command does, and decide; return how many things each step changed."""
    renamer = Renamer(office.pool, office.cipher, office.arm, NOBODYS)
    steps = [step async for step in renamer.rename(Renaming(former, name), office.clock.now())]
    await office.decide()
    return steps


async def known(office: Weeks, ref: ObjectRef) -> tuple[str, Customer, list[str]]:
    """Return where a customer is of, what is known of him, and whose words there are beside."""
    async with office.pool.connection() as conn:
        row = (await objects.load(conn, office.cipher, [ref]))[ref]
        told = (await claims.load(conn, office.cipher, [ref])).get(ref, [])
    record = decode_record(ref.kind, row.data)
    assert isinstance(record, Customer)
    assert row.claimed in (0, row.version)
    return row.connection, record, [one.connection for one in told]


async def test_what_the_source_empties_after_it_was_renamed_is_empty(office: Weeks) -> None:
    ref = CUSTOMER.ref(ANN.id)
    await office.tell(TOLD)
    await office.tell(replace(ANN, email="ann@example.com"), connection="stripe_us")  # which has no telephone any more
    assert (await known(office, ref))[1].phone == "1"
    assert await rename(office, "stripe", "stripe_us") == [1]
    # Both are one source's: its newer word counts, whole.
    assert await known(office, ref) == ("stripe_us", replace(ANN, email="ann@example.com"), [])
    await office.tell(ANN, connection="stripe_us")
    assert (await known(office, ref))[1].email == ""


async def test_of_two_names_the_newest_word_on_merging_counts_and_what_the_newer_leaves_out_stays(office: Weeks) -> None:
    await office.tell(ANN, BOB)
    await office.tell(replace(BOB, phone="1", merged_into=ANN.id), connection="crm")
    await office.tell(Customer(BOB.id, "", is_deleted=True), connection="sales")  # which says nothing of merging, and no telephone
    await rename(office, "crm", "sales")
    _, customer, told = await known(office, CUSTOMER.ref(BOB.id))
    assert (customer.merged_into, customer.phone, customer.is_deleted, told) == (ANN.id, "1", True, ["sales", "stripe"])


async def test_what_comes_out_as_before_is_not_decided_again(office: Weeks) -> None:
    await office.tell(TOLD)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    renamer = Renamer(office.pool, office.cipher, office.arm, NOBODYS)
    assert [step async for step in renamer.rename(Renaming("crm", "sales"), office.clock.now())] == [1]
    assert await office.left() == 0
    assert [step async for step in renamer.rename(Renaming("sales", ""), office.clock.now())] == [1]
    assert await office.left() == 1  # his name is another


async def test_what_was_said_to_be_the_same_under_the_former_name_is_no_newer_than_it_was(office: Weeks) -> None:
    twin = Customer("acme:1", "Ann")
    await office.tell(ANN, BOB)
    await office.tell(twin, connection="crm", same_as=ANN.id)
    between = office.told
    office.told += 1
    await office.tell(twin, connection="sales", same_as="")
    await rename(office, "crm", "sales")
    office.told = between
    await office.tell(twin, connection="sales", same_as=BOB.id)  # comes late: it was said between both
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 9) == []


async def test_a_word_beside_others_and_what_it_alone_told_go_by_the_new_name_and_others_stay(office: Weeks) -> None:
    await office.tell(TOLD, BOB)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    assert await rename(office, "stripe", "stripe_us") == [1, 1]
    assert await known(office, CUSTOMER.ref(ANN.id)) == ("stripe_us", replace(TOLD, name="Ann & Co"), ["crm", "stripe_us"])
    assert await known(office, CUSTOMER.ref(BOB.id)) == ("stripe_us", BOB, [])
    assert await rename(office, "stripe", "stripe_us") == []  # once more: nothing is left
    assert [row.state.value for row in await office.commands("upsert_customer")].count("canceled") == 1  # as the name had changed before


async def test_a_renamed_connections_customers_are_routed_by_its_new_name(pool: Pool, cipher: Cipher) -> None:
    office = Weeks(pool, cipher, replace(RULES, routes=(Route("US", "stripe_us"),)))
    await office.tell(ANN)
    assert len(await office.cases()) == 1  # nothing is routed from stripe
    await rename(office, "stripe", "stripe_us")
    assert await office.cases() == []
    assert await office.take_all() == ["customer_stripe.cus_A"]


async def test_documents_that_are_not_booked_yet_are_routed_by_the_new_name_and_booked_ones_stay(pool: Pool, cipher: Cipher) -> None:
    office = Weeks(pool, cipher)
    booked = replace(BILL, id="stripe:in_booked", number="B-1")
    await office.tell(ANN, BOB, PRO, booked)
    await office.take_all()
    office.rules = replace(RULES, routes=(Route("US", "stripe_us"),))  # renamed: settings refuse a route of a connection that is none
    await office.tell(BILL)
    [case] = await office.cases()
    assert (case.code, case.releases_on) == ("decide.no_route", "route/stripe")
    await office.tell(BILL, connection="stripe_us")  # told again, the same is nothing new
    assert len(await office.cases()) == 1
    assert await rename(office, "stripe", "stripe_us") == [3, 1]
    assert await office.cases() == []
    assert [key for key in await office.take_all() if key.startswith("invoice")] == ["invoice_stripe.in_1"]
    async with office.pool.connection() as conn:
        rows = await objects.load(conn, office.cipher, [INVOICE.ref(booked.id), INVOICE.ref(BILL.id)])
    assert {ref.id: (row.connection, row.version) for ref, row in rows.items()} == {
        booked.id: ("stripe", 1),  # nothing of it changes
        BILL.id: ("stripe_us", 2),
    }


OF_INVOICE = "where id in (select id from command_body where subject_kind = 'invoice')"


async def test_what_may_have_been_booked_or_is_summed_up_with_its_day_counts_as_booked(office: Weeks) -> None:
    await office.tell(ANN, PRO, replace(BILL, customer_id=ANN.id))  # wished, and not sent
    async with office.pool.connection() as conn:
        for change, count in (
            (f"update command_standing set in_doubt = true {OF_INVOICE}", 0),
            (
                f"update command_standing set in_doubt = false, state = 'unknown' {OF_INVOICE}",
                0,
            ),
            (f"update command_standing set state = 'parked' {OF_INVOICE}", 1),
            (
                "insert into summary_item (entity, day, currency, item_key, subject, document_id, account, amount_minor, added_at)"
                " select 'US', '2026-03-10', 'USD', 'k', 'invoice/' || id, id, 'revenue', 1, now() from object where kind = 'invoice'",
                0,
            ),
        ):
            await conn.execute(change)
            assert await unbooked.count(conn, "stripe", DOCUMENTS) == count
            assert len(await unbooked.of(conn, "stripe", DOCUMENTS, ObjectRef("", ""), 9)) == count


async def test_a_document_that_is_being_sent_counts_as_booked(office: Weeks) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    async with office.pool.connection() as conn:
        assert await unbooked.count(conn, "stripe", DOCUMENTS) == 1
        under_way = [
            row for row in await outbox.of_subjects(conn, office.cipher, [INVOICE.ref(BILL.id)]) if row.external_key.startswith("inv")
        ]
        await outbox.mark_sent(conn, under_way, office.clock.now())
        assert await unbooked.count(conn, "stripe", DOCUMENTS) == 0


async def test_check_and_the_plan_name_documents_that_wait_for_a_route_from_the_former_name(office: Weeks) -> None:
    office.rules = replace(RULES, routes=(Route("US", "stripe_us"),))
    await office.tell(Customer(ANN.id, "Ann"), connection="stripe_us")
    await office.tell(PRO, connection="stripe_us")
    await office.tell(replace(BILL, customer_id=ANN.id))
    async with office.pool.connection() as conn:
        [found] = await unnamed(conn, ["stripe_us"])
        assert await unnamed(conn, ["stripe_us", "stripe"]) == []
        assert await unbooked.count(conn, "stripe", DOCUMENTS) == 1
    assert found.code == "identity.source_unknown"
    assert found.message.startswith("1 things told by stripe, which is no connection, wait for a route")
    assert "counterfoil identity rename-source stripe NEW_NAME" in found.remedy
    await rename(office, "stripe", "stripe_us")
    async with office.pool.connection() as conn:
        assert await unnamed(conn, ["stripe_us"]) == []


async def test_what_people_alone_say_something_of_beside_the_one_that_is_gone_stays_and_nobody_is_warned_of_it(office: Weeks) -> None:
    office.rules = replace(RULES, routes=(Route("US", ""),))
    await office.tell(ANN, BOB, connection="old")
    await office.tell(Customer(BOB.id, "", merged_into=ANN.id), connection=PEOPLE)
    async with office.pool.connection() as conn:
        assert await unnamed(conn, ["stripe"]) == []
        assert await claims.counts(conn) == {}
        assert await claims.count_known_from(conn, "old", BY_FIELD) == 2
    assert await rename(office, "old") == [0]
    assert await known(office, CUSTOMER.ref(BOB.id)) == ("old", replace(BOB, merged_into=ANN.id), ["old", PEOPLE])
    assert await rename(office, "old", "stripe") == [1, 1]
    assert await known(office, CUSTOMER.ref(BOB.id)) == ("stripe", replace(BOB, merged_into=ANN.id), [PEOPLE, "stripe"])


async def test_a_customer_whose_first_source_is_dropped_is_of_another_system_and_not_of_people(office: Weeks) -> None:
    await office.tell(ANN, BOB, connection="old")
    await office.tell(Customer(BOB.id, "", merged_into=ANN.id), connection=PEOPLE)
    await office.tell(BOB, connection="stripe")  # "people" comes before it in order
    assert await rename(office, "old") == [1]
    assert (await known(office, CUSTOMER.ref(BOB.id)))[0] == "stripe"


async def test_of_a_connection_that_is_gone_only_what_others_tell_of_loses_its_word(office: Weeks) -> None:
    await office.tell(TOLD, BOB)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    assert await rename(office, "crm") == [1]
    assert await known(office, CUSTOMER.ref(ANN.id)) == ("stripe", TOLD, [])
    assert await rename(office, "stripe") == []
    assert (await known(office, CUSTOMER.ref(BOB.id)))[1] == BOB
    [*_, command] = await office.commands("upsert_customer")
    assert b"Ann & Co" not in command.arguments


async def test_a_merge_that_only_the_dropped_one_told_ends_and_documents_come_back(office: Weeks) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    before = await booked_for(office)
    await office.tell(Customer(BOB.id, "Bob", merged_into=ANN.id), connection="crm")
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)
    await rename(office, "crm")
    assert await booked_for(office) == before
    async with office.pool.connection() as conn:
        [link] = await links.of(conn, [CUSTOMER.ref(BOB.id)])
    assert link.until is not None


async def test_merges_and_names_go_with_the_name_and_are_taken_back_under_it(office: Weeks) -> None:
    await office.tell(ANN, BOB, PRO, BILL)
    await office.tell(Customer(BOB.id, "Bob", merged_into=ANN.id), connection="crm")
    await office.tell(Customer("acme:1", "Ann"), connection="crm", same_as=ANN.id)
    await rename(office, "crm", "sales")
    async with office.pool.connection() as conn:
        assert [one.connection for one in await links.newest(conn, 9)] == ["sales", "sales"]
    await office.tell(Customer(BOB.id, "Bob"), connection="sales", is_apart=True)
    await office.tell(Customer("acme:1", "Ann"), connection="sales", same_as="")
    async with office.pool.connection() as conn:
        assert await links.newest(conn, 9) == []


async def test_what_is_changed_while_it_is_renamed_is_renamed_as_it_is_then(office: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    await office.tell(TOLD)
    original, beaten = objects.load, list[bool]()

    async def load(conn: Conn, cipher: Cipher, refs: Iterable[ObjectRef]) -> dict[ObjectRef, ObjectRow]:
        found = await original(conn, cipher, refs)
        if not beaten:
            beaten.append(True)
            await office.tell(Customer(ANN.id, "Ann & Sons"), connection="crm")
        return found

    monkeypatch.setattr(objects, "load", load)
    assert await rename(office, "crm", "sales") == [1]
    ref = CUSTOMER.ref(ANN.id)
    assert await known(office, ref) == ("sales", replace(TOLD, name="Ann & Sons"), ["sales", "stripe"])
    async with office.pool.connection() as conn:
        told = {one.connection: decode_record(ref.kind, one.data) for one in (await claims.load(conn, office.cipher, [ref]))[ref]}
    assert told == {"sales": Customer(ANN.id, "Ann & Sons"), "stripe": TOLD}


async def test_check_names_who_still_has_a_word_and_is_no_connection(office: Weeks) -> None:
    await office.tell(TOLD)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    async with office.pool.connection() as conn:
        [found] = await unnamed(conn, ["crm"])
        assert await unnamed(conn, ["crm", "stripe"]) == []
    assert found.code == "identity.source_unknown"
    assert found.message.startswith("1 customers, products or companies still have a word of stripe, which is no connection")
    assert "counterfoil identity rename-source stripe NEW_NAME" in found.remedy


async def test_who_is_called_otherwise_without_a_source_that_is_gone_is_compared_again(office: Weeks) -> None:
    await office.tell(TOLD)
    await office.tell(replace(TOLD, name="Anna Ltd"), connection="crm")
    async with office.pool.connection() as conn:
        await conn.execute("delete from match_due")
    await rename(office, "crm")
    assert (await known(office, CUSTOMER.ref(ANN.id)))[1].name == TOLD.name
    async with office.pool.connection() as conn:
        assert [(one.id, one.asks) for one in await matches.due(conn, 5)] == [(ANN.id, True)]
