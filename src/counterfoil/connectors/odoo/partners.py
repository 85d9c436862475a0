"""The customers of a batch as they are in the books now: followed where contacts were merged, with the receivable account of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from counterfoil.connectors.odoo.batches import bound
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.wire import Ref, ref
from counterfoil.connectors.odoo.xids import followed, of_other_company
from counterfoil.core.commands.books import PostEntry, PostPayment
from counterfoil.core.language.commands import Command
from counterfoil.kit.errors import RejectedError

_MODEL = "res.partner"


class PartnerAccount(Struct, frozen=True):
    """A partner with the receivable account it has in the company at hand."""

    id: int
    property_account_receivable_id: Ref


@dataclass(frozen=True, slots=True)
class Customers:
    """Where customers are bound now, by dependency key, and which receivable account their partners have.

    ``hidden``: those whose partner only another company may use.
    """

    bindings: Mapping[str, str]
    receivables: Mapping[int, int]
    hidden: Mapping[str, RejectedError] = field(default_factory=dict)

    def partner_id(self, customer_id: str) -> int:
        """Return a customer's partner. Raises MissingDependency if it is not bound, RejectedError if the company may not use it."""
        if f"customer/{customer_id}" in self.hidden:
            raise self.hidden[f"customer/{customer_id}"]
        return bound(self.bindings, f"customer/{customer_id}")[1]

    def receivable_id(self, customer_id: str) -> int:
        """Return the account a customer's receivables are on, 0 if Odoo names none. Raises as ``partner_id``."""
        return self.receivables.get(self.partner_id(customer_id), 0)


def named_in(commands: Iterable[Command]) -> set[str]:
    """Return the customers that entries and payments name."""
    found: set[str] = set()
    for command in commands:
        match command.arguments:
            case PostEntry(lines=lines):
                found.update(line.customer_id for line in lines if line.customer_id)
            case PostPayment(customer_id=customer_id):
                found.add(customer_id)
            case _:
                pass
    return found


async def customers_of(session: Session, company: CompanyCatalog, customer_ids: Iterable[str], bindings: Mapping[str, str]) -> Customers:
    """Return the customers as they are in the books now; those that are not bound, or are there no more, are left out.

    Where people merged contacts in Odoo, the partner that was bound is gone; our external id was moved along to the one that is left.
    Where they deleted one, the external id went with it.
    """
    keys = [f"customer/{one}" for one in sorted(set(customer_ids)) if f"customer/{one}" in bindings]
    partner_ids = {key: int(bindings[key].rpartition("/")[2]) for key in keys}
    rows = await _read(session, company, sorted(set(partner_ids.values())))
    gone = [key for key, partner_id in partner_ids.items() if partner_id not in rows]
    hidden = {}
    if gone:
        leads = await followed(session, company.context, gone)
        rows |= await _read(session, company, sorted(set(leads.ids.values())))
        moved = {key: f"{_MODEL}/{partner_id}" for key, partner_id in leads.ids.items()}
        hidden = {key: of_other_company(key, bindings[key], company) for key in leads.hidden}
        lost = set(gone) - moved.keys() - hidden.keys()
        bindings = {key: value for key, value in {**bindings, **moved}.items() if key not in lost}
    return Customers(bindings, rows, hidden)


async def _read(session: Session, company: CompanyCatalog, ids: Sequence[int]) -> dict[int, int]:
    if not ids:
        return {}
    context = {**company.context, "active_test": False}
    rows = await session.client.read(_MODEL, [["id", "in", list(ids)]], PartnerAccount, context=context)
    return {row.id: ref(row.property_account_receivable_id) for row in rows}
