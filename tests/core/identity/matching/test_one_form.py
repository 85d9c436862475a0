"""What a record says is put in one form before anything is compared: names, contacts, places and tax ids, however they are written."""

from __future__ import annotations

import pytest

from counterfoil.core.identity.matching.contacts import domain_of, email_of, phone_of
from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.names import spelled_name
from counterfoil.core.identity.matching.places import country_of, postal_code_of, street_of
from counterfoil.core.identity.matching.profiles import profile_of
from counterfoil.core.identity.matching.spelling import spelled
from counterfoil.core.identity.matching.tax_numbers import TaxNumber, tax_number


@pytest.mark.parametrize("text", ["Müller", "MUELLER", "Mueller", "Muller", "M\u0075\u0308ller"])
def test_umlauts_are_written_as_one_likes(text: str) -> None:
    assert spelled(text) == "muller"


@pytest.mark.parametrize(
    ("text", "one"), [("O'Reilly", "oreilly"), ("Straße", "strasse"), ("ООО Ромашка", "ooo romashka"), ("a\u00a0b", "a b")]
)
def test_letters_become_latin_and_signs_spaces(text: str, one: str) -> None:
    assert spelled(text) == one


@pytest.mark.parametrize("text", ["n/a", "N.A.", "-", "unknown", "  ", "null"])
def test_what_only_fills_a_field_is_empty(text: str) -> None:
    assert spelled(text) == ""


@pytest.mark.parametrize(
    "name",
    [
        "Acme Tools GmbH",
        "ACME TOOLS G.m.b.H.",
        "Acme Tools, Ltd.",
        "The Acme Tools Co., Ltd",
        "Acme Tools S.à r.l.",
        "Acme Tools GmbH & Co. KG",
        "Acme Tools",
    ],
)
def test_a_legal_form_is_no_part_of_the_name(name: str) -> None:
    assert spelled_name(name).words == ("acme", "tools")


def test_a_legal_form_is_known_however_it_is_written() -> None:
    forms = {spelled_name(f"Acme {form}").form for form in ("GmbH", "G.m.b.H", "Ltd", "Limited", "Pty Ltd", "B.V.")}
    assert forms == {"Limited"}
    assert spelled_name("Acme AG").form == spelled_name("Acme Corporation").form == "Corporation"
    assert spelled_name("Acme").form == ""


def test_a_form_before_the_name_and_one_without_a_space_are_forms() -> None:
    assert spelled_name("ООО Ромашка").words == ("romashka",)
    assert spelled_name("株式会社青空").words == spelled_name("青空株式会社").words != ()


def test_a_name_is_never_taken_away_whole() -> None:
    assert spelled_name("GmbH").words == ("gmbh",)
    assert spelled_name("Limited Company").words != ()
    assert spelled_name("The And").words == ("the", "and")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("https://www.shop.acme.co.uk/en?x=1", "acme.co.uk"),
        ("acme.de", "acme.de"),
        ("HTTP://ACME.DE:8080", "acme.de"),
        ("sales@mail.acme.com", "acme.com"),
        ("gmail.com", ""),
        ("co.uk", ""),
        ("acme", ""),
        ("", ""),
    ],
)
def test_a_domain_is_what_somebody_registered(text: str, domain: str) -> None:
    assert domain_of(text) == domain


def test_an_e_mail_address_is_found_in_what_stands_around_it() -> None:
    assert email_of("Billing <Billing+odd@Acme.COM>") == "billing@acme.com"
    assert email_of("billing at acme.com") == ""


@pytest.mark.parametrize("text", ["+49 30 1234567", "0049 (0)30 / 123 45 67", "030 1234567 ext. 12", "030-1234567 x12"])
def test_a_telephone_number_is_the_same_with_and_without_its_country(text: str) -> None:
    assert phone_of(text) == "301234567"


def test_a_telephone_number_of_too_few_or_like_digits_is_none() -> None:
    assert phone_of("112") == phone_of("000000000") == ""


def test_streets_countries_and_postal_codes_are_written_as_one_likes() -> None:
    assert street_of("Hauptstraße 5") == street_of("Hauptstr. 5") == street_of("HAUPT STR 5") == "haupt st 5"
    assert {country_of(text) for text in ("DE", "deu", "Germany", "Deutschland", " germany ")} == {"DE"}
    assert country_of("UK") == country_of("England") == "GB"
    assert country_of("Atlantis") == country_of("") == ""
    assert postal_code_of("sw1a 1aa") == postal_code_of("SW1A1AA")
    assert postal_code_of("94103-1234") == postal_code_of("94103")
    assert postal_code_of("01067") == postal_code_of("1067")


@pytest.mark.parametrize(
    ("text", "country", "key"),
    [
        ("DE 136.695-976", "", "DE:136695976"),  # python-stdnum, stdnum.de.vat
        ("136695976", "DE", "DE:136695976"),
        ("DE136695976", "FR", "DE:136695976"),
        ("GB 980 7806 84", "", "GB:980780684"),  # stdnum.gb.vat
        ("XI980780684", "IE", "GB:980780684"),  # Northern Ireland's numbers are Great Britain's
        ("CHE-107.787.577 IVA", "", "CH:CHE107787577"),  # stdnum.ch.vat
        ("CHE107787577", "CH", "CH:CHE107787577"),
        ("NO 995 525 828 MVA", "", "NO:995525828"),  # stdnum.no.mva
        ("995525828", "NO", "NO:995525828"),
        ("EL 094259216", "", "GR:094259216"),  # stdnum.gr.vat
        ("91-1144442", "US", "US:911144442"),  # stdnum.us.ein
    ],
)
def test_a_tax_id_is_checked_by_the_module_of_its_own_country(text: str, country: str, key: str) -> None:
    found = tax_number(text, country)
    assert found is not None
    assert (found.key, found.is_valid) == (key, True)


def test_a_tax_id_with_a_wrong_check_digit_is_kept_and_not_valid() -> None:
    assert tax_number("DE136695978") == TaxNumber("DE", "136695978", is_valid=False)
    assert tax_number("GB980780685") == TaxNumber("GB", "980780685", is_valid=False)


@pytest.mark.parametrize("text", ["", "n/a", "none", "DE000000000", "00-0000000", "1234"])
def test_what_fills_a_tax_id_is_none(text: str) -> None:
    assert tax_number(text, "DE") is None


def test_a_person_has_the_name_of_both_fields_where_there_is_no_other() -> None:
    assert profile_of(CustomerDetails("1", given_name="Ada", family_name="Example")).words == ("ada", "example")
    assert profile_of(CustomerDetails("1", name="Acme", given_name="Ada")).words == ("acme",)


def test_a_profile_has_the_domains_of_web_site_and_e_mail_but_no_free_hosts() -> None:
    assert profile_of(CustomerDetails("1", email="x@acme.de", domain="www.acme.com")).domains == ("acme.com", "acme.de")
    assert profile_of(CustomerDetails("1", email="x@gmail.com")).domains == ()
