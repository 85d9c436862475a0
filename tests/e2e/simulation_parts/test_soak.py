"""The soak's table: one line per seed, wrong ones remembered, and what breaks off does not end the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from counterfoil.app.demo.report import CaseLine, DeliveryTotals, DemoResult
from counterfoil.app.demo.sales import SalesRow
from counterfoil.app.demo.totals import ClearingRow, Stock, StockRow, TotalKind, TotalRow, TotalsProof
from counterfoil.app.simulation import soak
from counterfoil.app.simulation.digests import Digests
from counterfoil.app.simulation.outcome import SimulationResult
from counterfoil.app.simulation.run import SimulationOptions


def outcome(erp_count: int = 3, erp_minor: int = 300, unsettled: int = 0, cases: tuple[CaseLine, ...] = ()) -> SimulationResult:
    """Return the end of a run in which the source issued three invoices of 1.00."""
    rows = (TotalRow("US", "USD", TotalKind.INVOICE, 300, erp_minor, 3, erp_count),)
    proof = TotalsProof(rows, (ClearingRow("US", "USD", 0, 0),))
    result = DemoResult(proof, DeliveryTotals(5, 4, 1, 0, 0), cases, 9.0)
    return SimulationResult(result, (), {"worker_killed": 1, "hub_stopped": 0}, Digests("a", "b", "c"), unsettled, is_wished_balanced=True)


CASE = CaseLine("1", "amount_mismatch", "differs")


@pytest.mark.parametrize(
    ("found", "figures"),
    [
        (outcome(), ("3", "0", "0", "0", "0", "0", "9")),
        (outcome(erp_count=2, erp_minor=200), ("3", "1", "0", "0", "1", "0", "9")),
        (outcome(erp_count=4, erp_minor=400), ("3", "0", "1", "0", "1", "0", "9")),
        (outcome(unsettled=2, cases=(CASE,)), ("3", "0", "0", "3", "0", "0", "9")),
    ],
)
def test_a_line_says_what_was_lost_doubled_stuck_and_different(found: SimulationResult, figures: tuple[str, ...]) -> None:
    row = soak.row_of(7, found)
    assert (row.cells, row.faults) == (figures, "worker_killed 1")
    assert row.is_right == (figures[1:6] == ("0",) * 5)


def test_accounts_at_rest_and_single_customers_are_counted_among_the_differences() -> None:
    found = outcome()
    rows = (StockRow("US", "USD", Stock.BAD_DEBT, 4000, 4001), StockRow("US", "USD", Stock.CUSTOMER_CREDIT, 5000, 5000, 2))
    wrong = replace(found, result=replace(found.result, proof=replace(found.result.proof, stocks=rows)))
    assert (found.differences, found.is_right) == (0, True)
    assert (wrong.differences, wrong.is_right) == (3, False)
    shown = replace(found, result=replace(found.result, sales=(SalesRow("HubSpot", "EUR", "open", 2, 5, 5, 2),)))
    assert (shown.differences, shown.is_right) == (1, False), "sums that happen to agree prove nothing"


def test_a_run_that_breaks_off_is_a_wrong_line_and_the_next_seed_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(options: SimulationOptions) -> SimulationResult:
        if options.seed == 1:
            raise RuntimeError("broke off")
        return outcome()

    monkeypatch.setattr(soak, "run", play)
    assert not soak.soak([1, 2], 7, 60)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].endswith("RuntimeError: broke off")
    assert printed[-1] == "2 seeds, 7 days each: not right: [1]"
    assert soak.soak([2], 7, 60)
