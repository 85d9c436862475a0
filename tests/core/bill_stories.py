"""Generated stories of one bill that is paid, credited, lost and found again in parts, as a source tells them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, PRO, credit_note, invoice, line, payment, usd
from tests.core.stories import fact

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import Invoice, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application
from counterfoil.core.language.records import Record

BILL = "stripe:in_1"


@dataclass
class Source:
    """What the source keeps of a bill: every step adds to its facts, and the bill always says how it stands."""

    bill: Invoice
    due: int
    facts: list[Record] = field(default_factory=lambda: [ANN, PRO])
    credit: int = 0
    out_of_band: int = 0

    @property
    def remaining(self) -> int:
        """What is open."""
        return self.bill.amount_remaining.minor if self.bill.amount_remaining else 0

    def tell(self, **changes: object) -> None:
        """Change the bill and tell of it."""
        self.bill = replace(self.bill, **changes)  # type: ignore[arg-type]
        self.facts.append(self.bill)

    def pay(self, amount: int, *, is_out_of_band: bool) -> None:
        """Pay a part; what is too much becomes the customer's credit."""
        number, taken = len(self.bill.paid_parts or ()) + 1, min(amount, self.remaining)
        at, applied = NOON + timedelta(days=number), Application(BILL, usd(amount), f"stripe:inpay_{number}")
        made = payment(usd(amount), id=f"stripe:ch_{number}", applications=(applied,), occurred_at=at)
        if is_out_of_band:
            first = f"stripe:oob_{BILL}"
            id = first if not self.out_of_band else f"{first}.inpay_{number}"
            parts = {"earlier_parts": usd(self.out_of_band), "first_part_id": first}
            made = replace(made, id=id, settlement=None, is_out_of_band=True, **parts)  # type: ignore[arg-type]
            self.out_of_band += amount
        self.facts.append(made)
        left = self.remaining - taken
        self.tell(
            paid_parts=(*(self.bill.paid_parts or ()), PaidPart(applied.id, usd(amount), at, made.id)),
            amount_paid=usd((self.bill.amount_paid.minor if self.bill.amount_paid else 0) + taken),
            amount_remaining=usd(left),
            amount_overpaid=usd(amount - taken) if amount > taken else None,
            paid_out_of_band=usd(self.out_of_band),
            state=InvoiceState.PAID if not left else self._state_after(),
        )
        if amount > taken:
            self.credit += amount - taken
            self.facts.append(CustomerCredit("stripe:cb_1", ANN.id, usd(taken - amount), at, is_paid=True, invoice_id=BILL))

    def _state_after(self) -> InvoiceState:
        is_lost = self.bill.state is InvoiceState.UNCOLLECTIBLE
        return InvoiceState.UNCOLLECTIBLE if is_lost else InvoiceState.PARTIALLY_PAID

    def give(self, amount: int) -> None:
        """Credit a part of what is open."""
        number = len(self.bill.credit_note_ids or ()) + 1
        before = self.bill.credited_before_payment or usd(0)
        note = credit_note(usd(amount), before=amount, id=f"stripe:cn_{number}")
        ids = (*(self.bill.credit_note_ids or ()), note.id)
        self.tell(credited_before_payment=before + usd(amount), amount_remaining=usd(self.remaining - amount), credit_note_ids=ids)
        self.facts.append(note)

    def lose(self) -> None:
        """Call it uncollectible."""
        self.tell(state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=NOON + timedelta(days=30))

    def void(self) -> None:
        """Void it; what was used of the customer's credit goes back, and so does the debt that was to be collected."""
        self.tell(state=InvoiceState.VOID, voided_at=NOON + timedelta(days=60), amount_remaining=usd(0))

    def told(self) -> tuple[Fact, ...]:
        """Return the facts in the order they happened."""
        return tuple(fact(state, number) for number, state in enumerate(self.facts, start=1))


@st.composite
def bills(draw: st.DrawFn) -> Source:
    """Draw one story of a bill of two lines that uses credit, or collects an older debt, or neither."""
    amounts = draw(st.tuples(st.integers(500, 20000), st.integers(500, 20000)))
    total = sum(amounts)
    change = draw(st.sampled_from([0, 0, 300, -1, -777]))  # > 0: credit is used; < 0: a debt is collected
    bill = invoice(
        usd(total),
        *(line(usd(amount), id=f"il_{number}") for number, amount in enumerate(amounts)),
        starting_balance=usd(-change),
        ending_balance=usd(0),
        amount_remaining=usd(total - change),
        amount_paid=usd(0),
        paid_parts=(),
        credit_note_ids=(),
    )
    source = Source(bill, total - change)
    source.facts.append(bill)
    for step in draw(st.lists(st.sampled_from(["pay", "cheque", "give", "lose", "too much", "rest"]), max_size=5)):
        _step(source, step, draw)
    return source


def _step(source: Source, step: str, draw: st.DrawFn) -> None:
    open_now = source.remaining
    if source.bill.state in (InvoiceState.PAID, InvoiceState.VOID) or open_now < 2:
        return
    if step == "lose" and source.bill.state is not InvoiceState.UNCOLLECTIBLE:
        source.lose()
    elif step == "give":
        own_left = min(open_now, source.bill.total.minor) - 1
        if own_left > 0:
            source.give(draw(st.integers(1, min(own_left, 400))))
    elif step in ("pay", "cheque"):
        source.pay(draw(st.integers(1, open_now - 1)), is_out_of_band=step == "cheque")
    elif step in ("too much", "rest"):
        source.pay(open_now + (500 if step == "too much" else 0), is_out_of_band=False)
