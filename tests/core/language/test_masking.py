"""What others say is kept without what it says about a person."""

from __future__ import annotations

import pytest

from counterfoil.core.commands.books import UpsertCustomer, UpsertProduct
from counterfoil.core.kinds.customer import Address, Customer, TaxId, personal
from counterfoil.core.language.masking import masked

CUSTOMER = Customer(
    "stripe:cus_1",
    "Zacharias Quillfeather",
    email="zacharias@quillfeather.example",
    phone="+49 30 1234567",
    address=Address("9 Unmistakable Lane", city="Berlin", postal_code="10115", country="DE"),
    tax_ids=(TaxId("eu_vat", "DE123456789"),),
)


def test_what_odoo_says_of_a_vat_id_names_nobody() -> None:
    # Odoo's own words, as its VAT check builds them.
    words = "The VAT number [DE123456789] for partner [Zacharias Quillfeather, zacharias@quillfeather.example] does not seem to be valid."
    expected = "The VAT number [[VAT id]] for partner [[name], [e-mail]] does not seem to be valid."
    assert masked(words, personal(CUSTOMER)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("write to ada.lovelace+bills@sub.example.co.uk now", "write to [e-mail] now"),
        ("VAT ATU12345678 and NL123456789B01, FR 12345678901", "VAT [VAT id] and [VAT id], [VAT id]"),
        ("call +44 (0)20 7946 0958", "call [phone]"),
        # what looks like one and is none: an amount, a day, a document's number, an account, an id of the source
        ("Odoo computes 1,190.00 EUR on 2026-03-31", "Odoo computes 1,190.00 EUR on 2026-03-31"),
        ("INV/2026/00005 uses account 400000", "INV/2026/00005 uses account 400000"),
        ("invoice_stripe.in_1MtHbELkdIwHu7ix is FRAGILE1", "invoice_stripe.in_1MtHbELkdIwHu7ix is FRAGILE1"),
    ],
)
def test_patterns_are_masked_without_knowing_the_customer_and_nothing_else_is(words: str, expected: str) -> None:
    assert masked(words) == expected


def test_a_name_is_found_in_any_case_and_cut_off_at_the_end_but_not_inside_of_a_word() -> None:
    known = [("Zacharias Quillfeather", "name"), ("Al", "name"), ("10115", "address")]
    assert masked("ZACHARIAS QUILLFEATHER is gone", known) == "[name] is gone"
    assert masked("no partner Zacharias Quil...", known) == "no partner [name]..."
    assert masked("All of it, 10115 times", known) == "All of it, 10115 times"


def test_only_the_arguments_of_a_customer_name_a_person() -> None:
    assert dict(UpsertCustomer(CUSTOMER).personal) == {
        "Zacharias Quillfeather": "name",
        "zacharias@quillfeather.example": "e-mail",
        "+49 30 1234567": "phone",
        "9 Unmistakable Lane": "address",
        "10115": "address",
        "DE123456789": "VAT id",
    }
    assert UpsertProduct("stripe:prod_1", "Consulting").personal == ()
