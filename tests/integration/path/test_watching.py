"""What people do in the books to documents the hub posted: each kind is one case with its money, which closes itself when put right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import BOOKS, House, house

from counterfoil.store import case_work, cases
from counterfoil.store.cases import Case
from counterfoil.store.work import BOOKS as LOOK

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub at work of this module's own: people leave its books as they want them, not as the source has them."""
    async with house(module_database, Path(tmp_path_factory.mktemp("watched"))) as made:
        await made.tell()
        yield made


async def look(hub: House) -> list[Case]:
    """Have the books be polled and looked at; return what is open."""
    await hub.poll(BOOKS)
    await hub.settle()
    await looked(hub)
    return await hub.cases()


async def looked(hub: House) -> None:
    """Have everything bound be swept, and wait until all that was noted was looked at."""
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await conn.execute("delete from sweep")
        await hub.hub.arm(conn, [(LOOK, BOOKS)])

    async def is_done() -> bool:
        async with hub.hub.pool.connection() as conn:
            found = await conn.execute(
                "select (select count(*) from watched where due_at is not null), (select count(*) from sweep where after_key = '')"
            )
            return await found.fetchone() == (0, 1)

    await hub.until(is_done)


async def paid(hub: House, amount: int = 10_000) -> dict[str, Any]:
    """Bill a new customer and have him pay; everything is booked, matched and looked at."""
    invoice = await hub.bill(amount, is_paid=True)
    await hub.tell()
    assert await look(hub) == []
    return invoice


def told(found: Sequence[Case]) -> list[tuple[str, str, int | None, str]]:
    """Return what matters of cases: class, code, money."""
    return [(case.case_class, case.code, case.money_minor, case.currency) for case in found]


async def id_of(hub: House, key: str) -> int:
    """Return the database id under our external key."""
    rows = await hub.plain.rows("ir.model.data", [["name", "=", key]], ["res_id"])
    return int(rows[0]["res_id"])


async def act(hub: House, model: str, method: str, *ids: int, **arguments: Any) -> Any:
    """Do in Odoo what a person does with its buttons."""
    return await hub.plain.call(model, method, list(ids), **arguments)


async def test_what_the_hub_does_itself_opens_no_case(watched: House) -> None:
    await paid(watched)
    async with watched.hub.pool.connection() as conn:
        count = await (await conn.execute("select count(*) from watched where is_read and differs = ''")).fetchone()
    assert count is not None
    assert count[0] >= 3  # the invoice, its payment, its fee


async def test_a_document_taken_back_to_draft_is_one_case_that_closes_when_it_is_posted_again(watched: House) -> None:
    invoice = await watched.bill(10_000)
    await watched.tell()
    assert await look(watched) == []
    move = await id_of(watched, f"invoice_stripe.{invoice['id']}")
    await act(watched, "account.move", "button_draft", move)
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 10_000, "USD")]  # the whole invoice, 100.00
    assert "was taken back to draft" in found[0].cause
    assert "Post it again" in found[0].next_step
    await act(watched, "account.move", "action_post", move)
    assert await look(watched) == []


async def test_a_draft_is_posted_again_by_a_retry(watched: House) -> None:
    invoice = await paid(watched)
    key = f"invoice_stripe.{invoice['id']}"
    await act(watched, "account.move", "button_draft", await id_of(watched, key))
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 10_000, "USD")]  # the payment it was matched with is not told
    await retry(watched, found[0])
    assert await look(watched) == []
    assert (watched.document(key)["state"], watched.document(key)["amount_residual"]) == ("posted", 0.0)


async def retry(hub: House, case: Case) -> None:
    """Retry a case as `counterfoil case retry` does."""
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await hub.hub.arm(conn, await case_work.retry(conn, case.id, "tester", hub.clock.now()))
    await hub.settle()


async def test_another_price_is_one_case_with_the_difference(watched: House) -> None:
    invoice = await watched.bill(10_000)
    await watched.tell()
    key = f"invoice_stripe.{invoice['id']}"
    assert await look(watched) == []
    for price in (101.0, 100.0):
        watched.person("reset_to_draft", xid=f"counterfoil.{key}")
        watched.person("edit_lines", xid=f"counterfoil.{key}", price_unit=price)
        await act(watched, "account.move", "action_post", await id_of(watched, key))
        expected = [("reconciliation_break", "watch.changed", 100, "USD")] if price == 101.0 else []  # 101.00 - 100.00
        assert told(await look(watched)) == expected


async def test_another_account_with_the_same_total_is_one_case(watched: House) -> None:
    invoice = await watched.bill(10_000)
    await watched.tell()
    assert await look(watched) == []
    move = await id_of(watched, f"invoice_stripe.{invoice['id']}")
    lines = await watched.plain.rows("account.move.line", [["move_id", "=", move], ["display_type", "=", "product"]], ["account_id"])
    before = lines[0]["account_id"]
    company = watched.provisioned.companies["US"].company_id
    domain = [["account_type", "in", ["income", "income_other"]], ["company_ids", "in", [company]], ["id", "!=", before]]
    others = await watched.plain.rows("account.account", domain, ["code"], [company])
    for account in (others[0]["id"], before):
        await act(watched, "account.move", "button_draft", move)
        await watched.plain.write("account.move.line", [lines[0]["id"]], {"account_id": account})
        await act(watched, "account.move", "action_post", move)
        expected = [] if account == before else [("reconciliation_break", "watch.changed", 10_000, "USD")]
        found = await look(watched)
        assert told(found) == expected
        assert all("other accounts, taxes or parts" in case.cause for case in found)


