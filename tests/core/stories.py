"""Generated stories of one customer: an invoice with its payments, credit notes, refunds and its end, as facts with sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, PRO, World, at, credit_note, eur, invoice, line, payment, refund, settled, tax

from counterfoil.core.facts.events import Fact, ref_of
from counterfoil.core.facts.merge import Current, MergeOutcome, merge
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceEvent, InvoiceLine, InvoiceState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money, allocate, total
from counterfoil.core.language.records import Record
from counterfoil.core.language.settlement import Settlement
from counterfoil.core.policies.decide import decided_with


@dataclass(frozen=True)
class Story:
    """Facts in the order they happened, and what the processor's balance and the customer's credit come to in the end."""

    facts: tuple[Fact, ...]
    clearing: int
    customer_credit: int


def fact(state: Record, sequence: int) -> Fact:
    """Return a fact of a state."""
    return Fact(InvoiceEvent.UPDATED, NOON, sequence, state)


@st.composite
def lines(draw: st.DrawFn) -> tuple[InvoiceLine, ...]:
    """Draw lines of a positive total: discounts, prorations, taxes inclusive and exclusive."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        minor = draw(st.integers(1000, 50000))
        discount = draw(st.sampled_from([0, 0, minor // 3, minor]))
        inclusive = draw(st.booleans())
        net = minor - discount
        amount = draw(st.integers(0, net // 5))
        taxes = [tax(eur(amount), eur(net - amount if inclusive else net), "19", inclusive=inclusive)] if amount else []
        made.append(line(eur(minor), discount=discount, taxes=taxes))
    if draw(st.booleans()):
        made.append(line(eur(-draw(st.integers(1, 900))), is_proration=True))
    return (*made, line(eur(1000)))


def totals_of(made: Sequence[InvoiceLine]) -> tuple[Money, Money]:
    """Return total and tax of lines."""
    taxes = [one for item in made for one in item.taxes]
    whole = total((item.amount - item.discount for item in made), "EUR") + total((t.amount for t in taxes if not t.is_inclusive), "EUR")
    return whole, total((t.amount for t in taxes), "EUR")


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw one story. Money in and out adds up by construction; what it should come to is reckoned here, apart from the code."""
    made = draw(lines())
    whole, taxed = totals_of(made)
    used = draw(st.sampled_from([0, 0, 1, min(300, whole.minor)]))
    before = draw(st.sampled_from([0, 0, min(200, whole.minor - used)]))  # no credit note takes off more than is open
    bill = invoice(
        whole, *made, tax=taxed.minor, starting_balance=eur(-used - 50), ending_balance=eur(-50), credited_before_payment=eur(before)
    )
    facts: list[Record] = [ANN, PRO, bill]
    clearing = 0
    if before:
        facts.append(credit_note(eur(before), before=before, id="stripe:cn_b"))
    due = whole.minor - used - before
    end = draw(st.sampled_from(["open", "void", "paid", "refunded", "balance"]))
    if end == "void":
        facts.append(replace(bill, state=InvoiceState.VOID, voided_at=at("2026-04-03 12:00")))
        return Story(_numbered(facts), 0, 0)
    used_credit = used
    if end != "open" and due > 0:
        for number, part in enumerate(allocate(eur(due), draw(st.sampled_from([[1], [1, 2], [3, 1, 1]]))), start=1):
            fee = part.minor // 40
            if part:
                facts.append(payment(part, ("stripe:in_1", part.minor), id=f"stripe:ch_{number}", fee=fee))
                clearing += part.minor - fee
        facts.append(replace(bill, state=InvoiceState.PAID, paid_at=at("2026-03-20 12:00")))
    if end == "refunded":
        back = draw(st.integers(1, 900))
        note = credit_note(eur(back), refund_ids=("stripe:re_1",))
        given = refund(eur(back), credit_note_id="stripe:cn_1")
        facts += [note, given]
        clearing -= back
        if draw(st.booleans()):
            facts.append(replace(given, state=RefundState.FAILED, reversal=settled(eur(back), id="stripe:txn_back")))
            clearing += back
    if end == "balance":
        facts.append(credit_note(eur(700), to_balance=eur(700)))
        used_credit -= 700
    return Story(_numbered(facts), clearing, used_credit)


@dataclass(frozen=True)
class Quarrel:
    """The facts of one dispute in the order they happened, and what they come to: on the balance, lost, still argued about."""

    facts: tuple[Fact, ...]
    clearing: int
    lost: int
    disputed: int


@st.composite
def quarrels(draw: st.DrawFn) -> Quarrel:
    """Draw one dispute: money goes out and back as long as it is argued about, it is lost or won, and more may move after that."""
    moved: list[Settlement] = []
    state = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, eur(20000), NOON)
    states: list[Dispute] = []

    def move(minor: int, fee: int = 0) -> None:
        nonlocal state
        number = len(moved) + 1
        moved.append(settled(eur(minor), fee=fee, id=f"stripe:txn_{number}", when=NOON + timedelta(days=number)))
        out, back = (tuple(one for one in moved if (one.gross.minor < 0) is is_out) for is_out in (True, False))
        state = replace(state, withdrawals=out, reinstatements=back)
        states.append(state)

    def close(outcome: DisputeState) -> None:
        nonlocal state
        state = replace(state, state=outcome, closed_at=NOON + timedelta(days=len(moved), hours=1))
        states.append(state)

    move(-20000, fee=1500)
    if draw(st.booleans()):
        close(DisputeState.LOST)
        for minor in draw(st.lists(st.sampled_from([-5000, -700, 700, 4000]), max_size=3)):
            move(minor)
    if states[-1].state is DisputeState.OPEN and draw(st.booleans()):
        return _quarrel(states, moved, is_open=True)
    if draw(st.booleans()):
        back = -sum(one.gross.minor for one in moved)
        if back > 0:
            state = replace(state, state=DisputeState.WON)
            move(back)
            close(DisputeState.WON)
    elif state.state is DisputeState.OPEN:
        close(DisputeState.LOST)
    return _quarrel(states, moved, is_open=False)


def _quarrel(states: Sequence[Dispute], moved: Sequence[Settlement], *, is_open: bool) -> Quarrel:
    gone = -sum(one.gross.minor for one in moved)
    clearing = sum(one.net.minor for one in moved)
    return Quarrel(_numbered(states), clearing, 0 if is_open else gone, gone if is_open else 0)


def _numbered(states: Sequence[Record]) -> tuple[Fact, ...]:
    return tuple(fact(state, number) for number, state in enumerate(states, start=1))


def play(facts: Sequence[Fact], books: World, between: Callable[[], None] = lambda: None) -> World:
    """Take in facts in this order as the hub does: merge, decide, and decide again whatever waited for the object or is decided with it.

    ``between``: what else happens after each of them.
    """
    current: dict[ObjectRef, Current] = {}
    waiting: dict[ObjectRef, set[ObjectRef]] = {}
    for one in facts:
        ref = ref_of(one.data)
        result = merge(current.get(ref), one)
        current[ref] = result.current
        if result.outcome is not MergeOutcome.APPLIED:
            continue
        books.know(result.current.record)
        beside = [other for other in decided_with([result.current.record], books.rules.purposes()) if other in current]
        for due, decision in books.decide_all([ref, *beside, *sorted(waiting.pop(ref, set()), key=str)]):
            for wanted in decision.waits:
                if wanted != due:
                    waiting.setdefault(wanted, set()).add(due)
        between()
    return books


def delivered(commands: Sequence[Command], order: Sequence[int] = ()) -> list[Command]:
    """Return commands in an order a target may see: any (``order`` picks), but none before what it needs."""
    done: set[str] = set()
    sent: list[Command] = []
    rest = list(commands)
    while rest:
        ready = [command for command in rest if done.issuperset(command.needs)]
        assert ready, f"nothing can be sent any more: {[(c.external_key, set(c.needs) - done) for c in rest]}"
        pick = ready[order[len(sent) % len(order)] % len(ready) if order else 0]
        rest.remove(pick)
        sent.append(pick)
        done.add(pick.produces)
    return sent
