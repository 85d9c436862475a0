"""What the hub knows about whom a posting concerns: names to be kept out of words, and the document whose money it is."""

from __future__ import annotations

import pytest
from tests.integration.delivery.rows import DAY, NOW, row

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, PostPayment, UpsertCustomer
from counterfoil.core.kinds.customer import CUSTOMER as CUSTOMER_KIND
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT as PAYMENT_KIND
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.concerns import concerns_of
from counterfoil.delivery.causes import About
from counterfoil.delivery.persons import about
from counterfoil.kit.codec import encode
from counterfoil.store import objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.outbox import CommandRow
from counterfoil.store.pool import Pool

EURO = Money(100, "EUR")
ANN = Customer("stripe:cus_A", "Ann Ltd", "ann@example.com")
PERSONAL = (("Ann Ltd", "name"), ("ann@example.com", "e-mail"))
CUSTOMER = CUSTOMER_KIND.ref(ANN.id)
INVOICE = INVOICE_KIND.ref("stripe:in_9")
PAYMENT = PAYMENT_KIND.ref("stripe:ch_1")


def payment(*invoices: str) -> Payment:
    return Payment(PAYMENT.id, ANN.id, PaymentState.SUCCEEDED, EURO, NOW, tuple(Application(one, EURO) for one in invoices))


def invoice(customer_name: str) -> Invoice:
    return Invoice(INVOICE.id, ANN.id, InvoiceState.ISSUED, "EUR", EURO, Money(0, "EUR"), (), customer_name=customer_name)


async def known(pool: Pool, cipher: Cipher, *states: tuple[ObjectRef, Record, str]) -> None:
    rows = [ObjectRow(ref, "stripe", 1, 1, b"d", NOW, NOW, encode(state), customer_id=customer) for ref, state, customer in states]
    async with pool.connection() as conn:
        await objects.upsert(conn, cipher, rows)


def posting(number: int, subject: ObjectRef) -> CommandRow:
    paid = PostPayment(ANN.id, EURO, True, DAY, Account(AccountRole.CLEARING, "stripe"))
    return row(number, paid, BookCommand.POST_PAYMENT, subject=subject)


async def test_a_posting_is_about_its_customer_and_about_whom_its_invoice_names(pool: Pool, cipher: Cipher) -> None:
    await known(pool, cipher, (CUSTOMER, ANN, ""), (PAYMENT, payment(INVOICE.id), ANN.id), (INVOICE, invoice("Ann Smith"), ANN.id))
    one, two, three = posting(1, PAYMENT), posting(2, INVOICE), posting(3, CUSTOMER)
    expected = {
        one.id: About(PERSONAL, INVOICE.key),
        two.id: About((("Ann Smith", "name"), *PERSONAL), INVOICE.key),
        three.id: About(PERSONAL, CUSTOMER.key),
    }
    assert await about(pool, cipher, [one, two, three]) == expected
    assert [await about(pool, cipher, [each]) for each in (one, two, three)] == [{id: found} for id, found in expected.items()]


async def test_whom_a_customers_command_names_is_known_without_any_object(pool: Pool, cipher: Cipher) -> None:
    wished = row(1, UpsertCustomer(ANN), BookCommand.UPSERT_CUSTOMER, subject=CUSTOMER)
    assert await about(pool, cipher, [wished]) == {wished.id: About(PERSONAL, CUSTOMER.key)}
    await known(pool, cipher, (CUSTOMER, Customer(ANN.id, "Ann Old"), ""))
    assert await about(pool, cipher, [wished]) == {wished.id: About((*PERSONAL, ("Ann Old", "name")), CUSTOMER.key)}


async def test_of_what_is_unknown_or_names_nobody_nothing_personal_is_known(pool: Pool, cipher: Cipher) -> None:
    assert await about(pool, cipher, []) == {}
    one = posting(1, INVOICE)
    assert await about(pool, cipher, [one]) == {one.id: About((), INVOICE.key)}
    await known(pool, cipher, (INVOICE, invoice(""), "stripe:cus_gone"))
    assert await about(pool, cipher, [one]) == {one.id: About((), INVOICE.key)}
    await known(pool, cipher, (PAYMENT, payment(), ""))
    two = posting(2, PAYMENT)
    assert await about(pool, cipher, [two]) == {two.id: About((), PAYMENT.key)}


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (payment("stripe:in_1"), "invoice/stripe:in_1"),
        (payment(), PAYMENT.key),
        (payment("stripe:in_1", "stripe:in_2"), PAYMENT.key),
        (None, PAYMENT.key),
    ],
)
def test_the_money_of_a_payment_of_one_invoice_is_that_invoices(entity: Record | None, expected: str) -> None:
    assert concerns_of(PAYMENT, entity) == expected


def test_any_other_objects_money_is_its_own() -> None:
    assert concerns_of(INVOICE, invoice("")) == INVOICE.key
