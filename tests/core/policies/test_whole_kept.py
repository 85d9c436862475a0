"""What was booked stays as it was, and what follows it goes by that and not by what is mapped, named or routed by now, in whole."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import (
    ANN,
    DE,
    NOON,
    RULES,
    TAXES,
    at,
    credit_note,
    event_of,
    invoice,
    line,
    payment,
    refund,
    usd,
    with_entity,
    world,
)

from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.customer_credit import CustomerCredit
from counterfoil.core.kinds.invoice import InvoiceState, PaidPart
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import MemoryView, OutboxCommand
from counterfoil.core.policies.rules import MappingKey, MappingKind, Route, Rules

MAY, JUNE, JULY = (at(f"2026-0{month}-01 12:00") for month in (5, 6, 7))
REMAPPED = replace(RULES, mappings={**TAXES, MappingKey(MappingKind.ACCOUNT, "US", "group/plans"): "400100"})


def summed_up(rules: Rules) -> Rules:
    """Return rules by which the US sums up."""
    return with_entity(rules, "US", posting_mode="summary")


def test_a_note_of_a_summed_up_invoice_of_two_lines_goes_to_their_account_though_another_one_is_mapped_by_now() -> None:
    books = world(rules=summed_up(RULES))
    books.decide(invoice(usd(9900), line(usd(6000)), line(usd(3900), id="il_2")))
    books.rules = summed_up(REMAPPED)
    expected = """\
summed up: credit_note_stripe.cn_1 2026-03-11 receivable -30.00 USD
summed up: credit_note_stripe.cn_1 2026-03-11 revenue:plans 30.00 USD"""
    assert books.tell(credit_note(usd(3000), line(usd(3000), of_line_id="il_2"))) == expected


def test_a_void_after_a_credit_note_takes_the_note_off_as_it_was_posted() -> None:
    # 99.00 less the note's 40.00, both on the account of before: 59.00 of it are reversed.
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(credit_note(usd(4000), before=4000))
    books.rules = REMAPPED
    expected = """\
still post_invoice invoice_stripe.in_1
post_credit_note invoice_void_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 59.00 USD, of which tax 0.00 USD
  issued 2026-05-01, booked 2026-05-01, due 2026-05-01
  "void of stripe:in_1" reverses invoice/stripe:in_1, tolerance 2
  "Plan Pro" 59.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, invoice/stripe:in_1, product/stripe:prod_pro
  makes credit_note/void.stripe:in_1
match invoice/stripe:in_1 with credit_note/void.stripe:in_1: 59.00 USD (US in odoo, for stripe:cus_A)"""
    gone = invoice(usd(9900), state=InvoiceState.VOID, voided_at=MAY, credited_before_payment=usd(4000), credit_note_ids=("stripe:cn_1",))
    assert books.tell(gone) == expected


def test_a_document_stays_in_the_target_it_went_to_and_one_that_was_not_sent_goes_to_the_target_of_now() -> None:
    books, bill = world(), invoice(usd(9900))
    books.decide(bill)
    books.rules = with_entity(RULES, "US", target="odoo_us")
    assert books.tell(bill) == "still post_invoice invoice_stripe.in_1"
    books.wishes = {key: replace(wish, is_open=True) for key, wish in books.wishes.items()}
    assert books.tell(bill).startswith("post_invoice invoice_stripe.in_1 (US in odoo_us, for stripe:cus_A)\n")


def test_of_two_targets_a_wish_that_may_have_taken_effect_counts_before_one_that_did_not() -> None:
    [command] = world().decide(invoice(usd(9900))).commands
    waiting, sent = OutboxCommand(replace(command, target="a"), is_open=True), OutboxCommand(command)
    view = MemoryView({}, wishes={"key": {"a": waiting, "odoo": sent}})
    assert (view.wished("key", "a"), view.wished("key", "b")) == (waiting, None)
    assert (view.wished_for(Purpose.BOOKS, "key"), view.wished_for(Purpose.BOOKS, "other")) == ((sent, waiting), ())


def test_a_fact_is_of_the_account_its_event_came_from() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", "acct_de"), Route("US", "stripe", "acct_us")))
    books = world(rules=rules)
    for account, entity in (("acct_de", "DE"), ("acct_us", "US")):
        event = event_of(payment(usd(3000)), account=account)
        assert [command.entity for command in decide(event, books.view(), rules).commands] == [entity]


def test_a_payment_of_an_invoice_that_was_never_issued_waits_for_it() -> None:
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-03-10 by clearing:stripe
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
waits for invoice/stripe:in_1"""
    never = invoice(usd(9900), state=InvoiceState.VOID, issued_at=None)
    assert world(never).tell(payment(usd(9900), ("stripe:in_1", 9900))) == expected


