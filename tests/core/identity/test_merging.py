"""Merges and un-merges as sources say them: the newest word counts in whatever order it comes, and un-merging leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import ANN, NOON

from counterfoil.core.facts.events import Fact
from counterfoil.core.facts.merge import Current, merge
from counterfoil.core.identity.merges import chain, merged_into, with_merge
from counterfoil.core.kinds.customer import Customer, CustomerEvent

BOB = Customer("stripe:cus_B", "Bob")


def told(*facts: tuple[int, str | None]) -> Current:
    """Return a customer after facts at these places: merged into one, apart (empty), or silent about it (None)."""
    current: Current | None = None
    for sequence, into in facts:
        record = replace(BOB, merged_into=into or "")
        current = merge(current, Fact(CustomerEvent.UPDATED, NOON, sequence, record, is_apart=into == "")).current
    assert current is not None
    return current


def test_a_merge_that_is_unsaid_leaves_the_customer_as_it_was() -> None:
    assert told((1, None), (2, ANN.id), (3, "")).record == BOB


def test_a_source_that_does_not_speak_of_merging_unsays_nothing() -> None:
    assert merged_into(told((1, None), (2, ANN.id), (3, None)).record) == ANN.id


def test_a_merge_told_late_does_not_come_back_after_it_was_unsaid() -> None:
    assert merged_into(told((1, None), (3, ""), (2, ANN.id)).record) == ""


def test_a_merge_of_a_state_written_before_places_were_kept_is_as_old_as_that_state() -> None:
    known = Current(replace(BOB, merged_into=ANN.id), 5)
    apart = Fact(CustomerEvent.UPDATED, NOON, 4, BOB, is_apart=True)
    assert merged_into(merge(known, apart).current.record) == ANN.id
    assert merged_into(merge(known, replace(apart, sequence=6)).current.record) == ""


SAYINGS = st.sampled_from([None, "", "stripe:cus_A", "stripe:cus_C"])


@given(st.lists(SAYINGS, min_size=1, max_size=4))
def test_whatever_the_order_the_newest_word_on_merging_counts(sayings: list[str | None]) -> None:
    facts = list(enumerate(sayings, start=1))
    spoken = [into for into in sayings if into is not None]
    expected = spoken[-1] if spoken else ""
    assert {merged_into(told(*some).record) for some in permutations(facts)} == {expected}


@given(st.lists(SAYINGS, max_size=3), st.sampled_from(["stripe:cus_A", "stripe:cus_C"]))
def test_merging_and_unmerging_what_stood_for_itself_is_the_identity(before: list[str | None], into: str) -> None:
    facts = [*enumerate(before, start=1), (8, "")]
    assert told(*facts, (9, into), (10, "")).record == told(*facts).record


@pytest.mark.parametrize(
    ("merges", "expected", "is_circle"),
    [
        ({}, ("a",), False),
        ({"a": "b", "b": "c"}, ("a", "b", "c"), False),
        ({"a": "a"}, ("a",), True),
        ({"a": "b", "b": "a"}, ("a", "b"), True),
        ({"a": "b", "b": "c", "c": "b"}, ("b", "c"), True),
    ],
)
def test_merges_lead_to_who_is_left_or_in_a_circle(merges: dict[str, str], expected: tuple[str, ...], is_circle: bool) -> None:
    found = chain("a", lambda id: merges.get(id, ""))
    assert (found.ids, found.is_circle, found.survivor) == (expected, is_circle, "" if is_circle else expected[-1])


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("abcd")))
def test_following_merges_always_ends(merges: dict[str, str]) -> None:
    found = chain("a", lambda id: merges.get(id, ""))
    assert len(set(found.ids)) == len(found.ids)
    assert found.is_circle or found.survivor not in merges


def test_a_record_that_cannot_be_merged_is_left_alone() -> None:
    assert with_merge(BOB, "") is BOB
    assert with_merge(BOB, ANN.id).merged_into == ANN.id
