"""What a sales system shows of a company: how the customers stand that it is, by their documents, whatever order they came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, RULES, World, credit_note, payment, refund, usd
from tests.core.policies.crm_world import DAY, HARBOR, WITH_CRM, S, bill, dunned, shown, subscription, to_hubspot, told, world_of

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing, StatusPart
from counterfoil.core.kinds.company import COMPANY, CompanyState
from counterfoil.core.kinds.credit_note import CreditNoteState
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.dunning import Block, DunningState
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.kinds.payment import PaymentState
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.kinds.subscription import SubscriptionState
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decision import Origin, OutboxCommand
from counterfoil.core.policies.rules import DunningStage, Rules
from counterfoil.core.policies.standing import status_of

REF = COMPANY.ref(HARBOR.id)


def test_a_company_shows_what_was_invoiced_paid_and_is_open_of_its_customer() -> None:
    # 100.00 paid, of which 30.00 came back; 50.00 open, due in April; 20.00 of the first was credited.
    world = world_of(
        bill(10_000, 0),
        bill(5_000, 5_000, 2),
        payment(usd(10_000), ("stripe:in_1", 10_000)),
        refund(usd(3_000)),
        credit_note(usd(2_000)),
    )
    assert shown(world) == ShowStatus(
        REF,
        Standing.CURRENT,
        (Balance(invoiced=usd(13_000), paid=usd(7_000), open=usd(5_000), overdue=usd(0)),),
        last_invoice="INV-2",
        last_invoice_on=(NOON + DAY).date(),
        last_payment=usd(10_000),
        last_payment_on=NOON.date(),
    )


def test_time_alone_makes_it_overdue_and_the_company_is_decided_again_when_that_is() -> None:
    due = datetime(2026, 4, 10, 1, 30, tzinfo=UTC)
    world = world_of(bill(5_000, 5_000, due=due), bill(700, 700, 2, due=due + 5 * DAY), bill(900, 0, 3, due=due + DAY))
    assert told(world).again_at == due
    before, at, after = (shown(world, now=now) for now in (due - timedelta(microseconds=1), due, due + 5 * DAY))
    assert (before.standing, before.balances[0].overdue) == (Standing.CURRENT, usd(0))
    # 01:30 of the 10th in UTC is still the 9th in New York, where the legal entity is.
    assert (at.standing, at.balances[0].overdue, at.balances[0].overdue_since) == (Standing.OVERDUE, usd(5_000), date(2026, 4, 9))
    assert (after.balances[0].overdue, after.balances[0].overdue_since) == (usd(5_700), date(2026, 4, 9))
    assert told(world, now=due).again_at == due + 5 * DAY
    assert told(world, now=due + 5 * DAY).again_at is None


def test_the_worst_that_holds_is_the_standing() -> None:
    late, open_ = bill(100, 100, due=NOON - DAY), DisputeState.OPEN
    dispute = Dispute("stripe:dp_1", "stripe:ch_1", open_, usd(100), NOON, customer_id=ANN.id)
    lost_hope = replace(bill(300, 300, 2), state=InvoiceState.UNCOLLECTIBLE)
    assert shown(world_of(bill(100, 100))).standing is Standing.CURRENT
    assert shown(world_of(late)).standing is Standing.OVERDUE
    assert shown(world_of(late, dispute)).standing is Standing.DISPUTED
    assert shown(world_of(late, replace(dispute, state=DisputeState.WON))).standing is Standing.OVERDUE
    both = shown(world_of(late, dispute, lost_hope))
    # What was written off is still invoiced, and nothing of it is open: the books hold it as lost.
    assert (both.standing, both.balances[0].invoiced, both.balances[0].open) == (Standing.WRITTEN_OFF, usd(400), usd(100))
    lost = shown(world_of(bill(100, 0), payment(usd(100)), replace(dispute, state=DisputeState.LOST)))
    assert (lost.standing, lost.balances[0].paid) == (Standing.CURRENT, usd(0))


def test_what_counts_for_nothing_yet_is_not_counted() -> None:
    draft, void = replace(bill(100, 100), state=InvoiceState.DRAFT), replace(bill(100, 100, 2), state=InvoiceState.VOID)
    assert shown(world_of(draft, void)) == ShowStatus(REF, Standing.CURRENT)


def test_what_may_still_fail_or_did_is_neither_paid_nor_credited_nor_given_back() -> None:
    # 100.00, of which 60.00 were paid. A payment that failed and one under way tell of the invoice, too.
    untold = replace(bill(10_000, 1), amount_remaining=None)
    sure = payment(usd(6_000), ("stripe:in_1", 6_000))
    unsure: list[Record] = [
        replace(sure, id=f"stripe:ch_{state.value}", state=state) for state in PaymentState if state is not PaymentState.SUCCEEDED
    ]
    unsure += [
        replace(refund(usd(1_000)), id=f"stripe:re_{one.value}", state=one) for one in RefundState if one is not RefundState.SUCCEEDED
    ]
    unsure.append(replace(credit_note(usd(2_000), before=2_000), state=CreditNoteState.VOID))
    unsure += [
        Dispute(f"stripe:dp_{one.value}", sure.id, one, usd(500), NOON, customer_id=ANN.id)
        for one in DisputeState
        if one is not DisputeState.LOST
    ]
    expected = Balance(invoiced=usd(10_000), paid=usd(6_000), open=usd(4_000), overdue=usd(0))
    assert shown(world_of(untold, sure)).balances == (expected,)
    found = shown(world_of(untold, sure, *unsure))
    assert (found.balances, found.last_payment) == ((expected,), usd(6_000))


def test_an_inquiry_is_shown_as_disputed() -> None:
    inquiry = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.WARNING, usd(100), NOON, customer_id=ANN.id)
    assert shown(world_of(bill(100, 0), inquiry)).standing is Standing.DISPUTED


def test_what_is_paid_too_much_or_on_another_invoice_makes_nothing_less_than_open() -> None:
    first, second = (replace(bill(10_000, 1, number), amount_remaining=None) for number in (1, 2))
    world = world_of(first, second, payment(usd(15_000), ("stripe:in_1", 15_000)))
    assert shown(world).balances == (Balance(invoiced=usd(20_000), paid=usd(15_000), open=usd(10_000), overdue=usd(0)),)


def test_a_payment_of_several_invoices_or_of_one_in_parts_is_taken_off_each_once() -> None:
    first, second = (replace(bill(10_000, 1, number), amount_remaining=None) for number in (1, 2))
    parts = payment(usd(9_000), ("stripe:in_1", 3_000), ("stripe:in_2", 2_000), ("stripe:in_1", 4_000))
    # 100.00 less 30.00 and 40.00, and 100.00 less 20.00.
    assert shown(world_of(first, second, parts)).balances[0].open == usd(11_000)


def test_the_newest_are_shown_by_their_day_in_the_legal_entity_s_zone_whatever_their_ids() -> None:
    # 03:30 of the 10th in UTC is 23:30 of the 9th in New York.
    night = datetime(2026, 3, 10, 3, 30, tzinfo=UTC)
    older, newer = bill(100, 0, 9, issued_at=night - 2 * DAY), bill(100, 0, 3, issued_at=night)
    first = payment(usd(300), id="stripe:ch_9", occurred_at=night - DAY)
    last = payment(usd(200), id="stripe:ch_2", occurred_at=night)
    found = shown(world_of(older, newer, first, last))
    assert (found.last_invoice, found.last_invoice_on) == ("INV-3", date(2026, 3, 9))
    assert (found.last_payment, found.last_payment_on) == (usd(200), date(2026, 3, 9))


def test_what_was_credited_of_an_invoice_that_is_void_is_credited_of_nothing() -> None:
    void = replace(bill(10_000, 0), state=InvoiceState.VOID)
    assert shown(world_of(void, credit_note(usd(1_000)), bill(500, 500, 2))).balances[0].invoiced == usd(500)


def test_an_open_amount_the_source_does_not_tell_is_the_total_less_what_was_paid_and_credited() -> None:
    # 100.00, of which 25.00 were paid and 10.00 credited.
    untold = replace(bill(10_000, 1), amount_remaining=None)
    world = world_of(untold, payment(usd(4_000), ("stripe:in_1", 2_500)), credit_note(usd(1_000), before=1_000))
    assert shown(world).balances[0].open == usd(6_500)


def test_what_was_credited_after_payment_is_given_back_and_makes_nothing_less_to_be_paid() -> None:
    # 100.00, of which 50.00 were paid; 20.00 were credited, 5.00 of them before payment and 15.00 given back.
    untold = replace(bill(10_000, 1), amount_remaining=None)
    world = world_of(untold, payment(usd(5_000), ("stripe:in_1", 5_000)), refund(usd(1_500)), credit_note(usd(2_000), before=500))
    assert shown(world).balances[0] == Balance(invoiced=usd(8_000), paid=usd(3_500), open=usd(4_500), overdue=usd(0))


def test_currencies_are_never_added_and_that_of_the_last_invoice_comes_first() -> None:
    euros = replace(bill(9_900, 9_900, 3), currency="EUR", total=Money(9_900, "EUR"), amount_remaining=Money(9_900, "EUR"))
    yen = replace(bill(500, 500, 2), currency="JPY", total=Money(500, "JPY"), amount_remaining=Money(500, "JPY"))
    found = shown(world_of(bill(100, 100), yen, euros)).balances
    assert [(one.currency, one.open.minor) for one in found] == [("EUR", 9_900), ("JPY", 500), ("USD", 100)]


def test_customers_that_were_merged_are_shown_as_one_whichever_of_them_the_company_names() -> None:
    old = Customer("stripe:cus_old", "Ann", merged_into=ANN.id)
    world = world_of(old, bill(100, 100), replace(bill(50, 50, 2), customer_id=old.id))
    for named in (ANN.id, old.id):
        assert shown(world, replace(HARBOR, customer_ids=(named,))).balances[0].open == usd(150)
    # Merged in a circle they are the same customers, and nothing goes round for ever.
    world.know(replace(ANN, merged_into=old.id))
    assert shown(world).balances[0].open == usd(150)


def test_a_company_of_several_customers_shows_them_all() -> None:
    ben = replace(ANN, id="stripe:cus_B")
    world = world_of(ben, bill(100, 100), replace(bill(50, 50, 2), customer_id=ben.id))
    assert shown(world, replace(HARBOR, customer_ids=(ANN.id, ben.id, "stripe:cus_nobody"))).balances[0].open == usd(150)


def test_what_has_nothing_to_show_says_by_which_rule() -> None:
    rules = {
        "company_is_not_there": replace(HARBOR, state=CompanyState.DELETED),
        "company_names_no_known_customer": replace(HARBOR, customer_ids=("stripe:cus_nobody",)),
    }
    for rule, company in rules.items():
        assert told(world_of(bill(100, 100)), company).ignored == f"company_has_no_counterpart and {rule}"
    elsewhere = world_of(bill(100, 100))
    assert elsewhere.decide(HARBOR).ignored == "company_has_no_counterpart and company_is_of_no_destination"


def test_what_was_shown_of_a_company_that_is_no_customer_any_more_is_taken_away() -> None:
    world = world_of(bill(100, 100))
    assert shown(world).standing is Standing.CURRENT
    assert shown(world, replace(HARBOR, customer_ids=())) == ShowStatus(REF)


def test_what_was_shown_is_taken_away_also_if_a_later_status_was_never_sent() -> None:
    world = world_of(bill(100, 100))
    assert shown(world).standing is Standing.CURRENT  # sent, and there
    world.know(bill(100, 40))
    for command in told(world).commands:
        world.wishes[command.target, command.external_key] = OutboxCommand(command, is_open=True)
    assert shown(world, replace(HARBOR, customer_ids=())) == ShowStatus(REF)


def test_nothing_is_wished_anew_while_nothing_that_is_shown_changes() -> None:
    world = world_of(bill(100, 100))
    first = told(world).commands
    world.know(replace(ANN, name="Ann & Sons"))
    assert told(world, now=NOON + DAY).commands == first


def test_a_document_decides_its_customer_and_that_the_companies_which_show_it() -> None:
    world = world_of(HARBOR, bill(100, 100))
    world.origins[REF] = Origin("hubspot")
    world.take(replace(bill(100, 40), state=InvoiceState.PARTIALLY_PAID))
    assert [one.balances[0].open for one in to_hubspot(world)] == [usd(40)]


STORY: tuple[Record, ...] = (
    bill(10_000, 0),
    bill(5_000, 5_000, 2, due=NOON - DAY),
    replace(bill(2_000, 0, 3), state=InvoiceState.VOID),
    payment(usd(10_000), ("stripe:in_1", 10_000)),
    payment(usd(4_000), id="stripe:ch_2"),
    refund(usd(3_000)),
    credit_note(usd(2_000)),
    Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.LOST, usd(500), NOON, customer_id=ANN.id),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STORY), min_size=len(STORY), max_size=3 * len(STORY)), st.permutations(STORY), st.integers(0, 100))
def test_events_in_any_order_and_number_lead_to_the_same_status_as_all_documents_at_once(
    repeated: list[Record], rest: list[Record], company_at: int
) -> None:
    events = [*repeated, *rest]
    world = World(WITH_CRM).know(ANN)
    world.origins[REF] = Origin("hubspot")
    for place, one in enumerate(events):
        if place == company_at % len(events):
            world.take(HARBOR)
        world.take(one)
    last = to_hubspot(world)[-1]
    assert last == status_of(REF, STORY, NOON, RULES.entities["US"].time_zone)
    assert last.balances == (Balance(usd(13_000), usd(10_500), usd(5_000), usd(5_000), (NOON - DAY).date()),)
    assert last.standing is Standing.OVERDUE


STAGES = (DunningStage("reminded", 3), DunningStage("warned", 14, (Block.UPGRADES,)), DunningStage("suspended", 30))
SHOWING = replace(RULES, dunning=STAGES, destinations=(replace(WITH_CRM.destinations[0], shows=frozenset({StatusPart.DUNNING})),))


def test_the_furthest_stage_of_dunning_is_shown_and_all_that_is_blocked() -> None:
    warned, suspended = dunned(1, "warned", Block.ACCESS, Block.UPGRADES), dunned(2, "suspended", Block.ORDERS, Block.ACCESS)
    world = World(SHOWING).know(ANN, bill(100, 100), warned, suspended, dunned(3, "reminded"))
    found = shown(world)
    assert (found.dunning_stage, found.blocked) == ("suspended", (Block.UPGRADES, Block.ORDERS, Block.ACCESS))
    held = replace(suspended, state=DunningState.HELD)
    assert shown(World(SHOWING).know(ANN, bill(100, 100), held)).dunning_stage == "suspended"
    over = dunned(2, "suspended", Block.ORDERS, state=DunningState.ENDED)
    assert shown(World(SHOWING).know(ANN, bill(100, 100), over)).blocked == ()
    none_yet = dunned(2, "", state=DunningState.ASKING)
    assert shown(World(SHOWING).know(ANN, bill(100, 100), none_yet)).dunning_stage == ""


def test_a_destination_that_does_not_show_dunning_is_told_nothing_of_it() -> None:
    world = World(replace(SHOWING, destinations=WITH_CRM.destinations)).know(ANN, bill(100, 100), dunned(1, "warned", Block.ACCESS))
    found = shown(world)
    assert (found.dunning_stage, found.blocked) == ("", ())


def test_an_invoice_that_is_collected_by_itself_is_overdue_once_a_payment_failed() -> None:
    untried = bill(5_000, 5_000, due=None)
    assert shown(world_of(untried)).standing is Standing.CURRENT
    found = shown(world_of(replace(untried, attempt_count=1)))
    assert (found.standing, found.balances[0].overdue, found.balances[0].overdue_since) == (Standing.OVERDUE, usd(5_000), NOON.date())
    part = PaidPart("stripe:inpay_1", usd(2_000), payment_id="stripe:ch_1")
    debit = replace(payment(usd(2_000)), state=PaymentState.PENDING)
    sent = shown(world_of(replace(untried, attempt_count=1, parts_under_way=(part,)), debit))
    assert (sent.balances[0].open, sent.balances[0].overdue) == (usd(5_000), usd(3_000))
    failed = replace(debit, state=PaymentState.FAILED)
    back = shown(world_of(replace(untried, attempt_count=1, parts_under_way=(part,)), failed))
    assert back.balances[0].overdue == usd(5_000)


SUBSCRIBING = replace(RULES, destinations=(replace(WITH_CRM.destinations[0], shows=frozenset({StatusPart.SUBSCRIPTIONS})),))


def subscribed(*states: Record, rules: Rules = SUBSCRIBING) -> tuple[SubscriptionState | None, date | None, date | None]:
    """Return what the company shows of its customers' subscriptions."""
    found = shown(World(rules).know(ANN, *states))
    return found.subscription, found.renews_on, found.ends_on


