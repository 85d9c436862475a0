"""An invoice that is not paid in time goes through declared stages; it leaves them when it is paid, credited, given up or let go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import at, credit_note, eur, invoice, payment, usd
from tests.core.processes.days import Days, dunned, said

from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.dunning import DUNNING, Block, DunningState
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import PAYMENT, Payment, PaymentState
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import DunningStage

REMINDED = DunningStage("reminded", 3)
WARNED = DunningStage("warned", 14, (Block.UPGRADES,), tells="collections")
SUSPENDED = DunningStage("suspended", 30, (Block.ORDERS, Block.ACCESS), tells="head of finance", asks=True)
RULES = dunned(REMINDED, WARNED, SUSPENDED)
START = at("2026-03-01 12:00")
DUE = at("2026-03-15 12:00")
# The invoice is of the US entity: its days begin at New York's midnight, four hours behind in March.
REMINDED_AT, WARNED_AT, SUSPENDED_AT = at("2026-03-18 04:00"), at("2026-03-29 04:00"), at("2026-04-14 04:00")
BILL = invoice(usd(100_00), due_at=DUE, issued_at=START)


def day(text: str) -> datetime:
    return at(f"2026-{text} 12:00")


def days(*records: Record, rules: object = RULES) -> Days:
    made = Days(rules, START)  # type: ignore[arg-type]
    return made.tell(*(records or (BILL,)))


def paid(part: int = 0, *, state: InvoiceState = InvoiceState.PAID) -> Invoice:
    """Return the bill with so many cents still to be paid."""
    return replace(BILL, state=state, amount_remaining=usd(part))


def disputed(state: DisputeState, opened: datetime) -> Dispute:
    return Dispute("stripe:dp_1", "stripe:ch_1", state, usd(40_00), opened, closed_at=None if state is DisputeState.OPEN else day("04-20"))


def test_stages_begin_on_their_days_in_the_zone_of_the_entity() -> None:
    made = days()
    assert made.again == {INVOICE.ref(BILL.id): REMINDED_AT}  # the bill's own: nothing is there of it before
    assert made.until(REMINDED_AT - timedelta(seconds=1)).text() == "none"
    assert made.until(REMINDED_AT).text() == "running reminded 100.00 USD"
    assert made.again == {DUNNING.ref(BILL.id): WARNED_AT}
    assert made.until(WARNED_AT - timedelta(seconds=1)).text() == "running reminded 100.00 USD"
    assert made.until(WARNED_AT).text() == "running warned blocks upgrades 100.00 USD"
    found = made.dunning()
    assert found is not None
    assert (found.since, found.due_on, found.entity) == (WARNED_AT, DUE.date(), "US")
    assert made.steps < 10  # weeks of waiting take no steps


def test_a_stage_tells_its_owner_with_the_money_until_it_is_left() -> None:
    made = days().until(REMINDED_AT)
    assert made.problems() == ()
    [told] = made.until(WARNED_AT).problems()
    assert (told.code, told.owner, told.money, told.about, told.entity) == (
        "dunning.stage_begun",
        "collections",
        usd(100_00),
        "warned",
        "US",
    )
    made.tell(paid(60_00, state=InvoiceState.PARTIALLY_PAID))
    [told] = made.problems()
    assert told.money == usd(60_00)
    assert made.tell(paid()).problems() == ()


def test_an_approval_waits_for_weeks_and_is_asked_of_an_owner() -> None:
    made = days().until(SUSPENDED_AT)
    assert made.text() == "asking warned asks suspended blocks upgrades 100.00 USD"
    [asked] = made.problems()
    assert (asked.code, asked.owner, asked.about) == ("dunning.approval_needed", "head of finance", "suspended")
    assert "counterfoil process answer dunning/stripe:in_1 approve" in asked.remedy
    before = made.steps
    assert made.again == {}
    assert made.until(SUSPENDED_AT + timedelta(weeks=7)).steps == before
    made.tell(said("approve", made.now, about="suspended"))
    assert made.text() == "running suspended blocks orders access 100.00 USD"
    found = made.dunning()
    assert found is not None
    assert found.since == SUSPENDED_AT + timedelta(weeks=7)


def test_a_stage_that_is_rejected_is_left_out_and_may_be_approved_later() -> None:
    made = days().until(SUSPENDED_AT).tell(said("reject", day("04-15"), about="suspended"))
    assert made.text() == "running warned blocks upgrades 100.00 USD"
    assert made.tell(said("approve", day("04-16"), about="suspended")).text() == "running suspended blocks orders access 100.00 USD"


def test_a_stage_that_is_rejected_holds_up_none_after_it() -> None:
    lost = DunningStage("lost", 45)
    made = days(rules=dunned(REMINDED, WARNED, SUSPENDED, lost)).until(SUSPENDED_AT).tell(said("reject", day("04-15"), about="suspended"))
    assert made.until(day("04-30")).text() == "running lost 100.00 USD"


def test_the_day_an_invoice_was_due_is_that_of_the_zone_of_the_entity() -> None:
    # 03:00 of the 15th in UTC is still the 14th in New York.
    made = days(replace(BILL, due_at=at("2026-03-15 03:00")))
    assert made.again == {INVOICE.ref(BILL.id): at("2026-03-17 04:00")}


def test_days_are_counted_over_the_change_of_the_clocks_and_the_end_of_a_month() -> None:
    # Due on January 31; New York is five hours behind until March 8, and four after.
    made = days(replace(BILL, due_at=at("2026-01-31 17:00")), rules=dunned(DunningStage("a", 36), DunningStage("b", 37)))
    assert made.again == {INVOICE.ref(BILL.id): at("2026-03-08 05:00")}
    assert made.until(at("2026-03-08 05:00")).again == {DUNNING.ref(BILL.id): at("2026-03-09 04:00")}


def test_an_inquiry_holds_it_like_a_dispute() -> None:
    made = days().until(REMINDED_AT).tell(payment(usd(40_00), ("stripe:in_1", 40_00)), paid(60_00, state=InvoiceState.PARTIALLY_PAID))
    made.tell(replace(disputed(DisputeState.WARNING, day("03-20")), closed_at=None)).until(day("04-20"))
    assert made.text() == "held reminded dispute 60.00 USD"


def test_an_approval_of_another_stage_is_none() -> None:
    made = days().until(SUSPENDED_AT).tell(said("approve", day("04-15"), about="warned"))
    assert made.text() == "asking warned asks suspended blocks upgrades 100.00 USD"


@pytest.mark.parametrize(
    ("state", "reason"),
    [(InvoiceState.PAID, "paid"), (InvoiceState.VOID, "void"), (InvoiceState.UNCOLLECTIBLE, "uncollectible")],
)
def test_whatever_ends_an_invoice_ends_its_dunning_and_unblocks(state: InvoiceState, reason: str) -> None:
    made = days().until(WARNED_AT).tell(paid(state=state))
    assert made.text() == f"ended - {reason} 0.00 USD"
    assert made.again == {}


def test_one_that_is_credited_in_full_has_nothing_open() -> None:
    made = days().until(WARNED_AT).tell(replace(BILL, amount_remaining=usd(0), credited_before_payment=usd(100_00)))
    assert made.text() == "ended - paid 0.00 USD"


def test_part_of_the_money_changes_what_is_open_and_not_the_stage() -> None:
    made = days().until(WARNED_AT).tell(paid(25_00, state=InvoiceState.PARTIALLY_PAID))
    assert made.text() == "running warned blocks upgrades 25.00 USD"


def test_one_that_is_paid_in_time_is_never_dunned() -> None:
    made = days().tell(paid()).until(day("06-01"))
    assert (made.text(), made.again) == ("none", {})


def test_an_invoice_collected_by_itself_is_dunned_from_the_day_it_was_issued_once_a_payment_failed() -> None:
    automatic = replace(BILL, due_at=None)
    made = days(automatic).until(day("03-20"))
    assert (made.text(), made.again) == ("none", {})
    failed = replace(automatic, attempt_count=1)
    assert made.tell(failed).text() == "running warned blocks upgrades 100.00 USD"  # 03-01 and 14 days
    recovered = replace(failed, state=InvoiceState.PAID, amount_remaining=usd(0), attempt_count=2)
    assert made.tell(recovered).text() == "ended - paid 0.00 USD"


def test_one_that_is_paid_and_open_again_is_dunned_again() -> None:
    made = days().until(WARNED_AT).tell(paid(60_00, state=InvoiceState.PARTIALLY_PAID), replace(BILL, amount_remaining=usd(0)))
    assert made.text() == "ended - paid 0.00 USD"
    assert made.tell(BILL).text() == "running warned blocks upgrades 100.00 USD"


def test_a_dispute_holds_it_where_it_was_and_its_end_lets_it_go_on() -> None:
    part = payment(usd(40_00), ("stripe:in_1", 40_00))
    made = days().until(REMINDED_AT).tell(part, paid(60_00, state=InvoiceState.PARTIALLY_PAID))
    made.until(day("03-20")).tell(disputed(DisputeState.OPEN, day("03-20")))
    assert made.text() == "held reminded dispute 60.00 USD"
    assert made.until(day("04-20")).text() == "held reminded dispute 60.00 USD"
    assert made.tell(disputed(DisputeState.LOST, day("03-20"))).text() == "asking warned asks suspended blocks upgrades 60.00 USD"


def test_a_person_holds_it_until_an_instant_lets_it_go_on_or_lets_the_invoice_off() -> None:
    made = days().until(REMINDED_AT).tell(said("hold", day("03-20"), until=day("04-02")))
    assert made.text() == "held reminded person 100.00 USD"
    assert made.until(day("04-01")).text() == "held reminded person 100.00 USD"
    assert made.until(day("04-02")).text() == "running warned blocks upgrades 100.00 USD"
    assert made.tell(said("hold", day("04-03"))).until(day("04-20")).text() == "held warned person blocks upgrades 100.00 USD"
    assert made.tell(said("resume", day("04-20"))).text() == "asking warned asks suspended blocks upgrades 100.00 USD"
    assert made.tell(said("waive", day("04-21"))).text() == "ended - waived 0.00 USD"
    assert made.tell(said("resume", day("04-22"))).text() == "asking warned asks suspended blocks upgrades 100.00 USD"


def test_a_hold_that_is_prolonged_holds_it_where_it_was() -> None:
    made = days().until(REMINDED_AT).tell(said("hold", day("03-20"), until=day("04-02")))
    made.until(day("04-01")).tell(said("hold", day("04-01"), until=day("05-01")))
    assert made.text() == "held reminded person 100.00 USD"
    assert made.until(day("04-20")).text() == "held reminded person 100.00 USD"
    assert made.until(day("05-01")).text() == "asking warned asks suspended blocks upgrades 100.00 USD"


def test_what_holds_it_after_something_else_did_without_a_gap_holds_it_where_that_did() -> None:
    part = payment(usd(40_00), ("stripe:in_1", 40_00))
    made = days().until(REMINDED_AT).tell(part, paid(60_00, state=InvoiceState.PARTIALLY_PAID), said("hold", day("03-20")))
    made.until(day("04-20")).tell(disputed(DisputeState.OPEN, day("04-05")))
    assert made.text() == "held reminded dispute 60.00 USD"
    made.tell(said("resume", day("04-17")))
    assert made.text() == "held reminded dispute 60.00 USD"
    # Held by a person again before the dispute is over: still where it was in March.
    made.tell(said("hold", day("04-18"))).until(day("04-25"))
    made.tell(disputed(DisputeState.LOST, day("04-05")))
    assert made.text() == "held reminded person 60.00 USD"


def test_a_hold_after_a_gap_holds_it_where_it_came_in_the_gap() -> None:
    made = days().until(REMINDED_AT).tell(said("hold", day("03-20"), until=day("03-30")))
    made.until(day("04-05")).tell(said("hold", day("04-05")))
    assert made.text() == "held warned person blocks upgrades 100.00 USD"


UNTOLD = replace(BILL, amount_remaining=None)
"""Of a source that tells payments and credit notes, and not what is open."""


def test_an_invoice_of_which_payments_and_credit_notes_alone_tell_what_is_open_is_dunned_for_that() -> None:
    made = days(UNTOLD).until(WARNED_AT).tell(payment(usd(40_00), ("stripe:in_1", 40_00)))
    assert made.text() == "running warned blocks upgrades 60.00 USD"
    assert made.tell(credit_note(usd(10_00), before=10_00)).text() == "running warned blocks upgrades 50.00 USD"
    assert made.tell(payment(usd(50_00), ("stripe:in_1", 50_00), id="stripe:ch_2")).text() == "ended - paid 0.00 USD"


def test_an_invoice_that_was_paid_in_time_blocks_nothing_though_its_own_source_never_says_so() -> None:
    made = days(UNTOLD).tell(payment(usd(100_00), ("stripe:in_1", 100_00))).until(day("06-01"))
    found = made.dunning()
    assert found is None or (found.state, found.reason, found.blocks) == (DunningState.ENDED, "paid", ())


def test_stages_that_change_between_two_steps_hold_from_the_next_step_on() -> None:
    made = days().until(day("04-01"))
    assert made.text() == "running warned blocks upgrades 100.00 USD"
    made.rules = dunned(REMINDED, replace(WARNED, days_after_due=20))
    made.decide([DUNNING.ref(BILL.id)])
    assert made.text() == "running reminded 100.00 USD"
    assert made.again == {DUNNING.ref(BILL.id): at("2026-04-04 04:00")}
    made.rules = dunned(replace(SUSPENDED, days_after_due=5, asks=False))
    made.decide([DUNNING.ref(BILL.id)])
    assert made.text() == "running suspended blocks orders access 100.00 USD"
    made.rules = dunned()
    made.decide([DUNNING.ref(BILL.id)])
    assert made.text() == "ended - undeclared 0.00 USD"


def test_an_entity_with_stages_of_its_own_has_only_those() -> None:
    german = replace(BILL, currency="EUR", total=eur(100_00), amount_remaining=eur(100_00), tax=eur(0), lines=invoice(eur(100_00)).lines)
    made = days(german, rules=dunned(REMINDED, DunningStage("gemahnt", 7, entity="DE")))
    assert made.again == {INVOICE.ref(BILL.id): at("2026-03-21 23:00")}  # midnight in Berlin
    assert made.until(day("03-22")).text() == "running gemahnt 100.00 EUR"


def test_two_events_at_one_instant_leave_one_state() -> None:
    one, other = days().until(WARNED_AT), days().until(WARNED_AT)
    one.tell(paid(60_00, state=InvoiceState.PARTIALLY_PAID), said("hold", WARNED_AT))
    other.tell(said("hold", WARNED_AT), paid(60_00, state=InvoiceState.PARTIALLY_PAID))
    assert one.dunning() == other.dunning()


_NEWS: dict[str, Record] = {
    "part": payment(usd(40_00), ("stripe:in_1", 40_00)),
    "dispute": disputed(DisputeState.OPEN, day("03-25")),
    "approve": said("approve", day("04-15"), about="suspended"),
    "hold": said("hold", day("04-16"), until=day("04-18")),
    "bill": paid(60_00, state=InvoiceState.PARTIALLY_PAID),
}


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.sampled_from(sorted(_NEWS))),
    st.sampled_from([None, DisputeState.WON, DisputeState.LOST]),
    st.sampled_from([InvoiceState.PARTIALLY_PAID, InvoiceState.PAID, InvoiceState.VOID]),
    st.lists(st.integers(0, 8), max_size=12),
    st.lists(st.integers(0, 50), min_size=12, max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_order_number_and_delay_of_the_news_ends_in_the_same_state(
    news: set[str], closed: DisputeState | None, ended: InvoiceState, again: list[int], delays: list[int], random: object
) -> None:
    last = [_NEWS[name] for name in sorted(news)]
    if closed is not None:
        last = [one for one in last if not isinstance(one, Dispute)] + [disputed(closed, day("03-25"))]
    if ended is not InvoiceState.PARTIALLY_PAID:
        last = [one for one in last if ref_of(one) != ref_of(BILL)] + [paid(state=ended)]
    at_once = days().until(day("05-01")).tell(*last)
    mixed = [*last, *(last[place % len(last)] for place in again if last)]
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis's Random
    drawn = days()
    for record, delay in zip(mixed, sorted(delays + delays), strict=False):
        drawn.until(START + timedelta(days=delay)).tell(record)
    drawn.until(day("05-01"))
    found, expected = drawn.dunning(), at_once.dunning()
    if expected is None or found is None:  # paid before it was overdue: nothing ever began
        assert (found or expected) is None or (found or expected).state is DunningState.ENDED  # type: ignore[union-attr]
    else:
        assert found == expected


def collected(under_way: int = 0, *, tries: int = 1) -> Invoice:
    """Return the bill as one that is collected by itself, of which so many cents are under way by a bank debit."""
    parts = (PaidPart("stripe:inpay_1", usd(under_way), payment_id="stripe:ch_1"),) if under_way else None
    return replace(BILL, due_at=None, attempt_count=tries, amount_remaining=usd(100_00), parts_under_way=parts)


def debit(state: PaymentState = PaymentState.PENDING, *, begun: datetime = START, minor: int = 100_00) -> Payment:
    """Return the debit, which names no invoice before it succeeds."""
    return replace(payment(usd(minor), occurred_at=begun), state=state)


def test_a_debit_under_way_is_not_dunned_and_a_failed_one_is_from_the_day_the_invoice_was_issued() -> None:
    made = days(collected(100_00), debit()).until(day("03-10"))
    assert (made.text(), made.again) == ("none", {})
    made.tell(debit(PaymentState.FAILED), collected())
    # Issued on March 1: the stage after three days has come, that after fourteen days comes on the 15th.
    assert made.text() == "running reminded 100.00 USD"
    assert made.again == {DUNNING.ref(BILL.id): at("2026-03-15 04:00")}


def test_a_debit_that_is_known_before_its_invoice_says_so_is_not_dunned_either() -> None:
    made = days(debit(), collected(100_00)).until(day("03-10"))
    assert made.text() == "none"


def test_money_under_way_holds_a_dunning_in_the_stage_it_was_in_when_it_was_begun() -> None:
    begun = day("03-20")  # between the reminder on the 18th and the warning on the 29th
    sent = replace(
        paid(100_00, state=InvoiceState.ISSUED), parts_under_way=(PaidPart("stripe:inpay_1", usd(100_00), payment_id="stripe:ch_1"),)
    )
    made = days().until(begun).tell(debit(begun=begun), sent).until(day("04-02"))
    assert made.text() == "held reminded payment 100.00 USD"
    assert made.problems() == ()
    made.tell(debit(PaymentState.FAILED, begun=begun), paid(100_00, state=InvoiceState.ISSUED))
    assert made.text() == "running warned blocks upgrades 100.00 USD"  # the days count as if it had not been


def test_money_that_is_under_way_of_a_payment_not_known_yet_waits_for_that() -> None:
    sent = replace(
        paid(100_00, state=InvoiceState.ISSUED), parts_under_way=(PaidPart("stripe:inpay_1", usd(100_00), payment_id="stripe:ch_1"),)
    )
    made = days().until(REMINDED_AT).tell(sent)
    assert made.text() == "running reminded 100.00 USD"
    assert made.decisions[DUNNING.ref(BILL.id)].waits == (PAYMENT.ref("stripe:ch_1"),)


def test_the_rest_is_dunned_where_only_part_is_under_way_and_the_case_says_so() -> None:
    made = days(collected(40_00), debit(minor=40_00)).until(day("03-16"))
    assert made.text() == "running warned blocks upgrades 100.00 USD"
    assert "100.00 USD is open, of which 40.00 USD is under way" in made.problems()[0].cause


def test_a_payment_that_fails_has_the_invoice_it_names_begin_its_dunning() -> None:
    # A source whose payments name their invoice before they succeed, and whose invoices say nothing of it.
    pending = replace(payment(usd(100_00), ("stripe:in_1", 100_00), occurred_at=START), state=PaymentState.PENDING)
    made = days(BILL, pending).until(day("03-20"))
    assert made.text() == "none"
    assert made.tell(replace(pending, state=PaymentState.FAILED)).text() == "running reminded 100.00 USD"