async def test_another_customer_is_one_case(watched: House) -> None:
    invoice = await watched.bill(10_000)
    other = await watched.bill(500)
    await watched.tell()
    assert await look(watched) == []
    move, its = await id_of(watched, f"invoice_stripe.{invoice['id']}"), await id_of(watched, f"customer_stripe.{invoice['customer']}")
    for partner in (await id_of(watched, f"customer_stripe.{other['customer']}"), its):
        await act(watched, "account.move", "button_draft", move)
        await watched.plain.write("account.move", [move], {"partner_id": partner})
        await act(watched, "account.move", "action_post", move)
        expected = [] if partner == its else [("reconciliation_break", "watch.changed", 10_000, "USD")]
        found = await look(watched)
        assert told(found) == expected
        assert all("is of another customer" in case.cause for case in found)


async def test_another_date_is_one_case(watched: House) -> None:
    invoice = await watched.bill(10_000)
    await watched.tell()
    assert await look(watched) == []
    key = f"invoice_stripe.{invoice['id']}"
    day = str(watched.document(key)["date"])
    watched.person("redate", xid=f"counterfoil.{key}", date="2025-11-20")
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 10_000, "USD")]
    assert "is dated 2025-11-20 instead of" in found[0].cause
    watched.person("redate", xid=f"counterfoil.{key}", date=day)
    assert await look(watched) == []


async def test_a_canceled_payment_is_one_case_and_its_invoice_none(watched: House) -> None:
    invoice = await paid(watched, 7_000)
    payments = await watched.plain.rows("account.payment", [["amount", "=", 70.0]], ["state"])
    await act(watched, "account.payment", "action_cancel", payments[-1]["id"])
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 7_000, "USD")]
    assert found[0].cause.startswith("payment ")
    assert "was canceled" in found[0].cause
    await act(watched, "account.payment", "action_draft", payments[-1]["id"])
    await act(watched, "account.payment", "action_post", payments[-1]["id"])
    found = await look(watched)  # the payment is right; what it paid is still open
    assert [case.cause.split()[0] for case in found] == ["invoice"]
    await retry(watched, found[0])
    assert await look(watched) == []
    assert watched.document(f"invoice_stripe.{invoice['id']}")["amount_residual"] == 0.0


async def test_a_deleted_document_is_found_by_the_sweep_and_posted_again_with_its_match(watched: House) -> None:
    invoice = await paid(watched, 8_000)
    key = f"invoice_stripe.{invoice['id']}"
    watched.person("delete", xid=f"counterfoil.{key}")
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 8_000, "USD")]
    assert "was deleted" in found[0].cause
    await retry(watched, found[0])
    assert await look(watched) == []
    assert (watched.document(key)["state"], watched.document(key)["amount_residual"]) == ("posted", 0.0)


@pytest.mark.parametrize("how", ["a retry", "the next invoice"])
async def test_a_deleted_customer_is_one_case_and_made_again(watched: House, how: str) -> None:
    story = watched.story()
    customer = await story.customer()
    await story.item(customer, "Consulting", 4_200)
    await watched.tell()
    assert await look(watched) == []
    await act(watched, "res.partner", "unlink", await id_of(watched, f"customer_stripe.{customer}"))
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", None, "")]  # nothing was billed to him
    assert found[0].cause.startswith("customer ")
    assert found[0].next_step.startswith("Make it again: `counterfoil case retry CASE`; the next document of it has it made again, too.")
    if how == "a retry":
        await retry(watched, found[0])
    invoice = await story.bill(customer)
    await watched.tell()
    assert await look(watched) == []
    document = watched.document(f"invoice_stripe.{invoice['id']}")
    assert document["partner_id"] == await id_of(watched, f"customer_stripe.{customer}")


async def test_a_match_undone_is_one_case_and_made_again_by_a_retry(watched: House) -> None:
    invoice = await paid(watched, 9_000)
    key = f"invoice_stripe.{invoice['id']}"
    move = await id_of(watched, key)
    lines = await watched.plain.rows("account.move.line", [["move_id", "=", move], ["account_type", "=", "asset_receivable"]], ["name"])
    await act(watched, "account.move.line", "remove_move_reconcile", lines[0]["id"])
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 9_000, "USD")]
    assert "has 90.00 USD open, where our matches leave 0.00 USD open" in found[0].cause
    await retry(watched, found[0])
    assert await look(watched) == []
    assert watched.document(key)["amount_residual"] == 0.0


async def test_merged_customers_are_one_case_and_their_documents_none(watched: House) -> None:
    invoice, other = await watched.bill(3_000), await watched.bill(4_000)
    await watched.tell()
    assert await look(watched) == []
    loser, winner = f"counterfoil.customer_stripe.{invoice['customer']}", f"counterfoil.customer_stripe.{other['customer']}"
    watched.person("merge_partners", winner=winner, losers=[loser])
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 3_000, "USD")]  # billed to the one that is gone
    assert "was merged into" in found[0].cause
    async with watched.hub.pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, found[0].id, "tester", "one company", watched.clock.now())
    assert await look(watched) == []


async def test_what_was_accepted_stays_closed_until_it_changes_again(watched: House) -> None:
    invoice = await watched.bill(10_000)
    await watched.tell()
    assert await look(watched) == []
    key = f"invoice_stripe.{invoice['id']}"
    watched.person("redate", xid=f"counterfoil.{key}", date="2025-11-21")
    found = await look(watched)
    async with watched.hub.pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, found[0].id, "tester", "agreed with the auditor", watched.clock.now())
    assert await look(watched) == []
    watched.person("redate", xid=f"counterfoil.{key}", date="2025-11-22")
    found = await look(watched)
    assert told(found) == [("reconciliation_break", "watch.changed", 10_000, "USD")]
    async with watched.hub.pool.connection() as conn:
        shown = await cases.list_cases(conn, state=cases.CaseState.WAIVED)
    assert any(case.reason == "agreed with the auditor" for case in shown)
