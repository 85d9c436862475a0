"""Customers that are merged and un-merged while documents are under way, told by one source or by several."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.core.builders import ANN, PRO, RULES, credit_note, invoice, payment, refund, settled, usd
from tests.integration.waiting.office import NOW, Office

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Route
from counterfoil.decide.decisions import LoadedBatch, load
from counterfoil.kit.codec import encode
from counterfoil.store import links, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.pool import Pool

BOB = Customer("stripe:cus_B", "Bob")
MERGED = replace(BOB, merged_into=ANN.id)
BILL = invoice(usd(10000), customer_id=BOB.id)
PAID = payment(usd(10000), (BILL.id, 10000), customer_id=BOB.id)


async def booked_for(office: Office) -> dict[str, str]:
    """Return the state of everything that is wished and not canceled, by external key and the customers it needs in the books."""
    found = {}
    for row in await office.commands():
        needed = [need.removeprefix("customer/") for need in command_of(row).needs if need.startswith("customer/")]
        if row.state.value != "canceled":
            found[" for ".join([row.external_key, *needed])] = row.state.value
    return found


async def test_two_customers_merged_and_unmerged_with_documents_in_flight_end_as_they_began(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, PRO, BILL, PAID)  # the books are away: nothing is sent
    before = await booked_for(office)
    assert "invoice_stripe.in_1 for stripe:cus_B" in before
    await office.tell(MERGED)
    merged = await booked_for(office)
    assert "customer_stripe.cus_B" not in merged
    assert "invoice_stripe.in_1 for stripe:cus_A" in merged
    assert "payment_stripe.ch_1 for stripe:cus_A" in merged
    await office.tell(BOB, is_apart=True)
    assert await booked_for(office) == before
    await office.take_all()
    assert set((await booked_for(office)).values()) == {"done"}
    assert await office.cases() == []


@pytest.mark.parametrize(
    ("states", "changed"),
    [((ANN, BOB, PRO, BILL, PAID), MERGED), ((ANN, BOB, PRO, MERGED, BILL, PAID), BOB)],
    ids=["merged", "unmerged"],
)
async def test_what_is_sent_while_its_customer_is_decided_otherwise_stays_as_it_was_sent(
    pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch, states: tuple[Record, ...], changed: Customer
) -> None:
    office = Office(pool, cipher)
    await office.tell(*states)
    before = {name for name in await booked_for(office) if name.startswith(("invoice", "payment"))}
    is_sent: list[list[str]] = []

    async def loaded(*given: Any, **named: Any) -> LoadedBatch:
        found = await load(*given, **named)
        if not is_sent and any(row.subject == ref_of(PAID) for row in found.commands):
            is_sent.append(await office.take_all())  # a worker sends all there is, between the look and the decision
        return found

    monkeypatch.setattr("counterfoil.decide.stage.load", loaded)
    await office.tell(changed, is_apart=changed is BOB)
    assert "payment_stripe.ch_1" in is_sent[0]
    await office.take_all()
    assert {name for name in await booked_for(office) if name.startswith(("invoice", "payment"))} == before
    assert set((await booked_for(office)).values()) == {"done"}
    assert await office.cases() == []


async def test_what_was_booked_for_the_survivor_stays_and_what_comes_after_goes_to_who_it_is_of(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BOB, MERGED, BILL)
    await office.take_all()
    await office.tell(BOB, is_apart=True)
    await office.tell(invoice(usd(500), id="stripe:in_2", customer_id=BOB.id))
    assert (await office.take_all())[-1] == "invoice_stripe.in_2"
    booked = await booked_for(office)
    assert booked["invoice_stripe.in_1 for stripe:cus_A"] == "done"
    assert booked["invoice_stripe.in_2 for stripe:cus_B"] == "done"


OTHER = replace(BILL, id="stripe:in_2", number="A-2")
WRITTEN_OFF = replace(BILL, id="stripe:in_3", number="A-3")
SETTLING = (
    PAID,
    refund(usd(4000), payment_id=PAID.id, customer_id=BOB.id),
    replace(credit_note(usd(3000), before=3000), invoice_id=OTHER.id, customer_id=BOB.id),
    replace(WRITTEN_OFF, state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=NOW),
)


@pytest.mark.parametrize(("before", "after", "whose"), [(BOB, MERGED, BOB), (MERGED, BOB, ANN)], ids=["merged since", "unmerged since"])
async def test_what_settles_a_booked_document_is_booked_for_who_that_was_booked_for(
    pool: Pool, cipher: Cipher, before: Customer, after: Customer, whose: Customer
) -> None:
    # Else the account of the one would show money open in the books that is not, and that of the other as much less.
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BOB, before, BILL, OTHER, WRITTEN_OFF)
    await office.take_all()
    await office.tell(after, is_apart=after is BOB)
    await office.tell(*SETTLING)
    await office.take_all()
    booked = {name: state for name, state in (await booked_for(office)).items() if " for " in name and not name.startswith("invoice_")}
    assert booked == {
        f"payment_stripe.ch_1 for {whose.id}": "done",
        f"refund_stripe.re_1 for {whose.id}": "done",
        f"credit_note_stripe.cn_1 for {whose.id}": "done",
        f"bad_debt_stripe.in_3 for {whose.id}": "done",
    }


async def test_a_payment_by_another_customer_than_was_billed_or_of_bills_of_two_follows_merges(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    carol = Customer("stripe:cus_C", "Carol")
    await office.tell(ANN, PRO, BOB, carol, BILL)
    await office.take_all()
    await office.tell(MERGED, OTHER)
    await office.take_all()
    await office.tell(replace(PAID, id="stripe:ch_c", customer_id=carol.id))
    two = payment(usd(20000), (BILL.id, 10000), (OTHER.id, 10000), customer_id=BOB.id, id="stripe:ch_2")
    await office.tell(two)
    await office.take_all()
    booked = await booked_for(office)
    assert booked["payment_stripe.ch_c for stripe:cus_C"] == "done"
    assert booked["payment_stripe.ch_2 for stripe:cus_A"] == "done"


async def test_money_that_was_given_back_and_comes_again_is_of_who_it_was_given_back_to(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    carol = Customer("stripe:cus_C", "Carol")
    back = refund(usd(4000), payment_id=PAID.id, customer_id=carol.id)
    await office.tell(ANN, PRO, BOB, carol, BILL, PAID, back)
    await office.take_all()
    await office.tell(replace(carol, merged_into=ANN.id))
    await office.tell(replace(back, state=RefundState.FAILED, reversal=settled(usd(4000), id="stripe:txn_back")))
    await office.take_all()
    assert (await booked_for(office))["refund_reversal_stripe.re_1 for stripe:cus_C"] == "done"


async def test_documents_of_whoever_was_merged_before_follow_along_the_whole_chain(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    carol = Customer("stripe:cus_C", "Carol")
    bill = replace(BILL, customer_id=carol.id)
    await office.tell(ANN, BOB, carol, PRO, bill, replace(carol, merged_into=BOB.id), MERGED)
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)
    await office.tell(BOB, is_apart=True)
    assert "invoice_stripe.in_1 for stripe:cus_B" in await booked_for(office)


async def test_an_empty_merged_into_alone_unsays_nothing(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, PRO, BILL, MERGED, BOB)
    assert "invoice_stripe.in_1 for stripe:cus_A" in await booked_for(office)


async def test_a_link_says_since_when_until_when_and_who_says_so(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, MERGED)
    began = office.clock.now()
    office.later(days=2)
    await office.tell(BOB, is_apart=True)
    office.later(days=1)
    await office.tell(MERGED)
    async with pool.connection() as conn:
        found = await links.of(conn, [ObjectRef("customer", ANN.id)])
    bob = ObjectRef("customer", BOB.id)
    ended = links.Link(bob, ANN.id, "merged", "stripe", began, began.replace(day=began.day + 2))
    assert found == [ended, links.Link(bob, ANN.id, "merged", "stripe", began.replace(day=began.day + 3))]


async def test_a_merge_leaves_what_is_named_the_same_as_another(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    twin = Customer("acme:1", "Ann")
    await office.tell(ANN, BOB)
    await office.tell(twin, connection="acme", same_as=ANN.id)
    await office.tell(replace(twin, merged_into=BOB.id), connection="acme")
    ref = ObjectRef("customer", twin.id)
    async with pool.connection() as conn:
        assert await links.same_facts(conn, [ref]) == {ref: ObjectRef("customer", ANN.id)}


async def test_two_systems_merging_in_opposite_directions_are_one_case_and_nothing_is_half_done(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, PRO)
    await office.tell(MERGED)
    await office.tell(Customer(ANN.id, ANN.name, merged_into=BOB.id), connection="crm")
    await office.tell(BILL)
    [case] = await office.cases()
    assert (case.code, case.case_class) == ("decide.customers_merged_in_a_circle", "unknown_customer")
    assert await office.take_all() == ["customer_stripe.cus_A", "product_stripe.prod_pro"]  # wished before; the document is not
    await office.tell(Customer(ANN.id, ANN.name), connection="crm", is_apart=True)
    assert await office.cases() == []
    await office.take_all()
    assert (await booked_for(office))["invoice_stripe.in_1 for stripe:cus_A"] == "done"


async def test_a_customer_merged_into_itself_is_one_case_also_without_documents(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, replace(ANN, merged_into=ANN.id))
    [case] = await office.cases()
    assert "stripe:cus_A into stripe:cus_A" in case.cause
    await office.tell(ANN, is_apart=True)
    assert await office.cases() == []


async def test_a_second_source_that_tells_only_a_name_empties_nothing_and_moves_no_one_elsewhere(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    async with pool.connection() as conn:
        [row] = (await objects.load(conn, cipher, [ObjectRef("customer", ANN.id)])).values()
        [claims] = await (await conn.execute("select count(*) from claim")).fetchall()
    assert (row.connection, row.version, row.claimed) == ("stripe", 2, 2)
    assert claims == (2,)
    [former, command] = await office.commands("upsert_customer")
    assert command.arguments == former.arguments.replace(b'"Ann Ltd"', b'"Ann & Co"')


async def test_a_customer_of_a_renamed_connection_is_routed_by_the_name_it_is_told_under_now(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, replace(RULES, routes=(Route("US", "stripe"),)))
    await office.tell(ANN)
    await office.take_all()
    office.rules = replace(RULES, routes=(Route("US", "stripe_us"),))
    await office.tell(replace(ANN, phone="3"), connection="stripe_us")
    assert await office.cases() == []
    [_, command] = await office.commands("upsert_customer")
    assert b'"phone":"3"' in command.arguments
    assert command.external_key == "customer_stripe.cus_A"


async def test_a_source_may_still_empty_what_it_said_itself(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(replace(ANN, email="ann@example.com", phone="1"))
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    await office.tell(replace(ANN, email="ann@example.com", name="Ann Ltd"))
    [*_, command] = await office.commands("upsert_customer")
    assert b'"phone":"1"' not in command.arguments
    assert b"ann@example.com" in command.arguments
    assert b"Ann Ltd" in command.arguments


async def test_what_one_source_tells_of_costs_no_row_more(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BOB, PRO, BILL, PAID, replace(ANN, name="Ann Ltd"))
    async with pool.connection() as conn:
        for table in ("claim", "link"):
            assert await (await conn.execute(f"select from {table}")).fetchall() == []


async def test_a_program_that_knows_no_claims_loses_nothing_while_it_works_beside(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(replace(ANN, email="ann@example.com"))
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    ref = ObjectRef("customer", ANN.id)
    async with pool.connection() as conn, conn.transaction():  # it writes the next version and leaves ``claimed`` as it was
        await conn.execute("update object set version = version + 1, connection = 'crm', sequence = 99, occurred_at = %s", (NOW,))
    office.told = 99
    await office.tell(replace(ANN, email="ann@example.com", phone="2"))
    async with pool.connection() as conn:
        [row] = (await objects.load(conn, cipher, [ref])).values()
    assert b'"phone":"2"' in row.data
    assert row.claimed == row.version == 4


async def told_at(pool: Pool) -> dict[str, datetime]:
    """Return when each source's word was last written, by connection."""
    async with pool.connection() as conn:
        return dict(await (await conn.execute("select connection, updated_at from claim")).fetchall())


