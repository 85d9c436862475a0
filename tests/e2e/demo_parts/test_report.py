"""The result, as a controller reads it and as programs do."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from counterfoil.app.demo.report import CaseLine, DeliveryTotals, DemoResult, amount, as_json, conservation_of, show
from counterfoil.app.demo.totals import ClearingRow, Stock, StockRow, TotalKind, TotalRow, TotalsProof
from counterfoil.store import views
from counterfoil.store.views import SourceLine

RIGHT = DemoResult(
    TotalsProof(
        (TotalRow("US", "USD", TotalKind.INVOICE, 123450, 123450, 3, 3), TotalRow("JP", "JPY", TotalKind.PAYMENT, 9900, 9900, 1, 1)),
        (ClearingRow("US", "USD", 5000, 5000), ClearingRow("JP", "JPY", 0, 0)),
    ),
    DeliveryTotals(received=10, normalized=7, ignored=3, parked=0, pending=0),
    (),
    12.34,
)


def shown(result: DemoResult) -> str:
    console = Console(file=io.StringIO(), width=140, no_color=True)
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_amounts_have_the_decimals_of_their_currency() -> None:
    assert amount(123450, "USD") == "1,234.50"
    assert amount(-5, "EUR") == "-0.05"
    assert amount(1234567, "JPY") == "1,234,567"
    assert amount(1500, "KWD") == "1.500"


def test_the_json_has_exactly_the_promised_keys() -> None:
    answer = as_json(RIGHT)
    assert list(answer) == ["conservation", "totals", "clearing", "standing", "sales", "cases", "unfinished", "seconds"]
    assert answer["conservation"] == {"received": 10, "normalized": 7, "ignored": 3, "parked": 0, "pending": 0, "balanced": True}
    assert answer["totals"][0] == {
        "entity": "US",
        "currency": "USD",
        "kind": "invoice",
        "source_minor": 123450,
        "erp_minor": 123450,
        "difference_minor": 0,
        "count_source": 3,
        "count_erp": 3,
    }
    assert answer["seconds"] == 12.3


def standing(row: StockRow) -> DemoResult:
    return replace(RIGHT, proof=replace(RIGHT.proof, stocks=(row,)))


def test_an_account_that_stands_otherwise_than_the_source_proves_nothing() -> None:
    right = standing(StockRow("US", "USD", Stock.RECEIVABLE, 2000, 2000))
    wrong = standing(StockRow("US", "USD", Stock.BAD_DEBT, 4000, 4001))
    swapped = standing(StockRow("US", "USD", Stock.CUSTOMER_CREDIT, 5000, 5000, 2))
    assert [result.is_proven for result in (right, wrong, swapped)] == [True, False, False]
    assert as_json(swapped)["standing"] == [
        {
            "entity": "US",
            "currency": "USD",
            "account": "customer_credit",
            "source_minor": 5000,
            "erp_minor": 5000,
            "difference_minor": 0,
            "customers_apart": 2,
        }
    ]
    assert "Receivable: what is open" in shown(right)
    assert "0.00 (2 customers)" in shown(swapped)
    assert "1 totals differ" in shown(wrong)


def test_a_result_without_differences_says_so() -> None:
    text = shown(RIGHT)
    assert RIGHT.is_proven
    assert "US in USD" in text
    assert "1,234.50" in text
    assert "10 received = 7 normalized + 3 ignored by rule + 0 parked + 0 pending" in text
    assert "Every difference is zero." in text


def test_one_cent_one_document_or_one_lost_delivery_is_enough_to_fail() -> None:
    totals = RIGHT.proof.totals
    cent = replace(RIGHT, proof=replace(RIGHT.proof, totals=(replace(totals[0], erp_minor=123451), totals[1])))
    doubled = replace(RIGHT, proof=replace(RIGHT.proof, totals=(replace(totals[0], count_erp=4), totals[1])))
    clearing = replace(RIGHT, proof=replace(RIGHT.proof, clearing=(ClearingRow("US", "USD", 5000, 4999),)))
    lost = replace(RIGHT, conservation=replace(RIGHT.conservation, received=11))
    with_case = replace(RIGHT, cases=(CaseLine("C-1", "unmapped_tax", "Tax 5 % has no counterpart.", "US"),))
    assert not any(result.is_proven for result in (cent, doubled, clearing, lost, with_case))
    assert "0.01" in shown(cent)
    assert "-0.01" in shown(clearing)
    assert "11 received is not 7 normalized" in shown(lost)
    assert "Tax 5 % has no counterpart." in shown(with_case)


def test_a_shortage_of_one_source_does_not_hide_behind_a_surplus_of_another() -> None:
    lines = (SourceLine("stripe_us", 10, 6, 3, 0, 0), SourceLine("stripe_de", 10, 8, 3, 0, 0), SourceLine("files", 2, 2, 0, 0, 0))
    found = conservation_of(views.Conservation(lines, (), 0))
    assert (found.received, found.normalized + found.ignored) == (22, 22)
    result = replace(RIGHT, conservation=found)
    assert not result.is_proven
    assert as_json(result)["conservation"]["balanced"] is False
    assert "22 received is not" in shown(result)
    assert "it does not add up for stripe_us, stripe_de" in shown(result)


def test_a_proof_of_nothing_is_no_proof() -> None:
    assert not TotalsProof((), ()).is_proven


def test_postings_it_did_not_wait_for_are_said_and_prove_nothing() -> None:
    gave_up = replace(RIGHT, unfinished=517)
    assert not gave_up.is_proven
    assert as_json(gave_up)["unfinished"] == 517
    assert "517 postings unfinished" in shown(gave_up)
