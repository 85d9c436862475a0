"""How much of what a refund gives back: of credit notes, and of the money its payment left open; pure sums, each worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import World, at, credit_note, eur, invoice, payment, refund, settled, usd, world

from counterfoil.core.kinds.credit_note import RefundPart
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application, Payment, PaymentState
from counterfoil.core.kinds.refund import CreditNotePart, Refund
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.refund_draws import draws, left_open, refunds_of, waits_of
from counterfoil.core.policies.refund_links import accounted_for, came_back, notes_of, part_of, refunded_part

BACK = settled(usd(3000), id="stripe:txn_b", when=at("2026-04-01 12:00"))
NOTE = credit_note(usd(5000), before=1000, to_balance=usd(500), out_of_band=usd(200))


def test_a_note_gives_back_through_refunds_what_is_after_payment_less_balance_and_out_of_band() -> None:
    # 50.00 less 10.00 before payment, 5.00 to the balance and 2.00 out of band.
    assert refunded_part(NOTE) == usd(3300)
    assert refunded_part(replace(NOTE, after_payment=None, to_balance=None, out_of_band=None)) == usd(0)


def test_the_part_of_a_note_is_what_the_note_says_else_what_the_refund_says_and_never_more_than_either_is() -> None:
    given = refund(usd(3000), credit_notes=(CreditNotePart("stripe:cn_1", usd(1200)),))
    assert part_of(given, replace(NOTE, refund_parts=(RefundPart("stripe:re_1", usd(1500)),))) == usd(1500)
    assert part_of(given, replace(NOTE, refund_parts=(RefundPart("stripe:re_2", usd(1500)),))) == usd(1200)
    assert part_of(given, replace(NOTE, id="stripe:cn_2")) == usd(3000)
    assert part_of(refund(usd(9000)), NOTE) == usd(3300)
    assert part_of(given, replace(NOTE, refund_parts=(RefundPart("stripe:re_1", usd(9000)),))) == usd(3000)


def test_notes_account_for_their_parts_of_a_refund_together_and_for_no_more_than_all_of_it() -> None:
    one = credit_note(usd(1000), refund_ids=("stripe:re_1",))
    two = credit_note(usd(500), id="stripe:cn_2", refund_ids=("stripe:re_1",))
    given = refund(usd(3000), credit_notes=(CreditNotePart("stripe:cn_3", usd(700)),))
    books = world(given, one, two)
    assert notes_of(books.view(), given) == ("stripe:cn_3", "stripe:cn_1", "stripe:cn_2")
    assert accounted_for(books.view(), given) == usd(2200)  # 7.00 of one that is not known, 10.00 and 5.00
    assert accounted_for(books.view(), refund(usd(1400))) == usd(1400)
    assert accounted_for(world().view(), refund(usd(1400), credit_note_id="stripe:cn_9")) == usd(1400)
    assert accounted_for(world().view(), refund(usd(1400))) == usd(0)


def test_of_the_refunds_of_a_note_those_came_back_whose_money_did() -> None:
    note = credit_note(usd(3000), refund_ids=("stripe:re_1", "stripe:re_2", "stripe:re_3", "stripe:re_4"))
    returned = [refund(usd(1000), id=f"stripe:re_{number}", reversal=BACK) for number in (1, 2)]
    books = world(*returned, refund(usd(1000), id="stripe:re_3"))
    assert came_back(books.view(), note, refund(usd(1000), id="stripe:re_3")) == ("stripe:re_1", "stripe:re_2")
    # One that came back itself follows only those made before it.
    assert (came_back(books.view(), note, returned[0]), came_back(books.view(), note, returned[1])) == ((), ("stripe:re_1",))


def overpaid(overpaid: int, *parts: tuple[int, int]) -> tuple[World, list[Payment]]:
    """Return a world with an invoice of 100.00 paid too much by payments of so much, applied for so much, and those payments."""
    paid = [
        payment(usd(amount), ("stripe:in_1", applied), id=f"stripe:ch_{number}") for number, (amount, applied) in enumerate(parts, start=1)
    ]
    told = tuple(PaidPart(f"p{number}", usd(applied), None, f"stripe:ch_{number}") for number, (_, applied) in enumerate(parts, start=1))
    bill = invoice(usd(10000), state=InvoiceState.PAID, amount_overpaid=usd(overpaid), paid_parts=told)
    return world(bill, *paid), paid


@pytest.mark.parametrize(
    ("too_much", "parts", "left"),
    [
        (4000, ((8000, 8000), (6000, 6000)), (0, 0)),  # applied for all that was paid: 40.00 of it are told by that
        (4000, ((8000, 8000), (6000, 2000)), (0, 0)),  # applied for what the invoice took: the last one's 40.00 became credit
        (4500, ((9000, 8000), (6000, 2000)), (500, 0)),  # 40.00 of the last one and 5.00 of the first one's 10.00
        (1500, ((9000, 8000), (6000, 2000)), (1000, 2500)),  # 15.00 of the last one's 40.00
        (0, ((9000, 8000), (6000, 2000)), (1000, 4000)),  # nothing became credit
        (2000, ((9000, 8000), (6000, 3000)), (1000, 2000)),  # 10.00 told by 110.00 applied on 100.00, and 10.00 of the last one
    ],
)
def test_what_became_the_customers_balance_is_not_open_the_last_payments_first(
    too_much: int, parts: tuple[tuple[int, int], ...], left: tuple[int, ...]
) -> None:
    books, paid = overpaid(too_much, *parts)
    assert [left_open(books.view(), one) for one in paid] == [usd(minor) for minor in left]


def test_a_payment_of_an_invoice_that_is_not_known_leaves_open_what_it_is_not_applied_for() -> None:
    assert left_open(world().view(), payment(usd(10000), ("stripe:in_1", 7000), ("stripe:in_2", 500))) == usd(2500)


def given(number: int, minor: int, day: int = 12, **more: object) -> Refund:
    """Return one of several refunds, made on a day of March."""
    made = refund(usd(minor), id=f"stripe:re_{number}", occurred_at=at(f"2026-03-{day} 12:00"))
    return replace(made, **more)  # type: ignore[arg-type]


def drawn(paid: Payment, *refunds: Refund) -> dict[str, Money]:
    """Return what refunds give back of a payment's open money."""
    return draws(world(paid, *refunds).view(), paid)


