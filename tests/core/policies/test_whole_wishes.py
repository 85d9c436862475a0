"""What a command is known by, and whose state is decided: the ids of wishes, made anew, canceled and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, NOON, RULES, World, eur, event_of, invoice, line, payment, settled, tax, usd, with_entity, world

from counterfoil.core.commands.books import Account, AccountRole, DocumentLine, DocumentTax
from counterfoil.core.kinds.invoice import LineTax
from counterfoil.core.language.records import Record
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import MemoryView
from counterfoil.core.policies.lines import BookedLine, booked_line
from counterfoil.core.policies.rules import Route

REVENUE = Account(AccountRole.REVENUE, "plans")


def first_id(state: Record, books: World) -> str:
    """Return the id of the first command a state calls for."""
    return books.decide(state).commands[0].id


def test_a_commands_id_is_of_its_kind_target_key_and_content_and_of_nothing_else() -> None:
    elsewhere = with_entity(RULES, "US", target="odoo_us")
    ids = [
        first_id(invoice(usd(100)), world()),
        first_id(invoice(usd(200)), world()),
        first_id(invoice(usd(100), id="stripe:in_2"), world()),
        first_id(invoice(usd(100)), world(rules=elsewhere)),
        first_id(invoice(usd(-100)), world()),
    ]
    assert len(set(ids)) == 5
    assert first_id(invoice(usd(100)), world(rules=replace(RULES, version=8))) == ids[0]


def test_a_wish_that_was_canceled_is_wished_under_another_id_each_time() -> None:
    canceled: set[str] = set()
    for _ in range(3):
        view = MemoryView(world().objects, canceled=frozenset(canceled))
        canceled.add(decide(event_of(invoice(usd(100))), view, RULES).commands[0].id)
    assert len(canceled) == 3


def test_what_is_known_of_the_subject_is_decided_and_not_what_an_event_said() -> None:
    books = world(invoice(usd(9900)))
    late = event_of(invoice(usd(5000)))
    (command,) = decide(late, books.view(), RULES).commands
    assert command.arguments == world().decide(invoice(usd(9900))).commands[0].arguments


def test_of_what_is_summed_up_the_lines_are_kept_and_a_digest_of_what_the_source_said() -> None:
    books = world(rules=with_entity(RULES, "DE", posting_mode="summary"))
    books.decide(invoice(eur(11900), line(eur(10000), taxes=[tax(eur(1900), eur(10000), "19")]), tax=1900, number="A-1"))
    kept = books.documents["invoice_stripe.in_1"].booked
    assert kept is not None
    assert (kept.customer_id, kept.number, kept.total, kept.tax) == ("", "", eur(11900), eur(1900))
    assert kept.lines == (DocumentLine("", eur(10000), REVENUE, taxes=(DocumentTax("VAT 19", eur(1900), eur(10000), False),)),)
    books.decide(payment(eur(11900)))
    assert books.documents["payment_stripe.ch_1"].booked is None
    assert len(books.documents["payment_stripe.ch_1"].content) == 32


def test_money_no_route_sends_anywhere_is_a_case_with_all_of_it() -> None:
    rules = replace(RULES, routes=(Route("US", country="US"),))
    (problem,) = world(rules=rules).decide(payment(usd(9900), settlement=settled(usd(9900)))).problems
    assert (problem.code, problem.money) == ("decide.no_route", usd(9900))


CITY, VAT, NONE = (
    tax(usd(100), usd(1000), "10", rate="city"),
    tax(usd(190), usd(1000), "19", rate="vat"),
    tax(usd(0), usd(1000), "0", rate="no"),
)


@pytest.mark.parametrize(
    ("taxes", "booked", "expected"),
    [
        ((CITY, VAT), (("City", 100), ("VAT 19", 190)), ("City", "VAT 19")),
        ((NONE, VAT), (("VAT 19", 190),), ("", "VAT 19")),
        ((VAT, NONE), (("VAT 19", -190),), ("VAT 19", "")),
        ((CITY, VAT), (("City", 90), ("VAT 19", 200)), ("City", "VAT 19")),
        ((NONE,), (), ("",)),
    ],
)
def test_each_tax_of_a_line_is_told_by_its_place_or_its_amount(
    taxes: tuple[LineTax, ...], booked: tuple[tuple[str, int], ...], expected: tuple[str, ...]
) -> None:
    made = tuple(DocumentTax(name, usd(minor), usd(1000), False) for name, minor in booked)
    posted = DocumentLine("", usd(1000), REVENUE, taxes=made, product_id="p")
    found = {(one.rate_id, False): name for one, name in zip(taxes, expected, strict=True)}
    assert booked_line(line(usd(1000), taxes=taxes), posted) == BookedLine(REVENUE, "p", found)


def test_an_event_of_an_object_that_is_not_known_is_decided_as_it_says() -> None:
    assert decide(event_of(ANN, when=NOON), MemoryView({}), RULES).commands[0].external_key == "customer_stripe.cus_A"
