"""Customers and products that people deleted in Odoo, or took the external id of: they are waited for and made again."""

from __future__ import annotations

from dataclasses import replace

from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import RECEIVABLE, line
from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.writing import Outcome


def bound_id(desk: Desk, made: Command) -> int:
    return int(desk.bindings[made.produces].rpartition("/")[2])


async def delete(desk: Desk, made: Command) -> None:
    """Delete a customer or product as people do: Odoo deletes its external id with it."""
    await desk.plain.call(desk.bindings[made.produces].partition("/")[0], "unlink", [bound_id(desk, made)])


async def take_external_id(desk: Desk, made: Command) -> None:
    """Delete nothing but the external id of a record."""
    rows = await desk.plain.find("ir.model.data", [["module", "=", "counterfoil"], ["name", "=", made.external_key]], ["id"])
    await desk.plain.call("ir.model.data", "unlink", [rows[0]["id"]])


def told(outcome: Outcome) -> tuple[str, str, tuple[str, ...]]:
    """Return what the hub goes by."""
    return outcome.status.value, outcome.code, outcome.missing


@EVERY_VERSION
async def test_a_document_whose_customer_was_deleted_waits_for_him_and_goes_on_when_he_is_made_again(desk: Desk) -> None:
    customer, other = desk.wishes.customer(), desk.wishes.customer("Other GmbH")
    await desk.done(customer, other)
    await delete(desk, customer)
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    outcomes = await desk.send(invoice, desk.wishes.invoice(other, line(500), total=500))
    assert told(outcomes[0]) == ("waiting", "odoo.dependency_missing", (customer.produces,))
    assert statuses(outcomes) == ["waiting", "done"]
    del desk.bindings[customer.produces]
    await desk.done(customer)
    (outcome,) = await desk.done(invoice)
    row = await desk.record(outcome, "amount_total", "partner_id")
    assert (row["amount_total"], row["partner_id"]) == (100.0, bound_id(desk, customer))


