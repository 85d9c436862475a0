"""Laws of what is given back of a payment, over generated stories, in any order of facts and of sending."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import RULES, World, with_entity
from tests.core.ledger import Ledger
from tests.core.outbox import Outbox, at_rest
from tests.core.refund_stories import PAYMENT, Given, givens
from tests.core.stories import delivered, play

from counterfoil.core.facts.events import ref_of
from counterfoil.core.policies.rules import PostingMode, Rules

ACCOUNT = with_entity(RULES, "US", uncredited_refund_policy="account")
_CHANCE = st.randoms(use_true_random=False)
_POLICIES = pytest.mark.parametrize("rules", [RULES, ACCOUNT], ids=["case", "account"])


def check(source: Given, books: World, ledger: Ledger) -> None:
    """Check the books at rest, and what people are asked, against the source."""
    is_account = books.rules is ACCOUNT
    owed = 0 if is_account else source.beyond
    found = [ledger.balance(name) for name in ("clearing:stripe", "refunds", "receivable")]
    assert found == [source.clearing, source.beyond - owed, owed - source.kept]
    left = ledger.left_open()
    assert sum(minor for minor in left.values() if minor < 0) == -source.kept
    assert {key for key, minor in left.items() if minor > 0} <= {f"refund/{one.id}" for one in source.refunds}
    assert {key for key, minor in left.items() if minor < 0} <= {
        f"payment/{PAYMENT}",
        *(f"credit_note/stripe:cn_{n}" for n in range(1, 4)),
    }
    asked = [problem.money for state in source.refunds for problem in books.redecide(books.objects[ref_of(state)]).problems]
    assert sum(money.minor for money in asked if money is not None) == owed


@_POLICIES
@settings(max_examples=80, deadline=None)
@given(givens(), _CHANCE, st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_any_order_of_arrival_ends_with_the_same_books(rules: Rules, source: Given, random: Random, order: list[int]) -> None:
    shuffled = list(source.told())
    random.shuffle(shuffled)
    books = play(shuffled, World(rules))
    check(source, books, Ledger().take(delivered(books.sent, order)))


@_POLICIES
@settings(max_examples=80, deadline=None)
@given(givens(), _CHANCE)
def test_any_order_of_arrival_and_sending_ends_with_the_same_books(rules: Rules, source: Given, random: Random) -> None:
    books = Outbox(rules)
    check(source, books, at_rest(source.told(), random, books))


@settings(max_examples=60, deadline=None)
@given(givens(), _CHANCE)
def test_deciding_again_wishes_nothing_new(source: Given, random: Random) -> None:
    shuffled = list(source.told())
    random.shuffle(shuffled)
    books = play(shuffled, World(ACCOUNT))
    sent = list(books.sent)
    books.decide_all(books.objects)
    assert books.sent == sent


@settings(max_examples=80, deadline=None)
@given(givens(), _CHANCE, st.sampled_from(["2026-03-01", "2026-03-11", "2026-03-12", "2026-05-01"]))
def test_summed_up_or_partly_so_the_same_accounts_come_to_the_same(source: Given, random: Random, since: str) -> None:
    books = Outbox(with_entity(ACCOUNT, "US", posting_mode=PostingMode.SUMMARY, posting_mode_from=date.fromisoformat(since)))
    ledger = at_rest(source.told(), random, books)
    for item in books.items.values():
        ledger.balances[item.entity, str(item.account), item.currency] += item.amount.minor
    found = [ledger.balance(name) for name in ("clearing:stripe", "refunds", "receivable")]
    assert found == [source.clearing, source.beyond, -source.kept]
