"""A decision in the making: what was wished, sent or summed up of a thing, and so where it is and whether it may have acted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, NOON, RULES, US, World, credit_note, event_of, invoice, payment, usd, with_entity, world

from counterfoil.core.commands.books import MATCHES_MAX, BookCommand
from counterfoil.core.facts.events import ref_of
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.records import Record
from counterfoil.core.policies.bills import posted_document
from counterfoil.core.policies.booking import RECEIVABLE, EntityBooks, MatchableDocument
from counterfoil.core.policies.decision import OutboxCommand, Problem
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.requests import BookedPlace
from counterfoil.core.policies.rules import PostingMode
from counterfoil.core.policies.survivors import survivor_of

BILL, OTHER = invoice(usd(9900)), invoice(usd(100), id="stripe:in_2")
DETAILED, SUMMARY = PostingMode.DETAILED, PostingMode.SUMMARY
DAILY = with_entity(RULES, "US", posting_mode="summary")


def draft(books: World, state: Record = BILL) -> Draft:
    """Return a decision in the making."""
    return Draft(event_of(state), books.view(), books.rules)


def unsent(books: World) -> World:
    """Say that nothing that was wished took effect."""
    books.wishes = {key: replace(wish, is_open=True) for key, wish in books.wishes.items()}
    return books


def booked(rules: object = RULES) -> World:
    """Return a world in which the invoice was booked."""
    books = world(rules=rules)  # type: ignore[arg-type]
    books.decide(BILL)
    return books


def test_what_was_sent_is_booked_and_may_have_acted_what_waits_is_only_wished() -> None:
    sent, waiting, nothing = draft(booked()), draft(unsent(booked())), draft(world())
    name = ("invoice", BILL.id)
    command = sent.past.booked(*name)
    assert command is not None
    assert command.external_key == "invoice_stripe.in_1"
    assert sent.past.booked_arguments(*name) == command.arguments
    assert (waiting.past.booked(*name), waiting.past.booked_arguments(*name), nothing.past.booked(*name)) == (None, None, None)
    assert [one.past.has_wished(*name) for one in (sent, waiting, nothing)] == [True, True, False]
    assert [one.past.may_have_acted(*name) for one in (sent, waiting, nothing)] == [True, False, False]
    assert (sent.past.has_wished("invoice", "stripe:in_2"), sent.past.may_have_acted("payment", BILL.id)) == (False, False)


def test_what_this_very_decision_wishes_counts_as_wished_and_as_acting() -> None:
    making = draft(world())
    books = EntityBooks(making, US, ANN.id)
    debit, credit = (MatchableDocument(key, NOON.date()) for key in map(NeedKey, ("invoice/a", "payment/b")))
    books.match(debit, credit, usd(100))
    pair = "invoice/a+payment/b"
    assert (making.past.has_wished("alloc", pair), making.past.may_have_acted("alloc", pair)) == (True, True)
    assert (making.past.has_wished("alloc", "other"), making.past.may_have_acted("alloc", "other")) == (False, False)
    assert making.past.mode_of("alloc", pair) is DETAILED


def test_matches_undone_nine_times_may_end_but_not_begin_once_more() -> None:
    debit, credit = (MatchableDocument(key, NOON.date()) for key in map(NeedKey, ("invoice/a", "payment/b")))
    books = world()
    for number in range(1, MATCHES_MAX + 1):
        making = draft(books)
        EntityBooks(making, US, ANN.id).rematch(debit, credit, usd(number))
        commands = making.decision().commands
        books.wishes |= {(command.target, command.external_key): OutboxCommand(command) for command in commands}
    making = draft(books)
    EntityBooks(making, US, ANN.id).rematch(debit, credit, usd(0))
    undone = [command.external_key for command in making.decision().commands if command.kind is BookCommand.UNMATCH]
    assert len(undone) == MATCHES_MAX
    released = EntityBooks(draft(books), US, ANN.id).released(debit.key, credit.key)
    # The ninth match is not undone yet: the eight before it are, each to make room for the next.
    assert released == ("unmatch/invoice/a+payment/b", *(f"unmatch/invoice/a+payment/b+{number}" for number in range(2, MATCHES_MAX)))
    with pytest.raises(InvariantError, match="were matched 9 times"):
        EntityBooks(draft(books), US, ANN.id).rematch(debit, credit, usd(10))


def test_the_place_of_a_thing_is_where_the_first_of_its_names_was_booked() -> None:
    sent, daily = draft(booked()), draft(booked(DAILY))
    assert sent.past.place(BILL.id, "balance", "invoice") == BookedPlace("US", DETAILED)
    assert daily.past.place(BILL.id, "balance", "invoice") == BookedPlace("US", SUMMARY)
    assert (sent.past.place(BILL.id), sent.past.place(BILL.id, "payment")) == (None, None)
    assert draft(unsent(booked())).past.place(BILL.id, "invoice") is None


def test_a_thing_is_a_document_or_summed_up_and_what_waits_is_a_document() -> None:
    modes = [draft(one).past.mode_of("invoice", BILL.id) for one in (booked(), unsent(booked()), booked(DAILY), world())]
    assert modes == [DETAILED, DETAILED, SUMMARY, None]


def test_what_follows_a_document_is_one_and_else_is_summed_up_with_what_it_follows() -> None:
    refs = [ref_of(BILL), ref_of(OTHER)]
    daily = booked(DAILY)
    assert draft(booked()).routes.following(US, *refs).posting_mode is DETAILED
    assert draft(daily).routes.following(US, *refs).posting_mode is SUMMARY
    daily.rules = RULES
    daily.decide(OTHER)
    assert draft(daily).routes.following(replace(US, posting_mode=SUMMARY), *refs).posting_mode is DETAILED
    assert draft(world()).routes.following(US, *refs) is US


def test_a_document_is_kept_as_it_was_posted_or_summed_up() -> None:
    # Of one that was summed up, no customer is named in the books.
    for books, customer_id, needs in ((booked(), ANN.id, ("product/stripe:prod_pro",)), (booked(DAILY), "", ())):
        found = posted_document(draft(books), "invoice", BILL.id)
        assert found is not None
        assert (found[0].total, found[0].customer_id, found[1]) == (usd(9900), customer_id, needs)
    assert posted_document(draft(booked()), "invoice", "stripe:in_2") is None
    assert posted_document(draft(unsent(booked())), "invoice", BILL.id) is None


def test_a_summed_up_document_of_which_only_the_sums_were_kept_is_made_of_them() -> None:
    books = booked(DAILY)
    books.decide(credit_note(usd(1000)))
    books.documents.clear()
    made = draft(books).past.summed_up_document("invoice", BILL.id)
    credited = draft(books).past.summed_up_document("credit_note", "stripe:cn_1")
    assert made is not None
    assert credited is not None
    assert (made.total, credited.total) == (usd(9900), usd(1000))
    assert [(str(line.account), line.amount) for document in (made, credited) for line in document.lines] == [
        ("revenue:plans", usd(9900)),
        ("revenue:plans", usd(1000)),
    ]
    assert draft(world()).past.summed_up_document("invoice", BILL.id) is None


def test_an_entry_is_kept_as_it_was_sent_or_summed_up() -> None:
    credit = invoice(usd(9900), starting_balance=usd(-4000), ending_balance=usd(0))
    for rules in (RULES, DAILY):
        books = world(rules=rules)
        books.decide(credit)
        found = EntityBooks(draft(books), US, ANN.id).booked("balance", credit.id, RECEIVABLE)
        assert found is not None
        assert (str(found.account), found.amount) == ("customer_credit", usd(4000))
        assert EntityBooks(draft(unsent(books)), US, ANN.id).booked("other", credit.id, RECEIVABLE) is None
    waiting = world()
    waiting.decide(credit)
    assert EntityBooks(draft(unsent(waiting)), US, ANN.id).booked("balance", credit.id, RECEIVABLE) is None


def test_only_what_was_not_sent_can_be_withdrawn_and_nothing_that_is_wished_again() -> None:
    sent, waiting = draft(booked()), draft(unsent(booked()))
    for one in (sent, waiting):
        one.outbox.withdraw("invoice", BILL.id)
        one.outbox.withdraw("invoice", "stripe:in_2")
    assert (sent.decision().withdrawn, waiting.decision().withdrawn) == ((), (("odoo", "invoice_stripe.in_1"),))
    assert waiting.outbox.keep("invoice", BILL.id, "odoo")
    assert waiting.decision().withdrawn == ()
    assert not waiting.outbox.keep("invoice", BILL.id, "odoo_eu")


def test_the_money_of_a_bills_problem_is_all_of_the_bill_and_that_of_others_their_own_each_problem_once() -> None:
    problem = Problem(CaseClass.MISSING_FIELD, "decide.something", "Something is missing.", "Add it.", usd(5))
    for state, money in ((BILL, usd(9900)), (credit_note(usd(1000)), usd(1000)), (payment(usd(700)), usd(5))):
        making = draft(world(), state)
        making.findings.problem(problem)
        making.findings.problem(problem)
        assert making.decision().problems == (replace(problem, money=money),)
    known = draft(world(invoice(usd(8800))))
    known.findings.problem(problem)
    assert known.decision().problems[0].money == usd(8800)  # as it stands, not as the event had it


@pytest.mark.parametrize(("key", "is_waiting"), [("cus_B", True), ("cus_A", False)])
def test_a_customer_is_waited_for_only_while_it_is_missing(key: str, is_waiting: bool) -> None:
    making, ref = draft(world()), CUSTOMER.ref(f"stripe:{key}")
    assert survivor_of(making, ref.id) == ref.id
    assert making.decision().waits == ((ref,) if is_waiting else ())
