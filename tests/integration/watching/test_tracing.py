"""A customer is found by name or e-mail, an invoice with what settles it; digests are made anew for what an older program wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from counterfoil.app.tracing import trace
from counterfoil.core.kinds.company import COMPANY, Company
from counterfoil.core.kinds.contact import CONTACT, Contact
from counterfoil.core.kinds.credit_note import CREDIT_NOTE, CreditNote, CreditNoteState
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.deal import DEAL, Deal, DealState
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, Application, Payment, PaymentState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import encode
from counterfoil.normalize.merging import found_by
from counterfoil.store import objects, rotation
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn, Pool
from counterfoil.upkeep.upkeep import Upkeep

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GRACE = Customer("stripe:cus_1", "Grace  Hopper", email="Grace@Example.com")
TOTAL = Money(11_900, "EUR")


def row(kind: str, entity: Any, customer: str = "stripe:cus_1", version: int = 1) -> ObjectRow:
    names = found_by(entity)
    return ObjectRow(ObjectRef(kind, entity.id), "stripe_us", version, 1, b"d", NOW, NOW, encode(entity), customer_id=customer, names=names)


async def seed(conn: Conn, cipher: Cipher) -> None:
    bill = Invoice("stripe:in_1", "stripe:cus_1", InvoiceState.PAID, "EUR", TOTAL, Money(0, "EUR"), (), number="A-0001")
    paid = Payment("stripe:pi_1", "stripe:cus_1", PaymentState.SUCCEEDED, TOTAL, NOW, (Application("stripe:in_1", TOTAL),))
    other = Payment("stripe:pi_2", "stripe:cus_1", PaymentState.SUCCEEDED, TOTAL, NOW, (Application("stripe:in_9", TOTAL),))
    rows = [row(CUSTOMER.name, GRACE), row(INVOICE.name, bill), row(PAYMENT.name, paid), row(PAYMENT.name, other)]
    assert len(await objects.upsert(conn, cipher, rows)) == 4


async def ids(conn: Conn, cipher: Cipher, asked: str) -> set[str]:
    return {one.ref.id for one in (await trace(conn, cipher, asked)).objects}


async def test_a_customer_is_found_by_name_or_e_mail_whatever_their_case_and_spaces(conn: Conn, cipher: Cipher) -> None:
    await seed(conn, cipher)
    everything = {"stripe:cus_1", "stripe:in_1", "stripe:pi_1", "stripe:pi_2"}
    for asked in ("Grace Hopper", " grace   hopper ", "GRACE@example.com", "cus_1"):
        assert await ids(conn, cipher, asked) == everything, asked
    for asked in ("Grace", "Hopper", "grace@example.co", ""):
        assert await ids(conn, cipher, asked) == set(), asked
    stored = await (await conn.execute("select lookup, looked_up from object where kind = 'customer'")).fetchone()
    assert stored is not None
    assert (len(stored[0]), stored[1]) == (2, 1)
    assert not any("grace" in digest for digest in stored[0])
    assert stored[0] != [Cipher({"other": bytes(32)}).lookup(name) for name in found_by(GRACE)]  # keyed: nobody can try names out


async def test_an_invoice_comes_with_the_payment_that_pays_it_and_with_no_other(conn: Conn, cipher: Cipher) -> None:
    await seed(conn, cipher)
    for asked in ("in_1", "A-0001", " a-0001 "):  # its id, and the number the customer sees
        assert await ids(conn, cipher, asked) == {"stripe:in_1", "stripe:pi_1"}, asked
    assert await ids(conn, cipher, "A-000") == set()


async def test_a_credit_note_is_found_by_its_number_and_what_has_none_by_its_id(conn: Conn, cipher: Cipher) -> None:
    note = CreditNote(
        "stripe:cn_1", "stripe:in_1", "stripe:cus_1", CreditNoteState.ISSUED, "EUR", TOTAL, Money(0, "EUR"), (), NOW, "A-0001-CN-01"
    )
    draft = Invoice("stripe:in_2", "stripe:cus_1", InvoiceState.DRAFT, "EUR", TOTAL, Money(0, "EUR"), ())
    await objects.upsert(conn, cipher, [row(CREDIT_NOTE.name, note), row(INVOICE.name, draft)])
    assert await ids(conn, cipher, "A-0001-CN-01") == {"stripe:cn_1"}
    assert await ids(conn, cipher, "in_2") == {"stripe:in_2"}


async def test_upkeep_makes_documents_of_older_programs_and_of_a_former_key_found_by_number(pool: Pool) -> None:
    old, new = Cipher({"k1": bytes(range(32))}), Cipher({"k2": bytes(32), "k1": bytes(range(32))})
    async with pool.connection() as conn:
        await seed(conn, old)
        await conn.execute("update object set lookup = '{}' where kind = 'invoice'")  # as a program that knows no numbers leaves it
        await conn.commit()
        assert await ids(conn, new, "A-0001") == set()
    upkeep: Any = Upkeep(pool, old, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn, conn.transaction():
        assert await ids(conn, old, "A-0001") == {"stripe:in_1", "stripe:pi_1"}
        assert await objects.to_number(conn, old) == []
        assert await rotation.reencrypt(conn, new) == 4
    upkeep = Upkeep(pool, new, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:  # the former key is retired
        assert await ids(conn, Cipher({"k2": bytes(32)}), "A-0001") == {"stripe:in_1", "stripe:pi_1"}


async def test_a_former_key_finds_too_and_upkeep_makes_up_for_what_older_programs_wrote(pool: Pool) -> None:
    old, new = Cipher({"k1": bytes(range(32))}), Cipher({"k2": bytes(32), "k1": bytes(range(32))})
    async with pool.connection() as conn:
        await seed(conn, old)
        assert await ids(conn, new, "Grace Hopper") != set()
        # an older program changes the customer and knows nothing of digests
        await conn.execute("update object set version = 2 where kind = 'customer'")
        await conn.execute("update object set lookup = '{}' where kind = 'customer'")
        await conn.commit()
        assert await ids(conn, new, "Grace Hopper") == set()
    upkeep: Any = Upkeep(pool, new, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:
        assert await ids(conn, new, "grace hopper") != set()
        assert await objects.to_look_up(conn, new, CUSTOMER.name, "") == []


async def test_whatever_people_look_for_is_found_once_its_key_is_retired(pool: Pool) -> None:
    old, new = Cipher({"k1": bytes(range(32))}), Cipher({"k2": bytes(32), "k1": bytes(range(32))})
    harbor, mira = Company("hubspot:1.10", "Blue Harbor"), Contact("hubspot:1.20", "Mira Sand")
    deal = Deal("hubspot:1.30", "100 seats", DealState.OPEN)
    of_kind = {COMPANY.name: harbor, CONTACT.name: mira, DEAL.name: deal}
    rows = [
        ObjectRow(ObjectRef(kind, one.id), "hubspot", 1, 1, b"d", NOW, NOW, encode(one), names=found_by(one))
        for kind, one in of_kind.items()
    ]
    async with pool.connection() as conn, conn.transaction():
        await objects.upsert(conn, old, rows)
        assert await rotation.reencrypt(conn, new) == 3
    upkeep: Any = Upkeep(pool, new, {}, None, None, None)  # type: ignore[arg-type]
    await upkeep.lookups_turn("all")
    async with pool.connection() as conn:  # the former key is retired
        found = {name: await objects.named(conn, Cipher({"k2": bytes(32)}), name) for name in ("Blue Harbor", "Mira Sand", "100 seats")}
    assert {name: [ref.id for ref in refs] for name, refs in found.items()} == {
        "Blue Harbor": ["hubspot:1.10"], "Mira Sand": ["hubspot:1.20"], "100 seats": ["hubspot:1.30"],
    }  # fmt: skip
