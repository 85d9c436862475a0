"""Laws of bills at rest, over generated stories, in any order of facts and delivery: what the accounts that follow a state equal."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.bill_stories import BILL, Source, bills
from tests.core.builders import RULES, World, with_entity
from tests.core.ledger import Ledger
from tests.core.outbox import Outbox, at_rest
from tests.core.stories import delivered, play

from counterfoil.core.facts.events import ref_of
from counterfoil.core.finance.summary import by_day, close_day
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.policies.rules import PostingMode

_ORDERS = st.lists(st.integers(0, 40), min_size=1, max_size=30)
_CHANCE = st.randoms(use_true_random=False)


def sent_after(source: Source, random: object, order: list[int]) -> Ledger:
    """Return the books after facts came and commands went in some order; one never overpays or overuses a document on the way."""
    shuffled = list(source.told())
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    return Ledger().take(delivered(play(shuffled, World()).sent, order))


@settings(max_examples=60, deadline=None)
@given(bills(), _CHANCE, _ORDERS)
def test_bad_debt_equals_the_uncollectible_remainder(source: Source, random: object, order: list[int]) -> None:
    lost = source.remaining if source.bill.state is InvoiceState.UNCOLLECTIBLE else 0
    assert sent_after(source, random, order).balance("bad_debt") == lost


@settings(max_examples=60, deadline=None)
@given(bills(), _CHANCE, _ORDERS)
def test_what_is_open_in_the_books_is_what_is_open_at_the_source(source: Source, random: object, order: list[int]) -> None:
    ledger = sent_after(source, random, order)
    is_open = source.bill.state in (InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID)
    left = ledger.left_open()
    assert ledger.balance("receivable") == sum(left.values()) == (source.remaining if is_open else 0)
    assert left.keys() <= {f"invoice/{BILL}", f"entry/balance.{BILL}"}


@settings(max_examples=60, deadline=None)
@given(bills(), _CHANCE, _ORDERS)
def test_the_credit_account_equals_the_customers_balance(source: Source, random: object, order: list[int]) -> None:
    # The balance began with what the bill used (or collected) and ends with what was paid too much.
    change = source.bill.starting_balance
    assert change is not None
    assert sent_after(source, random, order).balance("customer_credit") - (-change.minor) == -source.credit


@settings(max_examples=80, deadline=None)
@given(bills(), _CHANCE)
def test_whatever_is_sent_before_a_fact_comes_the_books_end_as_the_source_says(source: Source, random: Random) -> None:
    ledger = at_rest(source.told(), random, Outbox())
    is_lost = source.bill.state is InvoiceState.UNCOLLECTIBLE
    is_open = source.bill.state in (InvoiceState.ISSUED, InvoiceState.PARTIALLY_PAID)
    found = [ledger.balance(name) for name in ("bad_debt", "receivable")]
    assert found == [source.remaining if is_lost else 0, source.remaining if is_open else 0]
    assert ledger.left_open().keys() <= {f"invoice/{BILL}", f"entry/balance.{BILL}"}


@settings(max_examples=40, deadline=None)
@given(bills())
def test_in_summary_posting_the_same_accounts_come_to_the_same(source: Source) -> None:
    detailed = Ledger().take(play(source.told(), World()).sent)
    daily = play(source.told(), World(with_entity(RULES, "US", posting_mode=PostingMode.SUMMARY)))
    sums: dict[str, int] = {}
    for day, items in by_day(daily.items.values()).items():
        closed = close_day(day, items)
        for one in closed.entry.lines if closed.entry else ():
            sums[str(one.account)] = sums.get(str(one.account), 0) + one.amount.minor
    assert {name: minor for name, minor in sums.items() if minor} == {name: n for (_, name, _), n in detailed.balances.items() if n}


@settings(max_examples=40, deadline=None)
@given(bills())
def test_deciding_a_bill_and_its_payments_again_wishes_nothing_new(source: Source) -> None:
    books = play(source.told(), World())
    sent = list(books.sent)
    for state in source.facts:
        books.redecide(books.objects[ref_of(state)])
    assert books.sent == sent
