"""One fact told by two systems: which id it goes by, whose word counts, and what must be looked at before it is taken for one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import ANN, NOON, credit_note, invoice, payment, refund, settled, usd

from counterfoil.core.identity.claims import Claim
from counterfoil.core.identity.ownership import NOBODYS, Owner, ownership_of
from counterfoil.core.identity.references import resolved
from counterfoil.core.identity.same_fact import FactMember, FactStanding, Obstacle, SameFact, naming, same_fact
from counterfoil.core.kinds import kind_of
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.ids import ObjectRef

BILLED, CLEARED = ObjectRef("payment", "acme:p1"), ObjectRef("payment", "stripe:ch_1")
OF_STRIPE = ownership_of([Owner("payment", "stripe")])
FOLLOWS = {BILLED: CLEARED}


def told(ref: ObjectRef, standing: FactStanding = FactStanding.NOTHING, *, amount: int = 1000, is_told: bool = True) -> FactMember:
    """Return a payment as its system tells it; the processor's moved its balance."""
    record = replace(payment(usd(amount)), id=ref.id)
    record = replace(record, settlement=settled(usd(amount), fee=30) if ref == CLEARED else None)
    return FactMember(ref, Claim(ref.id.partition(":")[0], 1, NOON, record) if is_told else None, standing)


def one(billed: FactMember, cleared: FactMember) -> SameFact:
    """Return the fact two systems tell of; in whichever order they are given."""
    found = same_fact([billed, cleared], FOLLOWS, OF_STRIPE)
    assert found == same_fact([cleared, billed], FOLLOWS, OF_STRIPE)
    return found


def test_the_owners_thing_is_followed_else_the_one_that_is_named() -> None:
    assert naming(BILLED, "acme", CLEARED.id, NOBODYS) == (BILLED, CLEARED)
    assert naming(BILLED, "acme", CLEARED.id, OF_STRIPE) == (BILLED, CLEARED)
    assert naming(BILLED, "acme", CLEARED.id, ownership_of([Owner("payment", "acme")])) == (CLEARED, BILLED)


def test_the_fact_is_known_by_the_id_of_the_one_whose_word_counts() -> None:
    found = one(told(BILLED), told(CLEARED))
    assert (found.head, found.word, found.awaited, found.obstacles) == (CLEARED, CLEARED, None, {})
    assert found.golden is not None
    assert found.golden.record == told(CLEARED).claim.record  # type: ignore[union-attr]


def test_until_that_one_is_told_of_it_is_waited_for() -> None:
    found = one(told(BILLED), told(CLEARED, is_told=False))
    assert (found.awaited, found.golden) == (CLEARED, None)


def test_what_was_wished_first_keeps_its_id_and_takes_the_others_word() -> None:
    found = one(told(BILLED, FactStanding.WISHED), told(CLEARED))
    assert found.head == BILLED
    assert isinstance(found.golden.record, Payment)  # type: ignore[union-attr]
    assert (found.golden.record.id, found.golden.record.settlement is None) == (BILLED.id, False)  # type: ignore[union-attr]
    assert found.obstacles == {}


def test_of_two_that_were_wished_the_booked_one_keeps_its_id() -> None:
    booked = replace(told(CLEARED, FactStanding.BOOKED))
    assert one(told(BILLED, FactStanding.WISHED), booked).head == CLEARED


def test_what_was_booked_without_the_balance_it_moved_is_for_people_and_two_bookings_too() -> None:
    assert one(told(BILLED, FactStanding.BOOKED), told(CLEARED)).obstacles == {BILLED: Obstacle.BOOKED_OTHERWISE}
    both = one(told(BILLED, FactStanding.BOOKED), told(CLEARED, FactStanding.BOOKED))
    assert both.obstacles == dict.fromkeys((BILLED, CLEARED), Obstacle.BOOKED_TWICE)


def test_what_a_person_let_go_before_it_was_named_is_not_booked_by_the_other_id() -> None:
    waived = one(told(BILLED, FactStanding.WAIVED), told(CLEARED))
    assert (waived.head, waived.obstacles) == (BILLED, {BILLED: Obstacle.WAIVED})
    for standing in (FactStanding.WISHED, FactStanding.BOOKED):  # let go because the other is booked
        beside = one(told(BILLED, FactStanding.WAIVED), told(CLEARED, standing))
        assert (beside.head, beside.obstacles) == (CLEARED, {})


def test_what_is_still_wished_by_another_id_than_the_facts_is_superseded() -> None:
    assert one(told(BILLED, FactStanding.BOOKED), told(CLEARED, FactStanding.WISHED)).superseded == (CLEARED,)
    assert one(told(BILLED, FactStanding.WISHED), told(CLEARED, FactStanding.WISHED)).superseded == (BILLED,)
    assert one(told(BILLED, FactStanding.WISHED), told(CLEARED)).superseded == ()


