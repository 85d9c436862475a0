"""Laws of the matcher: neither sides nor order matter, strangers change nothing, and nobody is the same as two."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.judging import Judgment, MatchVerdict
from counterfoil.core.identity.matching.matcher import match

WORDS = st.sampled_from(["Acme", "Acmee", "Brandt", "Corvo", "Tools", "Tool", "Energy", "Müller", "Mueller", "GmbH", "AG"])
TAX_IDS = st.sampled_from(["DE136695976", "DE129274202", "DE136695978", "GB980780684"])

RECORDS = st.builds(
    CustomerDetails,
    id=st.just(""),
    name=st.lists(WORDS, max_size=3).map(" ".join),
    email=st.sampled_from(["", "office@acme.de", "info@brandt.com", "x@gmail.com"]),
    domain=st.sampled_from(["", "", "acme.de", "brandt.com"]),
    phone=st.sampled_from(["", "030 1234567", "+49 30 1234567", "0201 55555123"]),
    tax_ids=st.one_of(st.just(()), st.tuples(TAX_IDS)),
    external_ids=st.sampled_from([(), (), (("billing", "c1"),), (("billing", "c2"),)]),
    street=st.sampled_from(["", "Hauptstr. 5", "Hauptstraße 5", "Ringweg 9"]),
    city=st.sampled_from(["", "Berlin", "Essen"]),
    country=st.sampled_from(["", "DE", "FR"]),
)
SIDES = st.lists(RECORDS, max_size=6)


def _named(records: list[CustomerDetails], side: str) -> list[CustomerDetails]:
    return [replace(one, id=f"{side}{place}") for place, one in enumerate(records)]


def _told(found: list[Judgment], *, is_turned: bool = False) -> dict[tuple[str, str], tuple[str, str, float, frozenset[str]]]:
    """Return what is told of each pair; where sides were exchanged, with the sides as they were."""
    told = {}
    for one in found:
        ids = (one.right.id, one.left.id) if is_turned else (one.left.id, one.right.id)
        told[ids] = (one.verdict.value, one.rule.value, round(one.bits, 6), frozenset(piece.about for piece in one.evidence))
    return told


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES)
def test_exchanging_the_sides_exchanges_the_pairs(left: list[CustomerDetails], right: list[CustomerDetails]) -> None:
    a, b = _named(left, "a"), _named(right, "b")
    assert _told(match(a, b)) == _told(match(b, a), is_turned=True)


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(left: list[CustomerDetails], right: list[CustomerDetails], chance: object) -> None:
    a, b = _named(left, "a"), _named(right, "b")
    found = match(a, b)
    chance.shuffle(a)  # type: ignore[attr-defined]
    chance.shuffle(b)  # type: ignore[attr-defined]
    assert match(a, b) == found or _told(match(a, b)) == _told(found)


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES)
def test_nobody_is_the_same_as_two(left: list[CustomerDetails], right: list[CustomerDetails]) -> None:
    same = [one for one in match(_named(left, "a"), _named(right, "b")) if one.verdict is MatchVerdict.SAME]
    for side in ("left", "right"):
        assert max(Counter(getattr(one, side).id for one in same).values(), default=0) <= 1


@settings(max_examples=120, deadline=None)
@given(SIDES, SIDES)
def test_two_valid_tax_ids_of_one_country_that_differ_are_never_the_same(left: list[CustomerDetails], right: list[CustomerDetails]) -> None:
    for one in match(_named(left, "a"), _named(right, "b")):
        if one.verdict is MatchVerdict.SAME:
            ours, theirs = ({number.key for number in side.tax if number.is_valid} for side in (one.left, one.right))
            countries = {key[:2] for key in ours} & {key[:2] for key in theirs}
            assert not countries or ours & theirs


def _strangers(count: int, side: str) -> list[CustomerDetails]:
    """Return records that share no word, number or place with anybody."""
    return [
        CustomerDetails(f"{side}{n}", name=f"Zz{side}{n}q Xw{side}{n}j", email=f"m@zz{side}{n}.org", city=f"Yonder{side}{n}")
        for n in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, st.integers(min_value=1, max_value=300))
def test_strangers_make_nobody_different_who_was_the_same(left: list[CustomerDetails], right: list[CustomerDetails], count: int) -> None:
    a, b = _named(left, "a"), _named(right, "b")
    same = {(one.left.id, one.right.id) for one in match(a, b) if one.verdict is MatchVerdict.SAME}
    more = _told(match(a + _strangers(count, "s"), b + _strangers(count, "t")))
    assert {pair for pair in same if pair not in more or more[pair][0] == "different"} == set()
