"""One record among all that are known: whatever two lists would call the same is found by the index of keys, and so is what is shared."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from tests.core.identity.matching.test_laws import RECORDS, SIDES

from counterfoil.core.identity.matching.among_known import (
    BEARERS_MAX,
    COMPARED_MAX,
    doubted,
    finding_keys,
    frequencies_among,
    judged,
    likely,
    speaking_for,
)
from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.judging import Judgment, MatchRule, MatchVerdict, Thresholds
from counterfoil.core.identity.matching.matcher import match
from counterfoil.core.identity.matching.profiles import Profile, profile_of
from counterfoil.core.policies.rules import MatchingPolicy
from counterfoil.upkeep.found_pairs import found_of

ACME = CustomerDetails("a", name="Acme Tools GmbH", email="office@acme.de", tax_ids=("DE136695976",), city="Berlin", country="DE")


def _bearers(keys: set[str], known: list[Profile]) -> dict[str, list[str]]:
    return {key: [one.id for one in known if key in finding_keys(one)][: BEARERS_MAX + 1] for key in keys}


def found(asked: CustomerDetails, known: list[CustomerDetails], one: dict[str, str] | None = None) -> dict[str, Judgment]:
    """Return what a record is taken for beside each it is compared with, by that one's id. ``one``: who is whom already, by id."""
    profile, profiles, heads = profile_of(asked), [profile_of(other) for other in known], one or {}
    keys = finding_keys(profile)
    bearers, records = _bearers(keys, profiles), len(known) + 1
    chosen = set(likely(keys, bearers, records))
    others = [other for other in profiles if other.id in chosen]
    seen = frequencies_among(profile, others, bearers, {}, records, lambda id: heads.get(id, id))
    told = judged(profile, others, seen, records, lambda _: Thresholds(), lambda a, b: heads.get(a, a) == heads.get(b, b))
    return {judgment.right.id: judgment for judgment in told}


def strangers(count: int) -> list[CustomerDetails]:
    """Return customers who share nothing with anybody."""
    return [CustomerDetails(f"s{n}", name=f"Zz{n}q Xw{n}j", email=f"m@zz{n}.org") for n in range(count)]


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES)
def test_whatever_two_lists_call_the_same_is_found_among_all_that_are_known(
    left: list[CustomerDetails], right: list[CustomerDetails]
) -> None:
    a, b = ([replace(one, id=f"{side}{place}") for place, one in enumerate(records)] for side, records in (("a", left), ("b", right)))
    both = {one.id: one for one in [*a, *b]}
    for pair in match(a, b):
        if pair.verdict is MatchVerdict.SAME:
            for asked, other in ((pair.left.id, pair.right.id), (pair.right.id, pair.left.id)):
                told = found(both[asked], [one for one in both.values() if one.id != asked])
                assert told[other].verdict is not MatchVerdict.DIFFERENT, (pair, told.get(other))


@settings(max_examples=100, deadline=None)
@given(RECORDS, RECORDS)
def test_strangers_hide_nobody(one: CustomerDetails, other: CustomerDetails) -> None:
    one, other = replace(one, id="a"), replace(other, id="b")
    alone = found(one, [other]).get("b")
    if alone is not None and alone.verdict is MatchVerdict.SAME:
        assert found(one, [*strangers(200), other])["b"].verdict is not MatchVerdict.DIFFERENT


def test_one_valid_tax_id_is_the_same_customer_by_that_rule() -> None:
    told = found(ACME, [*strangers(5), replace(ACME, id="b", name="ACME Tool GmbH", email="x@gmail.com")])
    assert (told["b"].verdict, told["b"].rule) == (MatchVerdict.SAME, MatchRule.TAX_ID)


def test_what_two_others_bear_proves_nothing_unless_they_are_one_customer() -> None:
    others = [replace(ACME, id="b", email=""), replace(ACME, id="c", email="")]
    assert {one.verdict for one in found(ACME, others).values()} == {MatchVerdict.REVIEW}
    told = found(ACME, others, {"c": "b"})
    assert {one.verdict for one in told.values()} == {MatchVerdict.SAME, MatchVerdict.REVIEW}
    assert {one.rule for one in told.values()} == {MatchRule.TAX_ID}