def test_refunds_give_back_what_is_open_in_the_order_they_were_made() -> None:
    # 50.00 are open: the refund of the 11th takes 30.00, that of the 12th the other 20.00; of one instant the lower id is first.
    paid = payment(usd(10000), ("stripe:in_1", 5000))
    assert drawn(paid, given(1, 3000), given(2, 3000, 11)) == {"stripe:re_1": usd(2000), "stripe:re_2": usd(3000)}
    assert drawn(paid, given(2, 3000), given(1, 3000)) == {"stripe:re_1": usd(3000), "stripe:re_2": usd(2000)}
    books = world(paid, given(2, 3000), given(1, 3000), given(3, 100, 11), credit_note(usd(1)))
    assert [one.id for one in refunds_of(books.view(), paid)] == ["stripe:re_3", "stripe:re_1", "stripe:re_2"]


def test_a_refund_that_did_not_move_came_back_or_is_of_another_currency_gives_nothing_back_of_what_is_open() -> None:
    paid = payment(usd(10000))
    assert drawn(paid, given(1, 3000, settlement=None), given(2, 3000)) == {"stripe:re_2": usd(3000)}
    assert drawn(paid, given(1, 3000, reversal=BACK), given(2, 3000)) == {"stripe:re_2": usd(3000)}
    assert drawn(paid, replace(given(1, 0), amount=eur(3000)), given(2, 3000)) == {"stripe:re_2": usd(3000)}
    assert drawn(replace(paid, state=PaymentState.FAILED), given(1, 3000)) == {}


def test_a_refund_waits_for_invoices_that_do_not_tell_of_its_payment_and_for_the_notes_of_those_before_it() -> None:
    told = Application("stripe:in_1", usd(5000), "inpay_1")
    paid = payment(usd(10000), applications=(told, replace(told, invoice_id="stripe:in_2", amount=usd(1000), id="inpay_2")))
    bill = invoice(usd(9000), paid_parts=(PaidPart("inpay_0", usd(1)), PaidPart("inpay_1", usd(5000))))
    other = invoice(usd(9000), id="stripe:in_2", paid_parts=())
    first, second = given(1, 1000, credit_note_id="stripe:cn_1"), given(2, 1000, 13, credit_note_id="stripe:cn_2")

    def waits(one: Refund, *known: Record) -> list[str]:
        return [ref.key for ref in waits_of(world(paid, first, second, *known).view(), one, paid)]

    assert waits(second) == ["invoice/stripe:in_1", "invoice/stripe:in_2", "credit_note/stripe:cn_1"]
    assert waits(second, bill, other) == ["invoice/stripe:in_2", "credit_note/stripe:cn_1"]
    assert waits(first, bill, other) == ["invoice/stripe:in_2"]
    assert waits(first, bill, replace(other, state=InvoiceState.PAID)) == []
    assert waits(first, bill, replace(other, state=InvoiceState.VOID)) == []
    assert waits(first, bill, replace(other, paid_parts=None)) == []
    assert waits(second, bill, replace(other, paid_parts=None), credit_note(usd(1000))) == []
