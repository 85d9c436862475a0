"""Nothing waits without an owner: what nobody makes or brings becomes one case per cause, with its money, and closes when it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import ANN, PRO, invoice, payment, refund, usd
from tests.integration.waiting.office import Office

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.customer import Customer
from counterfoil.kit.errors import RejectedError
from counterfoil.normalize.batch import NormalizedBatch, _park
from counterfoil.normalize.writing import Writer
from counterfoil.store import case_work, cases, outbox, outbox_cancel, receipts, work
from counterfoil.store.cases import CaseMoney, CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import EndStatus
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Incoming
from counterfoil.upkeep import watching
from counterfoil.upkeep.watching import Watcher

BILL = invoice(usd(10000))
PAID = payment(usd(10000), ("stripe:in_1", 10000))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MENDED_AFTER_S", "WHILE_S", "STRANGE_AFTER_S"):
        monkeypatch.setattr(watching, name, 0.0)


def watcher(office: Office, knows: Callable[[str, str], bool] = lambda _stage, _key: True) -> Watcher:
    return Watcher(office.pool, office.clock, office.arm, timedelta(hours=1), knows)


async def watch(office: Office) -> None:
    """Look twice: the first look tries to mend, the second tells."""
    for _ in range(2):
        await watcher(office).turn("all")
        await office.decide()


async def told(office: Office) -> list[tuple[str, int | None, str, int]]:
    return [(case.fingerprint, case.money_minor, case.owner, case.count) for case in await office.cases()]


async def closed(office: Office) -> list[tuple[str, str]]:
    async with office.pool.connection() as conn:
        return [(case.code, case.closed_by) for case in await cases.list_cases(conn, state=CaseState.RESOLVED)]


async def drop(office: Office, kind: str) -> None:
    """Refuse a command, have a person waive it: it is not made any more, whoever needs it."""
    await office.take("odoo", kind, status=EndStatus.REFUSED)
    async with office.pool.connection() as conn, conn.transaction():
        ids = [row.id for row in await office.commands(kind)]
        await outbox_cancel.cancel(conn, ids, f"{outbox.WAIVED_BY}olga: not ours")


async def test_what_waits_for_what_nobody_makes_is_one_case_with_its_money_and_closes_when_it_comes(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL, PAID)
    await watch(office)
    assert await office.cases() == []  # all of it is on its way
    await drop(office, "upsert_customer")
    await watch(office)
    # The invoice and the payment need the customer: 100.00 each. Their match waits for them, and they are on their way as far as it knows.
    assert await told(office) == [("waits.nobody_makes|odoo|customer/stripe:cus_A", 20000, "operations", 2)]
    await watch(office)
    assert len(await office.cases()) == 1
    await office.tell(replace(ANN, name="Ann Limited"))  # something else to be wished
    await watch(office)
    assert (await office.cases(), await closed(office)) == ([], [("waits.nobody_makes", "hub")])
    await office.take_all()
    assert {state for _, _, state in await office.states("post_invoice", "post_payment", "allocate")} == {"done"}


async def test_what_is_no_longer_made_is_wished_anew_before_anybody_is_told(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    async with pool.connection() as conn, conn.transaction():
        await outbox_cancel.cancel(conn, [row.id for row in await office.commands("upsert_customer")], outbox.NO_LONGER_CALLED_FOR)
    await watch(office)
    await office.take_all()
    assert (await office.cases(), await office.states("post_invoice")) == ([], [("odoo", "invoice_stripe.in_1", "done")])


async def test_what_a_refused_command_holds_up_has_the_owner_of_its_case(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await office.take("odoo", "upsert_customer", status=EndStatus.REFUSED)
    await watch(office)
    assert [case.code for case in await office.cases()] == ["waits.nobody_makes"]  # refused by hand here: there is no case of it
    [row] = await office.commands("upsert_customer")
    one = watching._opening(office.clock.now(), "x", "refused", "refused", "mend it", cases.CaseSubject("deliver", row.id))
    async with pool.connection() as conn, conn.transaction():
        await cases.open_or_count(conn, [one], office.clock.now())
    await watch(office)
    assert [case.fingerprint for case in await office.cases()] == ["refused"]


async def test_retrying_decides_again_and_waiving_drops_what_waits(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL)
    await drop(office, "upsert_customer")
    await watch(office)
    [case] = await office.cases()
    async with pool.connection() as conn, conn.transaction():
        touched = await case_work.retry(conn, case.id, "olga", office.clock.now())
    assert {stage for stage, _ in touched} == {work.DECIDE}
    await office.decide()
    async with pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, case.id, "olga", "not ours either", office.clock.now())
    await watch(office)
    assert (await office.cases(), await office.states("post_invoice")) == ([], [("odoo", "invoice_stripe.in_1", "canceled")])


async def test_an_object_that_does_not_come_is_one_case_asked_for_once_more_and_closed_when_it_comes(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, BILL, replace(BILL, id="stripe:in_2", number="2"))  # of a product nobody has told of
    async with pool.connection() as conn:
        await conn.execute("update wait set fetch_asked = true")
    await watch(office)
    assert await office.cases() == []  # it has not waited for long
    office.later(hours=2)
    await watch(office)
    assert await told(office) == [("waits.overdue|product/stripe:prod_pro", 20000, "operations", 2)]
    async with pool.connection() as conn:
        row = await (await conn.execute("select bool_or(fetch_asked) from wait")).fetchone()
    assert row == (False,)
    await office.tell(PRO)
    await watch(office)
    assert (await office.cases(), await closed(office)) == ([], [("waits.overdue", "hub")])


async def test_what_customers_merged_in_a_circle_hold_up_is_one_case_until_the_circle_is_none(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    bob = Customer("stripe:cus_B", "Bob", merged_into=ANN.id)
    bobs = replace(BILL, id="stripe:in_2", number="2", customer_id=bob.id)
    await office.tell(PRO, replace(ANN, merged_into=bob.id), bob, BILL, bobs)
    office.later(hours=2)
    await watch(office)  # that the customers are waited for is no second case
    [case] = await office.cases()
    at_stake = (CaseMoney("USD", 20000),)
    assert (case.fingerprint, case.count, case.money) == ("decide.customers_merged_in_a_circle|customer/stripe:cus_A", 4, at_stake)
    await office.tell(replace(bob, email="bob@example.com"))  # it is decided again, and still a circle
    [case] = await office.cases()
    assert (case.count, case.money) == (4, at_stake)  # the customers themselves, and their invoices
    await office.tell(Customer("stripe:cus_C", "Carol"), replace(bob, merged_into="stripe:cus_C"))
    assert await office.cases() == []
    assert {key for _, key, _ in await office.states("post_invoice")} == {"invoice_stripe.in_1", "invoice_stripe.in_2"}


async def test_a_payment_whose_settlement_never_comes_is_a_case(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL, replace(PAID, settlement=None))
    office.later(hours=2)
    await watch(office)
    assert await told(office) == [(f"waits.overdue|{ref_of(PAID).key}", 10000, "operations", 1)]
    await office.tell(PAID)
    await watch(office)
    assert await office.cases() == []


async def test_what_waits_for_an_invoice_that_does_not_add_up_has_the_case_of_that_invoice(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, replace(BILL, total=usd(10001)), PAID)  # its line says 100.00
    await office.take_all()
    office.later(hours=2)
    await watch(office)  # the payment's match needs the invoice
    assert await told(office) == [("decide.parts_differ|invoice/stripe:in_1", 10001, "finance", 1)]
    await office.tell(replace(BILL, attempt_count=1))
    await office.take_all()
    await watch(office)
    assert (await office.cases(), [state for _, _, state in await office.states("allocate")]) == ([], ["done"])


async def test_what_waits_for_a_payment_that_cannot_be_read_has_the_case_of_that_payment(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL, refund(usd(2000), payment_id=PAID.id))
    office.later(hours=2)
    error = RejectedError("unreadable", code="stripe.x", money=usd(10000), object_key=ref_of(PAID).key)
    await park(office, error, "ev_p1", "ev_p2")  # an event, and the hub's own question
    await watch(office)
    [case] = await office.cases()
    assert (case.code, case.count, case.money_minor) == ("stripe.x", 2, 10000)
    await office.tell(PAID)
    async with pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, case.id, "olga", "it came otherwise", office.clock.now())
    await office.take_all()
    await watch(office)
    assert [case.code for case in await office.cases()] == ["decide.refund_without_credit_note"]  # by now the payment is known


async def test_what_is_waited_for_and_then_cannot_be_read_is_one_case(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO, BILL, refund(usd(2000), payment_id=PAID.id))
    office.later(hours=2)
    await watch(office)
    assert [case.code for case in await office.cases()] == ["waits.overdue"]
    await park(office, RejectedError("unreadable", code="stripe.x", money=usd(10000), object_key=ref_of(PAID).key), "ev_p1")
    await watch(office)
    assert [case.code for case in await office.cases()] == ["stripe.x"]


async def park(office: Office, error: RejectedError, *keys: str) -> None:
    """Have deliveries come that cannot be read."""
    now = office.clock.now()
    async with office.pool.connection() as conn, conn.transaction():
        coming = [Incoming("stripe", key, "o", "told", b"{}", now) for key in keys]
        appended = await receipts.append(conn, office.cipher, coming, now)
        kept = await receipts.read(conn, office.cipher, [id for id in appended.ids if id is not None])
    result = NormalizedBatch()
    for receipt in kept:
        _park(result, receipt, error, now)
    await Writer(office.pool, office.cipher, office.arm, office.rules.purposes()).write(result, now)


async def test_work_of_a_connection_that_is_not_configured_is_a_case_until_it_is_back(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    now = office.clock.now()
    async with pool.connection() as conn, conn.transaction():
        coming = [Incoming("shop", f"ev_{n}", f"o{n}", "told", b"{}", now) for n in range(3)]
        appended = await receipts.append(conn, cipher, coming, now)
        await work.arm(conn, appended.touched)
    without = watcher(office, lambda _stage, key: not key.startswith("shop/"))
    await without.turn("all")
    await without.turn("all")
    [case] = await office.cases()
    assert (case.code, case.connection) == ("work.connection_unknown", "shop")
    assert "(3 deliveries to be read, 0 postings to be made)" in case.cause
    await watcher(office).turn("all")  # a worker that has it
    assert (await office.cases(), await closed(office)) == ([], [("work.connection_unknown", "hub")])
