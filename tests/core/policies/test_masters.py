"""Master data, routes, related objects, imported entries, and what has no counterpart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tests.core.builders import (
    ANN,
    NOON,
    PRO,
    RULES,
    US,
    World,
    credit_note,
    eur,
    invoice,
    line,
    payment,
    refund,
    tax,
    texts,
    usd,
    with_entity,
    world,
)

from counterfoil.core.commands.books import UpsertCustomer
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.erp_document import ErpDocument, ErpState
from counterfoil.core.kinds.journal_entry import ImportedEntry, OpeningEntryLine
from counterfoil.core.kinds.price import Price
from counterfoil.core.kinds.subscription import Subscription, SubscriptionState
from counterfoil.core.kinds.tax_rate import TaxRate
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.records import Record
from counterfoil.core.policies.related import related
from counterfoil.core.policies.rules import EntityRules, PostingMode, ProductPolicy, Route


def test_a_customer_goes_once_to_every_target_of_its_connection() -> None:
    split = replace(with_entity(RULES, "DE", target="odoo_eu"))
    commands = World(split).decide(ANN).commands
    assert [(command.target, command.entity, command.produces) for command in commands] == [
        ("odoo_eu", "DE", "customer/stripe:cus_A"),
        ("odoo", "US", "customer/stripe:cus_A"),
    ]


def test_the_balance_of_a_customer_is_no_master_data() -> None:
    books = World()
    first = books.decide(ANN).commands[0]
    assert books.decide(replace(ANN, balance=usd(-500))).commands == (first,)


def test_a_customer_that_changes_back_is_written_again() -> None:
    books = World()
    ids = [books.decide(replace(ANN, name=name)).commands[0].id for name in ("Ann Ltd", "Ann plc", "Ann Ltd", "Ann Ltd")]
    assert len(set(ids)) == 3
    assert ids[2] == ids[3]


def test_a_nameless_customer_goes_by_email_or_id() -> None:
    names = []
    for state in (replace(ANN, name="", email="a@example.com"), replace(ANN, name="")):
        arguments = World().decide(state).commands[0].arguments
        assert isinstance(arguments, UpsertCustomer)
        names.append(arguments.customer.name)
    assert names == ["a@example.com", "cus_A"]


def test_a_deleted_customer_stays_in_the_target_and_is_written_only_if_it_never_was() -> None:
    books = World()
    books.decide(ANN)
    [wished] = books.sent
    gone = books.decide(replace(ANN, name="Somebody", is_deleted=True))
    assert (gone.ignored, gone.commands) == ("customer_deleted", (wished,))
    assert len(World().decide(replace(ANN, is_deleted=True)).commands) == 1


def test_a_deleted_product_stays_as_it_was_wished() -> None:
    books = World()
    books.decide(PRO)
    [wished] = books.sent
    gone = books.decide(replace(PRO, name="Plan", is_deleted=True))
    assert (gone.ignored, gone.commands) == ("product_deleted", (wished,))


def test_a_merged_customer_is_not_written_and_waits_for_its_survivor() -> None:
    decision = World().decide(replace(ANN, merged_into="stripe:cus_B"))
    assert (decision.commands, decision.ignored) == ((), "customer_was_merged")
    assert decision.waits == (CUSTOMER.ref("stripe:cus_B"),)


def test_customers_merged_in_a_circle_do_not_hang() -> None:
    books = world(replace(ANN, merged_into="stripe:cus_B"), Customer("stripe:cus_B", "B", merged_into=ANN.id))
    decision = books.decide(invoice(usd(100), customer_country="US"))
    [problem] = decision.problems
    assert (decision.commands, problem.code, problem.money) == ((), "decide.customers_merged_in_a_circle", usd(100))
    # A new state of either decides again.
    assert decision.waits == (CUSTOMER.ref(ANN.id), CUSTOMER.ref("stripe:cus_B"))


def test_everything_of_customers_merged_in_a_circle_has_one_cause_also_of_one_merged_into_it_from_outside() -> None:
    def merged(id: str, into: str) -> Customer:
        return Customer(f"stripe:{id}", id, merged_into=f"stripe:{into}")

    books = world(merged("cus_B", "cus_D"), merged("cus_C", "cus_B"), merged("cus_D", "cus_C"), merged("cus_X", "cus_D"))
    told = {
        books.decide(invoice(usd(100), customer_id=f"stripe:{id}", customer_country="US")).problems
        for id in ("cus_B", "cus_C", "cus_D", "cus_X")
    }
    [(problem,)] = told
    circle = "stripe:cus_B into stripe:cus_D into stripe:cus_C into stripe:cus_B"
    assert problem.cause == f"Customers are merged in a circle, so none is left to book for: {circle}."
    assert problem.releases_on == "customer/stripe:cus_B"


def test_what_waited_for_a_circle_of_merges_is_booked_once_it_is_none() -> None:
    books = world(replace(ANN, merged_into="stripe:cus_B"), Customer("stripe:cus_B", "B", merged_into=ANN.id))
    bill = invoice(usd(100), customer_country="US")
    assert books.decide(bill).commands == ()
    books.know(replace(ANN, merged_into="stripe:cus_C"), Customer("stripe:cus_C", "C"))
    assert [one.kind.value for one in books.redecide(bill).commands] == ["post_invoice"]


def test_master_data_of_a_summary_entity_is_not_needed() -> None:
    rules = replace(RULES, entities={"US": replace(US, posting_mode=PostingMode.SUMMARY)}, routes=(Route("US"),))
    assert World(rules).decide(ANN).ignored == "customer_of_summary_entity"


def test_mapped_products_are_not_written() -> None:
    rules = replace(RULES, entities={"US": replace(US, product_policy=ProductPolicy.MAPPED)}, routes=(Route("US"),))
    assert World(rules).decide(PRO).ignored == "product_is_mapped"


def test_routes_are_tried_in_order_and_an_empty_field_matches_anything() -> None:
    rules = replace(RULES, routes=(Route("DE", country="DE"), Route("JP", account="acct_jp"), Route("US", currency="USD")))
    assert [
        (found.name if (found := rules.route("stripe", account, country, currency)) else None)
        for account, country, currency in [("acct_jp", "DE", "USD"), ("acct_jp", "FR", "USD"), ("", "", "USD"), ("", "FR", "EUR")]
    ] == ["DE", "JP", "US", None]


def test_a_route_to_an_entity_that_is_not_declared_is_no_route() -> None:
    assert replace(RULES, routes=(Route("XX"),)).route("stripe") is None


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="weekly"):
        EntityRules("US", "odoo", "USD", US.time_zone, posting_mode="weekly")  # type: ignore[arg-type]  # the point of the test


def test_related_objects_are_named_once_in_order() -> None:
    vat = tax(eur(1), eur(10), "19")
    assert [ref.key for ref in related(invoice(eur(21), line(eur(10), taxes=[vat]), line(eur(10))))] == [
        "customer/stripe:cus_A",
        "product/stripe:prod_pro",
        "tax_rate/stripe:txr_1",
    ]
    assert [ref.key for ref in related(payment(usd(1), ("stripe:in_1", 1)))] == ["customer/stripe:cus_A", "invoice/stripe:in_1"]
    assert [ref.key for ref in related(credit_note(usd(1), refund_ids=("stripe:re_1",)))][:3] == [
        "customer/stripe:cus_A",
        "invoice/stripe:in_1",
        "refund/stripe:re_1",
    ]
    assert [ref.key for ref in related(refund(usd(1), credit_note_id="stripe:cn_1"))] == [
        "customer/stripe:cus_A",
        "payment/stripe:ch_1",
        "credit_note/stripe:cn_1",
    ]
    assert [ref.key for ref in related(replace(ANN, merged_into="stripe:cus_B"))] == ["customer/stripe:cus_B"]
    assert related(PRO) == ()


def opening(*lines: tuple[str, int], entity: str = "US", customer: str = "") -> ImportedEntry:
    """Return an imported entry."""
    made = tuple(OpeningEntryLine(account, usd(minor), customer_id=customer) for account, minor in lines)
    return ImportedEntry("files:open_1", entity, date(2026, 1, 1), made, "Opening balance")


def test_an_imported_entry_is_posted_as_it_is_by_role_or_account_code() -> None:
    decision = world().decide(opening(("receivable", 5000), ("clearing:stripe", 100), ("3000", -5100), customer=ANN.id))
    assert texts(decision.commands) == [
        "post_entry imported_files.open_1 2026-01-01 receivable 50.00 USD, clearing:stripe 1.00 USD, explicit:3000 -51.00 USD"
    ]
    assert decision.commands[0].needs == ("customer/stripe:cus_A",)


def test_an_imported_entry_that_does_not_balance_or_names_no_entity_is_a_case() -> None:
    assert world().decide(opening(("receivable", 5000), ("3000", -4999))).problems[0].case_class is CaseClass.AMOUNT_MISMATCH
    assert world().decide(opening(("receivable", 5000), ("3000", -5000), entity="XX")).problems[0].releases_on == "entity/XX"


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (Price("stripe:price_1", PRO.id, "USD", Decimal(9900)), "price_has_no_counterpart"),
        (TaxRate("stripe:txr_1", "VAT", Decimal(19), False), "tax_rate_has_no_counterpart"),
        (Subscription("stripe:sub_1", ANN.id, SubscriptionState.ACTIVE, "USD", NOON), "subscription_has_no_counterpart"),
        (
            ErpDocument("odoo:account.move/1", "invoice", ErpState.POSTED, "INV/1", "USD", usd(1), usd(0), True, None),
            "erp_document_has_no_counterpart",
        ),
    ],
)
def test_facts_without_a_counterpart_are_ignored_by_a_named_rule(state: Record, rule: str) -> None:
    decision = world().decide(state)
    assert (decision.commands, decision.ignored) == ((), rule)
    assert ref_of(state).kind in rule
