"""Summary posting: facts become items, a closed day becomes one entry per entity and currency (domain: summary posting)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from counterfoil.core.canonical.commands import Account, Arguments, CommandKind
from counterfoil.core.canonical.ids import digest
from counterfoil.core.canonical.money import Money

from .postings import postings_of


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """What one document adds to one line of a daily entry: debit > 0, credit < 0.

    ``document_id`` names the document in the hub (its external key); ``tax`` the target's tax of a tax or revenue line.
    """

    entity: str
    day: date
    currency: str
    product_group: str
    tax: str
    account: Account
    amount: Money
    document_id: str

    @property
    def key(self) -> str:
        """Identity of the item: one document adds to one line once, however often it is decided."""
        return digest(self.entity, self.document_id, str(self.account), self.currency, self.product_group, self.tax)


def items_of(entity: str, document_id: str, day: date, kind: CommandKind, arguments: Arguments) -> tuple[SummaryItem, ...]:
    """Return what one booking adds to its day's entries, one item per account, product group, tax and currency; zeros are left out."""
    sums: defaultdict[tuple[Account, str, str, str], int] = defaultdict(int)
    for posting in postings_of(kind, arguments):
        sums[posting.account, posting.product_group, posting.tax, posting.amount.currency] += posting.amount.minor
    return tuple(
        SummaryItem(entity, day, currency, group, tax, account, Money(minor, currency), document_id)
        for (account, group, tax, currency), minor in sums.items()
        if minor
    )
