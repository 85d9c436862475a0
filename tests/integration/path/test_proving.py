"""`counterfoil prove` on a live hub: both sides read by clients of their own, a planted difference found and drilled to its document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house
from tests.integration.path.test_traps_of_payments import paid

from counterfoil.app.demo.entities import ENTITIES
from counterfoil.app.proving.daily import Prover
from counterfoil.app.proving.run import Group, GroupProof, chosen, period_of, prove, read, summed
from counterfoil.core.proving.items import RECENT, Apart, Ledger, ProofItem, Why, month
from counterfoil.core.proving.totals import TotalKind
from counterfoil.kit.errors import SetupError
from counterfoil.store import flight

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub at work of this module's own: differences are planted in its books."""
    async with house(module_database, Path(tmp_path_factory.mktemp("proving")), entities=ENTITIES[:1]) as made:
        await made.tell()
        yield made


async def proven(hub: House, period: str = "2025-12") -> GroupProof:
    """Return the proof of the American company's month."""
    settings = hub.hub.settings
    (group,) = chosen(settings, "US")
    await hub.later(minutes=5)
    await hub.poll()
    await hub.settle()
    return await prove(settings, hub.hub.pool, group, period_of(settings, group, period), hub.clock.now())


def wrong(proof: GroupProof) -> list[tuple[TotalKind, str, int, Why]]:
    """Return what differs, in a fixed order."""
    return sorted((one.kind, one.id, one.difference.minor, one.why) for one in proof.apart if one.is_difference)


def line(proof: GroupProof, kind: TotalKind) -> tuple[int, int]:
    """Return what both sides say of a kind."""
    return next(((one.source_minor, one.books_minor) for one in proof.lines if one.kind is kind), (0, 0))


async def test_both_sides_agree_after_a_month_of_all_sorts(hub: House) -> None:
    story = hub.story()
    await paid(story, 10_000)  # paid by card
    _, intent, _ = await paid(hub.story(), 4_000)
    await story.api.post("/v1/refunds", payment_intent=intent, amount=1_500)
    unpaid = await hub.bill(2_500)
    voided = await hub.bill(1_200)
    await story.api.post(f"/v1/invoices/{voided['id']}/void")
    await hub.tell()
    proof = await proven(hub)
    assert wrong(proof) == []
    assert line(proof, TotalKind.INVOICE) == (17_700, 17_700)  # 100.00 + 40.00 + 25.00 + 12.00
    assert line(proof, TotalKind.CREDIT_NOTE) == (1_200, 1_200)  # the void
    assert line(proof, TotalKind.PAYMENT) == (14_000, 14_000)
    assert line(proof, TotalKind.REFUND) == (1_500, 1_500)
    assert line(proof, TotalKind.OPEN_INVOICE) == (2_500, 2_500)
    assert line(proof, TotalKind.CLEARING)[0] == line(proof, TotalKind.CLEARING)[1] != 0
    assert unpaid["id"]
    assert await other_month(hub) == []


async def other_month(hub: House) -> list[tuple[TotalKind, str, int, Why]]:
    """Return what differs in a month in which nothing happened."""
    proof = await proven(hub, "2025-10")
    assert line(proof, TotalKind.INVOICE) == (0, 0)
    return wrong(proof)


async def test_another_price_in_the_books_is_found_down_to_the_document(hub: House) -> None:
    invoice = await hub.bill(5_000)
    await hub.tell()
    key = f"counterfoil.invoice_stripe.{invoice['id']}"
    hub.person("reset_to_draft", xid=key)
    hub.person("edit_lines", xid=key, price_unit=51.0)
    move = hub.document(f"invoice_stripe.{invoice['id']}")["id"]
    await hub.plain.call("account.move", "action_post", [move])
    proof = await proven(hub)
    # 51.00 instead of 50.00, and as much more is open.
    assert wrong(proof) == [(TotalKind.INVOICE, invoice["id"], 100, Why.AMOUNT), (TotalKind.OPEN_INVOICE, invoice["id"], 100, Why.AMOUNT)]
    found: Apart = next(one for one in proof.apart if one.kind is TotalKind.INVOICE)
    assert (found.source_minor, found.books_minor) == (5_000, 5_100)
    assert found.books_name
    assert found.source_name == invoice["number"]
    hub.person("delete", xid=key)
    proof = await proven(hub)
    assert wrong(proof) == [
        (TotalKind.INVOICE, invoice["id"], -5_000, Why.MISSING),
        (TotalKind.OPEN_INVOICE, invoice["id"], -5_000, Why.MISSING),
    ]


