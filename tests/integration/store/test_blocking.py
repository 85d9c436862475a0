"""What stands still behind something: counted by hand on small chains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.core.kinds.balance_entry import BALANCE_ENTRY
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER as CUSTOMER_KIND
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey, wait_for, wait_for_mapping
from counterfoil.core.language.money import Money
from counterfoil.store import agenda, blocking, cases, objects, outbox
from counterfoil.store.blocking import Blocked
from counterfoil.store.cases import CaseMoney
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.opening import opening
from counterfoil.store.outbox import End, EndStatus
from counterfoil.store.pool import Conn

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CUSTOMER = CUSTOMER_KIND.ref("stripe:cus_1")
ID = {name: f"{number:032x}" for number, name in enumerate(("customer", "euro", "yen", "payment", "match", "later", "elsewhere"), start=1)}


def wish(
    name: str, kind: str, subject: ObjectRef, *, produces: str = "", needs: tuple[str, ...] = (), order: str = ""
) -> outbox.NewCommand:
    """Return a wish by its name."""
    target = "archive" if name == "elsewhere" else "books"
    return outbox.NewCommand(
        ID[name],
        kind,
        target,
        "de",
        "de/sales",
        subject,
        name,
        b"{}",
        produces=NeedKey(produces),
        needs=tuple(map(NeedKey, needs)),
        order_key=order,
    )


def invoice(id: str) -> ObjectRef:
    """Return an invoice's reference."""
    return INVOICE.ref(f"stripe:{id}")


async def keep(conn: Conn, cipher: Cipher, ref: ObjectRef, money: Money, names: ObjectRef | None = None) -> None:
    """Keep a document's state with its total; ``names``: the one it pays."""
    row = ObjectRow(ref, "stripe", 1, 1, b"d", NOW, NOW, b"{}", last_event=f"{1:032x}", total_minor=money.minor, currency=money.currency)
    await objects.upsert(conn, cipher, [replace(row, links=(objects.link_of(names),) if names is not None else ())])


async def chain(conn: Conn, cipher: Cipher) -> None:
    """Wish a customer, two invoices and a payment that need him, a match that needs one of each, and a newer version of him."""
    payment = PAYMENT.ref("stripe:ch_1")
    await keep(conn, cipher, invoice("euro"), Money(11900, "EUR"))
    await keep(conn, cipher, invoice("yen"), Money(5000, "JPY"))
    await keep(conn, cipher, payment, Money(11900, "EUR"), invoice("euro"))
    wishes = [
        wish("customer", "upsert_customer", CUSTOMER, produces="customer/1", order="customer/1"),
        wish("euro", "post_invoice", invoice("euro"), produces="invoice/1", needs=("customer/1",)),
        wish("yen", "post_invoice", invoice("yen"), produces="invoice/2", needs=("customer/1",)),
        wish("payment", "post_payment", payment, produces="payment/1", needs=("customer/1",)),
        wish("match", "allocate", payment, needs=("invoice/1", "payment/1")),
        wish("elsewhere", "post_invoice", invoice("yen"), needs=("customer/1",)),
    ]
    await outbox.wish(conn, cipher, wishes, NOW)
    later = wish("later", "upsert_customer", CUSTOMER, produces="customer/1", order="customer/1")
    await outbox.wish(conn, cipher, [later], NOW + timedelta(minutes=1))


async def behind(conn: Conn, stage: str, *subjects: str) -> Blocked:
    """Return what is behind records that stand still at a stage, all for one cause."""
    openings = [
        opening(
            fingerprint="|".join(subjects),
            case_class=CaseClass.REJECTED_BY_TARGET,
            code="x",
            cause="x",
            next_step="x",
            stage=stage,
            subject=one,
            now=NOW,
        )
        for one in subjects
    ]
    id = (await cases.open_or_count(conn, openings, NOW))["|".join(subjects)]
    detail = await cases.show(conn, int(id))
    assert detail is not None
    return await blocking.behind_case(conn, detail.case)