def test_where_the_declared_owner_told_nothing_the_word_of_the_one_that_is_followed_counts_however_old() -> None:
    cleared, billed = told(CLEARED), told(BILLED)
    newer = replace(billed, claim=replace(billed.claim, sequence=9))  # type: ignore[type-var]
    found = same_fact([newer, cleared], FOLLOWS, ownership_of([Owner("payment", "another account")]))
    assert found.golden is not None
    assert {one.claim.connection for one in found.golden.origins if one.claim is not None} == {"stripe"}


def test_customers_of_whom_several_are_in_the_books_wait_for_the_word_they_all_follow() -> None:
    acme, crm, word = (ObjectRef("customer", id) for id in ("acme:1", "crm:1", ANN.id))
    there = [FactMember(ref, Claim(ref.id, 1, NOON, replace(ANN, id=ref.id)), FactStanding.BOOKED) for ref in (acme, crm)]
    found = same_fact([*there, FactMember(word)], {acme: word, crm: word}, NOBODYS)
    assert (found.head, found.awaited, found.obstacles) == (word, word, {})


def test_another_amount_is_for_people_at_the_one_whose_word_does_not_count() -> None:
    assert one(told(BILLED, amount=900), told(CLEARED)).obstacles == {BILLED: Obstacle.AMOUNTS}


def test_things_that_follow_each_other_in_a_circle_are_nothing_at_all() -> None:
    found = same_fact([told(BILLED), told(CLEARED)], {BILLED: CLEARED, CLEARED: BILLED}, NOBODYS)
    assert found.golden is None
    assert found.obstacles == dict.fromkeys((BILLED, CLEARED), Obstacle.CIRCLE)


STANDINGS = st.sampled_from(FactStanding)


@given(STANDINGS, STANDINGS, st.booleans(), st.booleans())
def test_there_is_one_head_and_nothing_booked_is_ever_another_one_in_silence(
    billed: FactStanding, cleared: FactStanding, is_billed: bool, is_cleared: bool
) -> None:
    found = one(told(BILLED, billed, is_told=is_billed), told(CLEARED, cleared, is_told=is_cleared))
    assert found.head in found.members
    for ref, standing in ((BILLED, billed), (CLEARED, cleared)):
        if standing is FactStanding.BOOKED and ref != found.head:
            assert (found.obstacles or {}).get(ref) is Obstacle.BOOKED_TWICE


def test_a_record_that_names_another_id_names_the_head_in_every_place_and_only_there() -> None:
    paid = replace(payment(usd(100), ("stripe:ch_1", 60), ("acme:in_2", 40)), customer_id="stripe:ch_1", id="x:1")
    heads = {ObjectRef("invoice", "stripe:ch_1"): ObjectRef("invoice", "acme:1"), ObjectRef("payment", "x:1"): ObjectRef("payment", "y:1")}
    found = resolved(paid, heads)
    assert [one.invoice_id for one in found.applications] == ["acme:1", "acme:in_2"]
    assert (found.customer_id, found.id) == ("stripe:ch_1", "x:1")  # a customer and a payment, of the same texts


def test_references_of_every_shape_are_followed() -> None:
    given_back = replace(refund(usd(10)), payment_id=BILLED.id, credit_note_id="acme:cn")
    heads = {
        BILLED: CLEARED,
        ObjectRef("credit_note", "acme:cn"): ObjectRef("credit_note", "b:cn"),
        ObjectRef("refund", "a:r"): ObjectRef("refund", "b:r"),
    }
    assert (resolved(given_back, heads).payment_id, resolved(given_back, heads).credit_note_id) == (CLEARED.id, "b:cn")
    note = replace(credit_note(usd(10)), refund_ids=("a:q", "a:r"))
    assert resolved(note, heads).refund_ids == ("a:q", "b:r")


@given(st.sampled_from([invoice(usd(10)), payment(usd(10), ("stripe:in_1", 10)), refund(usd(10)), credit_note(usd(10))]))
def test_what_no_link_concerns_stays_as_it_is_and_every_reference_can_be_moved(record: object) -> None:
    kind = kind_of(record)  # type: ignore[arg-type]
    assert resolved(record, {}) is record  # type: ignore[type-var]
    refs = {ref for reference in kind.refers_to for ref in reference.refs(record)}
    heads = {ref: ObjectRef(ref.kind, f"moved:{ref.id.partition(':')[2]}") for ref in refs}
    moved = {ref for reference in kind.refers_to for ref in reference.refs(resolved(record, heads))}  # type: ignore[type-var]
    assert moved == set(heads.values())
