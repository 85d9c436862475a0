"""Generated stories of one payment that is applied in part and given back in parts, some of it credited, some of it coming back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, PRO, credit_note, invoice, payment, refund, settled, usd
from tests.core.stories import fact

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.credit_note import RefundPart
from counterfoil.core.kinds.refund import CreditNotePart, Refund, RefundState
from counterfoil.core.language.records import Record

PAYMENT = "stripe:ch_1"


@dataclass
class Given:
    """What the source keeps of a payment of ``paid`` minor units: every step adds to its facts."""

    paid: int
    applied: list[int] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    credited: dict[str, int] = field(default_factory=dict)
    back: set[str] = field(default_factory=set)
    facts: list[Record] = field(default_factory=lambda: [ANN, PRO])

    def tell(self) -> None:
        """Tell of the payment as it is applied by now."""
        parts = [(f"stripe:in_{number}", amount) for number, amount in enumerate(self.applied, start=1)]
        self.facts.append(payment(usd(self.paid), *parts, id=PAYMENT))

    def apply(self, amount: int) -> None:
        """Pay one more invoice, of just that much."""
        self.applied.append(amount)
        self.facts.append(invoice(usd(amount), id=f"stripe:in_{len(self.applied)}"))
        self.tell()

    def give(self, amount: int) -> None:
        """Give some of it back."""
        number = len(self.refunds) + 1
        when = NOON + timedelta(days=number)
        moved = settled(usd(-amount), id=f"stripe:txn_re_{number}", when=when)
        self.refunds.append(refund(usd(amount), id=f"stripe:re_{number}", occurred_at=when, settlement=moved))
        self.facts.append(self.refunds[-1])

    def credit(self, given: Refund, amount: int, *, is_told: bool) -> None:
        """Account for some of a refund by a credit note of the first invoice; ``is_told``: the refund tells of it, too."""
        number, minor = len(self.credited) + 1, usd(amount)
        when = NOON + timedelta(days=20 + number)
        parts = (RefundPart(given.id, minor),)
        note = credit_note(minor, id=f"stripe:cn_{number}", refund_ids=(given.id,), refund_parts=parts, issued_at=when)
        self.credited[given.id] = amount
        self.facts.append(note)
        if is_told:
            self._change(given, credit_note_id=note.id, credit_notes=(CreditNotePart(note.id, minor),))

    def fail(self, given: Refund) -> None:
        """Have the money of a refund come back."""
        number = given.id.rpartition("_")[2]
        moved = settled(given.amount, id=f"stripe:txn_back_{number}", when=NOON + timedelta(days=40))
        self.back.add(given.id)
        self._change(given, state=RefundState.FAILED, reversal=moved)

    def _change(self, given: Refund, **changes: object) -> None:
        place = next(place for place, one in enumerate(self.refunds) if one.id == given.id)
        self.refunds[place] = replace(self.refunds[place], **changes)  # type: ignore[arg-type]
        self.facts.append(self.refunds[place])

    @property
    def open_before(self) -> int:
        """What no invoice took."""
        return self.paid - sum(self.applied)

    @property
    def uncredited(self) -> int:
        """What was given back for good and no credit note accounts for."""
        return sum(one.amount.minor - self.credited.get(one.id, 0) for one in self.refunds if one.id not in self.back)

    @property
    def beyond(self) -> int:
        """What was given back beyond what was open."""
        return max(self.uncredited - self.open_before, 0)

    @property
    def kept(self) -> int:
        """What the customer still has with us: of the payment, and of credit notes whose refund came back."""
        return max(self.open_before - self.uncredited, 0) + sum(minor for id, minor in self.credited.items() if id in self.back)

    @property
    def clearing(self) -> int:
        """What the processor holds."""
        return self.paid - sum(one.amount.minor for one in self.refunds if one.id not in self.back)

    def told(self) -> tuple[Fact, ...]:
        """Return the facts in the order they happened."""
        return tuple(fact(state, number) for number, state in enumerate(self.facts, start=1))


@st.composite
def givens(draw: st.DrawFn) -> Given:
    """Draw one story; what is given back may be what was open, more than that, or less."""
    made = Given(draw(st.sampled_from([9000, 10000])))
    made.tell()
    for step in draw(st.lists(st.sampled_from(["apply", "give", "give", "credit", "fail"]), min_size=2, max_size=7)):
        _step(made, step, draw)
    return made


def _step(made: Given, step: str, draw: st.DrawFn) -> None:
    standing = [one for one in made.refunds if one.id not in made.back]
    if step == "apply" and made.open_before > 1 and len(made.applied) < 3:
        made.apply(draw(st.integers(1, made.open_before)))
    elif step == "give" and made.clearing > 1 and len(made.refunds) < 3:
        made.give(draw(st.integers(1, made.clearing)))
    elif step == "credit" and made.applied and (bare := [one for one in standing if one.id not in made.credited]):
        chosen = draw(st.sampled_from(bare))
        made.credit(chosen, draw(st.integers(1, chosen.amount.minor)), is_told=draw(st.booleans()))
    elif step == "fail" and standing:
        made.fail(draw(st.sampled_from(standing)))
