"""The tax map: from the most specific key to the most general."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.core.builders import RULES, eur, invoice, line, tax, world

from counterfoil.core.commands.books import PostDocument
from counterfoil.core.kinds.invoice import LineTax
from counterfoil.core.kinds.tax_rate import TAX_RATE, TaxRate
from counterfoil.core.policies.rules import MappingKey, MappingKind
from counterfoil.core.policies.taxes import tax_keys

RATE = TaxRate("stripe:txr_1", "VAT", Decimal("19.0"), False, "DE", "Germany", "vat")


def test_keys_go_from_the_rate_to_its_place_and_percentage() -> None:
    found = tax_keys(replace(tax(eur(19), eur(100), "19.00"), reason="standard_rated"), RATE)
    assert found == (
        "stripe:txr_1|exclusive",
        "Germany/vat/19|exclusive",
        "Germany/19|exclusive",
        "DE/19|exclusive",
        "standard_rated|exclusive",
        "19|exclusive",
    )


def test_a_tax_that_says_nothing_itself_is_known_by_its_rate() -> None:
    bare = LineTax("stripe:txr_1", eur(19), eur(100), True)
    assert tax_keys(bare, RATE)[-1] == "19|inclusive"


def test_the_most_specific_mapping_wins() -> None:
    mappings = {MappingKey(MappingKind.TAX, "DE", key): key for key in ("19|exclusive", "Germany/19|exclusive")}
    books = world(RATE, rules=replace(RULES, mappings=mappings))
    vat = tax(eur(1900), eur(10000), "19")
    arguments = books.decide(invoice(eur(11900), line(eur(10000), taxes=[vat]), tax=1900)).commands[0].arguments
    assert isinstance(arguments, PostDocument)
    assert arguments.lines[0].taxes[0].target_tax == "Germany/19|exclusive"


def test_reverse_charge_is_mapped_by_its_reason_and_never_dropped() -> None:
    nothing = replace(tax(eur(0), eur(10000), "0"), reason="reverse_charge")
    problem = world().decide(invoice(eur(10000), line(eur(10000), taxes=[nothing]))).problems[0]
    assert "mapping/tax/DE/reverse_charge|exclusive" in (problem.releases_on, *problem.releases_also)


def test_no_tax_where_none_is_collected_needs_no_mapping() -> None:
    nothing = replace(tax(eur(0), eur(10000), "0"), reason="not_collecting")
    arguments = world().decide(invoice(eur(10000), line(eur(10000), taxes=[nothing]))).commands[0].arguments
    assert isinstance(arguments, PostDocument)
    assert arguments.lines[0].taxes == ()


def test_a_tax_of_an_unknown_rate_also_waits_for_the_rate() -> None:
    bare = LineTax("stripe:txr_9", eur(1900), eur(10000), False)
    decision = world().decide(invoice(eur(11900), line(eur(10000), taxes=[bare]), tax=1900))
    assert decision.waits == (TAX_RATE.ref("stripe:txr_9"),)
    assert decision.problems[0].releases_on == "mapping/tax/DE/stripe:txr_9|exclusive"
