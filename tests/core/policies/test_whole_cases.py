"""What cannot be booked, in whole: the case's class and code, its money, what is wrong, what to do, and what lets it go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from tests.core.builders import ANN, PRO, RULES, TAXES, World, at, credit_note, eur, invoice, line, payment, tax, usd, with_entity, world

from counterfoil.core.kinds.invoice import InvoiceState, LineTax
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.policies.decision import OutboxCommand
from counterfoil.core.policies.rules import MappingKey, MappingKind, Route

APRIL = at("2026-04-20 12:00")
VAT_7 = replace(tax(eur(700), eur(10000), "7"), jurisdiction="Germany", reason="reduced_rated")
SEVEN = invoice(eur(10700), line(eur(10000), taxes=[VAT_7]), tax=700)


def test_an_unmapped_tax_names_every_key_that_would_do() -> None:
    rate = TaxRate("stripe:txr_1", "VAT", Decimal(7), False, "DE", "Germany", "vat")
    expected = """\
case unmapped_tax decide.tax_unmapped, DE 107.00 EUR
  Entity DE maps the tax 7|exclusive to no tax of odoo.
  Map tax "7|exclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_1|exclusive,
    Germany/vat/7|exclusive, Germany/7|exclusive, DE/7|exclusive, reduced_rated|exclusive, 7|exclusive).
  goes on with mapping/tax/DE/7|exclusive
  goes on with mapping/tax/DE/stripe:txr_1|exclusive
  goes on with mapping/tax/DE/Germany/vat/7|exclusive
  goes on with mapping/tax/DE/Germany/7|exclusive
  goes on with mapping/tax/DE/DE/7|exclusive
  goes on with mapping/tax/DE/reduced_rated|exclusive"""
    assert world(rate).tell(SEVEN) == expected


def test_an_unmapped_tax_of_a_rate_that_is_not_known_may_come_with_it() -> None:
    bare = LineTax("stripe:txr_9", eur(700), eur(10000), True)
    expected = """\
waits for tax_rate/stripe:txr_9
case unmapped_tax decide.tax_unmapped, DE 100.00 EUR
  Entity DE maps the tax stripe:txr_9|inclusive to no tax of odoo.
  Map tax "stripe:txr_9|inclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_9|inclusive).
  goes on with mapping/tax/DE/stripe:txr_9|inclusive"""
    assert world().tell(invoice(eur(10000), line(eur(10000), taxes=[bare]), tax=700)) == expected
    nameless = LineTax("", eur(700), eur(10000), True)
    expected = """\
case unmapped_tax decide.tax_unmapped, DE 100.00 EUR
  A tax of 7.00 EUR on 100.00 EUR names no rate, percentage or reason by which entity DE could map it.
  Correct it at the source: no mapping can match it."""
    assert world().tell(invoice(eur(10000), line(eur(10000), taxes=[nameless]), tax=700)) == expected


def test_a_tax_that_is_something_is_not_mapped_by_its_reason_if_anything_else_is_known() -> None:
    nineteen = LineTax("stripe:txr_9", eur(700), eur(10000), False, reason="standard_rated")
    expected = """\
waits for tax_rate/stripe:txr_9
case unmapped_tax decide.tax_unmapped, DE 107.00 EUR
  Entity DE maps the tax stripe:txr_9|exclusive to no tax of odoo.
  Map tax "stripe:txr_9|exclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_9|exclusive,
    standard_rated|exclusive).
  goes on with mapping/tax/DE/stripe:txr_9|exclusive
  goes on with mapping/tax/DE/standard_rated|exclusive"""
    assert world().tell(invoice(eur(10700), line(eur(10000), taxes=[nineteen]), tax=700)) == expected
    bare = replace(nineteen, rate_id="")
    expected = """\
