"""What of a customer is missing, wrong or said in two ways."""

from __future__ import annotations

import pytest

from counterfoil.core.identity.quality import CustomerSeen, QualityMeasure, are_unlike, shortcomings
from counterfoil.core.kinds.customer import Address, Customer, TaxId

GERMAN = Customer("a:1", "Acme Tools GmbH", address=Address(country="DE"), tax_ids=(TaxId("eu_vat", "DE136695976"),))


def of(name: str = "Acme Tools GmbH", country: str = "DE", *tax_ids: tuple[str, str], currency: str = "", used: str = "") -> list[str]:
    """Return what is to be set right of a customer."""
    ids = tuple(TaxId(*one) for one in tax_ids)
    customer = Customer("a:1", name, address=Address(country=country), tax_ids=ids, currency=currency)
    return [one.value for one in shortcomings(CustomerSeen(customer, currencies=used.split()))]


def test_who_is_as_he_should_be_has_nothing_to_be_set_right() -> None:
    assert list(shortcomings(CustomerSeen(GERMAN, ("ACME Tools",), {"EUR"}))) == []


def test_a_company_without_a_tax_id_is_missing_one_where_its_country_has_them() -> None:
    assert of("Acme GmbH", "DE") == ["missing_tax_ids"]
    assert of("Grace Hopper", "DE") == []  # a person
    assert of("Acme Inc.", "US") == []  # gives none to who sells to it
    assert of("Acme Ltd", "") == []  # nobody knows where it is
    person = Customer("a:1", "Grace Hopper", address=Address(country="FR"), is_business=True)
    assert list(shortcomings(CustomerSeen(person))) == [QualityMeasure.MISSING_TAX_IDS]


@pytest.mark.parametrize(
    ("country", "kind", "value", "is_right"),
    [
        ("DE", "eu_vat", "DE136695976", True),  # stdnum.de.vat
        ("DE", "eu_vat", "DE136695978", False),
        ("DE", "eu_vat", "136 695 976", True),
        ("GB", "gb_vat", "GB980780684", True),  # stdnum.gb.vat: not the Union's
        ("GB", "gb_vat", "GB802311781", False),
        ("GB", "eu_vat", "XI980780684", True),  # Northern Ireland's are Great Britain's
        ("CH", "ch_vat", "CHE-107.787.577 IVA", True),  # stdnum.ch.vat
        ("CH", "ch_vat", "CHE-107.787.578 MWST", False),
        ("NO", "no_vat", "NO 995 525 828 MVA", True),  # stdnum.no.mva
        ("NO", "no_vat", "995525829MVA", False),
        ("FR", "eu_vat", "DE136695976", True),  # registered elsewhere
        ("DE", "eu_vat", "n/a", False),
        ("XX", "eu_vat", "12345678", True),  # nobody can tell
        ("BR", "br_cpf", "390.533.447-06", True),  # of another kind: nobody looks
        ("DE", "eu_oss_vat", "EU123456789", True),
        ("TH", "th_vat", "3100600445635", True),  # stdnum.th.pin: a person's
        ("IL", "il_vat", "3933742-3", True),  # stdnum.il.idnr: a person's
        ("IL", "il_vat", "3933742-2", False),
        ("US", "vat", "XEXX010101000", True),  # Mexico's for whoever lives abroad
        ("SE", "no_vat", "995525828MVA", True),  # Norway's, as its kind says, of a company in Sweden
        ("SE", "no_vat", "995525829MVA", False),
        ("CA", "us_ein", "12-3456789", True),  # stdnum.us.ein
        ("DE", "", "181/815/08155", True),  # the tax office's number, where nobody said which is meant: stdnum.de.stnr
        ("DE", "eu_vat", "181/815/08155", False),
        ("DE", "", "36574261809", True),  # stdnum.de.idnr
        ("FR", "", "73282932000074", True),  # stdnum.fr.siret
        ("FR", "", "73282932000079", False),
        ("SE", "", "1234567897", True),  # stdnum.se.orgnr
        ("IT", "", "RCCMNL83S18D969H", True),  # a person's: stdnum.it.codicefiscale
        ("GB", "", "1955839661", True),  # stdnum.gb.utr
        ("IN", "", "ACUPA7085R", True),  # stdnum.in_.pan
        ("JP", "", "T7000012050002", True),  # who issues qualified invoices: stdnum.jp.cn behind a T
        ("DE", "", "n/a", False),
    ],
)
def test_a_tax_id_is_checked_by_its_own_country(country: str, kind: str, value: str, is_right: bool) -> None:
    assert ("wrong_tax_ids" not in of("Grace Hopper", country, (kind, value))) is is_right


@pytest.mark.parametrize(
    ("one", "other", "is_unlike"),
    [
        ("Acme Tools GmbH", "ACME TOOLS", False),
        ("Müller & Söhne KG", "Mueller und Soehne KG", False),
        ("Blue Sky Ltd", "Bluesky Limited", False),
        ("Acme Tools GmbH", "Acme Trading GmbH", True),
        ("Acme Tools GmbH", "Acme Tools AG", True),
        ("Acme Tools GmbH", "", False),
    ],
)
def test_names_are_unlike_by_their_words_or_by_two_legal_forms(one: str, other: str, is_unlike: bool) -> None:
    assert are_unlike([one, other]) is is_unlike
    assert are_unlike([other, one]) is is_unlike


def test_a_customer_billed_in_another_currency_than_his_own_or_in_two_is_mixed() -> None:
    assert of("Ann", "DE", currency="EUR", used="EUR") == []
    assert of("Ann", "DE", currency="EUR", used="USD") == ["mixed_currencies"]
    assert of("Ann", "DE", used="EUR USD") == ["mixed_currencies"]
    assert of("Ann", "DE", currency="EUR") == []
