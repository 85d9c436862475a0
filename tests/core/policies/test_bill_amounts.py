"""What an invoice leaves to be paid, and which part of it a payment pays; pure sums, each worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, NOON, RULES, US, event_of, invoice, line, payment, usd, world

from counterfoil.core.kinds.invoice import Invoice, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.bills import Bill, balance_change_of, bill_of, carried_part_of, country_of, due_of, own_part_of
from counterfoil.core.policies.draft import Draft


def draft_of(state: Invoice, *known: Record) -> Draft:
    """Return a decision in the making about an invoice."""
    return Draft(event_of(state), world(*known).view(), RULES)


def bill(minor: int = 9900, *parts: tuple[str, int], **more: object) -> Bill:
    """Return an invoice of so much as it stands in the books, paid by parts of these ids and amounts (none: the source lists none)."""
    state = replace(invoice(usd(minor)), **more)  # type: ignore[arg-type]
    if parts:
        state = replace(state, paid_parts=tuple(PaidPart(id, usd(part)) for id, part in parts))
    made = bill_of(draft_of(state), state, US)
    assert made is not None
    return made


def paid(*applied: tuple[str, int], number: int = 1) -> Payment:
    """Return a payment of the invoice by applications of these ids and amounts, beside one of another invoice."""
    here = tuple(Application("stripe:in_1", usd(minor), id) for id, minor in applied)
    elsewhere = Application("stripe:in_2", usd(7), "inpay_elsewhere")
    total = sum(minor for _, minor in applied) + 7
    return replace(payment(usd(total)), id=f"stripe:ch_{number}", applications=(*here, elsewhere))


CREDIT_USED = {"starting_balance": usd(-4000), "ending_balance": usd(-1000)}
CARRIED = {"starting_balance": usd(5000), "ending_balance": usd(0)}


@pytest.mark.parametrize(
    ("minor", "more", "expected"),
    [
        (9900, {}, (0, 9900, 0)),
        (9900, CREDIT_USED, (3000, 6900, 0)),  # 30.00 of credit were used
        (9900, {**CREDIT_USED, "credited_before_payment": usd(900)}, (3000, 6000, 0)),
        (9900, {"credited_before_payment": usd(10000)}, (0, 0, 0)),
        (9900, CARRIED, (-5000, 9900, 5000)),  # an older debt of 50.00 is collected
        (0, CARRIED, (-5000, 0, 5000)),
        (-9900, {"starting_balance": usd(0), "ending_balance": usd(-9900)}, (-9900, 0, 0)),  # it gives credit and collects nothing
        (9900, {"starting_balance": usd(5000)}, (0, 9900, 0)),  # the source does not tell all
        (9900, {"ending_balance": usd(5000)}, (0, 9900, 0)),
    ],
)
def test_what_an_invoice_leaves_to_be_paid_is_its_own_part_and_the_debt_it_collects(
    minor: int, more: dict[str, Money], expected: tuple[int, int, int]
) -> None:
    change, own, carried = (usd(one) for one in expected)
    state = replace(invoice(usd(minor)), **more)  # type: ignore[arg-type]
    assert (balance_change_of(state), own_part_of(state), carried_part_of(state)) == (change, own, carried)
    made = bill(minor, **more)
    assert (due_of(state), made.due, made.own_part, made.carried_part) == (own + carried, own + carried, own, carried)


def test_an_invoice_takes_no_more_than_is_left_after_what_came_before() -> None:
    taken = [bill().taken(usd(amount), start).minor for amount, start in ((5000, 0), (5000, 4900), (5000, 4901), (5000, 9900), (1, 12000))]
    assert taken == [5000, 5000, 4999, 0, 0]


@pytest.mark.parametrize(
    ("amount", "start", "shares"),
    [(4000, 0, (0, 4000)), (6000, 0, (1000, 5000)), (6000, 4000, (5000, 1000)), (6000, 6000, (6000, 0)), (6000, 13900, (1000, 0))],
)
def test_the_older_debt_is_paid_first_where_the_source_lists_the_payments(amount: int, start: int, shares: tuple[int, int]) -> None:
    # 50.00 of debt, then 99.00 of the invoice's own.
    own, carried = bill(9900, ("a", 1), **CARRIED).shares(usd(amount), start)
    assert (own, carried) == tuple(usd(share) for share in shares)


def test_both_are_paid_in_proportion_where_it_does_not() -> None:
    # 99.00 and 50.00 of 149.00: of 74.50 one half each; of 10.00 6.64 and 3.35, cut to the cent; of 200.00 no more than all.
    made = bill(9900, **CARRIED)
    assert [tuple(share.minor for share in made.shares(usd(amount), 5000)) for amount in (7450, 1000, 20000)] == [
        (4950, 2500),
        (664, 335),
        (9900, 5000),
    ]
    assert tuple(share.minor for share in bill().shares(usd(5000), 6000)) == (3900, 0)  # nothing carried: what is left after 60.00


def test_a_payment_starts_after_the_parts_before_it() -> None:
    made = bill(9900, ("a", 3000), ("b", 2000), ("c", 4900))
    assert [made.start_of(paid((id, 1))) for id in ("a", "b", "c")] == [0, 3000, 5000]
    assert made.start_of(paid(("d", 1000))) == 9900  # not told of yet: after all there is
    # Without an id it is told by its payment, else what is left before the end is its.
    by_payment = (PaidPart("a", usd(3000), None, "stripe:ch_2"), PaidPart("b", usd(2000), None, "stripe:ch_1"))
    told = bill(9900, paid_parts=by_payment)
    assert (told.start_of(paid(("", 2000))), told.start_of(paid(("", 6000), number=3)), told.start_of(paid(("", 99999), number=3))) == (
        3000,
        3900,
        0,
    )
    assert bill().start_of(paid(("", 2000))) == 0


def test_an_invoice_knows_a_payment_by_its_parts_or_else_by_what_it_says_is_left() -> None:
    listed = bill(9900, ("a", 3000), ("b", 2000), amount_remaining=usd(9900))
    assert [listed.knows(paid(*one)) for one in ([("a", 3000)], [("a", 3000), ("b", 2000)], [("a", 3000), ("c", 1)])] == [True, True, False]
    assert not listed.knows(paid(("", 3000)))  # it has no id, and all 99.00 are left
    summed = bill(9900, amount_remaining=usd(6900))
    assert [summed.knows(paid(("a", minor))) for minor in (2999, 3000, 3001)] == [True, True, False]
    assert not bill(9900, amount_remaining=None).knows(paid(("a", 1)))


def test_an_invoice_knows_several_payments_without_ids_only_together() -> None:
    summed = bill(9900, amount_remaining=usd(6900))
    assert summed.knows_all([paid(("a", 3000))])
    assert not summed.knows_all([paid(("a", 3000)), paid(("b", 1), number=2)])
    listed = bill(9900, ("a", 3000), amount_remaining=usd(6900))
    assert listed.knows_all([paid(("a", 3000)), paid(("", 3000), number=2)])  # the one is listed, the other comes to what was paid
    assert not listed.knows_all([paid(("a", 3000)), paid(("", 3001), number=2)])
    assert not listed.knows_all([paid(("b", 1))])
    assert bill(9900, amount_remaining=None).knows_all([paid(("a", 9900))])
    assert not bill(9900, amount_remaining=None).knows_all([paid(("a", 9901))])


def test_a_payment_has_its_place_once_it_is_listed_or_pays_all_that_is_left() -> None:
    listed = bill(9900, ("a", 3000), ("b", 2000))
    last, middle = paid(("d", 4900)), paid(("d", 4899))
    assert [listed.has_place_of(one) for one in (paid(("a", 3000)), paid(("a", 1), ("b", 1)), paid(("", 1)))] == [True, True, True]
    assert [listed.has_place_of(one) for one in (last, middle, paid(("d", 4901)))] == [True, False, False]
    assert bill(9900).has_place_of(middle)  # the source lists none
    for state in (InvoiceState.PAID, InvoiceState.VOID):
        assert bill(9900, ("a", 3000), state=state).has_place_of(middle)


def test_what_was_settled_is_what_the_source_says_was_paid() -> None:
    assert [share.minor for share in bill(9900, ("a", 1), **CARRIED, amount_paid=usd(6000)).settled()] == [1000, 5000]
    assert [share.minor for share in bill(9900, amount_paid=None).settled()] == [0, 0]


def test_an_invoice_is_routed_by_its_own_country_before_its_customers() -> None:
    own = invoice(usd(100), customer_country="DE")
    assert country_of(draft_of(own), own) == "DE"
    assert country_of(draft_of(invoice(usd(100))), invoice(usd(100))) == "US"
    unknown = invoice(usd(100), customer_id="stripe:cus_B")
    draft = draft_of(unknown)
    assert (country_of(draft, unknown), [ref.key for ref in draft.decision().waits]) == (None, ["customer/stripe:cus_B"])
    nobodys = invoice(usd(100), customer_id="")
    draft = draft_of(nobodys)
    assert (country_of(draft, nobodys), draft.decision().waits) == (None, ())


def test_a_bill_is_only_what_was_issued() -> None:
    for state, issued_at in ((InvoiceState.DRAFT, NOON), (InvoiceState.DELETED, NOON), (InvoiceState.ISSUED, None)):
        never = invoice(usd(100), line(usd(100)), state=state, issued_at=issued_at, customer_id=ANN.id)
        assert bill_of(draft_of(never), never, US) is None
