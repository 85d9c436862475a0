"""What each piece of evidence tells, in bits: by how rare a value is among the others, and by how two values differ."""

from __future__ import annotations

import pytest

from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.evidence import Evidence, evidence_of
from counterfoil.core.identity.matching.frequencies import Feature, Frequencies, frequencies_of
from counterfoil.core.identity.matching.profiles import Profile, profile_of


def profile(**said: object) -> Profile:
    return profile_of(CustomerDetails("x", **said))  # type: ignore[arg-type]


def told(left: Profile, right: Profile, *more: Profile) -> dict[str, Evidence]:
    """Return the evidence on two records by what it is about, with more records on the right side."""
    seen = frequencies_of([left], [right, *more])
    return {one.about: one for one in evidence_of(left, right, seen)}


def of_cities(berlin: int, others: int) -> Frequencies:
    right = [profile(city="Berlin")] * berlin + [profile(city=f"Town{n}") for n in range(others)]
    return frequencies_of([profile(city="Berlin")], right)


def test_a_city_nobody_else_is_known_in_tells_as_much_as_cities_usually_do() -> None:
    # One of 300 usual: log2 300 = 8.23.
    assert of_cities(1, 0).bits(Feature.CITY, "berlin") == pytest.approx(8.23, abs=0.01)


def test_a_city_tells_less_the_more_others_are_there_and_more_the_more_are_elsewhere() -> None:
    # Two others of 200, and two thirds of one (200/300) on 200 more for what is usual: 2.667 of 400, log2 150 = 7.23.
    assert of_cities(3, 198).bits(Feature.CITY, "berlin") == pytest.approx(7.23, abs=0.01)
    # 100 others of 200: 100.667 of 400, log2 3.97 = 1.99.
    assert of_cities(101, 100).bits(Feature.CITY, "berlin") == pytest.approx(1.99, abs=0.01)


def test_a_value_never_tells_more_than_its_field_may() -> None:
    assert of_cities(1, 5000).bits(Feature.CITY, "berlin") == 9


def test_two_valid_tax_ids_of_one_country_that_differ_are_strong_evidence_against() -> None:
    piece = told(profile(tax_ids=("DE136695976",)), profile(tax_ids=("DE129274202",)))["tax id"]
    assert (piece.agreement.value, piece.bits) == ("different", -10)


def test_a_tax_id_mistyped_by_one_digit_is_alike_and_of_another_country_nothing() -> None:
    left = profile(tax_ids=("DE136695976",))
    assert told(left, profile(tax_ids=("DE136695978",)))["tax id"].agreement.value == "alike"
    assert "tax id" not in told(left, profile(tax_ids=("136695976",), country="AT"))


def test_what_is_made_for_one_tells_nothing_once_two_of_a_side_have_it() -> None:
    one = profile(email="office@acme.de", national_id="7012345", external_ids=(("billing", "c1"),), phone="030 1234567")
    alone = told(one, one)
    assert min(piece.bits for piece in alone.values()) > 14
    shared = told(one, one, one)
    assert {about: piece.bits for about, piece in shared.items()} == {"external id": 0, "national id": 0, "e-mail": 0, "phone": 4}


def test_the_domain_of_a_group_tells_little() -> None:
    one, sister = profile(domain="acme.de"), profile(domain="www.acme.de")
    assert told(one, sister)["domain"].bits > 13
    assert told(one, sister, sister)["domain"].bits == 6


def test_an_address_that_is_another_in_every_part_is_one_move() -> None:
    left = profile(street="Hauptstraße 5", city="Berlin", postal_code="10115", state="Berlin")
    moved = told(left, profile(street="Ringweg 9", city="Essen", postal_code="45127", state="Nordrhein"))
    assert sum(piece.bits for piece in moved.values()) == pytest.approx(-3)
    street_only = told(left, profile(street="Ringweg 9", city="Berlin", postal_code="10115"))
    assert street_only["street"].bits == -1.5


def test_a_city_and_its_postal_code_tell_little_more_than_the_rarer() -> None:
    # log2 1000 = 9.97 of the postal code, a quarter of log2 300 = 8.23 of the city.
    pieces = told(profile(city="Berlin", postal_code="10115"), profile(city="Berlin", postal_code="10115"))
    assert pieces["postal code"].bits == pytest.approx(9.97, abs=0.01)
    assert pieces["city"].bits == pytest.approx(2.06, abs=0.01)


def test_words_in_another_order_and_written_together_are_one_name() -> None:
    for other in ("Tools Blue Sky", "Bluesky Tools", "BLUE-SKY TOOLS LTD"):
        assert told(profile(name="Blue Sky Tools"), profile(name=other))["name"].agreement.value == "same"


@pytest.mark.parametrize(
    ("other", "agreement"),
    [
        ("Zimblatt Optcis", "alike"),
        ("Zimblat Optics Group", "alike"),
        ("Z. Optics", "alike"),
        ("Zimblatt", "alike"),
        ("Corvo Bakery", "different"),
    ],
)
def test_names_are_compared_word_by_word(other: str, agreement: str) -> None:
    assert told(profile(name="Zimblatt Optics"), profile(name=other))["name"].agreement.value == agreement


def test_a_name_of_first_letters_is_like_what_it_stands_for() -> None:
    piece = told(profile(name="IBM"), profile(name="International Business Machines"))["name"]
    assert (piece.agreement.value, piece.bits) == ("alike", 3)


def test_a_date_of_birth_may_have_a_slip_or_day_and_month_exchanged() -> None:
    left = profile(born_on="1970-02-11")
    agreed = {
        other: told(left, profile(born_on=other))["date of birth"].agreement.value for other in ("19700211", "19701102", "1970-02-12")
    }
    assert agreed == {"19700211": "same", "19701102": "alike", "1970-02-12": "alike"}
    assert told(left, profile(born_on="1985-11-30"))["date of birth"].agreement.value == "different"


def test_a_street_with_another_house_number_is_another() -> None:
    left = profile(street="Hauptstraße 5")
    assert told(left, profile(street="Haupstr. 5"))["street"].agreement.value == "alike"
    assert told(left, profile(street="Hauptstraße 7"))["street"].agreement.value == "different"
