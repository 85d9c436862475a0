"""Canonical JSON: what is written, and that it reads back the same."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import Account, AccountRole, BookCommand, EntryLine, PostEntry
from counterfoil.core.facts.events import Event, ref_of
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.customer import Customer, CustomerEvent, TaxId
from counterfoil.core.kinds.payment import Payment, PaymentState
from counterfoil.core.kinds.payout import PAYOUT
from counterfoil.core.kinds.product import PRODUCT, Product
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import decode_arguments, decode_command, decode_event, decode_record, encode
from counterfoil.kit.errors import RejectedError

INSTANT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False))


def test_a_payment_is_written_with_sorted_keys_and_amounts_as_integers() -> None:
    payment = Payment("acme:p1", "acme:c1", PaymentState.SUCCEEDED, Money(1234, "EUR"), INSTANT)
    assert encode(payment) == (
        b'{"amount":{"currency":"EUR","minor":1234},"applications":[],"customer_id":"acme:c1","earlier_parts":null,'
        b'"failure_code":"","first_part_id":"","id":"acme:p1","is_out_of_band":false,"method":"","occurred_at":"2026-03-01T12:30:00Z","settlement":null,"state":"succeeded"}'
    )


def test_rates_are_written_as_strings_so_that_no_reader_makes_floats_of_them() -> None:
    assert b'"percentage":"19.00"' in encode(TaxRate("acme:t", "VAT", Decimal("19.00"), is_inclusive=False))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_entity_reads_back_equal_and_writes_the_same_bytes_again(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    entity = data.draw(st.from_type(KINDS[kind].record))
    again = decode_record(kind, encode(entity))
    assert again == entity
    assert encode(again) == encode(entity)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_every_commands_arguments_read_back_equal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SPECS)))
    arguments = data.draw(st.from_type(SPECS[kind].arguments))
    assert decode_arguments(kind, encode(arguments)) == arguments


def test_an_event_and_a_command_read_back_whole() -> None:
    customer = Customer("acme:c1", "Café Ünal", tax_ids=(TaxId("eu_vat", "DE123456789"),))
    event = Event("ev1", CustomerEvent.CREATED, 1, "acme", ref_of(customer), INSTANT, INSTANT, 7, customer, causation_id="r1")
    assert decode_event(encode(event)) == event
    line = EntryLine(Account(AccountRole.FEES), Money(5, "JPY"))
    entry = PostEntry(date(2026, 3, 1), (line,))
    command = Command("c1", BookCommand.POST_ENTRY, "erp", "US", PAYOUT.ref("acme:po"), "k", entry, lane=Lane.BATCH)
    assert decode_command(encode(command)) == command


def test_fields_a_newer_release_added_are_passed_over_and_missing_ones_take_their_default() -> None:
    read = decode_record(PRODUCT.name, b'{"id": "acme:p", "name": "Seat", "color": "red"}')
    assert read == Product("acme:p", "Seat")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": 5, "name": "x"}', b'{"id": "x"}', b"\xff\xfe", b'{"id": "a", "name": "\xff"}'])
def test_bytes_that_are_not_the_kind_are_rejected(data: bytes) -> None:
    with pytest.raises(RejectedError) as caught:
        decode_record(PRODUCT.name, data)
    assert caught.value.code == "codec.shape"