async def test_money_a_person_entered_on_the_clearing_account_is_found(hub: House) -> None:
    before = wrong(await proven(hub))
    company = hub.provisioned.companies["US"].company_id
    hub.person("enter", company_id=company, journal="MISC", debit="620000", credit="105601", amount=3.0)
    after = [one for one in wrong(await proven(hub)) if one not in before]
    assert [(kind, minor) for kind, _, minor, _ in after if kind is TotalKind.CLEARING] == [(TotalKind.CLEARING, -300)]


async def test_a_daily_proof_tells_what_differs_and_closes_it_when_it_agrees(hub: House) -> None:
    prover = Prover(hub.hub.settings, hub.hub.pool, hub.clock, timedelta(days=1))
    invoice = await hub.bill(6_000)
    await hub.tell()
    key = f"counterfoil.invoice_stripe.{invoice['id']}"

    async def told() -> tuple[timedelta, list[tuple[str, int | None]]]:
        """Return when it is proven again, and what is told of the invoice."""
        async with hub.hub.pool.connection() as conn, conn.transaction():
            await conn.execute("update proof set due_at = %s", (hub.clock.now(),))
        while (await prover.turn("all")).has_more:
            pass
        async with hub.hub.pool.connection() as conn:
            row = await (await conn.execute("select due_at - proven_at from proof")).fetchone()
        assert row is not None
        mine = [one for one in await hub.cases() if invoice["id"] in one.cause and one.code == "prove.differs"]
        return row[0], [(one.code, one.money_minor) for one in mine]

    await prover.turn("all")  # plans the first one a day ahead
    await hub.later(minutes=5)
    await hub.poll()
    await hub.settle()
    await told()
    day, soon, differs = timedelta(days=1), timedelta(minutes=15), [("prove.differs", 6_000)]
    assert await told() == (day, [])
    hub.person("redate", xid=key, date="2025-11-30")
    assert await told() == (soon, [])  # it may have been on its way while the sides were read
    assert await told() == (day, differs)  # the invoice of 60.00 is not in December's books
    assert await told() == (day, differs)
    hub.person("redate", xid=key, date="2025-12-01")
    assert await told() == (day, [])


async def test_what_happened_after_the_source_was_read_is_on_its_way(hub: House) -> None:
    invoice = await hub.bill(4_500)
    settings = hub.hub.settings
    (group,) = chosen(settings, "US")
    proof = await prove(settings, hub.hub.pool, group, period_of(settings, group, "2025-12"), hub.clock.now())
    mine = {one.kind: (one.source_minor, one.why) for one in proof.apart if one.id == invoice["id"]}
    assert mine[TotalKind.INVOICE] == (4_500, Why.IN_FLIGHT)  # not delivered, not polled: nobody can have booked it
    await hub.tell()
    assert invoice["id"] not in {one.id for one in (await proven(hub)).apart}


async def test_what_was_posted_a_moment_ago_and_deleted_since_is_missing_and_not_on_its_way(hub: House) -> None:
    await proven(hub)
    invoice = await hub.bill(4_700)
    await hub.tell()  # posted; the source was not polled since
    hub.person("delete", xid=f"counterfoil.invoice_stripe.{invoice['id']}")
    settings = hub.hub.settings
    (group,) = chosen(settings, "US")
    proof = await prove(settings, hub.hub.pool, group, period_of(settings, group, "2025-12"), hub.clock.now())
    mine = {one.kind: (one.difference.minor, one.why) for one in proof.apart if one.id == invoice["id"]}
    assert mine[TotalKind.INVOICE] == (-4_700, Why.MISSING)