async def test_what_needs_it_and_what_comes_after_it_is_blocked_each_document_counted_once(conn: Conn, cipher: Cipher) -> None:
    await chain(conn, cipher)
    # Two invoices, the payment, the match two steps away, the later version of the customer; the other target's invoice is not.
    # 119.00 of the invoice, which its payment and their match are no further money beside; the yen stand by themselves.
    found = await behind(conn, "deliver", ID["customer"])
    assert (found.commands, found.money) == (5, (CaseMoney("EUR", 11900), CaseMoney("JPY", 5000)))
    # The ten seconds of payment and match are the first to run out.
    assert found.late_at == NOW + timedelta(seconds=10)
    assert found.late_kind in ("post_payment", "allocate")


async def test_what_lacks_two_keys_is_blocked_by_either(conn: Conn, cipher: Cipher) -> None:
    wishes = [
        wish("customer", "upsert_customer", CUSTOMER, produces="customer/1"),
        wish("later", "upsert_product", CUSTOMER, produces="product/1"),
        wish("euro", "post_invoice", invoice("euro"), needs=("customer/1", "product/1")),
    ]
    await outbox.wish(conn, cipher, wishes, NOW)
    assert (await behind(conn, "deliver", ID["customer"])).commands == 1
    assert (await behind(conn, "deliver", ID["later"])).commands == 1  # its row says that it waits for the customer


async def test_of_a_payment_only_what_is_more_than_its_invoices_counts_beside_them(conn: Conn, cipher: Cipher) -> None:
    payment, refund, yen = PAYMENT.ref("stripe:ch_big"), REFUND.ref("stripe:re_big"), PAYMENT.ref("stripe:ch_yen")
    await keep(conn, cipher, invoice("small"), Money(1000, "EUR"))
    await keep(conn, cipher, payment, Money(100_000, "EUR"), invoice("small"))
    await keep(conn, cipher, refund, Money(30_000, "EUR"), payment)
    await keep(conn, cipher, yen, Money(5000, "JPY"), invoice("small"))
    subjects = [invoice("small"), payment, refund, yen]
    waits = [agenda.Wait(wait_for(CUSTOMER), subject) for subject in subjects]
    await agenda.set_waits(conn, subjects, waits, NOW)
    # 10.00 of the invoice and 990.00 more of its payment; the refund gives back what is counted; what the yen paid is the invoice's.
    assert (await behind(conn, "decide", CUSTOMER.key)).money == (CaseMoney("EUR", 100_000),)


async def test_what_went_out_is_money_like_what_came_in(conn: Conn, cipher: Cipher) -> None:
    moves = [BALANCE_ENTRY.ref("stripe:txn_in"), BALANCE_ENTRY.ref("stripe:txn_out")]
    await keep(conn, cipher, moves[0], Money(5000, "EUR"))
    await keep(conn, cipher, moves[1], Money(-5000, "EUR"))
    await agenda.set_waits(conn, moves, [agenda.Wait(wait_for(CUSTOMER), move) for move in moves], NOW)
    found = await behind(conn, "decide", CUSTOMER.key)
    # What the processor moves by itself is promised within a day.
    assert (found.money, found.late_at) == ((CaseMoney("EUR", 10_000),), NOW + timedelta(days=1))


async def test_what_is_blocked_may_be_more_money_than_64_bits_hold(conn: Conn, cipher: Cipher) -> None:
    await keep(conn, cipher, invoice("huge"), Money(2**63 - 1, "EUR"))
    await keep(conn, cipher, invoice("one"), Money(1, "EUR"))
    waits = [agenda.Wait(wait_for(invoice("euro")), invoice(name)) for name in ("huge", "one")]
    await agenda.set_waits(conn, [invoice("huge"), invoice("one")], waits, NOW)
    assert (await behind(conn, "decide", invoice("euro").key)).money == (CaseMoney("EUR", 2**63),)