case unmapped_tax decide.tax_unmapped, DE 107.00 EUR
  Entity DE maps the tax standard_rated|exclusive to no tax of odoo.
  Map tax "standard_rated|exclusive" of entity DE to the tax of the target that computes it (also possible:
    standard_rated|exclusive).
  goes on with mapping/tax/DE/standard_rated|exclusive"""
    assert world().tell(invoice(eur(10700), line(eur(10000), taxes=[bare]), tax=700)) == expected
    zero = replace(nineteen, amount=eur(0), reason="zero_rated")
    expected = """\
waits for tax_rate/stripe:txr_9
case unmapped_tax decide.tax_unmapped, DE 100.00 EUR
  Entity DE maps the tax zero_rated|exclusive to no tax of odoo.
  Map tax "zero_rated|exclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_9|exclusive,
    zero_rated|exclusive).
  goes on with mapping/tax/DE/zero_rated|exclusive
  goes on with mapping/tax/DE/stripe:txr_9|exclusive"""
    assert world().tell(invoice(eur(10000), line(eur(10000), taxes=[zero]))) == expected


def test_a_tax_of_nothing_needs_a_mapping_if_it_has_a_reason_to_be_nothing() -> None:
    reverse = replace(tax(eur(0), eur(10000), "0"), reason="reverse_charge")
    expected = """\
case unmapped_tax decide.tax_unmapped, DE 100.00 EUR
  Entity DE maps the tax 0|exclusive to no tax of odoo.
  Map tax "0|exclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_1|exclusive,
    reverse_charge|exclusive, 0|exclusive).
  goes on with mapping/tax/DE/0|exclusive
  goes on with mapping/tax/DE/stripe:txr_1|exclusive
  goes on with mapping/tax/DE/reverse_charge|exclusive"""
    assert world().tell(invoice(eur(10000), line(eur(10000), taxes=[reverse]))) == expected
    for reason in ("", "not_collecting", "not_subject_to_tax", "not_available", "not_supported"):
        nothing = replace(tax(eur(0), eur(10000), "0"), reason=reason)
        assert world().decide(invoice(eur(10000), line(eur(10000), taxes=[nothing]))).problems == ()
    something = replace(tax(eur(1), eur(10000), "1"), reason="not_collecting")
    assert world().decide(invoice(eur(10001), line(eur(10000), taxes=[something]), tax=1)).problems != ()


def test_all_that_is_unmapped_of_a_bill_is_told_at_once_each_with_all_the_bills_money() -> None:
    rules = with_entity(RULES, "DE", product_policy="mapped", deferred_product_groups=("plans",))
    lines = (line(eur(6000), taxes=[VAT_7]), line(eur(4000), id="il_2"))
    expected = """\
case missing_mandatory_field decide.period_missing, DE 107.00 EUR
  Line il_1 of invoice/stripe:in_1 is of the deferred product group 'plans' but has no service period.
  Give the line a service period at the source, or take the group out of the entity's deferred product groups.
case unmapped_product decide.product_unmapped, DE 107.00 EUR
  Entity DE maps stripe:prod_pro, which it sells, to no product of odoo.
  Map it to the internal reference or the id of a product of odoo: what waits goes by itself. Or let the entity create products
    from the source: `products = "create"` of the entity.
  goes on with mapping/product/DE/stripe:prod_pro
case unmapped_tax decide.tax_unmapped, DE 107.00 EUR
  Entity DE maps the tax 7|exclusive to no tax of odoo.
  Map tax "7|exclusive" of entity DE to the tax of the target that computes it (also possible: stripe:txr_1|exclusive,
    Germany/7|exclusive, reduced_rated|exclusive, 7|exclusive).
  goes on with mapping/tax/DE/7|exclusive
  goes on with mapping/tax/DE/stripe:txr_1|exclusive
  goes on with mapping/tax/DE/Germany/7|exclusive
  goes on with mapping/tax/DE/reduced_rated|exclusive
case missing_mandatory_field decide.period_missing, DE 107.00 EUR
  Line il_2 of invoice/stripe:in_1 is of the deferred product group 'plans' but has no service period.
  Give the line a service period at the source, or take the group out of the entity's deferred product groups."""
    assert world(rules=rules).tell(invoice(eur(10700), *lines, tax=700)) == expected


