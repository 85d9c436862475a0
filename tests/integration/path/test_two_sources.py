"""Files and a processor that tell of the same customers and payments, over the whole pipe into the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house
from tests.integration.path.test_traps_of_payments import paid

from counterfoil.app.proving.run import chosen, period_of, prove

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inboxes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the inbox of each files connection: ``crm`` knows the processor's customers by their ids, ``acme`` bills under its own."""
    return {name: Path(tmp_path_factory.mktemp(name)) for name in ("crm", "acme")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(inboxes: dict[str, Path], module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    out = tmp_path_factory.mktemp("outbox")

    def change(values: dict[str, Any]) -> None:
        for name, namespace in (("crm", "stripe"), ("acme", "acme")):
            values["connections"][name] = {"connector": "files", "inbox": inboxes[name], "outbox": out, "namespace": namespace}
        values["routes"].append({"entity": "US", "connection": "acme"})
        values["ownership"] = [
            {"kind": "payment", "connection": "stripe_us"},
            {"kind": "customer", "connection": "stripe_us", "fields": ["email"]},
        ]

    async with house(module_database, Path(tmp_path_factory.mktemp("home")), change=change) as made:
        await made.tell()
        yield made


async def drop(hub: House, inboxes: dict[str, Path], connection: str, name: str, text: str) -> None:
    """Put a file into an inbox, and have it read and all that comes of it done."""
    (inboxes[connection] / name).write_text(text, "utf-8")
    await hub.poll(connection)
    await hub.settle()


def partner(hub: House, customer: str) -> dict[str, Any]:
    env = hub.odoo.env()
    return dict(env.row("res.partner", env.ref(f"counterfoil.customer_stripe.{customer}")))


async def test_a_file_that_tells_only_a_name_empties_nothing_in_the_books(hub: House, inboxes: dict[str, Path]) -> None:
    invoice = await hub.bill(120_00)
    await hub.tell()
    before = partner(hub, invoice["customer"])
    await drop(hub, inboxes, "crm", "customers.csv", f"id,name\n{invoice['customer']},Blue Harbor & Sons\n")
    after = partner(hub, invoice["customer"])
    assert before["email"]
    assert after["name"] == "Blue Harbor & Sons"
    changed = {name for name, value in after.items() if before.get(name) != value}
    assert changed <= {"name", "write_date", "display_name", "_commit"}


async def test_another_e_mail_than_its_owners_is_a_case_and_never_in_the_books(hub: House, inboxes: dict[str, Path]) -> None:
    invoice = await hub.bill(80_00)
    await hub.tell()
    before = partner(hub, invoice["customer"])["email"]
    await drop(hub, inboxes, "crm", "customers-2.csv", f"id,name,email\n{invoice['customer']},Ann,else@example.com\n")
    [case] = [one for one in await hub.cases() if one.code == "decide.not_the_owner"]
    assert partner(hub, invoice["customer"])["email"] == before
    assert "else@example.com" not in f"{case.cause} {case.next_step} {hub.journal.lines}"
    await drop(hub, inboxes, "crm", "customers-3.csv", f"id,name,email\n{invoice['customer']},Ann,{before}\n")
    assert [one for one in await hub.cases() if one.code == "decide.not_the_owner"] == []


@pytest.mark.parametrize("is_billing_first", [True, False], ids=["the billing system first", "the processor first"])
async def test_a_payment_of_the_billing_system_and_the_processor_is_booked_once(
    hub: House, inboxes: dict[str, Path], is_billing_first: bool
) -> None:
    invoice, _, payment = await paid(hub.story(), 150_00)
    number = 1 + is_billing_first
    text = (
        "id,customer_id,currency,amount,paid_on,invoice_id,same_as,updated_at\n"
        f"p{number},stripe:{invoice['customer']},USD,150.00,2025-12-02,stripe:{invoice['id']},stripe:{payment},2025-12-02\n"
    )
    if is_billing_first:
        await drop(hub, inboxes, "acme", f"payments-{number}.csv", text)  # the payment itself is fetched from the processor's account
        assert hub.has(f"payment_stripe.{payment}")
    await hub.tell()
    if not is_billing_first:
        await drop(hub, inboxes, "acme", f"payments-{number}.csv", text)
    assert hub.has(f"payment_stripe.{payment}")
    assert [key for key in hub.external_keys() if "acme" in key] == []
    assert hub.document(f"invoice_stripe.{invoice['id']}")["amount_residual"] == 0
    assert await hub.cases() == []


async def test_customers_merged_in_a_file_and_unmerged_are_two_again(hub: House, inboxes: dict[str, Path]) -> None:
    kept, gone = await hub.bill(10_00), await hub.bill(20_00)
    await hub.tell()
    one, other = kept["customer"], gone["customer"]
    await drop(hub, inboxes, "crm", "customers-4.csv", f"id,name,merged_into\n{other},Twin,{one}\n")
    env = hub.odoo.env()
    await hub.tell()
    await drop(hub, inboxes, "crm", "customers-5.csv", f"id,name,merged_into\n{other},Twin,\n")
    story = hub.story()
    await story.item(other, "Consulting", 30_00)
    later = await story.bill(other)
    await hub.tell()
    assert hub.document(f"invoice_stripe.{later['id']}")["partner_id"] == env.ref(f"counterfoil.customer_stripe.{other}")
    assert await hub.cases() == []


async def test_a_proof_counts_an_invoice_once_that_is_booked_by_another_systems_id(hub: House, inboxes: dict[str, Path]) -> None:
    invoice = await hub.bill(170_00)
    columns = "id,customer_id,currency,issued_on,total,description,amount,updated_at"
    row = f"b1,stripe:{invoice['customer']},USD,2025-12-02,170.00,Consulting,170.00"
    await drop(hub, inboxes, "acme", "invoices.csv", f"{columns}\n{row},2025-12-02\n")  # booked before the processor tells of it
    await drop(hub, inboxes, "acme", "invoices-2.csv", f"{columns},same_as\n{row},2025-12-03,stripe:{invoice['id']}\n")
    await hub.tell()
    assert [key for key in hub.external_keys() if "b1" in key or invoice["id"] in key] == ["invoice_acme.b1"]
    settings = hub.hub.settings
    (group,) = chosen(settings, "US")
    await hub.later(minutes=5)
    await hub.poll()
    await hub.settle()
    proof = await prove(settings, hub.hub.pool, group, period_of(settings, group, "2025-12"), hub.clock.now())
    assert [one for one in proof.apart if one.is_difference and one.id in (invoice["id"], "b1")] == []
