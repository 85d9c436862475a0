"""What two records are taken for: rules that are certain in their order, scores between thresholds, and what forbids both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from counterfoil.core.identity.matching.candidates import candidates
from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.core.identity.matching.judging import Judgment, MatchRule, MatchVerdict, Thresholds, prior_bits
from counterfoil.core.identity.matching.matcher import match, reasons_of
from counterfoil.core.identity.matching.profiles import profile_of

ACME = CustomerDetails("a", name="Acme Tools GmbH", country="DE")
OTHER = CustomerDetails("b", name="Unrelated Bakery SARL", country="FR")
TAX, OTHER_TAX = "DE136695976", "DE129274202"  # both valid: stdnum.de.vat, stdnum.eu.vat


def of(left: CustomerDetails, right: CustomerDetails, *more: CustomerDetails, thresholds: Thresholds | None = None) -> Judgment | None:
    """Return what the first of one side and the first of the other are taken for, with more records on the other side."""
    found = match([left], [right, *more], thresholds)
    return next((one for one in found if one.right.id == right.id), None)


def told(one: Judgment | None) -> tuple[str, str]:
    assert one is not None
    return one.verdict.value, one.rule.value


def stands(one: Judgment | None) -> str:
    return "different" if one is None else one.verdict.value


def test_an_external_id_is_certain_whatever_the_names_are() -> None:
    left, right = (replace(one, external_ids=(("billing", "c1"),)) for one in (ACME, OTHER))
    assert told(of(left, right)) == ("same", "external id")
    assert stands(of(left, replace(right, external_ids=(("shop", "c1"),)))) == "different"


def test_an_external_id_that_two_of_one_side_bear_is_no_rule_but_stays_for_people() -> None:
    left, right, again = (replace(one, id=id, external_ids=(("billing", "c1"),)) for one, id in ((ACME, "a"), (OTHER, "b"), (OTHER, "c")))
    assert told(of(left, right, again)) == ("review", "score")


def test_two_valid_tax_ids_that_differ_in_one_digit_differ_where_nothing_checks_the_digits() -> None:
    # Employer identification numbers have no check digit: both are valid, and no slip of the pen makes one the other.
    left, right = replace(ACME, country="US", tax_ids=("12-3456789",)), replace(ACME, id="b", country="US", tax_ids=("12-3456788",))
    one = of(left, right)
    assert one is not None
    assert [(piece.agreement.value, piece.bits) for piece in one.evidence if piece.about == "tax id"] == [("different", -10.0)]


@pytest.mark.parametrize("domain", ["hotmail.com.br", "live.ca", "facebook.com", "onmicrosoft.com"])
def test_a_host_that_anybody_is_at_makes_no_two_of_one_name_one(domain: str) -> None:
    left, right = (CustomerDetails(id, name="Maria Silva", email=f"{id}@{domain}", domain=domain) for id in ("one", "other"))
    assert told(of(left, right)) == ("review", "score")


@pytest.mark.parametrize("name", ["Acme Tools EU", "Acme Tools NL", "Acme Tools A", "Acme Tools PT"])
def test_companies_of_a_group_that_differ_in_a_place_or_a_letter_are_not_certainly_one(name: str) -> None:
    left, right = CustomerDetails("a", name="Acme Tools", domain="acme.com"), CustomerDetails("b", name=name, domain="acme.com")
    assert told(of(left, right))[1] != "domain and name"
    assert told(of(left, replace(right, name="Acme Tools Ltd"))) == ("same", "domain and name")


@pytest.mark.parametrize("number", ["XEXX010101000", "55000002126", "EI00000000020"])
def test_the_number_that_all_customers_abroad_bear_takes_no_two_for_one(number: str) -> None:
    # Each list has one such customer: it is borne once on either side, and its form is right.
    left = CustomerDetails("a", name="Acme Tools Inc", country="US", tax_ids=(number,))
    right = CustomerDetails("b", name="Acme Trading Ltd", country="US", tax_ids=(number,))
    assert told(of(replace(left, tax_ids=(TAX,)), replace(right, name="Acme Tools", tax_ids=(TAX,)))) == ("same", "tax id")
    assert stands(of(left, replace(right, name="Acme Tools"))) != "same"
    assert stands(of(left, right)) == "different"


def test_a_number_that_anybody_bears_contradicts_no_customers_own() -> None:
    left = CustomerDetails("a", name="Acme Tools", email="ap@acme.mx", country="MX", tax_ids=("XAXX010101000",))
    right = replace(left, id="b", tax_ids=("GODE561231GR8",))
    assert told(of(left, right)) == ("same", "domain and name")


def test_a_key_that_more_than_fifty_of_each_side_bear_brings_nobody_together() -> None:
    # 50 times 50 pairs are 2,500; beyond that nothing is learned but that many have the same.
    strangers = [profile_of(CustomerDetails(f"s{place}")) for place in range(1000)]
    for count, pairs in ((50, 2500), (51, 0)):
        of_group = [CustomerDetails(str(place), domain="acme.de", email="info@acme.de", phone="030 1234567") for place in range(count)]
        profiles = [*map(profile_of, of_group), *strangers]
        assert len(list(candidates(profiles, profiles))) == pairs


def test_a_valid_tax_id_is_certain_where_the_names_are_alike() -> None:
    left = replace(ACME, tax_ids=(TAX,))
    assert told(of(left, CustomerDetails("b", name="ACME Tool", tax_ids=("de 136 695 976",)))) == ("same", "tax id")
    assert told(of(left, CustomerDetails("b", tax_ids=(TAX,)))) == ("same", "tax id")


def test_a_tax_id_of_another_name_is_for_people() -> None:
    one = of(replace(ACME, tax_ids=(TAX,)), replace(OTHER, tax_ids=(TAX,)))
    assert told(one) == ("review", "tax id")
    assert one is not None
    assert "the names differ: 'Acme Tools GmbH', 'Unrelated Bakery SARL'" in one.remarks


def test_a_tax_id_that_is_not_valid_is_no_rule() -> None:
    one = of(replace(ACME, tax_ids=("DE136695978",)), replace(ACME, id="b", tax_ids=("DE136695978",)))
    assert one is not None
    assert one.rule is MatchRule.SCORE


def test_a_re_used_tax_id_is_for_people_with_every_record_that_bears_it() -> None:
    left = replace(ACME, tax_ids=(TAX,))
    found = match([left], [replace(ACME, id="b1", tax_ids=(TAX,)), replace(OTHER, id="b2", tax_ids=(TAX,))])
    assert {one.right.id: one.verdict for one in found} == {"b1": MatchVerdict.REVIEW, "b2": MatchVerdict.REVIEW}
    assert all("tax id DE:136695976 is borne by 2 records of one side and proves nothing" in one.remarks for one in found)


def test_two_records_with_one_external_id_are_for_people() -> None:
    known = (("billing", "c1"),)
    left = replace(ACME, external_ids=known)
    found = match([left], [replace(ACME, id="b1", external_ids=known), replace(OTHER, id="b2", external_ids=known)])
    assert {one.right.id: one.verdict for one in found} == {"b1": MatchVerdict.REVIEW, "b2": MatchVerdict.REVIEW}


def test_domain_and_name_are_certain_together() -> None:
    left = replace(ACME, domain="https://www.acme.de")
    assert told(of(left, CustomerDetails("b", name="acme tools", email="office@acme.de"))) == ("same", "domain and name")


def test_a_domain_and_a_name_that_two_records_of_either_side_have_are_no_rule() -> None:
    left, swapped = replace(ACME, domain="acme.de"), CustomerDetails("b", name="Tools Acme", domain="acme.de")
    assert told(of(left, swapped)) == ("same", "domain and name")
    found = match([left], [swapped, replace(swapped, id="c")]), match([swapped, replace(swapped, id="c")], [left])
    assert {one.rule for side in found for one in side} == {MatchRule.SCORE}


def test_a_domain_alone_is_no_rule_and_a_free_host_is_no_domain() -> None:
    left = replace(ACME, email="one@acme.de")
    assert stands(of(left, CustomerDetails("b", name="Unrelated Bakery", email="two@acme.de"))) != "same"
    mine, other = replace(ACME, email="one@gmail.com"), replace(ACME, id="b", email="two@gmail.com")
    one = of(mine, other)
    assert one is not None
    assert one.rule is MatchRule.SCORE


def test_sisters_in_two_countries_with_one_domain_and_name_are_for_people() -> None:
    left = replace(ACME, domain="acme.com")
    one = of(left, CustomerDetails("b", name="Acme Tools Inc", domain="acme.com", country="US"))
    assert told(one) == ("review", "domain and name")
    assert one is not None
    assert "the countries differ: DE, US" in one.remarks


def test_another_legal_form_under_one_domain_is_for_people() -> None:
    left = replace(ACME, domain="acme.de")
    assert told(of(left, CustomerDetails("b", name="Acme Tools AG", domain="acme.de", country="DE")))[0] == "review"


def test_an_e_mail_address_is_certain_where_the_names_are_alike() -> None:
    left = CustomerDetails("a", name="Acme Tools", email="acme.tools@gmail.com")
    assert told(of(left, CustomerDetails("b", name="Acme Toolz", email="Acme.Tools@gmail.com"))) == ("same", "e-mail")
    assert told(of(left, CustomerDetails("b", email="acme.tools@gmail.com"))) == ("same", "e-mail")
    assert told(of(left, CustomerDetails("b", name="Unrelated Bakery", email="acme.tools@gmail.com"))) == ("review", "e-mail")


def test_companies_of_one_group_that_share_a_mailbox_are_for_people() -> None:
    left = CustomerDetails("a", name="Borken GmbH", email="invoices@borken.de", street="Am See 4", postal_code="20099", country="DE")
    for name in ("Borken GmbH & Co. KG", "Borken AG", "Borken Immobilien GmbH", "Borken Immobilien Verwaltungs GmbH"):
        one = of(left, replace(left, id="b", name=name, domain="borken.com"))
        assert one is not None
        assert (one.score > 0.999, one.verdict, bool(one.remarks)) == (True, MatchVerdict.REVIEW, True), name
    assert stands(of(left, replace(left, id="b", name="Borkn"))) == "same"
    tools, estates = (
        CustomerDetails(id, name=f"Borken {name} GmbH", domain="borken.de") for id, name in (("a", "Tools"), ("b", "Immobilien"))
    )
    one = of(tools, estates)
    assert one is not None
    assert (one.score > 0.999, one.verdict, one.rule) == (True, MatchVerdict.REVIEW, MatchRule.SCORE)
    assert one.remarks == ("the names say other things: 'Borken Tools GmbH', 'Borken Immobilien GmbH'",)
    # Where they are is no longer what a whole group shares.
    near, beside = (replace(one, street="Am See 4", postal_code="20099", phone="040 9988776") for one in (tools, estates))
    assert stands(of(near, replace(beside, name="Borken Tols Europe"))) == "same"
    assert stands(of(tools, replace(estates, name="Borken Tools Immobilien GmbH"))) == "same"


def test_another_legal_form_is_for_people_however_sure_the_score_but_not_under_one_tax_id() -> None:
    left = CustomerDetails("a", name="Borken GmbH", phone="040 9988776", street="Am See 4", postal_code="20099", country="DE")
    one = of(left, replace(left, id="b", name="Borken AG"))
    assert one is not None
    assert (one.rule, one.verdict, one.remarks) == (
        MatchRule.SCORE,
        MatchVerdict.REVIEW,
        ("the legal forms differ: Limited, Corporation",),
    )
    assert stands(of(left, replace(left, id="b", name="Borken"))) == "same"
    assert stands(of(replace(left, tax_ids=(TAX,)), replace(left, id="b", name="Borken AG", tax_ids=(TAX,)))) == "same"


def test_an_e_mail_address_several_records_of_one_side_have_proves_nothing() -> None:
    left = CustomerDetails("a", name="Acme Tools", email="bookkeeper@gmail.com")
    right = CustomerDetails("b", email="bookkeeper@gmail.com")
    assert stands(of(left, right)) == "same"
    assert stands(of(left, right, CustomerDetails("c", name="Other Bakery", email="bookkeeper@gmail.com"))) == "different"


def test_the_first_rule_that_holds_is_named() -> None:
    left = replace(ACME, tax_ids=(TAX,), domain="acme.de", email="office@acme.de", external_ids=(("billing", "c1"),))
    right = replace(left, id="b")
    assert told(of(left, right)) == ("same", "external id")
    assert told(of(left, replace(right, external_ids=()))) == ("same", "tax id")
    assert told(of(left, replace(right, external_ids=(), tax_ids=()))) == ("same", "domain and name")
    assert told(of(left, replace(right, external_ids=(), tax_ids=(), name=""))) == ("same", "e-mail")


@pytest.mark.parametrize("more", [{"external_ids": (("billing", "c1"),)}, {"domain": "acme.de"}, {"email": "office@acme.de"}])
def test_two_valid_tax_ids_of_one_country_that_differ_are_never_the_same(more: dict[str, str]) -> None:
    left = replace(ACME, tax_ids=(TAX,), street="Hauptstraße 5", city="Berlin", phone="030 1234567", **more)  # type: ignore[arg-type]
    one = of(left, replace(left, id="b", tax_ids=(OTHER_TAX,)))
    assert one is not None
    assert one.verdict is MatchVerdict.REVIEW
    assert "both tax ids are valid and differ: DE:136695976, DE:129274202" in one.remarks


def test_tax_ids_of_two_countries_or_one_mistyped_are_no_contradiction() -> None:
    left = replace(ACME, tax_ids=(TAX,), domain="acme.de")
    assert stands(of(left, replace(left, id="b", tax_ids=("91-1144442",), country=""))) == "same"
    assert stands(of(left, replace(left, id="b", tax_ids=("DE136695978",)))) == "same"


def test_two_ids_in_one_third_system_that_differ_are_for_people() -> None:
    left = replace(ACME, domain="acme.de", external_ids=(("billing", "c1"),))
    assert stands(of(left, replace(left, id="b", external_ids=(("billing", "c2"),)))) == "review"


def test_a_rare_name_alone_is_for_people_at_most() -> None:
    left = CustomerDetails("a", name="Quorvex Zimblatt Optics")
    assert stands(of(left, replace(left, id="b"))) == "review"


def test_name_and_address_together_are_the_same_by_score() -> None:
    left = CustomerDetails("a", name="Acme Toolz GmbH", street="Hauptstraße 5", city="Berlin", postal_code="10115", country="DE")
    one = of(left, CustomerDetails("b", name="ACME Tools", street="Hauptstr. 5", city="Berlin", postal_code="10115", country="Germany"))
    assert told(one) == ("same", "score")


def test_a_slip_of_the_pen_in_name_and_street_is_alike() -> None:
    left = CustomerDetails("a", name="Brandt Mechanics", street="Lindenallee 12", city="Dresden", phone="0351 998877")
    one = of(left, CustomerDetails("b", name="Brandt Mechancis", street="Lindenalle 12", city="Dresden", phone="0351 998877"))
    assert stands(one) == "same"


def test_a_namesake_in_another_town_is_not_the_same() -> None:
    left = CustomerDetails("a", name="Acme Tools", street="Hauptstraße 5", city="Berlin", postal_code="10115", phone="030 1234567")
    right = CustomerDetails("b", name="Acme Tools", street="Ringweg 9", city="Essen", postal_code="45127", phone="0201 7654321")
    assert stands(of(left, right)) != "same"


def test_another_number_in_a_name_is_another_branch_and_no_slip_of_the_pen() -> None:
    left, right = (CustomerDetails(id, name=f"Harbor Lumen {number}", country="US") for id, number in (("a", "0007"), ("b", "0017")))
    assert stands(of(left, right)) == "different"
    assert stands(of(left, replace(right, name="Harbor Lumen 7"))) == "review"  # the same number: only its zeros are left out
    shared = [replace(one, email="office@harbor-lumen.com") for one in (left, right)]
    verdict = of(shared[0], shared[1])
    assert told(verdict) == ("review", "e-mail")
    assert verdict is not None
    assert "the names differ: 'Harbor Lumen 0007', 'Harbor Lumen 0017'" in verdict.remarks


def test_who_fits_two_about_as_well_is_the_same_as_neither() -> None:
    left = CustomerDetails("a", name="Acme Tools", street="Hauptstraße 5", city="Berlin", postal_code="10115", phone="030 1234567")
    by_street = CustomerDetails("b", name="Acme Tools", street="Hauptstraße 5", city="Berlin")
    by_phone = CustomerDetails("c", name="Acme Tools", postal_code="10115", phone="030 1234567")
    assert stands(of(left, by_street)) == stands(of(left, by_phone)) == "same"
    found = {one.right.id: one for one in match([left], [by_street, by_phone])}
    assert {id: (one.verdict, one.remarks) for id, one in found.items()} == {
        "b": (MatchVerdict.REVIEW, ("a and c fit about as well",)),
        "c": (MatchVerdict.REVIEW, ("a and b fit about as well",)),
    }


def test_who_fits_two_that_are_duplicates_is_the_same_as_the_better_and_the_other_is_for_people() -> None:
    left = CustomerDetails("a", name="Acme Tools", street="Hauptstraße 5", city="Berlin", postal_code="10115", phone="030 1234567")
    less = replace(left, id="c", phone="")
    for right in ([replace(left, id="b"), less], [less, replace(left, id="b")]):
        found = {one.right.id: one for one in match([left], right)}
        assert (found["b"].verdict, found["c"].verdict) == (MatchVerdict.SAME, MatchVerdict.REVIEW)
        assert found["c"].remarks == ("a and b are the same by score",)


def test_who_is_certain_by_a_rule_leaves_the_others_to_people() -> None:
    left = replace(ACME, external_ids=(("billing", "c1"),), tax_ids=(TAX,))
    by_id = replace(ACME, id="b", external_ids=(("billing", "c1"),))
    by_tax = replace(ACME, id="c", tax_ids=(TAX,), domain="acme.de", email="office@acme.de")
    left = replace(left, domain="acme.de", email="office@acme.de")
    found = {one.right.id: one for one in match([left], [by_tax, by_id])}
    assert told(found["b"]) == ("same", "external id")
    assert told(found["c"]) == ("review", "tax id")
    assert found["c"].remarks == ("a and b are the same by external id",)


def test_people_change_their_names_but_not_their_number_and_birthday() -> None:
    left = CustomerDetails("a", given_name="Ada", family_name="Examplewood", national_id="7012345", born_on="1970-01-02")
    right = CustomerDetails("b", given_name="Eve", family_name="Sampleton", national_id="7012345", born_on="1970/01/02")
    assert stands(of(left, right)) == "same"
    assert stands(of(left, replace(right, born_on="1985-11-30"))) == "different"


def test_thresholds_move_verdicts_of_scores() -> None:
    left = CustomerDetails("a", name="Acme Tools", street="Hauptstraße 5", city="Berlin")
    right = replace(left, id="b")
    one = of(left, right)
    assert one is not None
    assert 0.999 < one.score < 1
    assert stands(of(left, right, thresholds=Thresholds(same=1.0))) == "review"
    assert stands(of(left, right, thresholds=Thresholds(same=1.0, review=1.0))) == "different"


@pytest.mark.parametrize(("same", "review"), [(0.5, 0.9), (1.1, 0.5), (0.9, 0.0)])
def test_thresholds_are_in_their_order(same: float, review: float) -> None:
    with pytest.raises(ValueError, match="0 < review <= same <= 1"):
        Thresholds(same, review)


def test_the_reasons_name_the_rule_and_every_piece_of_evidence() -> None:
    one = of(replace(ACME, tax_ids=(TAX,)), replace(ACME, id="b", tax_ids=(TAX,), country="AT"))
    assert one is not None
    assert one.verdict is MatchVerdict.SAME
    first, *rest = reasons_of(one)
    assert first == "by the rule 'tax id'"
    assert [reason.partition(":")[0] for reason in rest] == ["tax id the same", "name the same", "legal form the same", "country different"]
    assert rest[0].endswith(" bits)")


def test_nobody_is_the_same_as_anybody_on_an_empty_side() -> None:
    assert match([], [ACME]) == match([ACME], []) == match([], []) == []


def test_an_address_alone_is_for_people_however_sure_the_score() -> None:
    left = CustomerDetails("a", street="Hauptstraße 5", city="Berlin", postal_code="10115")
    one = of(left, replace(left, id="b"))
    assert one is not None
    assert (one.score > 0.999, one.verdict, one.remarks) == (True, MatchVerdict.REVIEW, ("there is only one kind of evidence",))


def test_a_number_without_a_birthday_does_not_outweigh_another_name() -> None:
    left = CustomerDetails("a", name="Ada Examplewood", national_id="7012345", street="Hauptstraße 5", postal_code="10115")
    one = of(left, replace(left, id="b", name="Eve Sampleton"))
    assert one is not None
    assert (one.score > 0.999, one.verdict) == (True, MatchVerdict.REVIEW)
    assert stands(of(replace(left, born_on="1970-01-02"), replace(left, id="b", name="Eve Sampleton", born_on="1970-01-02"))) == "same"


def test_one_among_more_records_is_less_likely_whichever_side_has_them() -> None:
    assert prior_bits(4096, 1) == prior_bits(1, 4096) == -12
    assert prior_bits(1, 1) == prior_bits(1000, 500)
