"""Why a thing stands as it does: who said which field, when, by which rule; its links; and nothing that tells who somebody is."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import ANN, PRO, RULES, invoice, payment, settled, usd
from tests.integration.waiting.office import Office

from counterfoil.app.explaining import FieldSeen, ThingSeen, explain
from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.customer import Customer, TaxId
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

OWNERS = (Owner("customer", "stripe", ("email",)), Owner("payment", "stripe"))
FULL = replace(ANN, email="ann@example.com", currency="USD", tax_ids=(TaxId("eu_vat", "DE123456789"),))


async def why(pool: Pool, cipher: Cipher, asked: str, field: str = "") -> tuple[ThingSeen, ...]:
    async with pool.connection() as conn:
        return await explain(conn, cipher, asked, OWNERS, field=field)


def told(one: ThingSeen) -> dict[str, tuple[str, str, str, tuple[str, ...]]]:
    return {f.field: (f.value, f.connection, f.rule, f.others) for f in one.fields}


async def test_each_field_says_who_said_it_by_which_rule_it_counts_and_who_says_otherwise(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, replace(RULES, ownership=ownership_of(OWNERS)))
    await office.tell(FULL)
    began = office.clock.now()
    office.later(hours=1)
    await office.tell(Customer(ANN.id, "Ann & Co", "else@example.com"), connection="crm")
    [one] = await why(pool, cipher, "cus_A")
    assert (one.key, one.known_as) == ("customer/stripe:cus_A", "customer/stripe:cus_A")
    assert told(one) == {
        "name": ("[name]", "crm", "the newest that says it", ()),
        "email": ("[e-mail]", "stripe", "its owner's word", ("crm",)),
        "address": ("[address]", "stripe", "the only one that says it", ()),
        "currency": ("USD", "stripe", "the only one that says it", ()),
        "tax_ids": ("[VAT id]", "stripe", "the only one that says it", ()),
    }
    [one] = await why(pool, cipher, "customer/stripe:cus_A", "email")
    assert one.fields == (FieldSeen("email", "[e-mail]", "stripe", began, "its owner's word", ("crm",)),)


async def test_a_thing_of_one_source_is_explained_without_any_row_of_its_own(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, invoice(usd(10000), number="INV-7"))
    await office.tell(invoice(usd(10000), number="INV-7", customer_name="Ann Smith"))
    [one] = await why(pool, cipher, "INV-7")
    assert told(one)["customer_name"][0] == "[name]"
    [one] = await why(pool, cipher, "INV-7", "number")
    assert told(one) == {"number": ("INV-7", "stripe", "the only one that says it", ())}
    assert await why(pool, cipher, "nobody") == ()


async def test_a_payment_of_two_systems_says_as_what_it_is_known_and_by_whose_word(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, replace(RULES, ownership=ownership_of(OWNERS)))
    cleared = replace(payment(usd(10000)), settlement=settled(usd(10000)))
    await office.tell(ANN, PRO, invoice(usd(10000)), cleared)
    billed = replace(payment(usd(10000), ("stripe:in_1", 10000)), id="acme:p1", settlement=None)
    await office.tell(billed, connection="acme", same_as=cleared.id)
    [one] = await why(pool, cipher, "acme:p1")
    assert one.known_as == "payment/stripe:ch_1"
    assert told(one)["amount"] == ("100.00 USD", "stripe", "its owner's word", ())
    assert told(one)["applications"] == ("1 of them", "acme", "left out by the one whose word counts, and kept", ())
    [link] = one.links
    assert (link.id, link.golden, link.why, link.connection, link.until) == ("acme:p1", "stripe:ch_1", "same_fact", "acme", None)


async def test_merges_are_shown_with_beginning_and_end_also_those_from_before_they_were_written_down(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    bob = Customer("stripe:cus_B", "Bob")
    await office.tell(ANN, replace(bob, merged_into=ANN.id))
    began = office.clock.now()
    [one] = await why(pool, cipher, bob.id)
    [link] = one.links
    assert (link.golden, link.why, link.since, link.until) == (ANN.id, "merged", began, None)
    office.later(hours=1)
    await office.tell(bob, is_apart=True)
    [one] = await why(pool, cipher, bob.id)
    assert [link.until for link in one.links] == [office.clock.now()]
    await office.tell(replace(bob, merged_into=ANN.id))
    async with pool.connection() as conn, conn.transaction():
        await conn.execute("delete from link")
    [one] = await why(pool, cipher, bob.id)
    assert [(link.golden, link.since) for link in one.links] == [(ANN.id, None)]


async def test_the_parent_of_a_company_is_its_owners_word_like_any_other_field(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(Company("crm:1", "Group"), Company("crm:2", "Blue Harbor", parent_id="crm:1"), connection="crm")
    [one] = await why(pool, cipher, "company/crm:2", "parent_id")
    assert told(one) == {"parent_id": ("crm:1", "crm", "the only one that says it", ())}
