"""What a system tells that was written to it is no word of its own; what somebody set there since is, also if it is what it was before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN

from counterfoil.core.identity.echoes import Content, EchoMatch, Written, heard, text_of, texts_of
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.product import Product

NAMES = ("name", "email")
ID = "demo:1"


def customer(name: str = "Ann", email: str = "a@example.com", **more: object) -> Customer:
    return Customer(ID, name, email, **more)  # type: ignore[arg-type]


def content(command: str, sent_at: int, done_at: int | None, told: Customer) -> Content:
    """Return the content a command wrote; digests are the texts themselves."""
    return Content(command, texts_of(told, NAMES), sent_at, done_at)


def matches(kept: str, text: str) -> bool:
    return kept == text


def hear(told: Customer, place: int, written: Written, word: Customer | None = None) -> tuple[Customer | None, Written]:
    """Return what a system says itself (None: nothing), and what is kept of what was written."""
    found = heard(told, place, word, written, matches)
    record = found.record
    assert isinstance(record, Customer)
    return None if found.is_echo else record, found.trace.of(written)


ONCE = Written((content("c1", 100, 105, customer()),))
TWICE = Written((content("c1", 100, 105, customer()), content("c2", 200, 205, customer("Anna"))))


def test_what_was_written_comes_back_and_says_nothing() -> None:
    said, kept = hear(customer(), 110, ONCE)
    assert (said, kept.seen, kept.contents) == (None, 110, ONCE.contents)


def test_it_may_come_back_before_it_is_known_to_be_there() -> None:
    assert hear(customer(), 101, Written((content("c1", 100, None, customer()),)))[0] is None


def test_what_else_is_told_with_it_is_a_word_of_its_own() -> None:
    said, _ = hear(customer(phone="12"), 110, ONCE)
    assert said == customer("", "", phone="12")
    own = customer("Ann Ltd", "a@example.com", phone="12")
    said, _ = hear(customer(phone="13"), 110, ONCE, word=own)
    assert said == customer("", phone="13")  # its own name was written over, its own e-mail is still what it says


def test_another_value_is_a_word_of_its_own_and_what_was_written_is_there_no_more() -> None:
    said, kept = hear(customer("Bob"), 110, ONCE)
    assert said == customer("Bob", "")
    assert [list(one.fields) for one in kept.contents] == [["email"]]


def test_who_sets_the_same_value_back_after_another_says_so_himself() -> None:
    said, kept = hear(customer("Bob"), 110, ONCE)
    back, _ = hear(customer("Ann"), 120, kept, word=said)
    assert back == customer("Ann", "")


def test_one_that_is_older_than_the_last_writing_may_be_of_the_writing_before() -> None:
    assert hear(customer("Ann"), 204, TWICE)[0] is None
    assert hear(customer("Anna"), 230, TWICE)[0] is None


def test_who_sets_the_value_of_the_writing_before_says_so_himself() -> None:
    said, kept = hear(customer("Ann"), 230, TWICE)
    assert said == customer("Ann", "")
    assert hear(customer("Anna"), 240, kept, word=said)[0] == customer("Anna", "")


def test_what_comes_late_and_is_older_than_what_was_seen_of_it_says_nothing_more() -> None:
    _, kept = hear(customer(), 130, ONCE)
    assert hear(customer("Bob"), 120, kept)[0] is None  # between the two somebody had set another, and set it back
    assert hear(customer("Bob"), 140, kept)[0] == customer("Bob", "")


def test_what_may_still_be_on_its_way_is_not_taken_for_gone() -> None:
    before = Written((content("c1", 100, None, customer("Anna")),))
    said, kept = hear(customer("Ann"), 101, before)
    assert said == customer("Ann", "")
    assert kept.contents == before.contents
    assert hear(customer("Anna"), 110, kept, word=said)[0] is None


def test_where_nothing_was_written_everything_is_its_own_word() -> None:
    assert hear(customer(), 110, Written()) == (customer(), Written())


def test_a_deletion_is_no_echo() -> None:
    said, _ = hear(customer(is_deleted=True), 110, ONCE)
    assert said == customer("", "", is_deleted=True)


def test_a_record_told_whole_is_its_own_word_unless_all_of_it_comes_back() -> None:
    product = Product(ID, "Seats")
    written = Written((Content("c1", texts_of(product, ("name",)), 100, 105),))
    assert heard(product, 110, None, written, matches).is_echo


@pytest.mark.parametrize(("one", "other"), [("Ann", "ann"), ("Ann", "Ann "), ("", " ")])
def test_texts_differ_as_values_do(one: str, other: str) -> None:
    assert text_of("name", one) != text_of("name", other)
    assert text_of("name", one) != text_of("email", one)


def test_traces_leave_what_was_sent_after_them() -> None:
    later = replace(TWICE, seen=50)
    left = EchoMatch(150, gone=frozenset({"name"})).of(later)
    assert [sorted(one.fields) for one in left.contents] == [["email"], ["email", "name"]]
    assert EchoMatch(150, has_come_back=True).of(later).seen == 150
    assert ANN.id != ID