@EVERY_VERSION
async def test_payments_and_entries_of_a_deleted_customer_wait_for_him(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    await delete(desk, customer)
    payment = desk.wishes.payment(customer, 10000)
    lines = (
        EntryLine(Account(AccountRole.BAD_DEBT), Money(700, "EUR")),
        EntryLine(RECEIVABLE, Money(-700, "EUR"), customer_id=customer.subject.id),
    )
    entry = desk.wishes.entry(*lines, needs=(customer.produces,))
    for wish in (payment, entry):
        (outcome,) = await desk.send(wish)
        assert told(outcome) == ("waiting", "odoo.dependency_missing", (customer.produces,))
    del desk.bindings[customer.produces]
    await desk.done(customer)
    await desk.done(payment)
    await desk.done(entry)


@EVERY_VERSION
async def test_a_document_whose_product_was_deleted_waits_for_it_and_goes_on_when_it_is_made_again(desk: Desk) -> None:
    customer, product = desk.wishes.customer(), desk.wishes.product(sku=f"GONE-{desk.wishes.run}")
    await desk.done(customer)
    await desk.done(product)
    await delete(desk, product)
    sold = replace(line(10000), product_id=product.subject.id)
    invoice = replace(desk.wishes.invoice(customer, sold, total=10000), needs=(customer.produces, product.produces))
    (outcome,) = await desk.send(invoice)
    assert told(outcome) == ("waiting", "odoo.dependency_missing", (product.produces,))
    del desk.bindings[product.produces]
    await desk.done(product)
    (outcome,) = await desk.done(invoice)
    assert [row["product_id"] for row in await desk.lines(outcome, "product_id")] == [False, bound_id(desk, product)]


@EVERY_VERSION
async def test_both_are_named_when_both_are_gone(desk: Desk) -> None:
    customer, product = desk.wishes.customer(), desk.wishes.product(sku=f"BOTH-{desk.wishes.run}")
    await desk.done(customer)
    await desk.done(product)
    await delete(desk, product)
    await delete(desk, customer)
    sold = replace(line(10000), product_id=product.subject.id)
    (outcome,) = await desk.send(desk.wishes.invoice(customer, sold, total=10000))
    assert told(outcome) == ("waiting", "odoo.dependency_missing", (customer.produces, product.produces))


@EVERY_VERSION
async def test_a_customer_whose_external_id_alone_was_deleted_is_still_the_same_contact(desk: Desk) -> None:
    customer = desk.wishes.customer("Acme GmbH", email="ap@acme.example")
    (made,) = await desk.done(customer)
    await take_external_id(desk, customer)
    (outcome,) = await desk.done(desk.wishes.invoice(customer, line(10000), total=10000))
    assert (await desk.record(outcome, "partner_id"))["partner_id"] == bound_id(desk, customer)
    changed = desk.wishes.customer("Acme AG", email="ap@acme.example", id=customer.subject.id)
    (again,) = await desk.done(changed)
    assert (again.external_id, (await desk.record(made, "name"))["name"]) == (made.external_id, "Acme AG")
    source_id = customer.subject.id.rpartition(":")[2]
    assert len(await desk.plain.find("res.partner", [["ref", "=", source_id]], ["id"])) == 1


async def test_a_contact_that_only_has_the_number_of_a_deleted_one_is_not_written_on(desk: Desk) -> None:
    # A database that was restored gives the ids after its last one away again: the bound number is somebody else's now.
    customer, other = desk.wishes.customer("Acme GmbH"), desk.wishes.customer("Other GmbH")
    _, stranger = await desk.done(customer, other)
    await delete(desk, customer)
    desk.bindings[customer.produces] = stranger.external_id
    (made,) = await desk.done(customer)
    assert made.external_id != stranger.external_id
    assert (await desk.record(stranger, "name"))["name"] == "Other GmbH"


@EVERY_VERSION
async def test_customers_that_are_another_companys_alone_are_not_gone(desk: Desk) -> None:
    customers = desk.wishes.customer(), desk.wishes.customer("Other GmbH")
    await desk.done(*customers)
    elsewhere = next(id for entity, id in desk.books.companies.items() if entity != desk.wishes.entity)
    ids = [bound_id(desk, one) for one in customers]
    await desk.plain.call("res.partner", "write", ids, vals={"company_id": elsewhere})
    invoices = [desk.wishes.invoice(one, line(10000), total=10000) for one in customers]
    payments = [desk.wishes.payment(one, 10000) for one in customers]
    for wishes in (invoices, payments):
        outcomes = await desk.send(*wishes)
        assert [(one.status.value, one.missing) for one in outcomes] == [("refused", ())] * 2
        assert [one.code for one in outcomes] == ["odoo.other_company"] * 2
    await desk.plain.call("res.partner", "write", ids, vals={"company_id": False})
    await desk.done(*invoices)


async def test_a_mapped_product_that_was_deleted_and_made_anew_is_found_by_its_reference(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    reference = f"SEAT-{desk.wishes.run}"
    first = await desk.plain.create("product.product", name="Seat", default_code=reference, type="service")
    sold = replace(line(9900), product_id=f"target:{reference}")
    unmapped = replace(line(10000, tax="7%", tax_minor=700), product_id=f"target:{reference}")
    (outcome,) = await desk.send(desk.wishes.invoice(customer, unmapped, total=10700, tax=700))  # the product is known from here on
    assert outcome.code == "odoo.tax_unmapped"
    await desk.plain.call("product.product", "unlink", [first])
    wish = desk.wishes.invoice(customer, sold, total=9900)
    (outcome,) = await desk.send(wish)
    assert (outcome.status.value, outcome.code) == ("refused", "odoo.product_unmapped")
    anew = await desk.plain.create("product.product", name="Seat", default_code=reference, type="service")
    (outcome,) = await desk.done(wish)
    assert [row["product_id"] for row in await desk.lines(outcome, "product_id")] == [False, anew]
