"""Journal entries given as such: opening balances and historical import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from counterfoil.core.language.money import Money
from counterfoil.core.language.records import EventType, Kind, Record, Survivorship, never, newest, nothing, of_no_amount, of_nobody
from counterfoil.core.language.states import Stateless


@dataclass(frozen=True, slots=True)
class OpeningEntryLine:
    """One line of an imported journal entry: an account role or an ERP account code, and a signed amount (debit > 0)."""

    account: str
    amount: Money
    description: str = ""
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class ImportedEntry(Record):
    """A journal entry given as such: opening balances and historical import. Lines sum to zero."""

    id: str
    entity: str
    effective_on: date
    lines: tuple[OpeningEntryLine, ...]
    description: str = ""


class JournalEntryEvent(EventType):
    """What happens to an imported journal entry."""

    IMPORTED = "entry.imported"


JOURNAL_ENTRY = Kind(
    name="journal_entry",
    record=ImportedEntry,
    noun="journal entry",
    events=JournalEntryEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(),
    affects=(),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=lambda entry: (line.amount for line in entry.lines),
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=timedelta(days=1),
    is_made_again=False,
    ignored={},
)
