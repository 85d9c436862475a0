"""One payment, invoice or customer that two systems tell of: booked once, whichever comes first, by the word of its owner."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.builders import ANN, NOON, PRO, RULES, invoice, payment, refund, settled, usd
from tests.integration.waiting.office import NOW, Office

from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.identity.same_fact import FactStanding
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentEvent, PaymentState
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Route
from counterfoil.decide.identities import same_facts
from counterfoil.kit.codec import encode
from counterfoil.normalize.merging import Merger, event_id
from counterfoil.store import agenda, links, outbox, outbox_cancel
from counterfoil.store.cipher import Cipher
from counterfoil.store.links import Naming
from counterfoil.store.migrate import migrations
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Pool
from counterfoil.store.work import shard_of

BILL = invoice(usd(10000))
CLEARED = replace(payment(usd(10000)), settlement=settled(usd(10000), fee=300))
BILLED = replace(
    Payment("acme:p1", ANN.id, PaymentState.SUCCEEDED, usd(10000), NOON, is_out_of_band=True),
    applications=payment(usd(10000), (BILL.id, 10000)).applications,
)
OWNERS = ownership_of([Owner("payment", "stripe"), Owner("refund", "stripe"), Owner("invoice", "acme")])


BOTH = replace(RULES, routes=(*RULES.routes, Route("US", "acme")))


def office_of(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher, replace(BOTH, ownership=OWNERS))


async def tell_billed(office: Office, told: Payment = BILLED, same_as: str | None = CLEARED.id) -> None:
    await office.tell(told, connection="acme", same_as=same_as)


async def posted(office: Office) -> set[str]:
    """Return the external keys of everything that is wished and not canceled."""
    return {key for _, key, state in await office.states() if state != "canceled"}


@pytest.mark.parametrize("order", list(permutations(("billed", "cleared", "bill"))), ids="-".join)
async def test_a_payment_told_by_the_billing_system_and_the_processor_is_booked_once_whichever_comes_first(
    pool: Pool, cipher: Cipher, order: tuple[str, ...]
) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO)
    for one in order:
        if one == "billed":
            await tell_billed(office)
        else:
            await office.tell(CLEARED if one == "cleared" else BILL)
        await office.take_all()
    payments = await office.commands("post_payment")
    assert [row.external_key for row in payments] == ["payment_stripe.ch_1"]
    kinds = sorted(row.kind for row in await office.commands("post_payment", "post_invoice", "post_entry", "allocate"))
    assert kinds == ["allocate", "post_entry", "post_invoice", "post_payment"]  # the billing system says which invoice it pays
    assert {row.state.value for row in await office.commands()} == {"done"}
    assert await office.cases() == []


async def test_what_names_the_processors_payment_waits_for_its_word_and_has_it_fetched(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await tell_billed(office)
    assert await office.commands("post_payment") == []
    async with pool.connection() as conn:
        [wanted] = await agenda.to_fetch(conn, office.clock.now())
    assert (wanted.key, wanted.connections) == ("payment/stripe:ch_1", ("acme",))


async def test_a_refund_of_the_billing_systems_payment_is_one_of_the_processors(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    await tell_billed(office)
    given = replace(refund(usd(1000)), id="acme:r1", payment_id=BILLED.id, settlement=settled(usd(-1000), id="txn_r"))
    await office.tell(given, connection="acme")
    assert not [key for key in await posted(office) if "acme.p1" in key]


async def test_a_payment_the_billing_system_names_as_no_others_is_booked_as_its_own(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await tell_billed(office, same_as=None)
    assert "payment_acme.p1" in await posted(office)


async def test_two_that_are_named_the_same_and_are_so_no_more_are_two_again(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    await tell_billed(office)
    assert "payment_acme.p1" not in await posted(office)
    await tell_billed(office, same_as="")
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)


async def test_an_invoice_the_processor_told_first_keeps_its_key_when_its_owner_names_it(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await office.take_all()
    await office.tell(replace(BILL, id="acme:in_1"), connection="acme", same_as=BILL.id)
    await office.take_all()
    assert [row.external_key for row in await office.commands("post_invoice")] == ["invoice_stripe.in_1"]
    assert await office.cases() == []


async def test_an_invoice_its_owner_told_first_is_not_booked_again_for_the_processor(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO)
    await office.tell(replace(BILL, id="acme:in_1"), connection="acme", same_as=BILL.id)
    await office.tell(BILL, replace(CLEARED, applications=BILLED.applications))
    await office.take_all()
    assert [row.external_key for row in await office.commands("post_invoice")] == ["invoice_acme.in_1"]
    [match] = await office.commands("allocate")  # the processor's payment of its own invoice pays the one that is booked
    assert match.state.value == "done"
    assert b"invoice/acme:in_1" in match.arguments


async def test_one_that_was_booked_before_it_was_named_is_not_booked_again_but_a_case(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await tell_billed(office, same_as=None)
    await office.take_all()
    await office.tell(CLEARED)
    await office.take_all()
    before = await office.states()
    await tell_billed(office, replace(BILLED, method="card"))
    [case] = await office.cases()
    assert (case.code, case.case_class) == ("decide.same_fact", "duplicate_suspected")
    assert "more than one of them was booked" in case.cause
    assert await office.states() == before


async def test_two_amounts_of_one_payment_are_a_case_and_the_owners_is_booked(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    await tell_billed(office, replace(BILLED, amount=usd(9000), applications=()))
    [case] = await office.cases()
    assert (case.code, case.case_class) == ("decide.same_fact_amounts", "amount_mismatch")
    assert {row.external_key for row in await office.commands("post_payment")} == {"payment_stripe.ch_1"}


async def test_amounts_that_differed_are_no_case_any_more_once_the_owner_corrects_his(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, replace(CLEARED, state=PaymentState.PENDING, settlement=None))
    await tell_billed(office, replace(BILLED, amount=usd(9000), applications=()))
    assert [case.code for case in await office.cases()] == ["decide.same_fact_amounts"]
    await office.tell(replace(CLEARED, amount=usd(9000), settlement=settled(usd(9000))))
    assert await office.cases() == []
    assert "payment_stripe.ch_1" in await posted(office)


async def test_of_two_wished_before_they_were_named_the_one_sent_meanwhile_is_the_booked_one_and_the_other_is_withdrawn(
    pool: Pool, cipher: Cipher
) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, CLEARED)
    await tell_billed(office, replace(BILLED, applications=()), same_as=None)
    await office.take("odoo", "upsert_customer", "upsert_product")
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)
    await office._write(replace(BILLED, applications=(), method="card"), "acme", same_as=CLEARED.id)
    shards = [shard_of(f"payment/{one}") for one in (CLEARED.id, BILLED.id)]
    assert shards[0] != shards[1]
    await office.decider().turn(str(shards[0]))  # the processor's first: neither is sent
    [billed] = [row for row in await office.commands() if row.external_key == "payment_acme.p1"]
    async with pool.connection() as conn, conn.transaction():
        assert await outbox.mark_sent(conn, [billed], office.clock.now())
    await office.decide()
    await office.decide()
    left = {row.external_key: row.state.value for row in await office.commands("post_payment") if row.state.value != "canceled"}
    assert left == {"payment_acme.p1": "unknown"}
    assert [case.code for case in await office.cases()] == ["decide.same_fact"]  # without the balance it moved: for people


async def test_a_payment_a_person_let_go_is_not_booked_by_the_other_id_once_that_is_named(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await tell_billed(office, same_as=None)
    async with pool.connection() as conn, conn.transaction():
        ids = [row.id for row in await office.commands("post_payment")]
        await outbox_cancel.cancel(conn, ids, f"{outbox.WAIVED_BY}olga: booked by hand")
    await tell_billed(office)
    await office.tell(CLEARED)
    assert not [key for key in await posted(office) if key.startswith("payment")]
    [case] = await office.cases()
    assert "waived" in case.cause


async def test_a_late_word_does_not_bring_back_a_name_that_was_taken_back_whatever_else_it_adds(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    told, office.told = office.told, 100
    bare = replace(BILLED, applications=())
    await tell_billed(office, bare)
    await tell_billed(office, replace(bare, method="card"), same_as="")
    office.told = told
    await tell_billed(office)  # older, and says which invoice it pays
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)


async def test_same_as_none_said_first_stands_against_an_older_word_that_comes_late(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    told, office.told = office.told, 100
    bare = replace(BILLED, applications=())
    await tell_billed(office, bare, same_as="")  # the first word there is: they are two
    office.told = told
    await tell_billed(office, bare)  # older: they are one
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)


async def test_a_word_that_comes_after_a_newer_state_still_takes_the_place_of_an_older_word(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    bare = replace(BILLED, applications=())
    await tell_billed(office, bare)  # they are one, says the first
    told, office.told = office.told, 100
    await tell_billed(office, replace(bare, method="card"), same_as=None)  # a later state that says nothing of it
    office.told = told
    await tell_billed(office, bare, same_as="")  # between the two: they are not
    await office.tell(CLEARED)
    assert {"payment_acme.p1", "payment_stripe.ch_1"} <= await posted(office)


async def test_a_word_that_is_told_again_as_it_was_moves_nothing(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO, BILL, CLEARED)
    await tell_billed(office)
    async with pool.connection() as conn:
        again = [Naming(PAYMENT.ref(BILLED.id), BILLED.id, CLEARED.id, "acme", office.clock.now(), 100)]
        assert await links.name(conn, again) == []
        assert await links.name(conn, [replace(again[0], golden="", sequence=99)]) == []
        assert await links.name(conn, [replace(again[0], golden="", sequence=101)]) == [PAYMENT.ref(BILLED.id), PAYMENT.ref(CLEARED.id)]


async def test_what_is_the_same_as_which_is_taken_over_from_before_each_word_was_kept(pool: Pool, cipher: Cipher) -> None:
    [migration] = [one for one in migrations() if one.number == 36]
    async with pool.connection() as conn, conn.transaction() as transaction:
        await conn.execute("drop table naming")
        for namer, id, golden, until in (("a", "a", "x", None), ("b", "y", "b", None), ("c", "c", "z", NOW)):
            await conn.execute(
                "insert into link (kind, id, golden, why, connection, since, until, named_by)"
                " values ('payment', %s, %s, 'same_fact', 'acme', %s, %s, %s)",
                (id, golden, NOW, until, namer),
            )
        await conn.execute(migration.text.encode())
        rows = await (await conn.execute("select id, connection, named from naming order by id")).fetchall()
        transaction.force_rollback = True
    assert rows == [("a", "acme", "x"), ("b", "acme", "y"), ("c", "acme", "")]


async def test_what_the_other_word_refers_to_is_found_by_its_other_id_too(pool: Pool, cipher: Cipher) -> None:
    office = office_of(pool, cipher)
    await office.tell(ANN, PRO)
    await office.tell(replace(BILL, id="acme:in_1"), connection="acme", same_as=BILL.id)
    await tell_billed(office, replace(BILLED, applications=()), same_as=None)
    await office.take_all()
    await tell_billed(office, replace(BILLED, applications=()))
    await office.tell(BILL, replace(BILLED, id=CLEARED.id))  # the processor says that its payment pays its own invoice
    [match] = await office.commands("allocate")
    assert b"invoice/acme:in_1" in match.arguments
    assert b"payment/acme:p1" in match.arguments


async def test_what_names_a_bill_by_its_other_id_is_decided_again_when_that_is_named(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, BOTH)
    twin, paid = replace(BILL, id="acme:in_1"), replace(BILLED, applications=payment(usd(10000), ("acme:in_1", 10000)).applications)
    await office.tell(ANN, PRO, BILL)
    await office.tell(twin, paid, connection="acme")
    assert b"invoice/acme:in_1" in (await office.commands("allocate"))[-1].arguments
    await office.tell(twin, connection="acme", same_as=BILL.id)  # the payment itself tells nothing new
    [match] = [row for row in await office.commands("allocate") if row.state.value != "canceled"]
    assert b"invoice/stripe:in_1" in match.arguments


def test_what_goes_by_the_other_id_is_routed_as_the_one_whose_word_counts() -> None:
    head, word = PAYMENT.ref(BILLED.id), PAYMENT.ref(CLEARED.id)
    records: dict[ObjectRef, Record] = {head: BILLED, word: CLEARED}
    rows = {
        ref: ObjectRow(ref, connection, 1, 1, b"", NOW, NOW, encode(records[ref]), account=account)
        for ref, connection, account in ((head, "acme", "a1"), (word, "stripe", "acct_1"))
    }
    same_facts(rows, records, {head: word}, {head: FactStanding.WISHED}, OWNERS)  # wished before the other was named: its id stays
    assert (list(records), records[head].id) == ([head], BILLED.id)
    assert (rows[head].connection, rows[head].account) == ("stripe", "acct_1")


def test_what_an_older_program_read_without_its_name_is_named_when_it_is_read_again() -> None:
    receipt: Any = SimpleNamespace(id=1, connection="acme", dedupe_key="ev", rule="", must_fetch=False, lane=Lane.REPLAY, received_at=NOW)
    stored = ObjectRow(PAYMENT.ref(BILLED.id), "acme", 1, 1, b"", NOW, NOW, encode(BILLED))
    merger = Merger({stored.ref: stored}, set(), NOW, (), {event_id(receipt, 0): "applied"})
    merger.add(receipt, (Fact(PaymentEvent.SUCCEEDED, NOW, 1, BILLED, same_as=CLEARED.id),))
    [naming] = merger.finish().namings
    assert (naming.follower, naming.golden) == (BILLED.id, CLEARED.id)


async def test_two_that_name_each_other_are_one_case_and_nothing_is_booked(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, BOTH)
    await office.tell(ANN, PRO, BILL)
    await office.tell(replace(CLEARED, state=PaymentState.PENDING), same_as=BILLED.id)
    await tell_billed(office)
    await office.tell(CLEARED, same_as=BILLED.id)
    [case] = await office.cases()
    assert "circle" in case.cause
    assert await office.commands("post_payment") == []


async def test_a_customer_of_two_systems_is_one_and_each_says_what_it_knows(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, BOTH)
    await office.tell(ANN, PRO)
    await office.tell(Customer("acme:1", "Ann Ltd", phone="12"), connection="acme", same_as=ANN.id)
    await office.tell(replace(BILL, customer_id="acme:1"), connection="acme")
    assert {key for key in await posted(office) if key.startswith("customer")} == {"customer_stripe.cus_A"}
    command = [row for row in await office.commands("upsert_customer") if row.state.value != "canceled"][-1]
    assert b'"phone":"12"' in command.arguments
    assert b'"country":"US"' in command.arguments
    [bill] = await office.commands("post_invoice")
    assert b"stripe:cus_A" in bill.arguments


async def test_another_word_than_the_owners_is_kept_as_a_proposal_with_one_case_until_both_agree(pool: Pool, cipher: Cipher) -> None:
    owners = ownership_of([Owner("customer", "stripe", ("email",))])
    office = Office(pool, cipher, replace(RULES, ownership=owners))
    bob = Customer("stripe:cus_B", "Bob", "bob@example.com")
    await office.tell(replace(ANN, email="ann@example.com"), bob)
    await office.tell(Customer(ANN.id, "Ann Ltd", "a@example.com"), Customer(bob.id, "Bob", "b@example.com"), connection="crm")
    [case] = await office.cases()
    assert (case.code, case.case_class, case.count) == ("decide.not_the_owner", "ownership_violation", 2)
    assert "example.com" not in case.cause
    assert not any(b"a@example.com" in row.arguments for row in await office.commands("upsert_customer"))
    await office.tell(Customer(ANN.id, "Ann Ltd", "ann@example.com"), connection="crm")
    assert [one.count for one in await office.cases()] == [2]  # of which one still stands
    await office.tell(replace(bob, email="b@example.com"))
    assert await office.cases() == []


async def test_a_proposals_case_closes_when_both_say_the_same_although_another_field_is_still_told_otherwise(
    pool: Pool, cipher: Cipher
) -> None:
    office = Office(pool, cipher, replace(RULES, ownership=ownership_of([Owner("customer", "stripe", ("email", "phone"))])))
    await office.tell(replace(ANN, email="ann@example.com", phone="1"))
    await office.tell(Customer(ANN.id, "Ann Ltd", "a@example.com", "2"), connection="crm")
    assert sorted(case.releases_on for case in await office.cases()) == ["ownership/customer/email/crm", "ownership/customer/phone/crm"]
    await office.tell(Customer(ANN.id, "Ann Ltd", "ann@example.com", "2"), connection="crm")
    assert [case.releases_on for case in await office.cases()] == ["ownership/customer/phone/crm"]
    await office.tell(Customer(ANN.id, "Ann Ltd", "ann@example.com", "1"), connection="crm")
    assert await office.cases() == []
