"""Which posted documents are those the hub would post: certain by a number, to the cent, of the same customer and day, and alone."""

from __future__ import annotations

from datetime import date
from typing import Any

from counterfoil.core.identity.adopted_documents import DocumentLink, ExistingDocument, WishedDocument, document_links
from counterfoil.core.language.money import Money

DAY, LATER = date(2026, 3, 2), date(2026, 3, 20)
ADA = "res.partner/7"


def wished(number: int, minor: int = 11900, currency: str = "EUR", **more: Any) -> WishedDocument:
    told: dict[str, Any] = {
        "customer": ADA,
        "kind": "invoice",
        "entity": "de",
        "days": (DAY,),
        "numbers": (f"INV-00{number}", f"in_{number}x"),
    }
    told |= more
    return WishedDocument(id=f"stripe:in_{number}", key=f"invoice_stripe.in_{number}", total=Money(minor, currency), **told)


def existing(id: int, reference: str = "", minor: int = 11900, currency: str = "EUR", **more: Any) -> ExistingDocument:
    told: dict[str, Any] = {"customer": ADA, "kind": "invoice", "entity": "de", "days": (DAY,), "name": f"RG/2026/{id:05d}"} | more
    return ExistingDocument(f"account.move/{id}", total=Money(minor, currency), references=(reference,), **told)


def shown(links: list[DocumentLink]) -> list[tuple[str, str]]:
    return [(one.verdict.value, one.record.external_id if one.record else "") for one in links]


def test_a_document_is_the_one_with_its_number_amount_customer_and_day() -> None:
    (link,) = document_links([wished(1)], [existing(9, "Stripe INV-001"), existing(10, "INV-002")])
    assert shown([link]) == [("certain", "account.move/9")]
    assert link.reasons == ("the number is the same: INV001",)


def test_of_another_amount_by_a_cent_it_is_never_bound() -> None:
    (link,) = document_links([wished(1)], [existing(9, "INV-001", minor=11901)])
    assert shown([link]) == [("doubtful", "account.move/9")]
    assert link.barred == link.reasons[0] == "the amounts differ: 119.00 EUR at the source, 119.01 EUR in the books"


def test_of_another_currency_customer_or_entity_it_is_never_bound() -> None:
    others: tuple[tuple[dict[str, Any], str], ...] = (
        ({"currency": "USD"}, "the currencies differ: 119.00 EUR at the source, 119.00 USD in the books"),
        ({"customer": "res.partner/8"}, "it is of res.partner/8, and the customer is res.partner/7"),
        ({"entity": "us"}, "it is in the books of us, and not of de"),
    )
    for more, why in others:
        (link,) = document_links([wished(1)], [existing(9, "INV-001", **more)])
        assert (link.verdict.value, link.barred) == ("doubtful", why)


def test_another_day_and_a_customer_nobody_bound_are_for_people() -> None:
    (late,) = document_links([wished(1)], [existing(9, "INV-001", days=(LATER,))])
    assert (late.verdict.value, late.reasons[0], late.barred) == (
        "doubtful",
        "the days differ: 2026-03-02 at the source, 2026-03-20 in the books",
        "",
    )
    (unknown,) = document_links([wished(1, customer="")], [existing(9, "INV-001")])
    assert (unknown.verdict.value, unknown.reasons[0]) == ("doubtful", "its customer is not bound yet")


def test_without_a_number_in_common_the_same_amount_of_the_same_customer_is_for_people_if_the_days_are_near() -> None:
    (near,) = document_links([wished(1)], [existing(9, days=(LATER,))])
    assert (near.verdict.value, near.reasons[0]) == ("doubtful", "no number is in common")
    assert shown(document_links([wished(1)], [existing(9, days=(date(2026, 5, 2),))])) == [("missing", "")]


def test_two_documents_of_one_number_and_two_wishes_for_one_document_are_for_people() -> None:
    links = document_links([wished(1)], [existing(9, "INV-001"), existing(10, "INV-001")])
    assert shown(links) == [("doubtful", "account.move/9"), ("doubtful", "account.move/10")]
    assert "account.move/10, account.move/9 are all like it" in links[0].reasons
    both = document_links([wished(1), wished(2, numbers=("INV-001",))], [existing(9, "INV-001")])
    assert shown(both) == [("doubtful", "account.move/9")] * 2
    assert "invoice/stripe:in_1, invoice/stripe:in_2 are all like account.move/9" in both[0].reasons


def test_a_short_number_or_one_without_a_figure_tells_nothing() -> None:
    assert shown(document_links([wished(1, numbers=("17", "paid"))], [existing(9, "17 paid", customer="res.partner/8")])) == [
        ("missing", "")
    ]


def test_a_payment_is_no_invoice_whatever_number_it_bears() -> None:
    assert shown(document_links([wished(1)], [existing(9, "INV-001", kind="payment", customer="x")])) == [("missing", "")]


def test_what_bears_the_key_is_it_and_what_bears_another_is_nobody_s() -> None:
    there = existing(9, "INV-001", minor=5, keys=("invoice_stripe.in_1",)), existing(10, "INV-002", keys=("invoice_stripe.in_8",))
    assert shown(document_links([wished(1), wished(2, minor=1)], there)) == [("certain", "account.move/9"), ("missing", "")]
