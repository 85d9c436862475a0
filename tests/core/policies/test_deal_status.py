"""What a sales system shows of a deal: what came of it alone, by the documents it names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tests.core.builders import ANN, NOON, RULES, World, credit_note, payment, refund, usd
from tests.core.policies.crm_world import DAY, HARBOR, WITH_CRM, S, bill, subscription, to_hubspot

from counterfoil.core.commands.crm import Balance, ShowStatus, Standing, StatusPart
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.deal import DEAL, Deal, DealState
from counterfoil.core.kinds.dunning import Block, Dunning, DunningState
from counterfoil.core.kinds.invoice import PaidPart
from counterfoil.core.kinds.payment import PaymentState
from counterfoil.core.language.records import Purpose, Record
from counterfoil.core.policies.decide import POLICIES, decided_with, is_seeing
from counterfoil.core.policies.decision import Decision, Origin
from counterfoil.core.policies.rules import Destination, Rules

DEAL_WON = Deal("hubspot:4711.512", "100 seats", DealState.WON, company_ids=(HARBOR.id,), billed_as=("invoice/stripe:in_1",))


WITH_DEALS = replace(
    RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot", shows=frozenset({StatusPart.DEALS, StatusPart.DUNNING})),)
)


def billed(*states: Record, deal: Deal = DEAL_WON, now: datetime = NOON, rules: Rules = WITH_DEALS) -> Decision:
    """Return what a deal of Blue Harbor's calls for, its id being the same as the company's."""
    world = World(rules).know(ANN, HARBOR, *states)
    world.origins[ref_of(deal)] = Origin("hubspot")
    return world.decide(deal, when=now)


def on_deal(*states: Record, deal: Deal = DEAL_WON, now: datetime = NOON) -> ShowStatus:
    [command] = billed(*states, deal=deal, now=now).commands
    assert isinstance(command.arguments, ShowStatus)
    assert (command.external_key, command.order_key) == ("crm_status_deal_hubspot.4711.512", "deal/hubspot:4711.512")
    return command.arguments


def test_a_deal_shows_of_its_companys_customers_what_came_of_it_alone() -> None:
    # 100.00 are of the deal; 80.00 of them were paid, by a payment of 130.00 that paid another invoice with the rest; 5.00 were credited.
    states = (
        bill(10_000, 1_500),
        bill(5_000, 0, 2),
        payment(usd(13_000), ("stripe:in_1", 8_000), ("stripe:in_2", 5_000)),
        replace(credit_note(usd(500)), invoice_id="stripe:in_1"),
        replace(credit_note(usd(700)), id="stripe:cn_2", invoice_id="stripe:in_2"),
    )
    assert on_deal(*states) == ShowStatus(
        DEAL.ref("hubspot:4711.512"),
        Standing.CURRENT,
        (Balance(invoiced=usd(9_500), paid=usd(8_000), open=usd(1_500), overdue=usd(0)),),
        last_invoice="INV-1",
        last_invoice_on=NOON.date(),
        last_payment=usd(8_000),
        last_payment_on=NOON.date(),
    )
    # By the subscription they are invoices of, too, whichever comes.
    of_subscription = replace(DEAL_WON, billed_as=("subscription/stripe:sub_1",))
    later = bill(700, 700, 3, subscription_id="stripe:sub_1")
    assert on_deal(*states, later, deal=of_subscription).balances == (Balance(usd(700), usd(0), usd(700), usd(0)),)


OTHER = replace(HARBOR, id="hubspot:4711.513", name="Green Hill", customer_ids=("stripe:cus_other",))


def test_of_several_companies_the_one_that_buys_is_the_customer_and_no_other() -> None:
    other = replace(ANN, id="stripe:cus_other")
    own, theirs = bill(10_000, 1_500), replace(bill(7_000, 7_000, 2), customer_id=other.id)
    both = replace(DEAL_WON, company_ids=(HARBOR.id, OTHER.id), billed_as=("invoice/stripe:in_1", "invoice/stripe:in_2"))
    of = {
        marked: on_deal(OTHER, other, own, theirs, deal=replace(both, buying_company_ids=marked)).balances[0].invoiced
        for marked in ((), (HARBOR.id,), (OTHER.id,))
    }
    assert of == {(): usd(17_000), (HARBOR.id,): usd(10_000), (OTHER.id,): usd(7_000)}


def test_a_deal_of_which_nobody_can_tell_who_buys_is_a_case_of_sales_operations_and_writes_nothing() -> None:
    both = replace(DEAL_WON, company_ids=(HARBOR.id, OTHER.id), buying_company_ids=(HARBOR.id, OTHER.id))
    decision = billed(OTHER, bill(10_000, 1_500), deal=both)
    [problem] = decision.problems
    assert (problem.code, problem.owner, decision.commands) == ("decide.deal_customer_undecided", "sales operations", ())
    assert "hubspot:4711.512 has several companies that may be its customer: hubspot:4711.512, hubspot:4711.513" in problem.cause
    # Of a deal of which nothing was billed nothing is shown, and nobody is asked.
    assert billed(OTHER, deal=replace(both, billed_as=())).problems == ()


def test_a_deal_shows_the_subscription_it_names_and_no_other() -> None:
    of_subscription = replace(DEAL_WON, billed_as=("subscription/stripe:sub_1",))
    parts = frozenset({StatusPart.DEALS, StatusPart.SUBSCRIPTIONS})
    rules = replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot", shows=parts),))
    own, other = subscription(1, S.TRIALING, NOON + 20 * DAY), subscription(2, S.ACTIVE, NOON + 10 * DAY)
    [command] = billed(own, other, deal=of_subscription, rules=rules).commands
    assert isinstance(command.arguments, ShowStatus)
    assert (command.arguments.subscription, command.arguments.renews_on) == (S.TRIALING, (NOON + 20 * DAY).date())


def test_what_is_given_back_of_a_payment_counts_for_a_deal_where_all_of_it_was_the_deals() -> None:
    whole = payment(usd(10_000), ("stripe:in_1", 10_000))
    shared = payment(usd(13_000), ("stripe:in_1", 10_000), ("stripe:in_2", 3_000))
    assert on_deal(bill(10_000, 0), whole, refund(usd(3_000))).balances[0].paid == usd(7_000)
    assert on_deal(bill(10_000, 0), bill(3_000, 0, 2), shared, refund(usd(3_000))).balances[0].paid == usd(10_000)


def test_of_a_deals_invoice_money_under_way_is_not_overdue_until_it_fails() -> None:
    under_way = (PaidPart("stripe:inpay_1", usd(10_000), payment_id="stripe:ch_1"),)
    late = bill(10_000, 10_000, due=NOON - DAY, parts_under_way=under_way)
    debit = payment(usd(10_000))  # names no invoice before it succeeds
    overdue = [on_deal(late, replace(debit, state=state)).balances[0].overdue for state in (PaymentState.PENDING, PaymentState.FAILED)]
    assert overdue == [usd(0), usd(10_000)]


def test_a_deal_becomes_overdue_by_time_alone_and_shows_the_dunning_of_its_own_invoices() -> None:
    due = NOON + 3 * DAY
    dunning = Dunning("stripe:in_2", ANN.id, DunningState.RUNNING, usd(200), entity="US", stage="reminder", blocks=(Block.ORDERS,))
    states = (bill(100, 100, due=due), bill(200, 200, 2, due=NOON - DAY), dunning)
    assert billed(*states).again_at == due
    assert (on_deal(*states).standing, on_deal(*states).dunning_stage) == (Standing.CURRENT, "")
    assert (on_deal(*states, now=due).standing, on_deal(*states, now=due).balances[0].overdue) == (Standing.OVERDUE, usd(100))
    assert on_deal(*states, deal=replace(DEAL_WON, billed_as=("invoice/stripe:in_2",))).dunning_stage == "reminder"


def test_a_deal_that_names_nothing_known_shows_nothing_and_what_it_showed_is_taken_away() -> None:
    assert billed(bill(100, 100), deal=replace(DEAL_WON, billed_as=())).ignored == ("deal_has_no_counterpart and deal_names_nothing_billed")
    # An invoice of a customer that is none of its companies is not shown, whatever the deal names.
    assert billed(bill(100, 100, customer_id="stripe:cus_other")).ignored == "deal_has_no_counterpart and deal_names_nothing_billed"
    assert (
        billed(bill(100, 100), deal=replace(DEAL_WON, state=DealState.DELETED)).ignored == "deal_has_no_counterpart and deal_is_not_there"
    )
    world = World(WITH_DEALS).know(ANN, HARBOR, bill(100, 100))
    world.origins[ref_of(DEAL_WON)] = Origin("hubspot")
    assert to_hubspot_after(world, DEAL_WON)[-1].balances[0].open == usd(100)
    assert to_hubspot_after(world, replace(DEAL_WON, billed_as=()))[-1] == ShowStatus(DEAL.ref(DEAL_WON.id))


def to_hubspot_after(world: World, deal: Deal) -> list[ShowStatus]:
    world.decide(deal)
    return to_hubspot(world)


def test_a_destination_that_shows_no_deals_is_wished_none() -> None:
    assert billed(bill(100, 100), rules=WITH_CRM).ignored == "deal_has_no_counterpart and deal_is_of_no_destination"


def test_what_a_document_says_it_came_of_is_shown_there_as_if_the_deal_had_named_it() -> None:
    names_nothing = replace(DEAL_WON, billed_as=())
    own, other = bill(10_000, 1_500, deal_ids=(DEAL_WON.id,)), bill(5_000, 0, 2, deal_ids=("hubspot:4711.999",))
    paid = payment(usd(13_500), ("stripe:in_1", 8_500), ("stripe:in_2", 5_000))
    assert on_deal(own, other, paid, deal=names_nothing).balances == (Balance(usd(10_000), usd(8_500), usd(1_500), usd(0)),)
    # A subscription that says so has all of its invoices shown, and what both sides name is counted once.
    sold = replace(subscription(1, S.ACTIVE), deal_ids=(DEAL_WON.id,))
    both = (bill(700, 700, 3, subscription_id="stripe:sub_1", deal_ids=(DEAL_WON.id,)), bill(300, 300, 1), sold)
    assert on_deal(*both).balances == (Balance(usd(1_000), usd(0), usd(1_000), usd(0)),)
    # One of a customer that is none of the deal's companies' is not shown, whatever it says.
    strange = bill(100, 100, customer_id="stripe:cus_other", deal_ids=(DEAL_WON.id,))
    assert billed(strange, deal=names_nothing).ignored == "deal_has_no_counterpart and deal_names_nothing_billed"


def test_documents_are_read_for_a_deal_only_where_it_has_a_company_whose_they_can_be() -> None:
    assert is_seeing(DEAL_WON, {Purpose.CRM_STATUS})
    assert is_seeing(replace(DEAL_WON, billed_as=()), {Purpose.CRM_STATUS})
    assert not is_seeing(replace(DEAL_WON, company_ids=()), {Purpose.CRM_STATUS})
    assert not is_seeing(DEAL_WON, {Purpose.BOOKS})
    assert is_seeing(HARBOR, {Purpose.CRM_STATUS})


def test_the_deals_of_a_company_are_decided_after_it() -> None:
    company_policy = POLICIES["company"][Purpose.CRM_STATUS]
    other = replace(DEAL_WON, id="hubspot:4711.513", billed_as=())
    world = World(WITH_DEALS).know(ANN, HARBOR, DEAL_WON, other)
    assert company_policy.after(world.view(), HARBOR) == (DEAL.ref(DEAL_WON.id),)
    world = world.know(bill(100, 100, deal_ids=(other.id, DEAL_WON.id)))
    assert company_policy.after(world.view(), HARBOR) == (DEAL.ref(DEAL_WON.id), DEAL.ref(other.id))


def test_a_document_has_the_deals_decided_again_that_it_names_and_those_that_it_named_before() -> None:
    before, now = bill(100, 100, deal_ids=("hubspot:4711.1",)), bill(100, 100, deal_ids=("hubspot:4711.2",))
    named = {ref.key for ref in decided_with([now, before], {Purpose.CRM_STATUS})}
    assert named == {f"customer/{ANN.id}", "deal/hubspot:4711.1", "deal/hubspot:4711.2"}
    assert DEAL.ref("hubspot:4711.2") not in decided_with([now, before], {Purpose.BOOKS})