def test_credit_that_came_of_paying_too_much_is_matched_with_the_last_payment_first_and_with_no_more_than_it_is() -> None:
    # 100.00 due; 130.00 and 20.00 paid: 30.00 and 20.00 too much, of which 15.00 became credit so far.
    parts = (PaidPart("a", usd(13000), None, "stripe:ch_1"), PaidPart("b", usd(2000), None, "stripe:ch_2"))
    bill = invoice(usd(10000), state=InvoiceState.PAID, amount_overpaid=usd(5000), paid_parts=parts, amount_paid=usd(15000))
    books = world(bill, payment(usd(13000), ("stripe:in_1", 13000)), payment(usd(2000), ("stripe:in_1", 2000), id="stripe:ch_2"))
    expected = """\
post_entry paid_credit_stripe.cb_1 (US in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, paid in"
  customer_credit -15.00 USD stripe:cus_A
  receivable 15.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1
match entry/paid_credit.stripe:cb_1 with payment/stripe:ch_2: 15.00 USD (US in odoo, for stripe:cus_A)"""
    assert books.tell(CustomerCredit("stripe:cb_1", ANN.id, usd(-1500), NOON, is_paid=True, invoice_id="stripe:in_1")) == expected


def test_credit_that_came_of_an_invoice_goes_where_that_is_routed_and_not_where_its_customer_is() -> None:
    rules = replace(RULES, routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")))
    taken_back = CustomerCredit("stripe:cb_1", ANN.id, usd(1500), NOON, is_paid=True, invoice_id="stripe:in_1")
    expected = """\
post_entry paid_credit_stripe.cb_1 (DE in odoo, for stripe:cus_A)
  2026-03-10 in general "customer balance, paid in"
  customer_credit 15.00 USD stripe:cus_A
  receivable -15.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/paid_credit.stripe:cb_1"""
    assert world(invoice(usd(10000), customer_country="DE"), rules=rules).tell(taken_back) == expected


def test_a_refund_of_open_money_waits_for_the_credit_note_of_the_one_before_it() -> None:
    first = refund(usd(3000), credit_note_id="stripe:cn_1")
    second = refund(usd(3000), id="stripe:re_2", occurred_at=at("2026-03-13 12:00"))
    books = world(payment(usd(10000)), first, second)
    expected = """\
post_payment refund_stripe.re_2 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 30.00 USD out on 2026-03-12 by clearing:stripe
  needs customer/stripe:cus_A
  makes refund/stripe:re_2
waits for credit_note/stripe:cn_1"""
    assert books.tell(second) == expected
    books.know(credit_note(usd(3000), invoice_id="", refund_ids=("stripe:re_1",)))
    expected = """\
still post_payment refund_stripe.re_2
match refund/stripe:re_2 with payment/stripe:ch_1: 30.00 USD (US in odoo, for stripe:cus_A)
  makes match/refund/stripe:re_2+payment/stripe:ch_1"""
    assert books.tell(second) == expected


def test_a_note_of_one_cent_takes_its_cent_back_from_the_refunds_account() -> None:
    books = world(rules=with_entity(RULES, "US", uncredited_refund_policy="account"))
    books.decide(invoice(usd(10000)))
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.decide(refund(usd(10000)))
    books.know(credit_note(usd(1), refund_ids=("stripe:re_1",)))
    expected = """\
post_entry refund_credited_later_stripe.re_1-stripe.cn_1-39d24691 (US in odoo, for stripe:cus_A)
  2026-03-11 in general "refund stripe:re_1: credit note stripe:cn_1 came later"
  receivable 0.01 USD stripe:cus_A
  refunds -0.01 USD
  needs customer/stripe:cus_A
  makes entry/refund_credited_later.stripe:re_1+stripe:cn_1
"""
    assert expected in books.tell(refund(usd(10000), credit_note_id="stripe:cn_1"))


def test_a_write_off_that_was_taken_back_and_not_sent_is_of_the_day_it_was_taken_back() -> None:
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=MAY)
    books = world()
    books.decide(lost)
    less = replace(lost, amount_remaining=usd(6000))
    books.decide(less, when=JUNE)
    key = ("odoo", "recovery_stripe.in_1")
    books.wishes[key] = replace(books.wishes[key], is_open=True)
    expected = """\
still post_invoice invoice_stripe.in_1
still post_entry bad_debt_stripe.in_1
still unmatch invoice/stripe:in_1 from entry/bad_debt.stripe:in_1
still post_entry recovery_stripe.in_1
still match entry/recovery.stripe:in_1 with entry/bad_debt.stripe:in_1: 99.00 USD
still post_entry bad_debt_stripe.in_1.2
still match invoice/stripe:in_1 with entry/bad_debt.stripe:in_1.2: 60.00 USD"""
    assert books.tell(less, when=JULY) == expected


