"""A booking is pinned: what was booked in an entity stays there, with all that follows it, whatever routes and addresses say later."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.core.builders import ANN, DE, PRO, RULES, US, World, at, credit_note, invoice, payment, refund, settled, usd
from tests.core.ledger import Ledger

from counterfoil.core.kinds.customer import Address
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.policies.rules import PostingMode, Route, Rules

NOWHERE = replace(ANN, address=Address())
HANS = replace(ANN, address=Address(country="DE"))
BY_COUNTRY = Rules(1, {"US": US, "DE": DE}, (Route("DE", "stripe", country="DE"), Route("US", "stripe")))
DAILY = Rules(
    1,
    {name: replace(entity, posting_mode=PostingMode.SUMMARY) for name, entity in BY_COUNTRY.entities.items()},
    BY_COUNTRY.routes,
)
ALL_TO_DE = (Route("DE", "stripe"),)


def billed(rules: Rules = BY_COUNTRY) -> World:
    """Return a world in which a customer without an address was invoiced 100.00 by the US, and then gets an address in Germany."""
    books = World(rules).know(NOWHERE, PRO)
    books.decide(invoice(usd(10000)))
    return books.know(HANS)


def entities(books: World) -> set[str]:
    """Return the entities anything was booked in."""
    return {command.entity for command in books.sent} | {item.entity for item in books.items.values()}


def test_a_payment_goes_to_the_invoice_where_it_was_booked_though_the_customer_got_an_address_since() -> None:
    books = billed()
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    ledger = Ledger().take(books.sent)
    assert entities(books) == {"US"}
    assert ledger.left_open() == {}
    assert ledger.balance("clearing:stripe") == 10000  # and nothing between companies: 100.00 came in for the invoice of 100.00
    assert {account for _, account, _ in ledger.balances} == {"receivable", "revenue:plans", "clearing:stripe"}


def test_a_void_and_a_credit_note_are_booked_where_their_invoice_was() -> None:
    voided = billed()
    voided.decide(invoice(usd(10000), state=InvoiceState.VOID, voided_at=at("2026-04-01 12:00")))
    credited = billed()
    credited.decide(credit_note(usd(10000), before=10000))
    for books in (voided, credited):
        ledger = Ledger().take(books.sent)
        assert entities(books) == {"US"}
        assert ledger.balance("revenue:plans") == 0  # 100.00 - 100.00
        assert ledger.left_open() == {}


def test_a_write_off_and_its_recovery_are_booked_where_their_invoice_was() -> None:
    books = billed()
    books.decide(invoice(usd(10000), state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=at("2026-05-01 12:00")))
    assert Ledger().take(books.sent).balance("bad_debt") == 10000
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.decide(invoice(usd(10000), state=InvoiceState.PAID, paid_at=at("2026-06-01 12:00"), uncollectible_at=at("2026-05-01 12:00")))
    assert entities(books) == {"US"}
    assert Ledger().take(books.sent).balance("bad_debt") == 0


def test_a_refund_leaves_the_balance_its_payment_came_into_though_the_account_was_routed_elsewhere_since() -> None:
    books = billed()
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.rules = replace(books.rules, routes=ALL_TO_DE)
    books.decide(credit_note(usd(3000), refund_ids=("stripe:re_1",)))
    books.decide(refund(usd(3000), credit_note_id="stripe:cn_1"))
    ledger = Ledger().take(books.sent)
    assert entities(books) == {"US"}
    assert (ledger.balance("clearing:stripe"), ledger.balance("revenue:plans")) == (7000, -7000)  # 100.00 - 30.00
    assert ledger.left_open() == {}


def test_a_refund_out_of_another_balance_is_its_owners() -> None:
    # Paid into the dollars of the US, given back out of the euros, which are Germany's.
    books = billed()
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.rules = replace(books.rules, routes=(Route("DE", "stripe", currency="EUR"), Route("US", "stripe")))
    paid = settled(replace(usd(-2700), currency="EUR"), id="stripe:txn_re_1", when=at("2026-03-12 12:00"))
    decision = books.decide(refund(usd(3000), settlement=paid))
    assert [command.entity for command in decision.commands if command.external_key == "refund_stripe.re_1"] == ["DE"]


def test_a_dispute_moves_where_its_payment_was_booked() -> None:
    books = billed()
    books.decide(payment(usd(10000), ("stripe:in_1", 10000)))
    books.rules = replace(books.rules, routes=ALL_TO_DE)
    taken = settled(usd(-10000), id="stripe:txn_dp", when=at("2026-04-02 12:00"))
    given = settled(usd(10000), id="stripe:txn_dp2", when=at("2026-05-02 12:00"))
    opened = Dispute("stripe:dp_1", "stripe:ch_1", DisputeState.OPEN, usd(10000), at("2026-04-02 12:00"), withdrawals=(taken,))
    books.decide(opened)
    books.decide(replace(opened, state=DisputeState.WON, reinstatements=(given,), closed_at=at("2026-05-02 12:00")))
    assert entities(books) == {"US"}
    assert Ledger().take(books.sent).balance("disputed_funds") == 0


def test_a_payout_comes_back_to_the_books_it_left() -> None:
    books = World(RULES).know(ANN, PRO)
    left = settled(usd(-5000), id="stripe:txn_po")
    payout = Payout("stripe:po_1", PayoutState.PAID, usd(5000), at("2026-03-10 12:00"), date(2026, 3, 12), settlement=left)
    books.decide(payout)
    books.rules = replace(RULES, routes=ALL_TO_DE)
    books.decide(replace(payout, state=PayoutState.FAILED, reversal=settled(usd(5000), id="stripe:txn_po_back")))
    assert entities(books) == {"US"}


def test_a_summed_up_invoice_is_not_summed_up_again_by_another_entity() -> None:
    books = billed(DAILY)
    before = dict(books.items)
    books.decide(invoice(usd(10000), state=InvoiceState.PAID, paid_at=at("2026-03-15 12:00")))
    assert books.items == before
    assert entities(books) == {"US"}


def test_what_never_reached_any_books_goes_where_the_routes_send_it_now() -> None:
    # The US's books refused the invoice: nothing of it was booked, and the corrected route decides.
    books = World(replace(RULES, routes=(Route("US", "stripe"),))).know(HANS, PRO)
    books.decide(invoice(usd(10000)))
    books.wishes = {key: replace(wish, is_open=True) for key, wish in books.wishes.items()}
    books.rules = replace(books.rules, routes=BY_COUNTRY.routes)
    decision = books.redecide(invoice(usd(10000)))
    assert [command.entity for command in decision.commands] == ["DE"]


def test_an_entity_that_is_declared_no_longer_is_a_case_that_names_it() -> None:
    books = billed()
    books.rules = Rules(2, {"DE": DE}, (Route("DE", "stripe"),))
    for state in (
        payment(usd(10000), ("stripe:in_1", 10000)),
        credit_note(usd(10000), before=10000),
        invoice(usd(10000), state=InvoiceState.VOID, voided_at=at("2026-04-01 12:00")),
    ):
        problem = books.decide(state).problems[0]
        assert (problem.code, problem.entity, problem.money, problem.releases_on) == ("decide.entity_gone", "US", usd(10000), "entity/US")
        assert "'US'" in problem.cause
    assert {command.entity for command in books.sent} == {"US", "DE"}  # only the payment itself, which is the balance's owner's
