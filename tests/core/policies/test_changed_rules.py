"""The law of pinned bookings: a rule changed between two decisions of one document changes nothing of it, in nobody's books.

Every kind of change times every later fact: the balances of all accounts of all entities are those of a world whose rules never changed,
nothing more is left open, and they are what is worked out by hand below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from tests.core.builders import (
    ANN,
    DE,
    PRO,
    RULES,
    US,
    World,
    at,
    credit_note,
    invoice,
    line,
    payment,
    refund,
    settled,
    tax,
    usd,
    with_entity,
)
from tests.core.ledger import Ledger

from counterfoil.core.kinds.customer import Address
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.language.money import Money
from counterfoil.core.policies.rules import MappingKey, MappingKind, PostingMode, Route

ACCOUNT = MappingKey(MappingKind.ACCOUNT, "US", "group/plans")
TAX = MappingKey(MappingKind.TAX, "US", "19|exclusive")
BEFORE = replace(
    RULES,
    entities={"US": US, "DE": DE},
    routes=(Route("DE", "stripe", country="DE"), Route("US", "stripe")),
    mappings={ACCOUNT: "400100", TAX: "VAT 19", MappingKey(MappingKind.TAX, "DE", "19|exclusive"): "USt 19"},
)
NOWHERE = replace(ANN, address=Address())

Change = Callable[[World], object]


def remapped(books: World) -> None:
    """Map the group and the tax to others."""
    books.rules = replace(books.rules, mappings={**books.rules.mappings, ACCOUNT: "400200", TAX: "VAT 19 new"})


def unmapped(books: World) -> None:
    """Take the mapping of the tax away."""
    books.rules = replace(books.rules, mappings={key: value for key, value in books.rules.mappings.items() if key != TAX})


def regrouped(books: World) -> None:
    """Move the product into another group, which is deferred."""
    books.rules = with_entity(books.rules, "US", deferred_product_groups=("suite",))
    books.know(replace(PRO, group="suite"))


def rerouted(books: World) -> None:
    """Send everything to Germany."""
    books.rules = replace(books.rules, routes=(Route("DE", "stripe"),))


def moved_zone(books: World) -> None:
    """Correct the zone: the day of noon in New York is another one in Auckland."""
    books.rules = with_entity(books.rules, "US", time_zone=ZoneInfo("Pacific/Auckland"))


def other_mode(books: World) -> None:
    """Change the posting mode without a day."""
    is_daily = books.rules.entities["US"].posting_mode is PostingMode.SUMMARY
    books.rules = with_entity(books.rules, "US", posting_mode=PostingMode.DETAILED if is_daily else PostingMode.SUMMARY)


def addressed(books: World) -> None:
    """Give the customer an address in Germany."""
    books.know(replace(ANN, address=Address(country="DE")))


CHANGES: tuple[Change, ...] = (remapped, unmapped, regrouped, rerouted, moved_zone, other_mode, addressed)

BILL = invoice(usd(11900), line(usd(10000), taxes=[tax(usd(1900), usd(10000), "19")]), tax=1900)  # 100.00 + 19 %
PAID = payment(usd(11900), ("stripe:in_1", 11900))
MAY = at("2026-05-04 12:00")


def void(books: World) -> None:
    """Void the invoice."""
    books.decide(replace(BILL, state=InvoiceState.VOID, voided_at=MAY))


def pay(books: World) -> None:
    """Pay it, and tell the invoice so."""
    books.decide(PAID)
    books.decide(replace(BILL, state=InvoiceState.PAID, paid_at=MAY, amount_remaining=usd(0)))


def again(books: World) -> None:
    """Decide it again, as it is."""
    books.redecide(BILL)


def give_up(books: World) -> None:
    """Call it uncollectible."""
    books.decide(replace(BILL, state=InvoiceState.UNCOLLECTIBLE, uncollectible_at=MAY))


def give_back(books: World) -> None:
    """Give 59.50 of what was paid back, by a credit note for half of the line."""
    half = line(usd(5000), taxes=[tax(usd(950), usd(5000), "19")], id="stripe:cnli_1", of_line_id="il_1")
    books.decide(credit_note(usd(5950), half, tax=950, refund_ids=("stripe:re_1",), issued_at=MAY))
    books.decide(refund(usd(5950), credit_note_id="stripe:cn_1", settlement=settled(usd(-5950), id="stripe:txn_re_1", when=MAY)))


def contest(books: World) -> None:
    """Take the money back and lose it."""
    taken = settled(usd(-11900), id="stripe:txn_dp", when=MAY)
    lost = DisputeState.LOST
    books.decide(Dispute("stripe:dp_1", "stripe:ch_1", lost, usd(11900), MAY, withdrawals=(taken,), closed_at=MAY))


# What is in the books of the US in the end, worked out by hand; of Germany: nothing.
PLAIN = {"receivable": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}
SETTLED = {"clearing:stripe": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}
CASES: tuple[tuple[str, tuple[Change, ...], tuple[Change, ...], dict[str, int]], ...] = (
    ("decided again", (), (again,), PLAIN),
    ("paid", (), (pay,), SETTLED),
    ("voided", (), (void,), {}),
    ("written off", (), (give_up,), {"bad_debt": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}),
    # 119.00 - 59.50 are left of the money, 50.00 of the revenue, 9.50 of the tax.
    ("credited and refunded", (pay,), (give_back,), {"clearing:stripe": 5950, "explicit:400100": -5000, "tax:VAT 19": -950}),
    ("contested", (pay,), (contest,), {"bad_debt": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}),
)


def balances(books: World) -> dict[tuple[str, str], int]:
    """Return what each account of each entity comes to, over documents and days."""
    found: dict[tuple[str, str], int] = {}
    for (entity, account, _), minor in Ledger().take(books.sent).balances.items():
        found[entity, account] = found.get((entity, account), 0) + minor
    for item in books.items.values():
        key = (item.entity, str(item.account))
        found[key] = found.get(key, 0) + Money(item.amount.minor, item.currency).minor
    return {key: minor for key, minor in found.items() if minor}


@pytest.mark.parametrize("mode", list(PostingMode))
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize(("before", "after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_changed_rule_changes_nothing_of_what_was_booked(
    mode: PostingMode, change: Change, before: tuple[Change, ...], after: tuple[Change, ...], expected: dict[str, int]
) -> None:
    books = World(with_entity(BEFORE, "US", posting_mode=mode)).know(NOWHERE, PRO)
    books.decide(BILL)
    for happen in before:
        happen(books)
    change(books)
    for happen in after:
        happen(books)
    if change is rerouted and after == (pay,):
        # The processor's balance is Germany's by now, and so is the money that comes in: 119.00, owed to the US, whose invoice it pays.
        us = {"intercompany:DE": 11900, "explicit:400100": -10000, "tax:VAT 19": -1900}
        germany = {("DE", "clearing:stripe"): 11900, ("DE", "intercompany:US"): -11900}
        assert balances(books) == {("US", account): minor for account, minor in us.items()} | germany
        return
    assert balances(books) == {("US", account): minor for account, minor in expected.items()}
    left = Ledger().take(books.sent).left_open()
    assert sum(left.values()) == (expected.get("receivable", 0) if mode is PostingMode.DETAILED else 0)
    assert len(left) <= 1