def test_a_mapped_account_goes_before_a_deferral_and_a_mapped_product_is_the_targets_own() -> None:
    rules = with_entity(RULES, "DE", product_policy="mapped", deferred_product_groups=("plans",))
    mapped = {
        **TAXES,
        MappingKey(MappingKind.PRODUCT, "DE", PRO.id): "PLAN-PRO",
        MappingKey(MappingKind.ACCOUNT, "DE", "group/plans"): "400100",
    }
    expected = """\
post_invoice invoice_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 EUR, of which tax 0.00 EUR
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 100.00 EUR on explicit:400100 as target:PLAN-PRO
  needs customer/stripe:cus_A
  makes invoice/stripe:in_1"""
    assert world(rules=replace(rules, mappings=mapped)).tell(invoice(eur(10000))) == expected


def test_a_product_that_is_not_known_is_waited_for() -> None:
    assert World().know(ANN).tell(invoice(eur(10000))) == "waits for product/stripe:prod_pro"
    unsaid = invoice(eur(10000), line(eur(6000), id="il_1"), line(eur(4000), id="il_2", product="", description="Set-up"))
    assert World().know(ANN).tell(unsaid) == "waits for product/stripe:prod_pro"


def test_a_product_without_a_group_is_plain_revenue() -> None:
    books = World().know(ANN, replace(PRO, group=""))
    expected = """\
post_invoice invoice_stripe.in_1 (DE in odoo, for stripe:cus_A)
  stripe:cus_A: 100.00 EUR, of which tax 0.00 EUR
  issued 2026-03-10, booked 2026-03-10, due 2026-03-10
  no number, tolerance 2
  "Plan Pro" 100.00 EUR on revenue as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1"""
    assert books.tell(invoice(eur(10000))) == expected


def test_a_bill_of_nobody_and_one_of_an_account_say_what_to_do() -> None:
    expected = """\
case missing_mandatory_field decide.customer_missing, 1.00 USD
  invoice/stripe:in_1 names no customer, and no document it belongs to does.
  Name a customer at the source. An invoice of an account without a customer is not supported: book it by hand, then waive this
    case."""
    assert world().tell(invoice(usd(100), customer_id="")) == expected
    expected = """\
case missing_mandatory_field decide.account_billed, 1.00 USD
  invoice/stripe:in_1 bills the account acct_9 of the source and no customer; accounts in the place of customers are not
    supported.
  Bill customers at the source from now on. Enter this document and its payments in the books by hand, then waive this case."""
    assert world().tell(invoice(usd(100), customer_id="", customer_account="acct_9")) == expected


def test_a_bill_no_route_sends_anywhere_says_what_it_was_routed_by() -> None:
    rules = replace(RULES, routes=(Route("DE", country="DE"),))
    expected = """\
case unmapped_account decide.no_route, 1.00 USD
  No route sends this to a legal entity: connection 'stripe', account '', country 'US', currency 'USD'.
  Add a route that matches it, to a declared entity; it is booked as soon as the route exists. If the connection was renamed, take
    what it told for the new one's: `counterfoil identity rename-source`.
  goes on with route/stripe"""
    assert world(rules=rules).tell(invoice(usd(100))) == expected


def test_what_was_booked_in_an_entity_that_is_gone_stays_there() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.rules = replace(RULES, entities={"DE": RULES.entities["DE"]})
    expected = """\
case unmapped_account decide.entity_gone, US 99.00 USD
  invoice/stripe:in_1 was booked in the books of entity 'US', which the configuration does not declare any more.
  Declare entity 'US' again, with its books, until nothing of it is open; new facts go where the routes send them.
  goes on with entity/US"""
    assert books.tell(invoice(usd(9900), state=InvoiceState.VOID, voided_at=APRIL)) == expected
    expected = """\
case unmapped_account decide.entity_gone, US 99.00 USD
  payment/stripe:ch_1 was booked in the books of entity 'US', which the configuration does not declare any more.
  Declare entity 'US' again, with its books, until nothing of it is open; new facts go where the routes send them.
  goes on with entity/US"""
    assert books.tell(payment(usd(9900), ("stripe:in_1", 9900))) == expected


