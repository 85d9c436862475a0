"""Canonical text: one text per value, so that deciding twice gives the same ids."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from counterfoil.core.commands.books import Allocate, UpsertProduct
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.money import Money
from counterfoil.core.language.text import canonical_text, decimal_text


def test_a_value_is_written_with_its_type_and_field_names() -> None:
    value = Allocate("invoice/a", "payment/b", Money(5, "USD"))
    assert canonical_text(value) == 'Allocate{debit:"invoice/a",credit:"payment/b",amount:Money{minor:5,currency:"USD"}}'


def test_equal_decimals_and_instants_have_equal_texts() -> None:
    assert canonical_text(Decimal("1.0")) == canonical_text(Decimal("1")) == "d1"
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert canonical_text(noon) == canonical_text(noon.astimezone(timezone(timedelta(hours=9))))


def test_texts_cannot_run_into_each_other() -> None:
    assert canonical_text(('a","b',)) != canonical_text(("a", "b"))
    assert canonical_text(UpsertProduct('x"', "y")) != canonical_text(UpsertProduct("x", '"y'))
    assert canonical_text((1, "1", Decimal(1), True, None, Lane.REAL_TIME)) == '[1,"1",d1,true,null,10]'
    assert canonical_text(date(2026, 3, 1)) == "2026-03-01"


def test_a_naive_instant_has_no_text() -> None:
    with pytest.raises(ValueError, match="aware"):
        canonical_text(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None))


@pytest.mark.parametrize(
    ("value", "text"), [("19.00", "19"), ("8.875", "8.875"), ("0.0", "0"), ("100", "100"), ("1E+2", "100"), ("-0.0", "0")]
)
def test_percentages_are_written_without_trailing_zeros_or_exponent(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text