def test_a_write_off_of_an_invoice_that_is_voided_is_taken_back_on_the_day_of_the_void() -> None:
    lost = invoice(usd(9900), state=InvoiceState.UNCOLLECTIBLE, amount_remaining=usd(9900), uncollectible_at=MAY)
    books = world()
    books.decide(lost)
    expected = """\
post_entry recovery_stripe.in_1 (US in odoo, for stripe:cus_A)
  2026-06-01 in general "uncollectible, invoice stripe:in_1"
  bad_debt -99.00 USD
  receivable 99.00 USD stripe:cus_A
  needs customer/stripe:cus_A
  makes entry/recovery.stripe:in_1
"""
    assert expected in books.tell(replace(lost, state=InvoiceState.VOID, voided_at=JUNE), when=JULY)


def test_what_was_paid_outside_the_processor_and_not_sent_is_still_of_its_day() -> None:
    books = world()
    books.decide(invoice(usd(700)))
    by_hand = payment(usd(700), ("stripe:in_1", 700), settlement=None, is_out_of_band=True)
    by_hand = replace(by_hand, earlier_parts=usd(0), first_part_id="stripe:ch_1")
    books.decide(by_hand)
    books.wishes = {key: replace(wish, is_open=key[1].startswith("payment")) for key, wish in books.wishes.items()}
    expected = """\
still post_payment payment_stripe.ch_1
still match invoice/stripe:in_1 with payment/stripe:ch_1: 7.00 USD"""
    assert books.tell(by_hand, when=JUNE) == expected


def test_a_refund_booked_in_an_entity_that_is_declared_no_longer_is_a_case_with_its_money() -> None:
    books = world(payment(usd(5000)))
    books.decide(refund(usd(2000)))
    books.rules = replace(RULES, entities={"DE": DE}, routes=(Route("DE"),))
    expected = """\
case unmapped_account decide.entity_gone, US 20.00 USD
  refund/stripe:re_1 was booked in the books of entity 'US', which the configuration does not declare any more.
  Declare entity 'US' again, with its books, until nothing of it is open; new facts go where the routes send them.
  goes on with entity/US"""
    assert books.tell(refund(usd(2000))) == expected


def test_money_of_customers_merged_in_a_circle_is_at_stake_with_all_of_it() -> None:
    books = world(replace(ANN, merged_into="stripe:cus_B"), Customer("stripe:cus_B", "B", merged_into=ANN.id))
    expected = """\
waits for customer/stripe:cus_A
waits for customer/stripe:cus_B
case unknown_customer decide.customers_merged_in_a_circle, 50.00 USD
  Customers are merged in a circle, so none is left to book for: stripe:cus_A into stripe:cus_B into stripe:cus_A.
  Correct merged_into of one of them at the source: it must name a customer that is not merged (an empty one undoes the merge).
    What waits is booked as soon as that arrives.
  goes on with customer/stripe:cus_A"""
    assert books.tell(payment(usd(5000))) == expected
