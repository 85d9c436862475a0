"""What survives of several claims: by field and by owner, whole where amounts must add up; the order of claims never matters."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import ANN, invoice, payment, settled, usd

from counterfoil.core.identity.claims import Claim, Golden, Rule, survive
from counterfoil.core.identity.ownership import Owner, mistakes, ownership_of
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.core.language.records import Record

START = datetime(2026, 3, 1, tzinfo=UTC)
FULL = replace(ANN, name="Ann", email="ann@example.com", tax_ids=(TaxId("eu_vat", "DE123456789"),), address=Address(country="DE"))


def claim(connection: str, sequence: int, record: Record) -> Claim:
    """Return what a connection says at a moment."""
    return Claim(connection, sequence, START + timedelta(seconds=sequence), record)


def origins(golden: Golden) -> dict[str, tuple[str, Rule]]:
    """Return who said each field that somebody says, and by which rule it was chosen."""
    return {one.field: (one.claim.connection, one.rule) for one in golden.origins if one.claim is not None}


def test_a_second_source_that_tells_only_a_name_empties_nothing() -> None:
    golden = survive([claim("stripe", 1, FULL), claim("crm", 2, Customer(ANN.id, "Ann & Co"))])
    assert golden.record == replace(FULL, name="Ann & Co")
    assert origins(golden) == {
        "name": ("crm", Rule.NEWEST),
        "email": ("stripe", Rule.ONLY),
        "address": ("stripe", Rule.ONLY),
        "tax_ids": ("stripe", Rule.ONLY),
    }


def test_an_owners_word_counts_whatever_is_newer_and_the_other_is_a_proposal() -> None:
    ownership = ownership_of([Owner("customer", "stripe", ("email", "phone"))])
    newer = claim("crm", 2, replace(FULL, email="other@example.com", phone="1", name="Ann & Co"))
    golden = survive([claim("stripe", 1, FULL), newer], ownership)
    assert (golden.record.email, golden.record.name) == ("ann@example.com", "Ann & Co")  # type: ignore[attr-defined]
    assert [(one.field, one.owner, one.claim) for one in golden.proposals] == [("email", "stripe", newer)]
    assert origins(golden)["phone"] == ("crm", Rule.ONLY)  # of which its owner says nothing
    assert origins(golden)["email"] == ("stripe", Rule.OWNER)


def test_a_field_is_its_own_owners_before_the_kinds() -> None:
    ownership = ownership_of([Owner("customer", "erp"), Owner("customer", "crm", ("name",))])
    golden = survive([claim("erp", 1, FULL), claim("crm", 2, Customer(ANN.id, "B", "b@example.com"))], ownership)
    assert (golden.record.name, golden.record.email) == ("B", "ann@example.com")  # type: ignore[attr-defined]


def test_what_is_told_whole_is_of_its_owner_and_only_what_it_leaves_out_and_is_kept_comes_from_others() -> None:
    billed = payment(usd(900), ("acme:in_1", 900))
    cleared = replace(payment(usd(1000)), settlement=settled(usd(1000), fee=30))
    golden = survive([claim("acme", 9, billed), claim("stripe", 1, cleared)], ownership_of([Owner("payment", "stripe")]))
    assert golden.record == replace(cleared, applications=billed.applications)
    assert origins(golden)["amount"] == ("stripe", Rule.OWNER)
    assert origins(golden)["applications"] == ("acme", Rule.FILLED)


def test_without_an_owner_what_is_told_whole_is_the_newest() -> None:
    golden = survive([claim("b", 2, invoice(usd(200))), claim("a", 1, invoice(usd(100)))])
    assert golden.record == invoice(usd(200))


def test_claims_of_two_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="several kinds"):
        survive([claim("a", 1, ANN), claim("b", 1, invoice(usd(1)))])


def test_the_golden_record_has_the_id_it_is_given() -> None:
    other = replace(FULL, id="acme:1", name="Other")
    assert survive([claim("a", 1, FULL), claim("b", 2, other)], id=ANN.id).record.id == ANN.id


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ((Owner("costumer", "a"),), "unknown kind of record 'costumer'"),
        ((Owner("customer", "a", ("mail",)),), "customer has no field 'mail' that can be owned"),
        ((Owner("customer", "a", ("id",)),), "customer has no field 'id' that can be owned"),
        ((Owner("payment", "a", ("amount",)),), "a payment is told whole, by one system: declare its owner without fields"),
        ((Owner("customer", "a", ("email",)), Owner("customer", "b", ("name", "email"))), "field 'email' of customer is owned twice"),
        ((Owner("payment", "a"), Owner("payment", "b")), "kind payment is owned twice: 'a' already is its owner"),
    ],
)
def test_an_ownership_that_contradicts_or_names_what_is_not_there_is_refused(declared: tuple[Owner, ...], message: str) -> None:
    [found] = mistakes(declared)
    assert found.message.startswith(message)
    assert found.position == len(declared) - 1
    with pytest.raises(ValueError, match=r"owned|kind|whole"):
        ownership_of(declared)


TEXTS = st.sampled_from(["", "a", "b", "c"])
RECORDS = st.builds(Customer, id=st.just("x:1"), name=TEXTS, email=TEXTS, phone=TEXTS, currency=TEXTS, is_deleted=st.booleans())
CONNECTIONS = st.sampled_from(["crm", "erp", "stripe"])
CLAIMS = st.lists(st.builds(claim, CONNECTIONS, st.integers(0, 5), RECORDS), min_size=1, max_size=3, unique_by=lambda one: one.connection)
OWNERS = st.lists(
    st.builds(Owner, st.just("customer"), CONNECTIONS, st.sampled_from([(), ("name",), ("email",), ("phone", "currency")])),
    max_size=3,
    unique_by=lambda one: one.fields,
).map(ownership_of)


@given(CLAIMS.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))), OWNERS)
def test_the_order_of_claims_never_matters(both: tuple[list[Claim], list[Claim]], ownership: Any) -> None:
    assert survive(both[0], ownership) == survive(both[1], ownership)


@given(CLAIMS, OWNERS)
def test_who_says_nothing_of_a_field_empties_nothing_and_an_older_word_never_wins(claims: list[Claim], ownership: Any) -> None:
    golden = survive(claims, ownership)
    for name in ("name", "email", "phone", "currency"):
        saying = [one for one in claims if getattr(one.record, name)]
        value = getattr(golden.record, name)
        assert bool(value) == bool(saying)
        owner = ownership.owner("customer", name)
        counted = [one for one in saying if one.connection == owner] or saying
        newest = max((one.sequence for one in counted), default=0)
        assert not counted or value in {getattr(one.record, name) for one in counted if one.sequence == newest}


@given(CLAIMS, OWNERS)
def test_every_field_has_one_origin_and_each_proposal_differs_from_its_owners_word(claims: list[Claim], ownership: Any) -> None:
    golden = survive(claims, ownership)
    assert [one.field for one in golden.origins] == [field.name for field in fields(Customer) if field.name != "id"]
    for one in golden.proposals:
        assert ownership.owner("customer", one.field) == one.owner != one.claim.connection
        assert getattr(one.claim.record, one.field) not in ("", getattr(golden.record, one.field))


@given(RECORDS)
def test_one_claim_survives_as_it_is(record: Customer) -> None:
    assert survive([claim("crm", 1, record)]).record == record