async def test_a_month_and_an_entity_must_be_there(hub: House) -> None:
    settings = hub.hub.settings
    with pytest.raises(SetupError, match="is no month"):
        period_of(settings, chosen(settings, "")[0], "2025-13")
    with pytest.raises(SetupError, match="no entity 'XX'"):
        chosen(settings, "XX")


async def test_a_balance_that_lacks_just_what_is_on_its_way_is_on_its_way_too() -> None:
    def proof_of(clearing: int) -> GroupProof:
        ledger = Ledger(month("2025-12", ZoneInfo("UTC")))
        day = date(2025, 12, 5)
        for item in (
            ProofItem(TotalKind.PAYMENT, "USD", 2_000, "ch_1", day, of=(RECENT,)),
            ProofItem(TotalKind.FEE, "USD", 88, "txn_1", day, of=("ch_1", RECENT)),
            ProofItem(TotalKind.PAYMENT, "USD", 500, "ch_2", day),
            ProofItem(TotalKind.CLEARING, "USD", 2_412, "stripe balance"),
        ):
            ledger.add_source(item)
        ledger.add_books(ProofItem(TotalKind.PAYMENT, "USD", 500, "ch_2", day))
        ledger.add_books(ProofItem(TotalKind.CLEARING, "USD", clearing, "stripe balance"))
        return summed(Group(("US",), ("stripe",)), ledger, ())

    assert proof_of(500).is_proven  # 20.00 less a fee of 0.88 are missing: 24.12 at the source, 5.00 in the books
    assert wrong(proof_of(501)) == [(TotalKind.CLEARING, "stripe balance", -1_911, Why.AMOUNT)]


async def test_two_balances_that_differ_by_the_same_amount_do_not_explain_each_other() -> None:
    def proof_of(one: int, other: int, *, is_on_its_way: bool) -> GroupProof:
        ledger = Ledger(month("2025-12", ZoneInfo("UTC")))
        if is_on_its_way:  # 100.00 on the first balance
            ledger.add_source(ProofItem(TotalKind.PAYMENT, "USD", 10_000, "ch_1", date(2025, 12, 5), of=(RECENT, "one balance")))
        ledger.add_source(ProofItem(TotalKind.CLEARING, "USD", 50_000, "one balance"))
        ledger.add_source(ProofItem(TotalKind.CLEARING, "USD", 20_000, "other balance"))
        ledger.add_books(ProofItem(TotalKind.CLEARING, "USD", one, "one balance"))
        ledger.add_books(ProofItem(TotalKind.CLEARING, "USD", other, "other balance"))
        return summed(Group(("US",), ("one", "other")), ledger, ())

    misplaced = [(TotalKind.CLEARING, "one balance", 10_000, Why.AMOUNT), (TotalKind.CLEARING, "other balance", -10_000, Why.AMOUNT)]
    assert wrong(proof_of(60_000, 10_000, is_on_its_way=False)) == misplaced  # 100.00 are booked on the other account
    assert proof_of(40_000, 20_000, is_on_its_way=True).is_proven
    assert wrong(proof_of(50_000, 10_000, is_on_its_way=True)) == [(TotalKind.CLEARING, "other balance", -10_000, Why.AMOUNT)]


async def test_what_a_source_without_a_proof_told_of_is_left_out(hub: House) -> None:
    before = wrong(await proven(hub))
    invoice = await hub.bill(3_300)
    await hub.tell()
    id = str(invoice["id"])
    async with hub.hub.pool.connection() as conn:
        assert await flight.told_by(conn, ()) == frozenset()
        told = await flight.told_by(conn, tuple(hub.hub.sources))
    assert id in told
    settings = hub.hub.settings
    (group,) = chosen(settings, "US")
    settled = dict.fromkeys(group.connections, hub.clock.now())
    period = period_of(settings, group, "2025-12")
    whole = await read(settings, group, period, settled)
    without = await read(settings, group, period, settled, {id})
    assert (TotalKind.INVOICE, "USD", id) in whole.entries
    assert whole.entries[TotalKind.INVOICE, "USD", id].books == 3_300
    assert without.entries[TotalKind.INVOICE, "USD", id].books == 0
    assert wrong(await proven(hub)) == before
