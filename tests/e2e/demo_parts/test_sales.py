"""What companies in a sales system show is compared with what billing says, company by company; every difference is seen."""

from __future__ import annotations

from dataclasses import replace

from tests.e2e.demo_parts.test_report import RIGHT, shown

from counterfoil.app.demo.sales import Amounts, SalesRow, compare

# What billing says of three customers; the third has no company.
SOURCE = {
    "cus_1": {("USD", "invoiced"): 12_000, ("USD", "open"): 5_000, ("USD", "overdue"): 5_000},
    "cus_2": {("USD", "invoiced"): 700},
    "cus_3": {("USD", "invoiced"): 99_900},
}
FIRST: Amounts = {("USD", "invoiced"): 12_000, ("USD", "open"): 5_000, ("USD", "overdue"): 5_000}
SECOND: Amounts = {("USD", "invoiced"): 700, ("USD", "open"): 0, ("USD", "overdue"): 0}
SHOWN = [("cus_1", FIRST), ("cus_2", SECOND)]


def test_customers_without_a_company_are_left_out_and_what_is_equal_is_equal() -> None:
    assert compare("HubSpot", SOURCE, SHOWN) == (
        SalesRow("HubSpot", "USD", "invoiced", 2, 12_700, 12_700, 0),
        SalesRow("HubSpot", "USD", "open", 2, 5_000, 5_000, 0),
        SalesRow("HubSpot", "USD", "overdue", 2, 5_000, 5_000, 0),
    )
    assert all(row.is_equal for row in compare("HubSpot", SOURCE, SHOWN))


def test_two_companies_that_show_each_others_amounts_are_two_that_differ() -> None:
    swapped = compare("HubSpot", SOURCE, [("cus_1", SECOND), ("cus_2", FIRST)])
    assert [(row.figure, row.difference_minor, row.apart, row.is_equal) for row in swapped] == [
        ("invoiced", 0, 2, False), ("open", 0, 2, False), ("overdue", 0, 2, False),
    ]  # fmt: skip


def test_two_companies_of_one_customer_are_both_looked_at() -> None:
    rows = compare("HubSpot", SOURCE, [("cus_1", FIRST), ("cus_1", SECOND)])
    assert [(row.figure, row.companies, row.source_minor, row.shown_minor, row.apart) for row in rows] == [
        ("invoiced", 2, 24_000, 12_700, 1), ("open", 2, 10_000, 5_000, 1), ("overdue", 2, 10_000, 5_000, 1),
    ]  # fmt: skip


def test_a_company_that_shows_nothing_yet_or_something_billing_knows_nothing_of_differs() -> None:
    assert [row.is_equal for row in compare("HubSpot", SOURCE, [("cus_1", {})])] == [False, False, False]
    assert [(row.currency, row.apart) for row in compare("HubSpot", {}, [("cus_9", {("EUR", "open"): 1})])] == [("EUR", 1)]
    assert not compare("HubSpot", SOURCE, [("cus_2", SECOND | {("", "other currencies"): 1})])[0].is_equal


def test_what_the_sales_system_shows_wrongly_is_no_proof_and_stands_in_a_table_of_its_own() -> None:
    wrong = replace(RIGHT, sales=(SalesRow("HubSpot", "USD", "open", 12, 5_000, 4_000, 1),))
    assert (RIGHT.is_proven, wrong.is_proven) == (True, False)
    [line] = [line for line in shown(wrong).splitlines() if "Open balance" in line]
    cells = [part.strip() for part in line.strip("│ ").split("│")]
    assert cells == ["Open balance", "HubSpot", "USD", "12", "50.00", "40.00", "-10.00 (1 companies)"]
