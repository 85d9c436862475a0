"""What was done in the books to many documents at once has one cause: one case, and nothing is done again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.path.house import BOOKS, House, house
from tests.integration.path.test_watching import act, id_of, look, retry, told

from counterfoil.store.cases import CaseMoney
from counterfoil.store.work import BOOKS as LOOK

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub at work of this module's own: people leave its books as they want them."""
    async with house(module_database, Path(tmp_path_factory.mktemp("many"))) as made:
        await made.tell()
        yield made


async def left_in_the_books(hub: House, keys: Sequence[str]) -> list[str]:
    return [key for key in keys if hub.has(key)]


async def test_many_deleted_at_once_are_one_case_and_nothing_is_posted_again_before_somebody_says_so(watched: House) -> None:
    # Twelve invoices of 10.00 to 10.11 with their payments. A clean-up takes all invoices out: 120.66 of documents, one cause.
    invoices = [await watched.bill(1_000 + n, is_paid=True) for n in range(12)]
    await watched.tell()
    assert await look(watched) == []
    keys = [f"invoice_stripe.{invoice['id']}" for invoice in invoices]
    for key in keys:
        watched.person("delete", xid=f"counterfoil.{key}")
    [case] = await look(watched)
    assert (case.code, case.count, case.money) == ("watch.many_changed", 12, (CaseMoney("USD", 12_066),))
    assert case.cause == "Many documents were deleted in books at once; the hub did not do that"
    assert "Nothing is posted again by itself" in case.next_step
    assert await look(watched) == [case]  # the next rounds find the same
    assert await left_in_the_books(watched, keys) == []
    await retry(watched, case)
    assert await look(watched) == []
    assert [watched.document(key)["amount_residual"] for key in keys] == [0.0] * 12


async def test_those_deleted_before_there_were_many_join_them(watched: House) -> None:
    invoices = [await watched.bill(2_000) for _ in range(10)]
    await watched.tell()
    assert await look(watched) == []
    keys = [f"invoice_stripe.{invoice['id']}" for invoice in invoices]
    for key in keys[:3]:
        watched.person("delete", xid=f"counterfoil.{key}")
    assert told(await look(watched)) == [("reconciliation_break", "watch.changed", 2_000, "USD")] * 3
    for key in keys[3:]:
        watched.person("delete", xid=f"counterfoil.{key}")
    [case] = await look(watched)
    assert (case.code, case.count, case.money) == ("watch.many_changed", 10, (CaseMoney("USD", 20_000),))
    await retry(watched, case)
    assert await look(watched) == []


async def test_many_taken_back_to_draft_are_one_case_that_closes_when_all_are_posted(watched: House) -> None:
    invoices = [await watched.bill(3_000) for _ in range(11)]
    await watched.tell()
    assert await look(watched) == []
    moves = [await id_of(watched, f"invoice_stripe.{invoice['id']}") for invoice in invoices]
    await act(watched, "account.move", "button_draft", *moves)
    [case] = await look(watched)
    assert (case.code, case.count, case.money) == ("watch.many_changed", 11, (CaseMoney("USD", 33_000),))
    await act(watched, "account.move", "action_post", *moves[:10])
    [case] = await look(watched)
    assert case.money == (CaseMoney("USD", 3_000),)
    await act(watched, "account.move", "action_post", moves[10])
    assert await look(watched) == []


async def test_documents_out_of_the_users_sight_are_not_deleted_and_one_case_until_they_are_shown_again(watched: House) -> None:
    invoices = [await watched.bill(4_000) for _ in range(3)]
    await watched.tell()
    assert await look(watched) == []
    env = watched.odoo.env()
    elsewhere = watched.odoo.add_companies([("Elsewhere Inc", "USD", "US")])["Elsewhere Inc"]
    moves = [watched.document(f"invoice_stripe.{invoice['id']}") for invoice in invoices]
    home = moves[0]["company_id"]
    with watched.odoo.db.transaction():
        for move in moves:
            env.set("account.move", env.row("account.move", move["id"]), company_id=elsewhere)
    [case] = await look(watched)
    assert (case.case_class, case.code, case.count, case.money) == (
        "authentication_refused",
        "watch.out_of_sight",
        3,
        (CaseMoney("USD", 12_000),),
    )
    assert case.next_step.startswith("Nothing was deleted. Give the user of the connection the companies and rights it had")
    await retry(watched, case)
    assert await look(watched) == [case]
    partners = [move["partner_id"] for move in moves]
    assert len(await watched.plain.rows("account.move", [["partner_id", "in", partners]], ["id"])) == 3  # none was posted again
    with watched.odoo.db.transaction():
        for move in moves:
            env.set("account.move", env.row("account.move", move["id"]), company_id=home)
    assert await look(watched) == []


async def test_a_company_taken_from_the_user_is_no_deletion(watched: House) -> None:
    await watched.bill(5_000, "DE")
    await watched.tell()
    assert await look(watched) == []
    gone = watched.provisioned.companies["DE"].company_id
    env = watched.odoo.env()
    [user] = [row for row in env.rows("res.users").values() if row["login"] == watched.odoo.login]
    had = user["company_ids"]
    with watched.odoo.db.transaction():
        env.set("res.users", user, company_ids=tuple(one for one in had if one != gone))
    await swept_again(watched)
    await watched.hub.wake([("poll", BOOKS)])

    async def is_told() -> bool:
        return bool(await watched.cases())

    await watched.until(is_told)
    [case] = await watched.cases()
    assert (case.case_class, case.code) == ("authentication_refused", "odoo.forbidden")
    assert "Access to unauthorized or invalid companies" in case.cause
    with watched.odoo.db.transaction():
        env.set("res.users", user, company_ids=had)

    async def is_well() -> bool:
        await watched.hub.wake([("poll", BOOKS)])
        return not await watched.cases()

    await watched.until(is_well)
    assert await look(watched) == []


async def swept_again(hub: House) -> None:
    """Have everything bound be looked for now."""
    async with hub.hub.pool.connection() as conn, conn.transaction():
        await conn.execute("delete from sweep")
        await hub.hub.arm(conn, [(LOOK, BOOKS)])
