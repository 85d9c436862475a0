"""Which posted documents are those the hub would post: certain by a number, to the cent, of the same customer and day, and alone."""

from __future__ import annotations

from dataclasses import replace
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


def test_what_cannot_be_it_is_no_rival_of_what_can() -> None:
    there = existing(9, "INV-001"), existing(10, "INV-001", entity="us"), existing(11, "INV-001", minor=5000)
    assert shown(document_links([wished(1)], there)) == [("certain", "account.move/9")]
    both = wished(1), wished(2, entity="us", numbers=("INV-001",))
    assert shown(document_links(both, there)) == [("certain", "account.move/9"), ("certain", "account.move/10")]


def test_a_wish_that_a_document_cannot_be_is_no_rival_for_it() -> None:
    both = wished(1), wished(2, minor=5000, numbers=("INV-001",))
    links = document_links(both, [existing(9, "INV-001")])
    assert shown(links) == [("certain", "account.move/9"), ("doubtful", "account.move/9")]


def test_what_has_its_number_and_cannot_be_it_hides_nothing_of_its_amount() -> None:
    links = document_links([wished(1)], [existing(9, "INV-001", minor=11901), existing(10)])
    assert shown(links) == [("doubtful", "account.move/9"), ("doubtful", "account.move/10")]
    assert links[1].barred == ""


def paid(number: int, minor: int, *bills: int, day: date = DAY, **more: Any) -> WishedDocument:
    """Return a payment of some invoices, by the source's numbers of both."""
    told = {"kind": "payment", "days": (day,), "numbers": (*(f"INV-00{one}" for one in bills), f"ch_{number}x")} | more
    return replace(wished(number, minor, **told), key=f"payment_{number}", bills=tuple(f"invoice_stripe.in_{one}" for one in bills))


def received(id: int, text: str, minor: int, day: date = DAY) -> ExistingDocument:
    return existing(id, text, minor, kind="payment", days=(day,), name=f"BNK/{id}")


def test_parts_of_an_invoice_s_price_paid_on_two_days_are_each_certain() -> None:
    # 119.00 paid by 100.00 and 19.00, both entered with the invoice's number
    wishes = paid(5, 10000, 1), paid(6, 1900, 1, day=LATER)
    there = received(20, "INV-001", 10000), received(21, "INV-001", 1900, LATER)
    assert shown(document_links(wishes, there)) == [("certain", "account.move/20"), ("certain", "account.move/21")]


def test_a_payment_is_found_by_what_the_books_call_the_invoice_it_pays() -> None:
    # registered from the invoice, so it bears the number the books gave that, which no source knows
    registered, bill = received(20, "RG/2026/00009", 11900), existing(9, "INV-001")
    assert shown(document_links([paid(5, 11900, 1), wished(1)], [registered, bill])) == [
        ("certain", "account.move/20"),
        ("certain", "account.move/9"),
    ]
    adopted = replace(bill, keys=("invoice_stripe.in_1",))
    assert shown(document_links([paid(5, 11900, 1)], [registered, adopted])) == [("certain", "account.move/20")]
    (unsure, _) = document_links([paid(5, 11900, 1), wished(1)], [registered, replace(bill, days=(LATER,))])
    assert (unsure.verdict.value, unsure.reasons[0]) == ("doubtful", "no number is in common")


def test_a_credit_note_is_found_by_what_the_books_call_the_invoice_it_credits() -> None:
    note = replace(wished(3, 1900, kind="credit_note", numbers=("CN-77",)), key="cn_3", bills=("invoice_stripe.in_1",))
    there = existing(9, "INV-001"), existing(30, "Reversal of: RG/2026/00009, late", 1900, kind="credit_note", name="RRG/2026/00001")
    assert shown(document_links([note, wished(1)], there)) == [("certain", "account.move/30"), ("certain", "account.move/9")]


def test_what_is_billed_to_a_contact_of_a_company_is_of_both() -> None:
    there = existing(9, "INV-001", customer="res.partner/1", contact=ADA)
    assert shown(document_links([wished(1)], [there])) == [("certain", "account.move/9")]
    assert shown(document_links([wished(1, customer="res.partner/1")], [there])) == [("certain", "account.move/9")]
    (other,) = document_links([wished(1, customer="res.partner/8")], [there])
    assert other.barred == "it is of res.partner/1 or res.partner/7, and the customer is res.partner/8"
    unnumbered = existing(9, customer="res.partner/1", contact=ADA)
    assert shown(document_links([wished(1)], [unnumbered])) == [("doubtful", "account.move/9")]


def test_what_was_taken_back_in_the_books_is_for_people_unless_the_source_took_it_back_as_well() -> None:
    there = existing(9, "INV-001", is_reversed=True)
    (link,) = document_links([wished(1)], [there])
    assert (link.verdict.value, link.barred) == ("doubtful", "")
    assert link.reasons[0] == "it was taken back in the books: what is paid at the source would find nothing open"
    note = replace(wished(3, kind="credit_note"), key="cn_3", bills=("invoice_stripe.in_1",))
    assert shown(document_links([wished(1), note], [there])) == [("certain", "account.move/9"), ("missing", "")]


def test_that_less_is_to_be_paid_in_the_books_is_told_and_no_reason_against_it() -> None:
    (link,) = document_links([wished(1, open=Money(11900, "EUR"))], [existing(9, "INV-001", open=Money(0, "EUR"))])
    assert link.verdict.value == "certain"
    assert link.reasons == ("the number is the same: INV001", "open: 119.00 EUR at the source, 0.00 EUR in the books")


def test_a_draft_is_shown_and_bound_to_nothing() -> None:
    (link,) = document_links([wished(1)], [existing(9, "INV-001", is_draft=True)])
    assert (link.verdict.value, link.barred) == ("doubtful", "it is a draft: post it and plan again, or delete it")
    (unnumbered,) = document_links([wished(1)], [existing(9, is_draft=True)])
    assert unnumbered.barred == link.barred
    assert shown(document_links([wished(1)], [existing(9, "INV-001", is_draft=True), existing(10, "INV-001")])) == [
        ("certain", "account.move/10")
    ]
