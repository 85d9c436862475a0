"""What a simulation ends with: the demonstration's result, what went wrong on the way, and what each figure of the soak table is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from counterfoil.app.demo.report import DemoResult
from counterfoil.app.demo.totals import TotalKind

from .digests import Digests
from .people import DecidedCase
from .schedule import ScheduledFault


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The end of a run.

    Attributes:
        result: both sides, as the demonstration tells it.
        schedule: what was to go wrong.
        faults: how often each kind did, lost and doubled deliveries among them.
        digests: what the run was made of.
        unsettled: receipts pending or parked, subjects undecided, commands neither done nor canceled, the hub's own last proof not made.
        is_wished_balanced: whether every wish is somewhere.
        decided: cases that came of what people did, and that a person decided on the way, each with the reason.
    """

    result: DemoResult
    schedule: tuple[ScheduledFault, ...]
    faults: Mapping[str, int]
    digests: Digests
    unsettled: int
    is_wished_balanced: bool
    decided: tuple[DecidedCase, ...] = ()

    @property
    def invoices(self) -> int:
        """Invoices the source issued."""
        return sum(row.count_source for row in self.result.proof.totals if row.kind is TotalKind.INVOICE)

    @property
    def lost(self) -> int:
        """Documents and movements the books do not have."""
        return sum(max(0, row.count_source - row.count_erp) for row in self.result.proof.totals)

    @property
    def doubled(self) -> int:
        """Documents and movements the books have too often."""
        return sum(max(0, row.count_erp - row.count_source) for row in self.result.proof.totals)

    @property
    def stuck(self) -> int:
        """What nobody is at work on any more though it is not done: unsettled work and open cases."""
        return self.unsettled + len(self.result.cases)

    @property
    def differences(self) -> int:
        """Totals, clearing balances and accounts at rest that differ; of customers' credit also single customers.

        What sales systems show counts by system, currency and figure.
        """
        proof = self.result.proof
        totals = sum(row.difference_minor != 0 for row in proof.totals) + sum(row.difference_minor != 0 for row in proof.clearing)
        stocks = sum(row.difference_minor != 0 for row in proof.stocks) + sum(row.apart for row in proof.stocks)
        return totals + stocks + sum(not row.is_equal for row in self.result.sales)

    @property
    def unbalanced(self) -> int:
        """Equations of conservation that do not hold."""
        return (not self.result.conservation.is_balanced) + (not self.is_wished_balanced)

    @property
    def is_right(self) -> bool:
        """Whether there is something to compare and every figure is zero."""
        is_zero = not (self.lost or self.doubled or self.stuck or self.differences or self.unbalanced)
        return is_zero and self.result.is_proven
