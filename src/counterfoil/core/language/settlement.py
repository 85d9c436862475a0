"""What moved on a processor's balance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .money import Money


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one fact did to the processor's balance: gross - fee = net, in settlement currency.

    ``gross`` is signed from our side: a charge is positive, a refund, dispute or payout negative. ``exchange_rate``: settlement per
    presentment currency unit, None when both are the same. ``fee_tax`` is the part of ``fee`` that is input tax, ``withheld_tax`` the part
    that is a tax withheld from us.
    """

    id: str  # canonical id of the balance transaction
    gross: Money
    fee: Money
    net: Money
    occurred_at: datetime
    available_at: datetime | None = None
    exchange_rate: Decimal | None = None
    fee_tax: Money | None = None
    type: str = ""  # the processor's own type, for the trace
    withheld_tax: Money | None = None


def amounts_of(*settlements: Settlement | None) -> Iterator[Money]:
    """Yield gross, fee and net of each settlement there is."""
    for settlement in settlements:
        if settlement is not None:
            yield from (settlement.gross, settlement.fee, settlement.net)
