"""What an entry's lines come to by account, partner and currency: as wished, as Odoo has them, and how the two differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.wire import EntryItem, ref
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import RejectedError

RECEIVABLE_TYPE = "asset_receivable"
DIFFERENCES_MAX = 4
"""Differences a message names; a day's summary may have hundreds of lines."""


@dataclass(frozen=True, slots=True, order=True)
class EntryPlace:
    """Where an amount is booked, by Odoo's ids; 0: no partner."""

    account_id: int
    partner_id: int
    currency_id: int


@dataclass(frozen=True, slots=True)
class PlaceSum:
    """What a place's lines come to, debits positive, in minor units: of the company's currency, and of the place's own."""

    balance: int = 0
    amount: int = 0

    def __add__(self, other: PlaceSum) -> PlaceSum:
        return PlaceSum(self.balance + other.balance, self.amount + other.amount)


Sums = Mapping[EntryPlace, PlaceSum]
"""Sums by place. Places that come to nothing are left out: how an amount is cut into lines makes no difference."""


def summed(parts: Iterable[tuple[EntryPlace, PlaceSum]]) -> Sums:
    """Return the sums of an entry's lines."""
    found: dict[EntryPlace, PlaceSum] = {}
    for place, part in parts:
        found[place] = found.get(place, PlaceSum()) + part
    return {place: one for place, one in found.items() if one != PlaceSum()}


async def read_items(session: Session, company: CompanyCatalog, move_ids: Sequence[int]) -> dict[int, list[EntryItem]]:
    """Return the lines of all the entries in one call, by entry; notes and sections are no lines."""
    found: dict[int, list[EntryItem]] = {move_id: [] for move_id in move_ids}
    if move_ids:
        rows = await session.client.read("account.move.line", [["move_id", "in", list(move_ids)]], EntryItem, context=company.context)
        for row in rows:
            if ref(row.account_id):
                found[ref(row.move_id)].append(row)
    return found


def lines_difference(
    items: Sequence[EntryItem], wished: Sums, company: CompanyCatalog, *, receivables: Collection[int] = ()
) -> RejectedError | None:
    """Return where an entry's lines come to something else than was wished, None if they are equal to the minor unit everywhere.

    Two entries with one total may still be two different bookings: on another account, for another customer, in another currency.
    ``receivables``: given for one that is posted, whose customers may have had another receivable account at that time: any will do.
    """
    names = {currency_id: name for name, currency_id in company.currencies.items()}
    try:
        found = summed((_place(item), _sum(item, company.currency, names)) for item in items)
    except RejectedError as error:
        return error
    if receivables:
        alike = {account.id for account in company.accounts.values() if account.account_type == RECEIVABLE_TYPE} | set(receivables)
        wished, found = _on_one_account(wished, alike), _on_one_account(found, alike)
    other = sorted(place for place in wished.keys() | found.keys() if wished.get(place, PlaceSum()) != found.get(place, PlaceSum()))
    if not other:
        return None
    words = [
        f"{_words(place, company)} has {_amounts(found.get(place, PlaceSum()), place, company, names)}, the source says"
        f" {_amounts(wished.get(place, PlaceSum()), place, company, names)}"
        for place in other[:DIFFERENCES_MAX]
    ]
    more = f"; and {len(other) - DIFFERENCES_MAX} more" if len(other) > DIFFERENCES_MAX else ""
    return RejectedError(
        f"the total is as wished, its lines are not: {'; '.join(words)}{more}",
        code="odoo.amount_mismatch",
        case_class=CaseClass.AMOUNT_MISMATCH,
    )


def _on_one_account(sums: Sums, alike: Collection[int]) -> Sums:
    """Return the sums as if accounts that are alike were one."""
    one = min(alike, default=0)
    return summed((replace(place, account_id=one) if place.account_id in alike else place, part) for place, part in sums.items())


def _place(item: EntryItem) -> EntryPlace:
    return EntryPlace(ref(item.account_id), ref(item.partner_id), ref(item.currency_id))


def _sum(item: EntryItem, company_currency: str, names: Mapping[int, str]) -> PlaceSum:
    currency = names.get(ref(item.currency_id))
    if currency is None:
        raise RejectedError(
            f"a line of the entry is in currency {ref(item.currency_id)}, which is not active in Odoo; nothing was wished in it",
            code="odoo.amount_mismatch",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
    return PlaceSum(from_number(item.balance, company_currency).minor, from_number(item.amount_currency, currency).minor)


def _words(place: EntryPlace, company: CompanyCatalog) -> str:
    code = next((code for code, account in company.accounts.items() if account.id == place.account_id), "")
    account = f"account {code}" if code else f"the account with id {place.account_id}"
    return account + (f" for partner {place.partner_id}" if place.partner_id else "")


def _amounts(one: PlaceSum, place: EntryPlace, company: CompanyCatalog, names: Mapping[int, str]) -> str:
    """Say a sum: in the company's currency, before it in the place's own where that is another one."""
    balance = str(Money(one.balance, company.currency))
    if place.currency_id == company.currency_id:
        return balance
    return f"{Money(one.amount, names[place.currency_id])} ({balance})"
