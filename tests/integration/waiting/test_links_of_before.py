"""What an older program wrote is linked before anything is decided: nothing is booked once more as what names it is not found."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tests.core.builders import ANN, PRO, RULES, US, credit_note, invoice, payment, refund, usd, with_entity
from tests.integration.waiting.office import NOW, Office

from counterfoil.app.rehearsing import _Play
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.policies.rules import Rules, UncreditedRefundPolicy
from counterfoil.store import agenda, objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.replays import ReplayOrder
from counterfoil.store.work import SHARDS

TO_AN_ACCOUNT = with_entity(RULES, US.name, uncredited_refund_policy=UncreditedRefundPolicy.ACCOUNT)
BILL = invoice(usd(9900), state=InvoiceState.PAID, amount_remaining=usd(0))
REFUND = refund(usd(3000))
OTHER = payment(usd(100), id="stripe:ch_9")
NOTE = replace(credit_note(usd(3000)), refund_ids=(REFUND.id,))


async def books_of_before(pool: Pool, cipher: Cipher) -> Office:
    """Return books in which 30.00 of a bill were credited and given back, as a program that knows of no links leaves them."""
    office = Office(pool, cipher, TO_AN_ACCOUNT)
    await office.tell(ANN, PRO, BILL, payment(usd(9900), (BILL.id, 9900)), NOTE, REFUND, OTHER)
    await office.take_all()
    async with pool.connection() as conn:
        await conn.execute("update object set links = null, linked = 0")
    return office


async def test_a_refund_is_not_booked_once_more_as_its_credit_note_is_not_linked_yet(pool: Pool, cipher: Cipher) -> None:
    office = await books_of_before(pool, cipher)
    before = await office.states()
    await office.decide_again(REFUND)
    # 30.00 of the note, paid out by the refund: nothing of it is on the refunds account, and no refund lacks a note.
    assert (await office.states(), await office.cases()) == (before, [])


async def test_one_that_cannot_be_read_does_not_keep_the_others_from_being_decided(pool: Pool, cipher: Cipher) -> None:
    office = await books_of_before(pool, cipher)
    before = await office.states()
    async with pool.connection() as conn:
        await conn.execute("update object set data = 'damaged' where id = %s", (OTHER.id,))
        await agenda.add(conn, [agenda.Subject(ref_of(ANN))], NOW)
    one = office.decider()
    turns = [await one.turn(str(shard)) for shard in range(SHARDS)]
    async with pool.connection() as conn:
        assert not await objects.has_to_link(conn)
    assert any(turn.has_more for turn in turns)
    assert await office.states() == before


async def test_while_another_worker_links_nothing_is_decided(pool: Pool, cipher: Cipher) -> None:
    office = await books_of_before(pool, cipher)
    before = await office.states()
    async with pool.connection() as conn, conn.transaction():
        await agenda.add(conn, [agenda.Subject(ref_of(REFUND))], NOW)
    async with pool.connection() as conn, conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(%s)", (0x0C0F_0007,))
        turns = [await office.decider().turn(str(shard)) for shard in range(SHARDS)]
        assert {(turn.has_more, turn.wake_in_s) for turn in turns} == {(False, 0.5)}
    assert await office.states() == before
    await office.decide()
    assert await office.states() == before


async def test_a_rehearsal_finds_what_older_programs_left_unlinked_too(pool: Pool, cipher: Cipher) -> None:
    await books_of_before(pool, cipher)

    class Source:
        async def current(self, conn: Conn) -> Rules:
            del conn
            return TO_AN_ACCOUNT

    hub: Any = SimpleNamespace(pool=pool, cipher=cipher, rules=Source())
    order: Any = ReplayOrder
    play = _Play(hub, order, NOW, beside={ref_of(REFUND)})
    await play.decide()
    assert play.result.is_without_effect, play.result
