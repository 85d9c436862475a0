"""Keys by which work waits: how each is written in tables, and read again."""

from __future__ import annotations

import pytest

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language import keys
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import Declared, NeedKey, WaitKey

BILL = INVOICE.ref("stripe:in_1")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (keys.need_of(BILL), "invoice/stripe:in_1"),
        (keys.entry_need("fee", "stripe:txn_1"), "entry/fee.stripe:txn_1"),
        (keys.match_need("invoice/a+payment/b"), "match/invoice/a+payment/b"),
        (keys.unmatch_need("invoice/a+payment/b"), "unmatch/invoice/a+payment/b"),
        (keys.wait_for(BILL), "invoice/stripe:in_1"),
        (keys.wait_for_mapping("tax", "DE", "us/sales|exclusive"), "mapping/tax/DE/us/sales|exclusive"),
        (keys.wait_for_route("billing"), "route/billing"),
        (keys.wait_for_entity("DE"), "entity/DE"),
        (keys.wait_for_entity("DE", "uncredited_refunds", "without_invoice"), "entity/DE/uncredited_refunds/without_invoice"),
        (keys.wait_for_period("DE"), "period/DE"),
        (keys.wait_for_period("DE", "2026-01-31"), "period/DE/2026-01-31"),
        (keys.wait_for_owner("customer", "email", "sales"), "ownership/customer/email/sales"),
        (keys.wait_for_same_fact(BILL), "same_fact/invoice/stripe:in_1"),
        (keys.wait_for_open(keys.need_of(BILL)), "open/invoice/stripe:in_1"),
    ],
)
def test_each_key_is_the_text_that_stands_in_tables(key: NeedKey | WaitKey, text: str) -> None:
    assert key == text


def test_a_mapping_that_is_waited_for_is_read_with_all_slashes_of_its_key() -> None:
    assert keys.mapping_of(WaitKey("mapping/tax/DE/us/sales|exclusive")) == ("tax", "DE", "us/sales|exclusive")
    assert [keys.mapping_of(WaitKey(text)) for text in ("route/mapping/x", "invoice/stripe:in_1", "")] == [None, None, None]


def test_an_object_is_read_with_all_slashes_of_its_id() -> None:
    assert keys.object_of(WaitKey("invoice/file:2026/1")) == ObjectRef("invoice", "file:2026/1")


def test_what_people_declare_is_told_from_objects_and_from_each_other() -> None:
    told = [(one.value, [keys.is_of(WaitKey(text), one) for text in ("period/DE", "entity/DE", "entity", BILL.key)]) for one in Declared]
    assert [name for name, found in told if found[0]] == ["period"]
    assert [name for name, found in told if found[1]] == ["entity"]
    assert [name for name, found in told if found[2] or found[3]] == []


def test_of_what_people_declare_all_but_a_period_stands_in_the_rules() -> None:
    assert set(keys.DECLARED_PREFIXES) - set(keys.RULED_PREFIXES) == {"period/"}


def test_an_entry_is_told_by_its_key() -> None:
    assert [keys.is_entry(NeedKey(text)) for text in ("entry/fee.stripe:txn_1", "invoice/entry/1", "entry")] == [True, False, False]
