"""Refunds of one credit note that came back and were made again: each lets go of the note in its turn, and none waits in a circle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from tests.core.builders import ANN, NOON, PRO, credit_note, invoice, payment, refund, settled, usd
from tests.core.outbox import Outbox
from tests.core.stories import fact, play

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.links import RefundPart

BILL = invoice(usd(10000), state=e.InvoiceState.PAID, amount_remaining=usd(0), paid_at=NOON)
PAID = payment(usd(10000), ("stripe:in_1", 10000))


def given(number: int, *, is_back: bool = False) -> e.Refund:
    """Return one of several refunds of 30.00, made day by day."""
    when = NOON + timedelta(days=number)
    moved = settled(usd(-3000), id=f"stripe:txn_re_{number}", when=when)
    made = refund(usd(3000), id=f"stripe:re_{number}", occurred_at=when, settlement=moved)
    if not is_back:
        return made
    back = settled(usd(3000), id=f"stripe:txn_back_{number}", when=when + timedelta(hours=5))
    return replace(made, state=e.RefundState.FAILED, reversal=back)


def note(*numbers: int) -> e.CreditNote:
    """Return a credit note of 30.00 that these refunds paid out, one after the other."""
    ids = tuple(f"stripe:re_{number}" for number in numbers)
    return credit_note(usd(3000), refund_ids=ids, refund_parts=tuple(RefundPart(id, usd(3000)) for id in ids))


def books_after(*states: e.Entity, is_sent_at_once: bool = False) -> Outbox:
    """Return the books at rest after facts came in this order; commands are sent after each of them, or only at last."""
    books = Outbox()

    def send() -> None:
        while books.send(lambda _: 0):
            pass

    facts = [fact(state, number) for number, state in enumerate((ANN, PRO, BILL, PAID, *states), start=1)]
    play(facts, books, send if is_sent_at_once else lambda: None)
    send()
    return books


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_refunds_of_a_note_that_came_back_do_not_wait_for_each_other(order: tuple[int, ...]) -> None:
    # 100.00 were paid; 30.00 went out and came back, twice: 100.00 are with the processor, and the note is open again.
    states: list[e.Entity] = [given(1, is_back=True), given(2, is_back=True), note(1, 2)]
    books = books_after(*(states[place] for place in order))
    assert books.stuck == []
    assert books.ledger.balance("clearing:stripe") == 10000
    assert books.ledger.left_open() == {"credit_note/stripe:cn_1": -3000}


@pytest.mark.parametrize("is_sent_at_once", [False, True])
def test_a_refund_made_for_the_third_time_is_matched_with_its_note(is_sent_at_once: bool) -> None:
    # 30.00 are with the customer for good.
    story: list[e.Entity] = [
        given(1),
        note(1),
        given(1, is_back=True),
        given(2),
        note(1, 2),
        given(2, is_back=True),
        given(3),
        note(1, 2, 3),
    ]
    books = books_after(*story, is_sent_at_once=is_sent_at_once)
    assert books.stuck == []
    assert books.ledger.balance("clearing:stripe") == 7000
    assert books.ledger.left_open() == {}


def test_a_refund_that_came_back_leaves_alone_the_note_another_one_has_taken_already() -> None:
    # Nothing links the first one with the note before it is known that it came back, and the second one is matched by then.
    books = books_after(note(1, 2), given(2), given(1, is_back=True), is_sent_at_once=True)
    assert books.stuck == []
    assert books.ledger.balance("clearing:stripe") == 7000
    assert books.ledger.left_open() == {}


def test_a_match_that_found_the_note_taken_is_given_up_when_the_refund_turns_out_to_have_come_back() -> None:
    # The second refund is told first. The match of the first one waits, refused or not sent yet, until it is known that it came back.
    books = books_after(note(1, 2), given(2), is_sent_at_once=True)
    books.take(given(1))
    assert [key for key, _ in books.stuck if key.startswith("alloc_refund-stripe.re_1-")] != []
    books.take(given(1, is_back=True))
    while books.send(lambda _: 0):
        pass
    assert books.stuck == []
    assert books.ledger.balance("clearing:stripe") == 7000
    assert books.ledger.left_open() == {}
