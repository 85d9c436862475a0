"""Which customers are which records of a target: certain alone where nothing and nobody stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from counterfoil.core.identity.adoption import AdoptionLink, ExistingRecord, UnboundCustomer, customer_links, told_of
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.core.language.money import Money

BERLIN = Address("Torstr. 1", "", "Berlin", "", "10119", "DE")
VAT = (TaxId("eu_vat", "DE136695976"),)  # the number python-stdnum gives as an example


def customer(id: str, name: str, *, open: tuple[Money, ...] = (), **told: Any) -> UnboundCustomer:
    return UnboundCustomer(Customer(f"stripe:{id}", name, **told), f"customer_stripe.{id}", open)


def record(number: int, name: str, **more: Any) -> ExistingRecord:
    told = {field: more.pop(field) for field in ("email", "phone", "address", "tax_ids", "locale") if field in more}
    return ExistingRecord(f"res.partner/{number}", Customer(f"res.partner/{number}", name, **told), **more)


def shown(links: list[AdoptionLink]) -> list[tuple[str, str, str]]:
    return [(one.of.customer.id, one.verdict.value, one.record.external_id if one.record else "") for one in links]


def test_a_customer_is_the_only_record_with_its_tax_id_or_with_its_e_mail_address() -> None:
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH", tax_ids=VAT), customer("cus_2", "Ada Birk", email="ada@birk.example")],
        [record(7, "Nordwind", tax_ids=VAT), record(8, "Birk, Ada", email="Ada@birk.example"), record(9, "Somebody Else")],
    )
    assert shown(links) == [("stripe:cus_1", "certain", "res.partner/7"), ("stripe:cus_2", "certain", "res.partner/8")]


def test_a_customer_like_no_record_is_missing() -> None:
    assert shown(customer_links([customer("cus_1", "Nordwind GmbH")], [record(9, "Somebody Else")])) == [("stripe:cus_1", "missing", "")]


def test_the_source_s_id_that_people_wrote_on_a_record_is_certain_and_other_references_say_nothing() -> None:
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH"), customer("cus_2", "Ada Birk", email="ada@birk.example")],
        [record(7, "NW", reference="cus_1"), record(8, "Ada Birk", email="ada@birk.example", reference="K-10023")],
    )
    assert shown(links) == [("stripe:cus_1", "certain", "res.partner/7"), ("stripe:cus_2", "certain", "res.partner/8")]


def test_two_records_with_one_tax_id_are_for_people_and_both_are_named() -> None:
    (one, two) = customer_links(
        [customer("cus_1", "Nordwind GmbH", tax_ids=VAT)],
        [record(7, "Nordwind GmbH", tax_ids=VAT), record(8, "Nordwind GmbH", tax_ids=VAT)],
    )
    assert shown([one, two]) == [("stripe:cus_1", "doubtful", "res.partner/7"), ("stripe:cus_1", "doubtful", "res.partner/8")]
    assert one.reasons[0] == "res.partner/7, res.partner/8 all fit it: merge them in the target if they are one, or choose one"


def test_in_a_short_list_a_shared_e_mail_address_or_the_same_name_alone_is_for_people_and_not_missing() -> None:
    mail: dict[str, Any] = {"email": "post@nordwind.example"}
    shared = customer_links([customer("cus_1", "Nordwind GmbH", **mail)], [record(7, "Nordwind", **mail), record(8, "Nordwind", **mail)])
    assert shown(shared) == [("stripe:cus_1", "doubtful", "res.partner/7"), ("stripe:cus_1", "doubtful", "res.partner/8")]
    named = customer_links([customer("cus_1", "Nordwind GmbH")], [record(7, "Nordwind")])
    assert shown(named) == [("stripe:cus_1", "doubtful", "res.partner/7")]
    assert shared[1].reasons[-1] == "the e-mail address is the same"


def test_one_name_with_another_e_mail_address_or_country_is_somebody_else() -> None:
    there = [record(7, "Ada Birk", email="ada@birk.example"), record(8, "Ada Birk", address=Address(country="FR"))]
    told: dict[str, Any] = {"email": "ada@elsewhere.example", "address": BERLIN}
    assert shown(customer_links([customer("cus_1", "Ada Birk", **told)], there)) == [("stripe:cus_1", "missing", "")]


def test_a_tax_id_used_again_by_somebody_else_is_for_people() -> None:
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH", tax_ids=VAT)],
        [record(7, "Nordwind GmbH", tax_ids=VAT), record(8, "Sahara Travel SARL", tax_ids=VAT)],
    )
    assert {verdict for _, verdict, _ in shown(links)} == {"doubtful"}
    assert "is borne by 2 records of one side and proves nothing" in " ".join(links[0].reasons)


def test_a_record_that_two_customers_fit_is_for_people_and_both_are_named() -> None:
    one, two = customer_links(
        [customer("cus_1", "Nordwind GmbH", tax_ids=VAT), customer("cus_2", "Nordwind GmbH", tax_ids=VAT)],
        [record(7, "Nordwind GmbH", tax_ids=VAT)],
    )
    assert {link.verdict.value for link in (one, two)} == {"doubtful"}
    said = "stripe:cus_1, stripe:cus_2 all fit res.partner/7: say `counterfoil identity merge` if they are one, or choose one"
    assert one.reasons[0] == two.reasons[0] == said


def test_a_second_record_that_fits_by_e_mail_makes_a_tax_id_doubtful() -> None:
    # Open invoices may stand on either: which is the customer's is not the hub's to say.
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH", email="post@nordwind.example", tax_ids=VAT)],
        [record(7, "Nordwind GmbH", tax_ids=VAT), record(8, "Nordwind", email="post@nordwind.example")],
    )
    assert {verdict for _, verdict, _ in shown(links)} == {"doubtful"}


def test_a_company_is_certain_although_its_own_contact_bears_the_customer_s_e_mail_address() -> None:
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH", email="ada@nordwind.example", tax_ids=VAT)],
        [
            record(7, "Nordwind GmbH", tax_ids=VAT),
            record(8, "Ada Birk", email="ada@nordwind.example", part_of="res.partner/7", doubts=("it is a contact of Nordwind GmbH",)),
        ],
    )
    assert shown(links) == [("stripe:cus_1", "certain", "res.partner/7")]


def test_what_the_target_says_stands_in_the_way_is_for_people() -> None:
    for more in ({"doubts": ("it is archived",)}, {"barred": "it belongs to another company"}):
        (link,) = customer_links([customer("cus_1", "Ada", email="a@b.example")], [record(8, "Ada", email="a@b.example", **more)])
        assert link.verdict.value == "doubtful"
        assert link.reasons[0] == next(iter(more.values())) or link.reasons[:1] == next(iter(more.values()))


def test_open_money_in_other_currencies_on_both_sides_is_for_people() -> None:
    told: dict[str, Any] = {"email": "a@b.example"}
    (clash,) = customer_links(
        [customer("cus_1", "Ada", open=(Money(100, "EUR"),), **told)], [record(8, "Ada", open=(Money(100, "USD"),), **told)]
    )
    assert (clash.verdict.value, clash.reasons[0]) == (
        "doubtful",
        "the currencies differ: EUR is open at the source, USD in the books",
    )
    (same,) = customer_links(
        [customer("cus_1", "Ada", open=(Money(100, "EUR"),), **told)],
        [record(8, "Ada", open=(Money(9, "USD"), Money(7, "EUR")), **told)],
    )
    assert same.verdict.value == "certain"


def test_a_record_that_bears_the_customer_s_key_is_it_and_one_that_bears_another_s_is_nobody_s_here() -> None:
    links = customer_links(
        [customer("cus_1", "Nordwind GmbH"), customer("cus_2", "Ada Birk", email="ada@birk.example")],
        [
            record(7, "NW", keys=("customer_stripe.cus_1",)),
            record(8, "Ada Birk", email="ada@birk.example", keys=("customer_stripe.cus_9",)),
        ],
    )
    assert shown(links) == [("stripe:cus_1", "certain", "res.partner/7"), ("stripe:cus_2", "missing", "")]


def test_what_the_source_does_not_tell_is_no_change_of_the_record() -> None:
    (link,) = customer_links(
        [customer("cus_1", "Ada Birk", email="ada@birk.example", address=BERLIN)],
        [record(8, "Birk, Ada", email="ada@birk.example", phone="+49 30 1", tax_ids=VAT)],
    )
    assert link.changes == ("name: 'Birk, Ada' becomes 'Ada Birk'", "address: the source's is written")


def test_what_would_be_written_over_is_told_and_what_the_target_would_not_write_is_not() -> None:
    two = (TaxId("eu_vat", "DE136695976"), TaxId("us_ein", "12-3456789"))
    told = customer("cus_1", "Ada", email="ada@birk.example", address=BERLIN, tax_ids=two, locale="de-DE")
    there: dict[str, Any] = {"email": "ada@birk.example", "tax_ids": (TaxId("vat", "DE 136695976"),)}
    as_written = replace(told, written=replace(told.customer, tax_ids=VAT))
    (link,) = customer_links([as_written], [record(8, "Ada", **there, locale="de_DE", address=BERLIN)])
    assert link.changes == ()  # one number, however it is written, and one tongue
    (link,) = customer_links([told], [record(8, "Ada", **there, locale="fr_FR", address=BERLIN)])
    assert link.changes == ("tax id: DE136695976 becomes 123456789, DE136695976", "language: 'fr_FR' becomes 'de-DE'")
    kept = record(8, "Ada", **there, keeps=frozenset({"address", "tax id"}))
    assert customer_links([told], [kept])[0].changes == ()
    assert (
        customer_links([replace(told, customer=replace(told.customer, address=Address(), tax_ids=(), locale=""))], [kept])[0].changes == ()
    )


def test_of_many_of_one_name_those_with_another_postal_code_or_tax_id_are_somebody_else() -> None:
    plain = record(7, "Ada Birk")
    elsewhere = [record(8 + place, "Ada Birk", address=Address(postal_code=f"2009{place}")) for place in range(3)]
    one = customer("cus_1", "Ada Birk", address=Address(postal_code="10119"))
    assert shown(customer_links([one], elsewhere)) == [("stripe:cus_1", "missing", "")]
    assert shown(customer_links([one], [plain, *elsewhere])) == [("stripe:cus_1", "doubtful", "res.partner/7")]
    others = [record(8 + place, "Ada Birk", tax_ids=(TaxId("vat", f"FR4030326504{place}"),)) for place in range(3)]
    taxed = customer("cus_1", "Ada Birk", tax_ids=VAT)
    assert shown(customer_links([taxed], others)) == [("stripe:cus_1", "missing", "")]
    assert shown(customer_links([taxed], [plain, *others])) == [("stripe:cus_1", "doubtful", "res.partner/7")]


def test_a_customer_that_goes_by_its_address_for_want_of_a_name_takes_nobody_s_name() -> None:
    there = record(7, "Ada Birk", email="ada@birk.example")
    for name in ("ada@birk.example", "cus_1"):
        (link,) = customer_links([customer("cus_1", name, email="ada@birk.example")], [there])
        assert (link.record, link.changes) == (there, ())


def test_a_link_rests_on_who_somebody_is_and_not_on_the_balance() -> None:
    one = Customer("stripe:cus_1", "Ada", balance=Money(5, "EUR"))
    assert told_of(one) == told_of(Customer("stripe:cus_1", "Ada", balance=Money(6, "EUR")))
    assert told_of(one) != told_of(Customer("stripe:cus_1", "Ada Birk"))
