"""Customers and products whose state moves on while what was wished of them is not sent yet: whatever needs them still gets them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, PRO, invoice, payment, usd
from tests.integration.waiting.office import Office

from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.core.kinds.product import Product
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

PAID = payment(usd(10000), ("stripe:in_1", 10000))


@pytest.mark.parametrize(
    "gone", [replace(ANN, is_deleted=True), replace(ANN, name="cus_A", address=Address(), is_deleted=True), replace(PRO, is_deleted=True)]
)
async def test_one_deleted_before_it_was_sent_is_sent_as_it_was_wished(pool: Pool, cipher: Cipher, gone: Customer | Product) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, invoice(usd(10000)), PAID)  # the target is away
    before = {(row.id, row.arguments) for row in await office.commands("upsert_customer", "upsert_product")}
    await office.tell(gone)
    assert {(row.id, row.arguments) for row in await office.commands("upsert_customer", "upsert_product")} == before
    await office.take_all()
    booked = {(row.kind, row.state.value) for row in await office.commands("post_invoice", "post_payment", "allocate")}
    assert booked == {("post_invoice", "done"), ("post_payment", "done"), ("allocate", "done")}


async def test_a_change_not_yet_sent_is_still_sent_when_its_customer_is_deleted(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN)
    await office.take_all()
    await office.tell(replace(ANN, name="Ann Limited"), replace(ANN, name="Ann Limited", is_deleted=True))
    assert [state for _, _, state in await office.states()] == ["done", "ready"]
