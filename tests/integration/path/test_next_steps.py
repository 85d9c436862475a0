"""What a case tells people to do is done to the letter, and heals; one cause is one case, with its money counted once."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House

from counterfoil.kit.sandbox import Fault
from counterfoil.store import case_work
from counterfoil.store.cases import Case, CaseMoney
from counterfoil.store.embedded import program

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def hub(home_of_all: House) -> AsyncIterator[House]:
    """Yield the hub; afterwards no case is open, every delivery is accounted for and the books are proven."""
    yield home_of_all
    await home_of_all.settle()
    assert [case.cause for case in await home_of_all.cases()] == []
    await assert_balanced(home_of_all)
    proof = await home_of_all.prove()
    assert [row for row in proof.totals if not row.is_equal] == []


async def retry(hub: House, case: Case) -> None:
    """Do what `counterfoil case retry` does."""
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await hub.hub.arm(conn, await case_work.retry(conn, case.id, "somebody", hub.clock.now()))
    await hub.settle()


async def test_invoices_in_a_currency_without_a_rate_are_one_case_that_says_what_to_do(hub: House) -> None:
    # Two invoices of 200.00 and 150.03 CHF: francs are not active in the books, and have no rate.
    await hub.bill(20_000, currency="chf")
    await hub.bill(15_003, currency="chf")
    await hub.tell()
    [case] = await hub.cases()
    assert (case.code, case.count, case.money) == ("odoo.currency_inactive", 2, (CaseMoney("CHF", 35_003),))
    assert case.cause.startswith("books does not take postings of US: currency CHF is not active")
    assert case.next_step.startswith("Activate CHF in Odoo (Accounting, Configuration, Currencies)")
    [franc] = await hub.plain.rows("res.currency", [["name", "=", "CHF"], ["active", "in", [True, False]]], ["id"])
    await hub.plain.write("res.currency", [franc["id"]], {"active": True})
    await hub.later(minutes=10)
    await retry(hub, case)
    [case] = await hub.cases()  # the former case is closed: its records stand still for another cause now
    assert (case.code, case.count, case.money) == ("odoo.rate_missing", 2, (CaseMoney("CHF", 35_003),))
    assert case.next_step == "Add the rate of CHF in Odoo (Accounting, Configuration, Currencies), then retry this case."
    company = hub.provisioned.companies["US"].company_id
    rate = {"currency_id": franc["id"], "name": "2025-01-01", "company_id": company, "inverse_company_rate": 1.25}
    await hub.plain.create("res.currency.rate", rate, company)
    await hub.later(minutes=10)
    await retry(hub, case)


async def test_an_archived_account_is_named_with_its_place_in_the_file(hub: House) -> None:
    company = hub.provisioned.companies["US"].company_id
    await hub.bill(100)  # the worker knows the accounts
    await hub.tell()
    hub.person("archive_account", company_id=company, code="400000")
    await hub.bill(12_300)
    await hub.bill(21_000)
    await hub.tell()
    [case] = await hub.cases()
    assert (case.count, case.money) == (2, (CaseMoney("USD", 33_300),))
    assert "revenue is 400000" in case.next_step
    assert "[connections.books.companies.US.accounts]" in case.next_step
    [account] = await hub.plain.rows("account.account", [["code", "=", "400000"], ["active", "=", False]], ["id"], [company])
    await hub.plain.write("account.account", [account["id"]], {"active": True})
    await retry(hub, case)


async def test_a_draft_that_somebody_edited_goes_through_on_retry_alone(hub: House) -> None:
    hub.person("edit_lines", after="account.move/load", price_unit=3.0)
    await hub.bill(5_000)
    await hub.tell()
    [case] = await hub.cases()
    assert case.code == "odoo.amount_mismatch"
    assert case.next_step.startswith("Nothing is posted and nothing has to be undone: somebody may have edited the draft. Retry this case")
    await retry(hub, case)


async def test_nothing_about_a_person_is_in_clear_anywhere_when_odoo_names_one(hub: House, tmp_path: Path) -> None:
    name, mail, vat = "Zacharias Quillfeather", "zacharias@quillfeather.example", "DE987654321"
    words = f"The VAT number [{vat}] for partner [{name}, {mail}] does not seem to be valid."
    error = {"name": "odoo.exceptions.ValidationError", "message": words, "arguments": [words], "context": {}, "debug": ""}
    hub.odoo.switch.faults += [
        Fault("status", path="res.partner/load", status=422, times=-1, body=json.dumps(error)),
        Fault("status", path="account.move/load", status=422, times=-1, body=json.dumps(error)),
    ]
    story = hub.story()
    customer = await story.api.post("/v1/customers", name=name, email=mail, address={"country": "US"})
    await story.item(customer["id"], "Consulting", 5000)
    await hub.tell()
    masked = "The VAT number [[VAT id]] for partner [[name], [e-mail]] does not seem to be valid."
    [case] = await hub.cases()
    assert (case.code, masked in case.cause) == ("odoo.refused", True)
    assert await where_in_clear(hub, name, "Quillfeather", mail, vat) == []
    hub.odoo.switch.faults.pop(0)
    await retry(hub, case)
    await story.bill(
        customer["id"]
    )  # now the invoice is refused, with the same words: its arguments do not hold the name, its customer does
    await hub.tell()
    [case] = await hub.cases()
    assert masked in case.cause
    assert await where_in_clear(hub, name, "Quillfeather", mail, vat) == []
    written = tmp_path / "backup"
    await asyncio.to_thread(dump, hub.hub.dsn, written)
    assert [one for one in (name, "Quillfeather", mail, vat) if one.encode() in written.read_bytes()] == []
    assert case.cause.encode() in written.read_bytes()
    hub.odoo.switch.faults.clear()
    await retry(hub, case)


def dump(dsn: str, path: Path) -> None:
    """Write everything in the database as plain SQL, as a backup holds it."""
    subprocess.run([str(program("pg_dump")), "--no-owner", "--file", str(path), dsn], check=True, capture_output=True)


async def where_in_clear(hub: House, *canaries: str) -> list[tuple[str, str]]:
    """Return the tables in a row of which a canary stands, as text or as bytes."""
    found = []
    async with hub.hub.pool.connection() as conn:
        listed = "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        for (table,) in await (await conn.execute(listed)).fetchall():
            rows = [row[0].lower() for row in await (await conn.execute(f"select t::text from {table} t")).fetchall()]
            found += [(table, one) for one in canaries if any(one.lower() in row or one.encode().hex() in row for row in rows)]
    return found