def test_who_is_the_asked_one_already_does_not_make_what_they_share_worth_less() -> None:
    told = found(ACME, [replace(ACME, id="b"), replace(ACME, id="c", name="Acme Tools")], {"a": "a", "b": "a"})
    assert told["c"].verdict in (MatchVerdict.SAME, MatchVerdict.REVIEW)
    assert not [remark for remark in told["c"].remarks if "borne by" in remark]


def test_who_may_be_one_stays_for_people_where_another_is_so_more_surely() -> None:
    alike = CustomerDetails("c", name="Acme Tool GmbH", country="DE")
    assert found(ACME, [alike])["c"].verdict is MatchVerdict.REVIEW
    told = found(ACME, [alike, replace(ACME, id="b")])
    assert (told["b"].verdict, told["c"].verdict) == (MatchVerdict.SAME, MatchVerdict.REVIEW)
    assert found(alike, [ACME, replace(ACME, id="b")])["a"].verdict is MatchVerdict.REVIEW


def test_a_key_that_too_many_bear_finds_nobody_and_the_most_alike_come_first() -> None:
    many = [f"m{n}" for n in range(BEARERS_MAX + 1)]
    assert likely({"wacme"}, {"wacme": many}, 1000) == []
    few = [f"f{n:02}" for n in range(COMPARED_MAX + 5)]
    shared = dict.fromkeys(("dacme.de", "p301234567", "shauptst 5"), few) | {"eoffice@acme.de": ["f34"]}
    found_ids = likely(set(shared), shared, 200)
    assert (found_ids[0], len(found_ids)) == ("f34", COMPARED_MAX)


def test_a_name_of_thousands_of_words_has_the_keys_of_its_first() -> None:
    long = profile_of(replace(ACME, name=" ".join(f"word{n}xyz" for n in range(500))))
    assert len(finding_keys(long)) < 70
    assert "wword0xyz" in finding_keys(long)


def test_who_was_linked_is_doubted_once_both_contradict_each_other_and_not_for_what_others_bear() -> None:
    asked, seen = profile_of(ACME), frequencies_among(profile_of(ACME), [], {}, {}, 10, str)
    told = {
        "same": replace(ACME, id="same"),
        "renamed": replace(ACME, id="renamed", name="Windmill Bakery", tax_ids=()),
        "numbered": replace(ACME, id="numbered", tax_ids=("DE129274202",)),
        "moved": CustomerDetails("moved", name="Windmill Bakery", email="x@bakery.fr", country="FR"),
    }
    found = doubted(asked, [profile_of(one) for one in told.values()], seen, 10, lambda _: Thresholds())
    assert [one.right.id for one in found] == ["renamed", "numbered", "moved"]
    shared = frequencies_among(asked, [profile_of(told["same"])], {"t136695976": ["other", "another"]}, {}, 10, str)
    assert doubted(asked, [profile_of(told["same"])], shared, 10, lambda _: Thresholds()) == []


def test_what_speaks_for_two_is_the_same_whichever_is_asked() -> None:
    other = replace(ACME, id="b", name="Acme Toolz GmbH")
    one, turned = found(ACME, [other])["b"], found(other, [ACME])["a"]
    assert speaking_for(one) == speaking_for(turned)
    assert ("e-mail", "office@acme.de", "office@acme.de") in speaking_for(one)


def test_what_is_kept_of_two_is_the_same_whichever_is_asked() -> None:
    other = replace(ACME, id="b", name="Acme Toolz GmbH", country="AT")
    one, turned = found(ACME, [other])["b"], found(other, [ACME])["a"]
    kept = [[(piece.about, piece.left, piece.right) for piece in found_of(told, None).evidence] for told in (one, turned)]
    assert kept[0] == kept[1]
    assert ("country", "DE", "AT") in kept[0]


def test_of_two_entities_the_stricter_holds_whichever_comes() -> None:
    loose, strict = MatchingPolicy("US", 0.99, 0.4, links=True, owner="sellers"), MatchingPolicy("DE", 0.9999, 0.7)
    for one, other in ((loose, strict), (strict, loose)):
        both = one.beside(other)
        assert (both.same, both.review, both.links, both.owner) == (0.9999, 0.7, False, "sellers")
    assert loose.beside(loose).links
