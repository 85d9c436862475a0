"""What is a loop, by what was written: bounded whatever comes, never what is new each time, and let go by answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.core.identity.loops import (
    USUAL,
    FieldLoop,
    FieldsWritten,
    LoopAnswer,
    LoopLimits,
    loop_of,
    suspects,
)
from counterfoil.core.kinds.customer import Address, TaxId
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.looping import CODE, field_of, in_a_loop, owner_of

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = ObjectRef("customer", "stripe:cus_A")


def writes(*values: object, every: timedelta = HOUR, field: str = "phone") -> list[FieldsWritten]:
    """Return one write of a field with each value, told by the event of its place."""
    return [FieldsWritten(START + place * every, {field: value}, f"e{place}") for place, value in enumerate(values)]


def loop(history: Sequence[FieldsWritten], tellers: Sequence[str] = (), answer: LoopAnswer | None = None, owner: str = "") -> FieldLoop:
    """Return what was written of ``phone`` to the one place ``left``."""
    told = {f"e{place}": teller for place, teller in enumerate(tellers)}
    return loop_of("phone", {"left": history}, USUAL, told, owner, answer or LoopAnswer())


def is_held(found: FieldLoop, now: datetime = START + 20 * HOUR) -> bool:
    return found.is_held(now, USUAL)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("ababab", True),  # the third to the sixth come back
        ("ababa", False),
        ("abcabcabc", True),  # so do those of a ring of three
        ("aabbaabbaabb", True),  # writes of other fields in between change nothing
        ("abcdefghi", False),
        ("aaaaaaaaaaaa", False),
    ],
)
def test_four_values_that_come_back_within_the_window_are_a_loop(values: str, expected: bool) -> None:
    assert is_held(loop(writes(*values))) is expected


def test_what_comes_back_after_the_window_does_not_and_a_loop_is_over_once_it_is_past() -> None:
    assert not is_held(loop(writes(*"ababababab", every=timedelta(days=8))), START + timedelta(days=80))
    assert is_held(loop(writes(*"ababab")), START + 2 * HOUR + USUAL.window)
    assert not is_held(loop(writes(*"ababab")), START + 3 * HOUR + USUAL.window)  # the first that came back is past


def test_four_values_that_each_come_back_after_the_window_are_none_though_they_do_so_at_once() -> None:
    later = [replace(one, at=one.at + timedelta(days=8)) for one in writes(*"abcd")]
    assert not is_held(loop([*writes(*"abcd"), *later]), START + timedelta(days=8, hours=4))


def test_twelve_answers_of_a_system_that_is_written_to_are_a_loop_and_words_of_one_that_is_not_are_none() -> None:
    history = writes(*range(13))
    assert is_held(loop(history, ["stripe", *["left"] * 12]))
    assert not is_held(loop(history, ["stripe"] * 13))
    assert not is_held(loop(writes(*range(12)), ["stripe", *["left"] * 11]))


def test_a_place_of_its_own_is_counted_for_itself() -> None:
    places = {"left": writes(*"abab"), "right": writes(*"abab")}
    assert not is_held(loop_of("phone", places, USUAL, {}))


def test_as_long_as_nobody_answers_it_is_held_whatever_the_time() -> None:
    found = loop(writes(*"ababab"), answer=LoopAnswer(is_open=True))
    assert is_held(found, START + timedelta(days=300))


def test_after_a_retry_it_is_written_once_more_and_held_when_it_comes_back_again() -> None:
    answer = LoopAnswer(at=START + 5 * HOUR + HOUR / 2, is_retried=True)
    assert not is_held(loop(writes(*"ababab"), answer=answer))
    assert not is_held(loop(writes(*"abababa"), answer=answer))
    assert is_held(loop(writes(*"abababab"), answer=answer))


def test_after_another_owner_was_declared_what_was_written_before_counts_no_more() -> None:
    assert not is_held(loop(writes(*"ababab"), answer=LoopAnswer(is_ruled=True)))
    resolved = LoopAnswer(at=START + 5 * HOUR)
    assert not is_held(loop(writes(*"ababababa"), answer=resolved))
    assert is_held(loop(writes(*"ababababab"), answer=resolved))


def test_what_was_waived_are_the_values_of_until_then() -> None:
    found = loop(writes(*"abababc"), answer=LoopAnswer(at=START + 5 * HOUR, is_waived=True))
    assert set(found.let_go()) == {"a", "b"}
    assert loop(writes(*"ababab")).let_go() == ()


def test_whoever_may_be_in_a_loop_is_looked_at_and_nobody_else() -> None:
    other = [replace(one, fields={**one.fields, "name": "Ann"}) for one in writes(*"ababab")]
    assert suspects({"left": other, "right": writes("a")}, USUAL) == ("phone",)
    assert suspects({"left": writes(*"abab")}, USUAL) == ()
    assert USUAL.writes_min == 6
    assert LoopLimits(returns=30, answers=2).writes_min == 3


VALUES = st.lists(st.sampled_from("abcd"), max_size=60)
TELLERS = st.lists(st.sampled_from(["stripe", "left", "crm"]), min_size=60, max_size=60)


@given(VALUES, TELLERS, st.integers(2, 5), st.integers(2, 8))
def test_however_systems_answer_each_other_a_place_is_written_so_often_and_no_more(
    values: list[str], tellers: list[str], returns: int, answers: int
) -> None:
    limits = LoopLimits(returns, answers)
    history: list[FieldsWritten] = []
    told = {f"e{place}": teller for place, teller in enumerate(tellers)}
    for place, value in enumerate(values):
        now = START + place * timedelta(minutes=1)
        found = loop_of("phone", {"left": history}, limits, told)
        written = history[-1].fields["phone"] if history and found.is_held(now, limits) else value
        history.append(FieldsWritten(now, {"phone": written}, f"e{place}"))
    [turns] = loop_of("phone", {"left": history}, limits, told).turns.values() or [()]
    assert sum(turn.is_return for turn in turns) <= returns
    assert sum(turn.is_answer for turn in turns) <= answers


@given(VALUES, TELLERS)
def test_nothing_is_held_that_was_not_looked_at(values: list[str], tellers: list[str]) -> None:
    history = writes(*values)
    if is_held(loop(history, tellers), START + len(values) * HOUR):
        assert suspects({"left": history}, USUAL) == ("phone",)


@given(st.lists(st.text(max_size=5), max_size=40, unique=True))
def test_values_that_are_new_each_time_and_told_by_sources_alone_are_never_a_loop(values: list[str]) -> None:
    assert not is_held(loop(writes(*values), ["stripe"] * len(values)), START + len(values) * HOUR)


def test_the_case_says_all_there_is_to_know_and_no_number_name_or_address() -> None:
    found = loop(writes("+49 30 901820", "+4930901820", "+49 30 901820"), ["crm", "stripe", "crm"], owner="crm")
    told = in_a_loop(ANN, found)
    assert told.code == CODE
    assert told.cause == (
        "phone of customer/stripe:cus_A goes round in a loop: since 2026-03-10 13:00 UTC it was written to left 2 times, each time"
        " otherwise (values of the form '+9999999999' and '+99 99 999999'). crm (its declared owner) and stripe tell it by turns, each"
        " otherwise; where crm says nothing, the newest word of the others counts. What was written last stays there, and further changes"
        " of this field are held; all else of the record goes on."
    )
    assert told.remedy.startswith("Look in crm or stripe for what changes phone by itself")
    assert "declare another owner under [[ownership]] (kind customer, field phone)" in told.remedy
    assert told.releases_on == "ownership/customer/phone"


@pytest.mark.parametrize(
    ("field", "values", "shown"),
    [
        ("address", (Address("1 Main St", city="Boston", country="US"), Address()), "of the form '9 Xxxx Xx, Xxxxxx, XX' and ''"),
        ("tax_ids", ((TaxId("eu_vat", "DE136695976"),), ()), "of the form 'xx_xxx, XX999999999' and ''"),
        ("currency", ("EUR", "USD"), "values 'EUR' and 'USD'"),
        ("is_business", (True, False), "values 'True' and 'False'"),
        ("locale", ("a", "b", "c", "d", "e"), "values 'a' and 'b' and 'c' and 2 more"),
    ],
)
def test_values_are_shown_as_they_are_only_where_they_tell_nobody_apart(field: str, values: tuple[object, ...], shown: str) -> None:
    history = writes("", *values, field=field)
    assert shown in in_a_loop(ANN, loop_of(field, {"left": history}, USUAL, {})).cause


def test_of_a_case_its_fingerprint_tells_the_field_and_whose_word_counted() -> None:
    about = in_a_loop(ANN, loop(writes(*"ab"), owner="crm"))
    fingerprint = f"{about.code}|{about.releases_on}|{about.about}"
    assert (field_of(fingerprint), owner_of(fingerprint)) == ("phone", "crm")
    assert owner_of(f"{CODE}|ownership/customer/phone|{ANN.key}|") == ""
