"""The customers of a batch as they are in the books now: followed where contacts were merged, with the receivable account of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from counterfoil.connectors.odoo.batches import bound
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.load import Row, Table, load
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.wire import Ref, ref
from counterfoil.core.canonical.commands import Command, PostEntry, PostPayment
from counterfoil.core.canonical.ids import external_key

_MODEL = "res.partner"


class PartnerRow(Struct, frozen=True):
    """A partner with the receivable account it has in the company at hand."""

    id: int
    property_account_receivable_id: Ref


@dataclass(frozen=True, slots=True)
class Customers:
    """Where customers are bound now, by dependency key, and which receivable account their partners have."""

    bindings: Mapping[str, str]
    receivables: Mapping[int, int]

    def partner_id(self, customer_id: str) -> int:
        """Return a customer's partner. Raises MissingDependency if it is not bound."""
        return bound(self.bindings, f"customer/{customer_id}")[1]

    def receivable_id(self, customer_id: str) -> int:
        """Return the account a customer's receivables are on, 0 if Odoo names none. Raises MissingDependency if it is not bound."""
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
    """Return the customers as they are in the books now; those that are not bound are left out.

    Where people merged contacts in Odoo, the partner that was bound is gone; our external id was moved along to the one that is left.
    """
    ids = {f"customer/{one}": bindings[f"customer/{one}"] for one in sorted(set(customer_ids)) if f"customer/{one}" in bindings}
    partner_ids = {key: int(value.rpartition("/")[2]) for key, value in ids.items()}
    rows = await _read(session, company, sorted(set(partner_ids.values())))
    gone = [key for key, partner_id in partner_ids.items() if partner_id not in rows]
    if gone:
        moved = await _follow(session, company, gone)
        rows |= await _read(session, company, sorted(set(moved.values())))
        ids |= {key: f"{_MODEL}/{partner_id}" for key, partner_id in moved.items()}
    return Customers({**bindings, **ids}, rows)


async def _read(session: Session, company: CompanyCatalog, ids: Sequence[int]) -> dict[int, int]:
    if not ids:
        return {}
    context = {**company.context, "active_test": False}
    rows = await session.client.read(_MODEL, [["id", "in", list(ids)]], PartnerRow, context=context)
    return {row.id: ref(row.property_account_receivable_id) for row in rows}


async def _follow(session: Session, company: CompanyCatalog, keys: Sequence[str]) -> dict[str, int]:
    """Return where our external ids of customers point now: ``load`` tells it to any user, and makes no partner that has no name."""
    namespace = session.settings.namespace
    rows = [Row(key, ((f"{namespace}.{external_key('customer', key.partition('/')[2])}",),)) for key in keys]
    table = Table(_MODEL, ("id",), is_insert_only=True, context=quiet(session, company.context))
    return (await load(session, table, rows)).ids