async def test_what_is_at_the_end_of_its_chain_blocks_nothing(conn: Conn, cipher: Cipher) -> None:
    await chain(conn, cipher)
    assert await behind(conn, "deliver", ID["match"]) == Blocked()
    assert (await behind(conn, "deliver", ID["euro"])).commands == 1


async def test_what_is_parked_lets_its_followers_pass_but_not_what_needs_it(conn: Conn, cipher: Cipher) -> None:
    await chain(conn, cipher)
    (row,) = await outbox.read(conn, cipher, [ID["customer"]])
    await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.REFUSED, fence=row.fence)], NOW)
    assert (await behind(conn, "deliver", ID["customer"])).commands == 4


async def test_what_is_done_blocks_nothing(conn: Conn, cipher: Cipher) -> None:
    await chain(conn, cipher)
    (row,) = await outbox.read(conn, cipher, [ID["customer"]])
    await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.DONE, "res.partner/8", fence=row.fence)], NOW)
    assert await behind(conn, "deliver", ID["customer"]) == Blocked()


async def test_subjects_that_wait_for_one_another_are_followed(conn: Conn, cipher: Cipher) -> None:
    note = CREDIT_NOTE.ref("stripe:cn_1")
    refund = REFUND.ref("stripe:re_1")
    await keep(conn, cipher, note, Money(2500, "EUR"))
    await keep(conn, cipher, refund, Money(2500, "EUR"))
    waits = [
        agenda.Wait(wait_for(invoice("euro")), note),
        agenda.Wait(wait_for(note), refund, 1),
        agenda.Wait(wait_for_mapping("tax", "de", "x"), invoice("yen")),
    ]
    await agenda.set_waits(conn, [note, refund, invoice("yen")], waits, NOW)
    found = await behind(conn, "decide", invoice("euro").key)
    assert (found.subjects, found.money) == (2, (CaseMoney("EUR", 5000),))
    # Both are to be in the books within a minute.
    assert found.late_at == NOW + timedelta(seconds=60)
    assert (await behind(conn, "decide", "mapping/tax/de/x")).subjects == 1


async def test_a_circle_of_waits_ends(conn: Conn) -> None:
    one, two = invoice("one"), invoice("two")
    await agenda.set_waits(conn, [one, two], [agenda.Wait(wait_for(one), two), agenda.Wait(wait_for(two), one)], NOW)
    assert (await behind(conn, "decide", one.key)).subjects == 1


async def test_the_figures_are_lower_bounds_beyond_the_limit(conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "ROWS_MAX", 3)
    await chain(conn, cipher)
    found = await behind(conn, "deliver", ID["customer"])
    assert (found.commands, found.is_cut) == (3, True)


async def test_steps_are_bounded_too(conn: Conn, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "DEPTH_MAX", 1)
    await chain(conn, cipher)
    found = await behind(conn, "deliver", ID["customer"])
    assert (found.commands, found.is_cut) == (4, True)


async def test_cases_are_listed_by_how_much_stands_still_behind_them(conn: Conn, cipher: Cipher) -> None:
    await chain(conn, cipher)

    def case(name: str, stage: str, subject: str) -> cases.Opening:
        return opening(
            fingerprint=name,
            case_class=CaseClass.REJECTED_BY_TARGET,
            code="odoo.refused",
            cause=name,
            next_step="Mend it.",
            stage=stage,
            subject=subject,
            now=NOW,
        )

    openings = [
        case("the match", "deliver", ID["match"]),
        case("the euro invoice", "deliver", ID["euro"]),
        case("the customer", "deliver", ID["customer"]),
        case("the books", "poll", "target/books"),
    ]
    await cases.open_or_count(conn, openings, NOW)
    found = await blocking.blockers(conn)
    # The target holds up all six that are open there; the match blocks nothing and is not listed.
    assert [(one.case.cause, one.blocked.commands) for one in found] == [("the books", 6), ("the customer", 5), ("the euro invoice", 1)]
