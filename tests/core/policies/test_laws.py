"""Laws of deciding, over generated stories: what holds for every fact, in every order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import RULES, World, with_entity
from tests.core.ledger import Ledger
from tests.core.stories import Quarrel, Story, delivered, play, quarrels, stories

from counterfoil.core.commands.books import PostEntry
from counterfoil.core.finance.invariants import check_balanced
from counterfoil.core.finance.postings import postings_of
from counterfoil.core.finance.summary import by_day, close_day
from counterfoil.core.policies.rules import PostingMode


@settings(max_examples=60, deadline=None)
@given(stories())
def test_debits_equal_credits_in_every_command(story: Story) -> None:
    for command in play(story.facts, World()).sent:
        sums: dict[str, int] = {}
        for posting in postings_of(command.kind, command.arguments):
            sums[posting.amount.currency] = sums.get(posting.amount.currency, 0) + posting.amount.minor
        assert not any(sums.values())
        if isinstance(command.arguments, PostEntry):
            check_balanced(command.arguments.lines)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_deciding_twice_wishes_once(story: Story) -> None:
    books = play(story.facts, World())
    sent = list(books.sent)
    for one in story.facts:
        books.redecide(books.objects[one.subject])
    assert books.sent == sent
    forgetful = World(objects=books.objects)
    for state in books.objects.values():
        forgetful.redecide(state)
    assert {command.id for command in forgetful.sent} == {command.id for command in sent}


@settings(max_examples=80, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_shuffled_and_repeated_facts_lead_to_the_same_wishes(story: Story, random: object) -> None:
    shuffled = [*story.facts, *story.facts[::2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    in_order, mixed = play(story.facts, World()), play(shuffled, World())
    assert {command.id for command in mixed.sent} == {command.id for command in in_order.sent}


@settings(max_examples=80, deadline=None)
@given(stories(), st.randoms(use_true_random=False), st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_clearing_and_customer_credit_equal_the_source_in_any_order(story: Story, random: object, order: list[int]) -> None:
    shuffled = list(story.facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    ledger = Ledger().take(delivered(play(shuffled, World()).sent, order))
    assert ledger.balance("clearing:stripe", "EUR", "DE") == story.clearing
    assert ledger.balance("customer_credit", "EUR", "DE") == story.customer_credit


@settings(max_examples=120, deadline=None)
@given(quarrels(), st.randoms(use_true_random=False))
def test_disputed_funds_equal_open_disputes_and_bad_debt_what_stays_lost_in_any_order(quarrel: Quarrel, random: object) -> None:
    shuffled = [*quarrel.facts, *quarrel.facts[::2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    for facts in (quarrel.facts, shuffled):
        ledger = Ledger().take(play(facts, World()).sent)
        found = [ledger.balance(account, "EUR", "DE") for account in ("clearing:stripe", "disputed_funds", "bad_debt")]
        assert found == [quarrel.clearing, quarrel.disputed, quarrel.lost]


@settings(max_examples=60, deadline=None)
@given(stories())
def test_summary_posting_books_on_the_same_accounts_as_documents_do(story: Story) -> None:
    detailed = Ledger().take(play(story.facts, World()).sent)
    daily = play(story.facts, World(with_entity(RULES, "DE", posting_mode=PostingMode.SUMMARY)))
    assert {command.kind.value for command in daily.sent} <= {"upsert_customer", "upsert_product"}
    sums: dict[tuple[str, str, str], int] = {}
    for day, items in by_day(daily.items.values()).items():
        closed = close_day(day, items)
        for line in closed.entry.lines if closed.entry else ():
            key = (closed.entity, str(line.account), line.amount.currency)
            sums[key] = sums.get(key, 0) + line.amount.minor
    assert {key: minor for key, minor in sums.items() if minor} == {key: minor for key, minor in detailed.balances.items() if minor}


@settings(max_examples=60, deadline=None)
@given(stories(), st.integers(0, 20))
def test_late_items_make_supplements_that_add_up_to_the_whole_day(story: Story, cut: int) -> None:
    documents = play(story.facts, World(with_entity(RULES, "DE", posting_mode=PostingMode.SUMMARY))).items.values()
    for day, items in by_day(documents).items():
        names = sorted({item.document_id for item in items})
        early = {name for number, name in enumerate(names) if number < cut}
        first = close_day(day, [item for item in items if item.document_id in early])
        second = close_day(day, [item for item in items if item.document_id not in early], number=2)
        whole = close_day(day, items)
        parts = [*first.documents, *second.documents]
        assert sorted(parts) == list(whole.documents)
        amounts: dict[tuple[str, str], int] = {}
        for closed, sign in ((first, 1), (second, 1), (whole, -1)):
            for line in closed.entry.lines if closed.entry else ():
                key = (str(line.account), line.description)
                amounts[key] = amounts.get(key, 0) + sign * line.amount.minor
        assert not any(amounts.values())