def test_a_bill_that_was_changed_at_the_source_after_it_was_sent_is_never_sent_again() -> None:
    books = world()
    books.decide(invoice(usd(9900), line(usd(9900), discount=0)))
    expected = """\
case amount_mismatch decide.changed_after_posting, US 100.00 USD
  invoice/stripe:in_1 was changed at the source after invoice_stripe.in_1 had been sent to odoo.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(invoice(usd(10000))) == expected
    for same_total in (
        invoice(usd(9900), line(usd(10000), discount=100)),
        invoice(usd(9900), line(usd(5000)), line(usd(4900), id="il_2")),
        invoice(usd(9900), issued_at=at("2026-03-10 12:01")),
        invoice(usd(9900), line(usd(9000), taxes=[tax(usd(900), usd(9000), "8.875")]), tax=900),
    ):
        assert [problem.code for problem in books.decide(same_total).problems] == ["decide.changed_after_posting"]
    assert books.decide(invoice(usd(9900), number="A-1", due_at=APRIL)).problems == ()


def test_a_credit_note_or_a_payment_that_was_changed_is_never_sent_again() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(credit_note(usd(5000), before=5000))
    expected = """\
still match invoice/stripe:in_1 with credit_note/stripe:cn_1: 50.00 USD
case amount_mismatch decide.changed_after_posting, US 60.00 USD
  credit_note/stripe:cn_1 was changed at the source after credit_note_stripe.cn_1 had been sent to odoo.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(credit_note(usd(6000), before=6000)) == expected
    for same_total in (
        credit_note(usd(5000), line(usd(5100), discount=100), before=5000),
        credit_note(usd(5000), line(usd(2500)), line(usd(2500), id="il_2"), before=5000),
        credit_note(usd(5000), before=5000, issued_at=at("2026-03-11 12:01")),
    ):
        assert [problem.code for problem in books.decide(same_total).problems] == ["decide.changed_after_posting"]
    books.decide(payment(usd(4900)))
    expected = """\
case amount_mismatch decide.changed_after_posting, US 50.00 USD
  payment/stripe:ch_1 was changed at the source after payment_stripe.ch_1 had been sent to odoo.
  Correct it at the source by a credit note, or correct the document in the target and waive this case."""
    assert books.tell(payment(usd(5000))) == expected


