"""Movements on a processor's balance that no other object explains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.language.records import EventType, Kind, Record, Survivorship, never, newest, nothing, of_nobody
from counterfoil.core.language.settlement import Settlement, amounts_of
from counterfoil.core.language.states import Stateless


@dataclass(frozen=True, slots=True)
class BalanceEntry(Record):
    """A movement on the processor's balance that no other object explains: its own fees, tax on them, adjustments, top-ups, reserves.

    ``category``: ``fee``, ``fee_tax``, ``adjustment``, ``topup``, ``reserve``, ``transfer`` or ``other``.
    """

    id: str
    category: str
    settlement: Settlement
    description: str = ""


class BalanceEntryEvent(EventType):
    """What happens to a movement on a processor's balance."""

    FEE_CHARGED = "fee.charged"
    MOVED = "balance.moved"


BALANCE_ENTRY = Kind(
    name="balance_entry",
    record=BalanceEntry,
    noun="balance entry",
    events=BalanceEntryEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=lambda entry: entry.settlement.net,
    amounts=lambda entry: amounts_of(entry.settlement),
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(days=1),
    is_made_again=False,
    ignored={},
)