def test_of_several_subscriptions_the_one_furthest_from_over_is_shown_and_the_next_renewal_and_end() -> None:
    monthly = subscription(1, S.PAST_DUE, NOON + 20 * DAY)
    # Two positions: the year ends later than the month. It ends for good after 90 days.
    yearly = subscription(2, S.ACTIVE, NOON + 300 * DAY, NOON + 15 * DAY, cancel_at=NOON + 90 * DAY)
    over = subscription(3, S.CANCELED, NOON + 5 * DAY, cancel_at=NOON + 5 * DAY)
    assert subscribed(monthly, yearly, over) == (S.ACTIVE, (NOON + 15 * DAY).date(), (NOON + 90 * DAY).date())
    assert subscribed(monthly, over) == (S.PAST_DUE, (NOON + 20 * DAY).date(), None)
    assert subscribed(over) == (S.CANCELED, None, None)


def test_what_ends_with_its_period_is_paused_or_never_began_does_not_renew() -> None:
    ending = subscription(1, S.ACTIVE, NOON + 20 * DAY, cancel_at=NOON + 20 * DAY)
    assert subscribed(ending) == (S.ACTIVE, None, (NOON + 20 * DAY).date())
    assert subscribed(subscription(1, S.PAUSED, NOON + 20 * DAY)) == (S.PAUSED, None, None)
    assert subscribed(subscription(1, S.UNPAID, NOON + 20 * DAY)) == (S.UNPAID, (NOON + 20 * DAY).date(), None)
    assert subscribed(subscription(1, S.INCOMPLETE, NOON + 20 * DAY)) == (None, None, None)
    assert subscribed(subscription(1, S.EXPIRED, NOON + 20 * DAY)) == (None, None, None)
    assert subscribed() == (None, None, None)


def test_a_renewal_is_on_the_day_of_the_legal_entity() -> None:
    # ANN is routed to an entity in New York: 03:00 UTC is still the day before there.
    assert subscribed(subscription(1, S.TRIALING, datetime(2026, 7, 1, 3, tzinfo=UTC))) == (S.TRIALING, date(2026, 6, 30), None)


def test_a_destination_that_does_not_show_subscriptions_is_told_nothing_of_them() -> None:
    assert subscribed(subscription(1, S.ACTIVE, NOON + DAY), rules=WITH_CRM) == (None, None, None)
