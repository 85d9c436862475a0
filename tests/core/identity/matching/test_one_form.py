"""What a record says is put in one form before anything is compared: names, contacts, places and tax ids, however they are written."""

from __future__ import annotations

import pytest

from counterfoil.core.identity.matching.contacts import domain_of, email_of, phone_of
from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.names import SpelledName, spelled_name
from counterfoil.core.identity.matching.places import country_of, postal_code_of, street_of
from counterfoil.core.identity.matching.profiles import profile_of
from counterfoil.core.identity.matching.spelling import spelled
from counterfoil.core.identity.matching.tax_numbers import TaxNumber, is_wrong, tax_number


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
    assert spelled_name("SARL Dupont") == spelled_name("Dupont S.A.R.L.")
    assert spelled_name("株式会社青空").words == spelled_name("青空株式会社").words != ()


@pytest.mark.parametrize("place", ["EU", "NL", "EE", "PT", "EC", "SP", "SF", "EV", "UK", "DE"])
def test_a_place_behind_a_name_is_part_of_it(place: str) -> None:
    assert spelled_name(f"Acme Tools {place}").words == ("acme", "tools", place.lower())
    assert spelled_name(f"Acme Tools {place} Ltd") == SpelledName(("acme", "tools", place.lower()), "Limited")


@pytest.mark.parametrize("letter", ["A", "O", "X"])
def test_a_letter_behind_a_name_is_part_of_it(letter: str) -> None:
    assert spelled_name(f"Plan {letter} GmbH").words == ("plan", letter.lower())


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Acme Tools e.U.", "Sole Proprietorship"),  # Austria: eingetragenes Unternehmen
        ("Acme Tools e. U.", "Sole Proprietorship"),
        ("Acme Tools N.L.", "No Liability"),  # Australia
        ("Acme Tools A.E.", "Limited Liability Company"),  # Greece: anonymi etaireia
        ("Acme Tools \u0391.\u0395.", "Limited Liability Company"),
        ("Acme Tools O.E.", "General Partnership"),
        ("Acme Tools, E.E", "Limited Partnership"),
        ("Acme Tools e.V.", "Non-Profit"),  # Germany: eingetragener Verein
        ("Acme Tools s.p.", "Sole Proprietorship"),  # Slovenia: samostojni podjetnik
    ],
)
def test_a_form_that_a_place_or_a_letter_is_spelled_like_is_known_by_its_dots(name: str, form: str) -> None:
    assert spelled_name(name) == SpelledName(("acme", "tools"), form)


def test_a_name_is_never_taken_away_whole() -> None:
    assert spelled_name("GmbH").words == ("gmbh",)
    assert spelled_name(" e.U.").words == ("eu",)
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
        ("maria@hotmail.com.br", ""),  # a free host in another country
        ("maria@yahoo.com.mx", ""),
        ("a1b2@privaterelay.appleid.com", ""),  # an address that stands for another
        ("https://www.facebook.com/acme", ""),  # somebody's page
        ("https://acme.wordpress.com", ""),
        ("https://acme.myshopify.com", "acme.myshopify.com"),  # in the Public Suffix List
        ("livestock.com", "livestock.com"),
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
        ("0-99-4-000-61772-1", "TH", "TH:0994000617721"),  # stdnum.th.moa: companies
        ("3100600445635", "TH", "TH:3100600445635"),  # stdnum.th.pin: people are registered for the tax by it
        ("516179157", "IL", "IL:516179157"),  # stdnum.il.hp: companies
        ("3933742-3", "IL", "IL:039337423"),  # stdnum.il.idnr: people
        ("4540536920", "TR", "TR:4540536920"),  # stdnum.tr.vkn: companies
        ("17291716060", "TR", "TR:17291716060"),  # stdnum.tr.tckimlik: people
    ],
)
def test_a_tax_id_is_checked_by_the_module_of_its_own_country(text: str, country: str, key: str) -> None:
    found = tax_number(text, country)
    assert found is not None
    assert (found.key, found.is_valid) == (key, True)


