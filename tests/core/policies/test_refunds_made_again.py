"""Refunds of one credit note that came back and were made again: each lets go of the note in its turn, and none waits in a circle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from random import Random

import pytest
from tests.core.builders import ANN, NOON, PRO, RULES, credit_note, eur, invoice, line, payment, refund, settled, usd, with_entity
from tests.core.outbox import Outbox
from tests.core.stories import fact, play

from counterfoil.core.kinds.credit_note import CreditNote, RefundPart
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.refund import Refund, RefundState
from counterfoil.core.language.records import Record
from counterfoil.core.language.settlement import Settlement

BILL = invoice(usd(10000), state=InvoiceState.PAID, amount_remaining=usd(0), paid_at=NOON)
PAID = payment(usd(10000), ("stripe:in_1", 10000))


def given(number: int, *, is_back: bool = False) -> Refund:
    """Return one of several refunds of 30.00, made day by day."""
    when = NOON + timedelta(days=number)
    moved = settled(usd(-3000), id=f"stripe:txn_re_{number}", when=when)
    made = refund(usd(3000), id=f"stripe:re_{number}", occurred_at=when, settlement=moved)
    if not is_back:
        return made
    back = settled(usd(3000), id=f"stripe:txn_back_{number}", when=when + timedelta(hours=5))
    return replace(made, state=RefundState.FAILED, reversal=back)


def note(*numbers: int) -> CreditNote:
    """Return a credit note of 30.00 that these refunds paid out, one after the other."""
    ids = tuple(f"stripe:re_{number}" for number in numbers)
    return credit_note(usd(3000), refund_ids=ids, refund_parts=tuple(RefundPart(id, usd(3000)) for id in ids))


def books_after(*states: Record, is_sent_at_once: bool = False) -> Outbox:
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
    states: list[Record] = [given(1, is_back=True), given(2, is_back=True), note(1, 2)]
    books = books_after(*(states[place] for place in order))
    assert books.stuck == []
    assert books.ledger.balance("clearing:stripe") == 10000
    assert books.ledger.left_open() == {"credit_note/stripe:cn_1": -3000}


@pytest.mark.parametrize("is_sent_at_once", [False, True])
def test_a_refund_made_for_the_third_time_is_matched_with_its_note(is_sent_at_once: bool) -> None:
    # 30.00 are with the customer for good.
    story: list[Record] = [
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


@pytest.mark.parametrize("seed", range(12))
def test_a_refund_made_again_by_another_entity_waits_until_the_first_one_let_go_of_the_note(seed: int) -> None:
    # The euros of a German invoice are on the American balance, at 1.10: out, back and out again.
    def abroad(state: Refund) -> Refund:
        out, back = of(state.settlement), of(state.reversal)
        return replace(state, amount=eur(3000), settlement=out, reversal=back)

    def of(one: Settlement | None) -> Settlement | None:
        return one and settled(usd(one.gross.minor * 11 // 10), id=one.id, when=one.occurred_at)

    def some() -> None:
        for _ in range(chance.randrange(6)):
            books.send(chance.randrange)

    def billed(*numbers: int) -> CreditNote:
        ids = tuple(f"stripe:re_{number}" for number in numbers)
        return credit_note(eur(3000), refund_ids=ids, refund_parts=tuple(RefundPart(id, eur(3000)) for id in ids))

    bill = replace(BILL, currency="EUR", total=eur(10000), tax=eur(0), lines=(line(eur(10000)),), amount_remaining=eur(0))
    paid = replace(payment(eur(10000), ("stripe:in_1", 10000)), settlement=settled(usd(11000)))
    story: list[Record] = [bill, paid, abroad(given(1)), billed(1), abroad(given(1, is_back=True)), abroad(given(2)), billed(1, 2)]
    books, chance = Outbox(), Random(seed)
    facts = [fact(state, number) for number, state in enumerate((ANN, PRO, *story), start=1)]
    play(facts, books, some)
    while books.send(chance.randrange):
        pass
    assert books.stuck == []
    assert books.ledger.left_open() == {}


@pytest.mark.parametrize("seed", range(12))
def test_what_stands_in_for_a_refund_on_the_refunds_account_lets_go_of_the_note_before_the_next_one_takes_it(seed: int) -> None:
    # 30.00 were on the refunds account before their credit note came; they came back and were given again.
    books, chance = Outbox(with_entity(RULES, "US", uncredited_refund_policy="account")), Random(seed)
    for state in (ANN, PRO, BILL, PAID, given(1), note(1)):
        books.take(state)
        while books.send(chance.randrange):
            pass
    for state in (given(1, is_back=True), given(2), note(1, 2)):
        books.take(state)
        for _ in range(chance.randrange(4)):
            books.send(chance.randrange)
    while books.send(chance.randrange):
        pass
    assert books.stuck == []
    assert [books.ledger.balance(name) for name in ("clearing:stripe", "refunds")] == [7000, 0]
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