def test_what_is_dated_in_a_locked_period_is_moved_with_its_own_date_or_waits_for_finance() -> None:
    locked = with_entity(RULES, "US", locked_until=date(2026, 3, 31))
    books = world(rules=locked)
    expected = """\
post_invoice invoice_stripe.in_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD, of which tax 0.00 USD
  issued 2026-03-10, booked 2026-04-01, due 2026-03-10
  "original date 2026-03-10", tolerance 2
  "Plan Pro" 99.00 USD on revenue:plans as stripe:prod_pro
  needs customer/stripe:cus_A, product/stripe:prod_pro
  makes invoice/stripe:in_1"""
    assert books.tell(invoice(usd(9900))) == expected
    expected = """\
post_payment payment_stripe.ch_1 (US in odoo, for stripe:cus_A)
  stripe:cus_A: 99.00 USD in on 2026-04-01 by clearing:stripe
  "original date 2026-03-10"
  needs customer/stripe:cus_A
  makes payment/stripe:ch_1
post_entry fee_stripe.txn_1 (US in odoo, for stripe:cus_A, batch)
  2026-04-01 in stripe "fee of stripe:txn_1 (original date 2026-03-10)"
  fees 3.17 USD "fee"
  clearing:stripe -3.17 USD "stripe:txn_1"
  makes entry/fee.stripe:txn_1"""
    assert books.tell(payment(usd(9900), fee=317)) == expected
    parking = with_entity(locked, "US", locked_period_policy="park")
    expected = """\
case period_locked decide.period_locked, US 99.00 USD
  The books of US are locked until 2026-03-31; what is dated 2026-03-10 is not posted.
  Reopen the period: what waits goes by itself within a minute. Or book late facts on the first open day: `locked_period =
    "first_open_day"` of the entity.
  goes on with period/US/2026-03-10"""
    assert world(rules=parking).tell(invoice(usd(9900))) == expected
    expected = """\
case period_locked decide.period_locked, US 99.00 USD
  The books of US are locked until 2026-03-31; what is dated 2026-03-10 is not posted.
  Reopen the period: what waits goes by itself within a minute. Or book late facts on the first open day: `locked_period =
    "first_open_day"` of the entity.
  goes on with period/US/2026-03-10
case period_locked decide.period_locked, US 3.17 USD
  The books of US are locked until 2026-03-31; what is dated 2026-03-10 is not posted.
  Reopen the period: what waits goes by itself within a minute. Or book late facts on the first open day: `locked_period =
    "first_open_day"` of the entity.
  goes on with period/US/2026-03-10"""
    assert world(rules=parking).tell(payment(usd(9900), fee=317)) == expected


def test_what_belongs_to_a_customer_merged_into_itself_is_a_case_that_names_the_circle() -> None:
    merged = replace(ANN, merged_into=ANN.id)
    books = World().know(merged, PRO)
    expected = """\
waits for customer/stripe:cus_A
case unknown_customer decide.customers_merged_in_a_circle, 1.00 USD
  Customers are merged in a circle, so none is left to book for: stripe:cus_A into stripe:cus_A.
  Correct merged_into of one of them at the source: it must name a customer that is not merged (an empty one undoes the merge).
    What waits is booked as soon as that arrives.
  goes on with customer/stripe:cus_A"""
    assert books.tell(invoice(usd(100))) == expected


def test_a_bill_whose_parts_differ_says_by_how_much() -> None:
    expected = """\
case amount_mismatch decide.parts_differ, 99.00 USD
  invoice/stripe:in_1 does not add up: lines sum to 98.00 USD, the document says 99.00 USD.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert world().tell(invoice(usd(9900), line(usd(9800)))) == expected
    vat = tax(eur(1900), eur(10000), "19")
    expected = """\
case amount_mismatch decide.parts_differ, 119.00 EUR
  invoice/stripe:in_1 does not add up: taxes sum to 19.00 EUR, the document says 18.00 EUR.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert world().tell(invoice(eur(11900), line(eur(10000), taxes=[vat]), tax=1800)) == expected
    expected = """\
case amount_mismatch decide.parts_differ, 99.00 USD
  invoice/stripe:in_1 does not add up: cannot mix USD and EUR.
  Nothing of it was booked. Correct it at the source, or report the payload if the source is right."""
    assert world().tell(invoice(usd(9900), line(eur(9900)))) == expected


def test_a_wish_that_is_still_open_is_made_anew_when_it_needs_something_else() -> None:
    books = world()
    first = books.decide(invoice(usd(9900))).commands[0]
    without_product = replace(first, needs=(NeedKey("customer/stripe:cus_A"),))
    books.wishes["odoo", first.external_key] = OutboxCommand(without_product, is_open=True)
    again = books.decide(invoice(usd(9900))).commands[0]
    assert (again.id != first.id, again.needs) == (True, ("customer/stripe:cus_A", "product/stripe:prod_pro"))
    books.wishes["odoo", first.external_key] = OutboxCommand(first, is_open=True)
    assert books.decide(invoice(usd(9900))).commands == (first,)
    books.wishes["odoo", first.external_key] = OutboxCommand(without_product)
    assert books.decide(invoice(usd(9900))).commands == (without_product,)
