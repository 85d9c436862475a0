"""The traps of the domain (section 6, "Traps that must be handled"): each has a test that names it. Amounts are worked by hand."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import (
    ANN,
    PRO,
    RULES,
    World,
    at,
    credit_note,
    eur,
    invoice,
    jpy,
    line,
    payment,
    refund,
    settled,
    tax,
    texts,
    usd,
    with_entity,
    world,
)
from tests.core.ledger import Ledger
from tests.core.policies.wished import document

from counterfoil.core.commands.books import BookCommand, PostDocument, PostEntry, PostPayment, UpsertProduct
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import Address, Customer
from counterfoil.core.kinds.invoice import INVOICE, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, PaymentState
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.decision import Origin, OutboxCommand
from counterfoil.core.policies.rules import ProductPolicy, ZeroInvoicePolicy


def test_zero_amount_and_trial_invoices_post_as_zero_documents() -> None:
    decision = world().decide(invoice(usd(0), line(usd(0), description="Trial period for Plan Pro")))
    assert texts(decision.commands) == ["post_invoice invoice_stripe.in_1 2026-03-10 0.00 USD"]


def test_zero_amount_and_trial_invoices_are_skipped_where_the_entity_says_so() -> None:
    books = world(rules=with_entity(RULES, "US", zero_invoice_policy=ZeroInvoicePolicy.SKIP))
    decision = books.decide(invoice(usd(0), line(usd(0))))
    assert (decision.commands, decision.ignored) == ((), "invoice_of_zero_skipped")


def test_a_zero_total_of_lines_that_are_not_zero_is_never_skipped() -> None:
    books = world(rules=with_entity(RULES, "US", zero_invoice_policy=ZeroInvoicePolicy.SKIP))
    decision = books.decide(invoice(usd(0), line(usd(500)), line(usd(-500), product="")))
    assert texts(decision.commands) == ["post_invoice invoice_stripe.in_1 2026-03-10 0.00 USD"]


def test_negative_totals_become_credit_notes_and_the_customers_credit() -> None:
    # A downgrade gives 30.00 back: -50.00 unused time, 20.00 for the rest. The source adds 30.00 to the customer's credit.
    state = invoice(usd(-3000), line(usd(-5000)), line(usd(2000)), starting_balance=usd(0), ending_balance=usd(-3000))
    books = world()
    assert texts(books.decide(state).commands) == [
        "post_credit_note invoice_stripe.in_1 2026-03-10 30.00 USD",
        "post_entry balance_stripe.in_1 2026-03-10 customer_credit -30.00 USD, receivable 30.00 USD",
        "allocate entry/balance.stripe:in_1 invoice/stripe:in_1 30.00 USD",
    ]
    assert [item.amount for item in document(books, "invoice_stripe.in_1").lines] == [usd(5000), usd(-2000)]
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("customer_credit"), ledger.left_open()) == (-3000, {})


def test_proration_lines_with_negative_amounts_keep_their_sign() -> None:
    # Upgrade in mid-month: -14.52 for the old plan, 29.03 for the new one.
    books = world()
    books.decide(invoice(usd(1451), line(usd(-1452), is_proration=True), line(usd(2903), is_proration=True)))
    assert [item.amount for item in document(books, "invoice_stripe.in_1").lines] == [usd(-1452), usd(2903)]


def test_invoices_settled_by_customer_balance_use_the_customers_credit() -> None:
    # 100.00 is due, 30.00 of it comes from a credit of 50.00: the balance goes from -50.00 to -20.00.
    books = world(payment(usd(7000), ("stripe:in_1", 7000)))
    books.decide(invoice(usd(10000), starting_balance=usd(-5000), ending_balance=usd(-2000)))
    books.decide(payment(usd(7000), ("stripe:in_1", 7000)))
    assert texts(books.sent) == [
        "post_invoice invoice_stripe.in_1 2026-03-10 100.00 USD",
        "post_entry balance_stripe.in_1 2026-03-10 customer_credit 30.00 USD, receivable -30.00 USD",
        "allocate invoice/stripe:in_1 entry/balance.stripe:in_1 30.00 USD",
        "post_payment payment_stripe.ch_1 2026-03-10 in 70.00 USD via clearing:stripe",
        "allocate invoice/stripe:in_1 payment/stripe:ch_1 70.00 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {}


def test_an_amount_too_small_to_charge_is_carried_over_and_collected_with_the_next_invoice() -> None:
    # 0.30 is below the minimum charge: the customer owes it (balance 0.30). The next invoice of 20.00 collects 20.30.
    books = world()
    books.decide(invoice(usd(30), starting_balance=usd(0), ending_balance=usd(30)))
    books.decide(invoice(usd(2000), id="stripe:in_2", starting_balance=usd(30), ending_balance=usd(0)))
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("customer_credit"), ledger.left_open()) == (0, {"invoice/stripe:in_2": 2000, "entry/balance.stripe:in_2": 30})
    decision = books.decide(payment(usd(2030), ("stripe:in_2", 2030)))
    assert texts(decision.commands)[1:] == [
        "allocate invoice/stripe:in_2 payment/stripe:ch_1 20.00 USD",
        "allocate entry/balance.stripe:in_2 payment/stripe:ch_1 0.30 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {}


def test_partial_payments_of_a_carried_debt_never_overpay_either_part() -> None:
    # 20.30 due, paid 10.00 + 10.30. Of 10.00: 9.85 for the invoice, 0.14 for the debt; of 10.30: 10.14 and 0.15. Two cents stay open.
    books = world()
    books.decide(invoice(usd(2000), starting_balance=usd(30), ending_balance=usd(0)))
    books.decide(payment(usd(1030), ("stripe:in_1", 1030), id="stripe:ch_2"))
    books.decide(payment(usd(1000), ("stripe:in_1", 1000)))
    open_now = Ledger().take(books.sent).left_open()
    assert open_now == {
        "invoice/stripe:in_1": 1,
        "entry/balance.stripe:in_1": 1,
        "payment/stripe:ch_1": -1,
        "payment/stripe:ch_2": -1,
    }


def test_coupons_of_100_percent_leave_lines_of_zero_after_discount() -> None:
    books = world()
    books.decide(invoice(usd(0), line(usd(9900), discount=9900)))
    assert [item.amount for item in document(books, "invoice_stripe.in_1").lines] == [usd(0)]


def test_inclusive_tax_stays_in_the_line() -> None:
    # 119.00 includes 19.00 of VAT.
    vat = tax(eur(1900), eur(10000), "19", inclusive=True)
    books = world()
    books.decide(invoice(eur(11900), line(eur(11900), taxes=[vat]), tax=1900))
    posted = document(books, "invoice_stripe.in_1")
    assert (posted.total, posted.tax, posted.lines[0].amount) == (eur(11900), eur(1900), eur(11900))
    assert posted.lines[0].taxes[0].target_tax == "VAT 19 incl"
    ledger = Ledger().take(books.sent)
    assert [ledger.balance(account, "EUR", "DE") for account in ("receivable", "revenue:plans", "tax:VAT 19 incl")] == [
        11900,
        -10000,
        -1900,
    ]


def test_invoices_voided_after_payment_failure_are_reversed_on_the_day_of_the_void() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    assert books.decide(payment(usd(9900), ("stripe:in_1", 9900), state=PaymentState.FAILED, settlement=None)).ignored == "payment_failed"
    decision = books.decide(invoice(usd(9900), state=InvoiceState.VOID, voided_at=at("2026-04-02 12:00")))
    assert texts(decision.commands) == [
        "post_invoice invoice_stripe.in_1 2026-03-10 99.00 USD",
        "post_credit_note invoice_void_stripe.in_1 2026-04-02 99.00 USD reverses invoice/stripe:in_1",
        "allocate invoice/stripe:in_1 credit_note/void.stripe:in_1 99.00 USD",
    ]
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("receivable"), ledger.balance("revenue:plans")) == ({}, 0, 0)


def test_voiding_gives_used_credit_back_and_reverses_only_what_no_credit_note_did() -> None:
    # 100.00, of which 20.00 came from credit and 30.00 was credited before payment: 70.00 is reversed, 20.00 returned.
    books = world()
    state = invoice(usd(10000), starting_balance=usd(-2000), ending_balance=usd(0), credited_before_payment=usd(3000))
    books.decide(state)
    books.decide(credit_note(usd(3000), before=3000))
    decision = books.decide(replace(state, state=InvoiceState.VOID, voided_at=at("2026-03-20 12:00")))
    assert texts(decision.commands)[3:] == [
        "post_credit_note invoice_void_stripe.in_1 2026-03-20 70.00 USD",
        "post_entry balance_return_stripe.in_1 2026-03-20 customer_credit -20.00 USD, receivable 20.00 USD",
        "allocate invoice/stripe:in_1 credit_note/void.stripe:in_1 50.00 USD",
        "allocate entry/balance_return.stripe:in_1 credit_note/void.stripe:in_1 20.00 USD",
    ]
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("customer_credit"), ledger.balance("revenue:plans")) == ({}, 0, 0)


def test_payment_before_invoice_arrives_is_booked_and_applied_later() -> None:
    books = world()
    paid = payment(usd(9900), ("stripe:in_1", 9900))
    first = books.decide(paid)
    assert texts(first.commands) == ["post_payment payment_stripe.ch_1 2026-03-10 in 99.00 USD via clearing:stripe"]
    assert first.waits == (INVOICE.ref("stripe:in_1"),)
    books.decide(invoice(usd(9900)))
    second = books.redecide(paid)
    assert texts(second.commands)[1:] == ["allocate invoice/stripe:in_1 payment/stripe:ch_1 99.00 USD"]
    assert (second.commands[0].id, second.waits) == (first.commands[0].id, ())


def test_refund_before_payment_arrives_is_booked_and_matched_later() -> None:
    books = world()
    given = refund(usd(2500))
    first = books.decide(given)
    assert texts(first.commands) == ["post_payment refund_stripe.re_1 2026-03-12 out 25.00 USD via clearing:stripe"]
    assert first.waits == (PAYMENT.ref("stripe:ch_1"),)
    books.decide(payment(usd(9900)))
    second = books.redecide(given)
    assert texts(second.commands)[1:] == ["allocate refund/stripe:re_1 payment/stripe:ch_1 25.00 USD"]


def test_refund_before_payment_waits_for_the_payment_if_it_names_no_customer_itself() -> None:
    decision = world().decide(refund(usd(2500), customer_id=""))
    assert (decision.commands, decision.waits) == ((), (PAYMENT.ref("stripe:ch_1"),))


def test_credit_note_on_a_paid_invoice_is_matched_with_its_refund_and_not_with_the_invoice() -> None:
    books = world()
    books.decide(credit_note(usd(2500), refund_ids=("stripe:re_1",)))
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    books.redecide(credit_note(usd(2500), refund_ids=("stripe:re_1",)))
    books.decide(refund(usd(2500), credit_note_id="stripe:cn_1"))
    assert texts(books.sent) == [
        "post_invoice invoice_stripe.in_1 2026-03-10 99.00 USD",
        "post_payment payment_stripe.ch_1 2026-03-10 in 99.00 USD via clearing:stripe",
        "allocate invoice/stripe:in_1 payment/stripe:ch_1 99.00 USD",
        "post_credit_note credit_note_stripe.cn_1 2026-03-11 25.00 USD",
        "post_payment refund_stripe.re_1 2026-03-12 out 25.00 USD via clearing:stripe",
        "allocate refund/stripe:re_1 credit_note/stripe:cn_1 25.00 USD",
    ]
    assert Ledger().take(books.sent).left_open() == {}


def test_partial_refund_in_several_steps_matches_each_with_its_own_credit_note() -> None:
    books = world()
    books.decide(invoice(usd(9900)))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900)))
    for step, minor in enumerate((2500, 1000, 400), start=1):
        books.decide(credit_note(usd(minor), id=f"stripe:cn_{step}"))
        books.decide(refund(usd(minor), id=f"stripe:re_{step}", credit_note_id=f"stripe:cn_{step}"))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("clearing:stripe"), ledger.balance("revenue:plans")) == ({}, 6000, -6000)


def test_partial_refund_in_several_steps_of_an_unapplied_payment_uses_up_its_credit() -> None:
    books = world()
    books.decide(payment(usd(9900)))
    books.decide(refund(usd(2500)))
    books.decide(refund(usd(7400), id="stripe:re_2"))
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("clearing:stripe")) == ({}, 0)


def test_currency_without_decimals_counts_whole_units_and_tolerates_no_rounding() -> None:
    # 1,980 yen: 1,800 and 10 % of consumption tax.
    books = world(connection="stripe_jp")
    jct = tax(jpy(180), jpy(1800), "10")
    books.decide(invoice(jpy(1980), line(jpy(1800), taxes=[jct]), tax=180))
    posted = document(books, "invoice_stripe.in_1")
    assert (posted.total, posted.tax, posted.rounding_tolerance) == (jpy(1980), jpy(180), 0)
    assert texts(books.sent) == ["post_invoice invoice_stripe.in_1 2026-03-10 1980 JPY"]
    assert books.sent[0].entity == "JP"


def test_customer_whose_currency_differs_from_the_entitys_is_billed_in_his_and_settled_in_ours() -> None:
    # The US entity bills 80.00 GBP; the processor settles 101.60 USD and keeps 3.20 USD.
    pounds = replace(usd(8000), currency="GBP")
    moved = replace(settled(usd(10160), fee=320), exchange_rate=None)
    books = world()
    books.decide(invoice(pounds, line(pounds)))
    books.decide(payment(pounds, ("stripe:in_1", 8000), settlement=moved))
    assert texts(books.sent) == [
        "post_invoice invoice_stripe.in_1 2026-03-10 80.00 GBP",
        "post_payment payment_stripe.ch_1 2026-03-10 in 80.00 GBP via clearing:stripe settled 101.60 USD",
        "post_entry fee_stripe.txn_1 2026-03-10 fees 3.20 USD, clearing:stripe -3.20 USD",
        "allocate invoice/stripe:in_1 payment/stripe:ch_1 80.00 GBP",
    ]
    ledger = Ledger().take(books.sent)
    assert (ledger.balance("clearing:stripe"), ledger.left_open()) == (9840, {})


def test_out_of_band_payments_are_booked_once_and_never_touch_the_processors_clearing_account() -> None:
    # The source says it twice: on the invoice, and as a payment.
    books = world()
    paid_at = at("2026-03-15 12:00")
    books.decide(invoice(usd(9900), state=InvoiceState.PAID, paid_out_of_band=usd(9900), paid_at=paid_at))
    books.decide(payment(usd(9900), ("stripe:in_1", 9900), id="stripe:oob_in_1", settlement=None, is_out_of_band=True, occurred_at=paid_at))
    assert texts(books.sent) == [
        "post_invoice invoice_stripe.in_1 2026-03-10 99.00 USD",
        "post_payment payment_stripe.oob_in_1 2026-03-15 in 99.00 USD via out_of_band",
        "allocate invoice/stripe:in_1 payment/stripe:oob_in_1 99.00 USD",
    ]
    assert Ledger().take(books.sent).balance("clearing:stripe") == 0


def test_out_of_band_payments_that_grow_after_they_were_booked_are_an_amount_mismatch() -> None:
    books = world(invoice(usd(9900)))
    books.decide(payment(usd(5000), ("stripe:in_1", 5000), settlement=None, is_out_of_band=True))
    decision = books.decide(payment(usd(9900), ("stripe:in_1", 9900), settlement=None, is_out_of_band=True))
    assert decision.problems[0].code == "decide.changed_after_posting"


def test_out_of_band_payments_go_to_the_entity_of_their_invoice() -> None:
    books = world(invoice(eur(5000)))
    decision = books.decide(payment(eur(5000), ("stripe:in_1", 5000), settlement=None, is_out_of_band=True))
    assert texts(decision.commands)[0] == "post_payment payment_stripe.ch_1 2026-03-10 in 50.00 EUR via out_of_band"
    assert decision.commands[0].entity == "DE"


def test_a_payment_on_an_invoice_of_another_entity_ties_in_both_books() -> None:
    # Japan's account received 9,900 yen for an invoice of the US entity.
    books = world(connection="stripe_jp")
    state = invoice(jpy(9900))
    books.origins[INVOICE.ref(state.id)] = Origin("stripe")
    books.decide(state)
    books.decide(payment(jpy(9900), ("stripe:in_1", 9900)))
    assert [(command.entity, text) for command, text in zip(books.sent, texts(books.sent), strict=True)] == [
        ("US", "post_invoice invoice_stripe.in_1 2026-03-10 9900 JPY"),
        ("JP", "post_payment payment_stripe.ch_1 2026-03-10 in 9900 JPY via clearing:stripe_jp"),
        ("JP", f"post_entry {books.sent[2].external_key} 2026-03-10 receivable 9900 JPY, intercompany:US -9900 JPY"),
        ("US", f"post_entry {books.sent[3].external_key} 2026-03-10 intercompany:JP 9900 JPY, receivable -9900 JPY"),
        ("JP", "allocate entry/intercompany_payer.stripe:ch_1+stripe:in_1 payment/stripe:ch_1 9900 JPY"),
        ("US", "allocate invoice/stripe:in_1 entry/intercompany_owner.stripe:ch_1+stripe:in_1 9900 JPY"),
    ]
    ledger = Ledger().take(books.sent)
    assert ledger.left_open() == {}
    assert ledger.balance("intercompany:JP", "JPY", "US") + ledger.balance("intercompany:US", "JPY", "JP") == 0


def test_a_refund_of_another_entitys_credit_note_ties_in_both_books() -> None:
    books = world(connection="stripe_jp")
    state = invoice(jpy(9900))
    for kind, object_id in ((INVOICE.name, "stripe:in_1"), (CREDIT_NOTE.name, "stripe:cn_1")):
        books.origins[ObjectRef(kind, object_id)] = Origin("stripe")
    books.decide(state)
    books.decide(payment(jpy(9900), ("stripe:in_1", 9900)))
    books.decide(credit_note(jpy(400)))
    given = refund(jpy(400), credit_note_id="stripe:cn_1")
    books.decide(given)
    ledger = Ledger().take(books.sent)
    assert (ledger.left_open(), ledger.balance("clearing:stripe_jp", "JPY", "JP")) == ({}, 9500)
    assert ledger.balance("intercompany:JP", "JPY", "US") == -ledger.balance("intercompany:US", "JPY", "JP") == 9500


def test_duplicate_customers_merged_while_documents_are_in_flight_resolve_to_the_survivor() -> None:
    books = world()
    waiting = books.decide(invoice(usd(9900))).commands[0]
    books.wishes[waiting.target, waiting.external_key] = OutboxCommand(waiting, is_open=True)
    bob = Customer("stripe:cus_B", "Ann Limited", address=Address(country="US"))
    assert books.know(bob).decide(replace(ANN, merged_into=bob.id)).ignored == "customer_was_merged"
    again = books.decide(invoice(usd(9900))).commands[0]
    assert (again.needs[0], again.order_key) == ("customer/stripe:cus_B", "stripe:cus_B")
    assert isinstance(again.arguments, PostDocument)
    assert again.arguments.customer_id == "stripe:cus_B"
    paid = books.decide(payment(usd(9900), ("stripe:in_1", 9900))).commands[0]
    assert isinstance(paid.arguments, PostPayment)
    assert paid.arguments.customer_id == "stripe:cus_B"


def test_duplicate_customers_merged_after_posting_are_no_edit_of_the_posted_document() -> None:
    books = world()
    posted = books.decide(invoice(usd(9900)))
    bob = Customer("stripe:cus_B", "Ann Limited", address=Address(country="US"))
    books.know(bob, replace(ANN, merged_into=bob.id))
    assert books.redecide(invoice(usd(9900))).commands == posted.commands


def test_a_product_unknown_to_the_erp_is_created_first() -> None:
    books = World().know(ANN)
    waiting = books.decide(invoice(usd(9900)))
    assert (waiting.commands, waiting.waits) == ((), (PRODUCT.ref(PRO.id),))
    created = books.decide(PRO).commands[0]
    assert (created.kind, created.arguments) == (BookCommand.UPSERT_PRODUCT, UpsertProduct(PRO.id, "Plan Pro"))
    assert created.produces in books.redecide(invoice(usd(9900))).commands[0].needs


def test_a_product_unknown_to_the_erp_is_a_case_that_names_the_mapping_where_products_are_mapped() -> None:
    books = world(rules=with_entity(RULES, "US", product_policy=ProductPolicy.MAPPED))
    problem = books.decide(invoice(usd(9900))).problems[0]
    assert (problem.case_class, problem.releases_on) == (CaseClass.UNMAPPED_PRODUCT, "mapping/product/US/stripe:prod_pro")


def test_an_entry_never_moves_money_without_its_counterpart() -> None:
    books = world()
    books.decide(invoice(usd(10000), starting_balance=usd(-5000), ending_balance=usd(-2000)))
    entry = books.wishes["odoo", "balance_stripe.in_1"].command.arguments
    assert isinstance(entry, PostEntry)
    assert sum(item.amount.minor for item in entry.lines) == 0
