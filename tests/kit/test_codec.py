"""Canonical JSON: what is written, and that it reads back the same."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.core.canonical import commands as c
from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.events import ENTITY_OF_KIND, KIND_OF_ENTITY, Event, EventType, ref_of
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money
from counterfoil.kit.codec import decode_arguments, decode_command, decode_entity, decode_event, encode
from counterfoil.kit.errors import RejectedError

INSTANT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False))


def test_a_payment_is_written_with_sorted_keys_and_amounts_as_integers() -> None:
    payment = e.Payment("acme:p1", "acme:c1", e.PaymentState.SUCCEEDED, Money(1234, "EUR"), INSTANT)
    assert encode(payment) == (
        b'{"amount":{"currency":"EUR","minor":1234},"applications":[],"customer_id":"acme:c1","earlier_parts":null,'
        b'"failure_code":"","first_part_id":"","id":"acme:p1","is_out_of_band":false,"method":"","occurred_at":"2026-03-01T12:30:00Z","settlement":null,"state":"succeeded"}'
    )


def test_rates_are_written_as_strings_so_that_no_reader_makes_floats_of_them() -> None:
    assert b'"percentage":"19.00"' in encode(e.TaxRate("acme:t", "VAT", Decimal("19.00"), is_inclusive=False))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_entity_reads_back_equal_and_writes_the_same_bytes_again(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ENTITY_OF_KIND)))
    entity = data.draw(st.from_type(ENTITY_OF_KIND[kind]))
    again = decode_entity(kind, encode(entity))
    assert again == entity
    assert encode(again) == encode(entity)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_every_commands_arguments_read_back_equal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(c.CommandKind)))
    arguments = data.draw(st.from_type(c.ARGUMENTS_OF_KIND[kind]))
    assert decode_arguments(kind, encode(arguments)) == arguments


def test_an_event_and_a_command_read_back_whole() -> None:
    customer = e.Customer("acme:c1", "Café Ünal", tax_ids=(e.TaxId("eu_vat", "DE123456789"),))
    event = Event("ev1", EventType.CUSTOMER_CREATED, 1, "acme", ref_of(customer), INSTANT, INSTANT, 7, customer, causation_id="r1")
    assert decode_event(encode(event)) == event
    line = c.EntryLine(c.Account(c.AccountRole.FEES), Money(5, "JPY"))
    entry = c.PostEntry(date(2026, 3, 1), (line,))
    command = c.Command("c1", c.CommandKind.POST_ENTRY, "erp", "US", ObjectRef(ObjectKind.PAYOUT, "acme:po"), "k", entry, lane=c.Lane.BATCH)
    assert decode_command(encode(command)) == command


def test_fields_a_newer_release_added_are_passed_over_and_missing_ones_take_their_default() -> None:
    read = decode_entity(ObjectKind.PRODUCT, b'{"id": "acme:p", "name": "Seat", "color": "red"}')
    assert read == e.Product("acme:p", "Seat")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": 5, "name": "x"}', b'{"id": "x"}', b"\xff\xfe", b'{"id": "a", "name": "\xff"}'])
def test_bytes_that_are_not_the_kind_are_rejected(data: bytes) -> None:
    with pytest.raises(RejectedError) as caught:
        decode_entity(ObjectKind.PRODUCT, data)
    assert caught.value.code == "codec.shape"


def test_every_kind_has_an_entity_and_back() -> None:
    assert set(ENTITY_OF_KIND) == set(ObjectKind)
    assert set(KIND_OF_ENTITY.values()) == set(ObjectKind)
