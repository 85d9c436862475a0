"""What people say of who is who: it goes before what systems say, and says nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from tests.core.builders import ANN, at

from counterfoil.core.identity.claims import Claim, Rule, survive
from counterfoil.core.identity.ownership import NOBODYS, Owner, ownership_of
from counterfoil.core.identity.people import claim_of, named_by
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.intent import PEOPLE, Intent

NOW = at("2026-03-10 12:00")
BOB = Customer("stripe:cus_B", "Bob", "bob@example.com")


def said(verb: str, about: str = "", subject: str = f"customer/{BOB.id}") -> Intent:
    return Intent("people:1", subject, verb, "mira", NOW, about)


def test_a_merge_a_return_and_a_keeping_apart_are_claims_on_nothing_but_the_merging() -> None:
    assert claim_of(said("merge", ANN.id)) == Customer(BOB.id, "", merged_into=ANN.id)
    assert claim_of(said("unmerge")) == Customer(BOB.id, "")
    assert claim_of(said("keep_apart")) == Customer(BOB.id, "", merged_into=BOB.id)


def test_what_is_decided_of_anything_else_is_no_claim_and_no_name() -> None:
    for intent in (said("approve"), said("merge", "hubspot:2", "company/hubspot:1"), said("merge", "2", "case/12"), said("merge", "x", "")):
        assert claim_of(intent) is None
        assert named_by(intent) is None


def test_a_name_is_of_any_kind_and_no_claim() -> None:
    intent = said("same_as", "stripe:ch_1", "payment/acme:p1")
    named = named_by(intent)
    assert named is not None
    assert (named[0].key, named[1], claim_of(intent)) == ("payment/acme:p1", "stripe:ch_1", None)
    assert named_by(said("not_same_as")) == (CUSTOMER.ref(BOB.id), "")


def test_what_people_say_goes_before_a_newer_word_and_the_owners() -> None:
    source = Claim("stripe", 9, NOW, replace(BOB, merged_into="stripe:cus_C"))
    for verb, about, into in (("merge", ANN.id, ANN.id), ("keep_apart", "", ""), ("unmerge", "", "stripe:cus_C")):
        record = claim_of(said(verb, about))
        assert record is not None
        for told in permutations([source, Claim(PEOPLE, 5, NOW, record)]):
            for ownership in (NOBODYS, ownership_of([Owner("customer", "stripe")])):
                found = survive(told, ownership, id=BOB.id)
                assert isinstance(found.record, Customer)
                assert (found.record.merged_into, found.record.name, found.record.email) == (into, "Bob", "bob@example.com")
                [origin] = [one for one in found.origins if one.field == "merged_into"]
                assert (origin.rule is Rule.PEOPLE) == (verb != "unmerge")


def test_of_a_source_what_is_merged_into_itself_is_not_kept_apart() -> None:
    # It is a circle, and a case.
    circle = replace(BOB, merged_into=BOB.id)
    assert survive([Claim("stripe", 1, NOW, circle)], id=BOB.id).record == circle