def test_a_tax_id_with_a_wrong_check_digit_is_kept_and_not_valid() -> None:
    assert tax_number("DE136695978") == TaxNumber("DE", "136695978", is_valid=False)
    assert tax_number("GB980780685") == TaxNumber("GB", "980780685", is_valid=False)


@pytest.mark.parametrize(
    ("one", "other", "country", "key"),
    [
        ("T5835678256246", "5-8356-7825-6246", "JP", "JP:5835678256246"),  # stdnum.jp.cn; invoices bear it with T
        ("12892312-2-41", "HU12892312", "HU", "HU:12892312"),  # stdnum.hu.anum; at home with the kind of taxation and the county
    ],
)
def test_a_tax_id_as_invoices_at_home_bear_it_is_the_same(one: str, other: str, country: str, key: str) -> None:
    assert tax_number(one, country) == tax_number(other, country) == tax_number(f"{country}{one}")
    assert tax_number(one, country) == TaxNumber(country, key.partition(":")[2], is_valid=True)


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("XAXX010101000", "MX"),  # the public
        ("XEXX010101000", "US"),  # whoever lives abroad
        ("MX XEXX 010101 000", ""),
        ("999 999 990", "PT"),  # the final consumer
        ("55-00000212-6", "US"),  # companies of the United States in Argentina
        ("50000003015", "AR"),  # people of Afghanistan there
        ("51600003015", ""),
        ("EI00000000020", "SG"),  # buyers from abroad in Malaysia
    ],
)
def test_a_number_that_stands_for_whoever_has_none_is_nobodys_and_not_wrong(text: str, country: str) -> None:
    assert tax_number(text, country) is None
    assert not is_wrong(text, country)


def test_a_number_of_one_country_is_not_taken_for_what_stands_for_anybody_in_another() -> None:
    assert tax_number("99-9999990", "US") == TaxNumber("US", "999999990", is_valid=True)
    assert tax_number("GODE561231GR8", "MX") == TaxNumber("MX", "GODE561231GR8", is_valid=True)  # stdnum.mx.rfc
    assert tax_number("20-05536168-2", "AR") == TaxNumber("AR", "20055361682", is_valid=True)  # stdnum.ar.cuit


@pytest.mark.parametrize(
    ("text", "country"), [("T1234567890123", "JP"), ("M90365418H", "SG"), ("M2-0012345-6", "SG"), ("001234567890", "VN")]
)
def test_a_number_of_a_form_whose_check_digit_nobody_tells_is_neither_valid_nor_wrong(text: str, country: str) -> None:
    found = tax_number(text, country)
    assert found is not None
    assert not found.is_valid
    assert not is_wrong(text, country)


@pytest.mark.parametrize(
    ("text", "country"),
    [("583567825624", "JP"), ("201437554X", "SG"), ("0100233487", "VN"), ("12892313-2-41", "HU"), ("3100600445634", "TH")],
)
def test_a_number_of_no_form_its_country_has_is_wrong(text: str, country: str) -> None:
    assert is_wrong(text, country)


@pytest.mark.parametrize("text", ["", "n/a", "none", "DE000000000", "00-0000000", "1234"])
def test_what_fills_a_tax_id_is_none(text: str) -> None:
    assert tax_number(text, "DE") is None


def test_a_person_has_the_name_of_both_fields_where_there_is_no_other() -> None:
    assert profile_of(CustomerDetails("1", given_name="Ada", family_name="Example")).words == ("ada", "example")
    assert profile_of(CustomerDetails("1", name="Acme", given_name="Ada")).words == ("acme",)


def test_a_profile_has_the_domains_of_web_site_and_e_mail_but_no_free_hosts() -> None:
    assert profile_of(CustomerDetails("1", email="x@acme.de", domain="www.acme.com")).domains == ("acme.com", "acme.de")
    assert profile_of(CustomerDetails("1", email="x@gmail.com")).domains == ()
