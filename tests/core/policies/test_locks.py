"""Lock dates have a kind: what a lock does not concern keeps its day."""

from __future__ import annotations

from datetime import date

import pytest
from tests.core.builders import RULES, at, invoice, line, payment, settled, tax, usd, with_entity, world

from counterfoil.core.commands.books import PostDocument, PostEntry, PostPayment
from counterfoil.core.kinds.payout import Payout, PayoutState
from counterfoil.core.policies.decision import Decision

MARCH_31 = at("2026-03-31 16:00")
LOCKED = date(2026, 3, 31)


def days(decision: Decision) -> set[str]:
    """Return the days of everything that is booked."""
    found = set()
    for command in decision.commands:
        match command.arguments:
            case PostDocument() | PostEntry():
                found.add(command.arguments.accounting_on.isoformat())
            case PostPayment():
                found.add(command.arguments.paid_on.isoformat())
            case _:
                pass
    return found


@pytest.mark.parametrize(
    ("kind", "taxed", "plain", "money"),
    [
        # Odoo's locks as measured: a taxed invoice, an untaxed one, and payments, fees and payouts; all of 31 March, locked up to it.
        ("taxed_locked_until", "2026-04-01", "2026-03-31", "2026-03-31"),
        ("sales_locked_until", "2026-04-01", "2026-04-01", "2026-03-31"),
        ("locked_until", "2026-04-01", "2026-04-01", "2026-04-01"),
    ],
)
def test_a_lock_moves_only_what_it_concerns(kind: str, taxed: str, plain: str, money: str) -> None:
    books = world(rules=with_entity(RULES, "US", **{kind: LOCKED}))
    nyc = tax(usd(888), usd(10000), "8.875")
    with_tax = invoice(usd(10888), line(usd(10000), taxes=[nyc]), tax=888, issued_at=MARCH_31)
    assert days(books.decide(with_tax)) == {taxed}
    assert days(books.decide(invoice(usd(10000), id="stripe:in_2", issued_at=MARCH_31))) == {plain}
    paid = settled(usd(10000), fee=320, when=MARCH_31)
    assert days(books.decide(payment(usd(10000), occurred_at=MARCH_31, settlement=paid))) == {money}
    left = settled(usd(-9000), id="stripe:txn_po", when=MARCH_31)
    payout = Payout("stripe:po_1", PayoutState.PAID, usd(9000), MARCH_31, LOCKED, settlement=left)
    assert days(books.decide(payout)) == {money}