async def test_what_one_source_tells_writes_no_others_word_again(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    before = await told_at(pool)
    office.later(days=1)
    await office.tell(Customer(ANN.id, "Ann & Sons"), connection="crm")
    after = await told_at(pool)
    assert (after["stripe"], after["crm"]) == (before["stripe"], before["crm"] + timedelta(days=1))


async def test_what_a_program_that_knows_no_claims_wrote_is_decided_by_until_the_next_word_and_kept_with_it(
    pool: Pool, cipher: Cipher
) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN)
    await office.tell(Customer(ANN.id, "Ann & Co"), connection="crm")
    ref = ObjectRef("customer", ANN.id)
    newer = replace(ANN, name="Anna Ltd", phone="7")
    async with pool.connection() as conn, conn.transaction():  # it writes the next version, as stripe's word, and leaves ``claimed``
        row = (await objects.load(conn, cipher, [ref]))[ref]
        written = replace(row, version=3, sequence=50, data=encode(newer), connection="stripe")
        await objects.upsert(conn, cipher, [written])
        await conn.execute("update object set claimed = 2 where kind = 'customer'")
    await office.decide_again(ANN)
    [*_, command] = await office.commands("upsert_customer")
    assert b"Anna Ltd" in command.arguments
    office.told = 60
    await office.tell(Customer(ANN.id, "Ann & Sons"), connection="crm")
    await office.tell(Customer(ANN.id, ""), connection="crm")  # which has no word of the name any more: stripe's is the older program's
    [*_, command] = await office.commands("upsert_customer")
    assert b"Anna Ltd" in command.arguments
    assert b'"phone":"7"' in command.arguments
