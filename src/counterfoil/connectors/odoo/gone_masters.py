"""Where the customers and products of refused documents are now: merged into others, or not in Odoo any more and to be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.mapped_products import PREFIX
from counterfoil.connectors.odoo.xids import MASTERS, followed
from counterfoil.core.commands.books import PostDocument
from counterfoil.core.language.commands import Command


@dataclass(frozen=True, slots=True)
class Masters:
    """Bindings as they lead now, without those in ``gone``: dependency keys that nothing in Odoo bears any more.

    ``hidden``: bound to what only another company may use.
    """

    bindings: Mapping[str, str]
    gone: frozenset[str]
    hidden: frozenset[str]

    def missed_by(self, command: Command) -> tuple[str, ...]:
        """Return what a document names that is gone, its customer first."""
        return tuple(key for key in _named(command) if key in self.gone)

    def hidden_from(self, command: Command) -> tuple[str, ...]:
        """Return what a document names that only another company may use."""
        return tuple(key for key in _named(command) if key in self.hidden)


async def masters_now(session: Session, company: CompanyCatalog, commands: Sequence[Command], bindings: Mapping[str, str]) -> Masters:
    """Look up the customers and products that documents name, as far as they are bound.

    Only for documents Odoo refused for something they refer to: a batch that goes well pays nothing for it. A record that is there but
    out of the user's sight, since it is another company's, is not gone: its external id still leads to it.
    """
    keys = {key for command in commands for key in _named(command) if key in bindings}
    absent: list[str] = []
    for kind, model in MASTERS.items():
        ids = {key: int(bindings[key].rpartition("/")[2]) for key in sorted(keys) if key.startswith(f"{kind}/")}
        there = await _there(session, company, model, sorted(set(ids.values())))
        absent += [key for key, record_id in ids.items() if record_id not in there]
    leads = await followed(session, company.context, absent)
    moved = {key: f"{MASTERS[key.partition('/')[0]]}/{record_id}" for key, record_id in leads.ids.items()}
    gone = frozenset(absent) - moved.keys() - leads.hidden
    return Masters({key: value for key, value in {**bindings, **moved}.items() if key not in gone}, gone, frozenset(leads.hidden))


async def _there(session: Session, company: CompanyCatalog, model: str, ids: Sequence[int]) -> set[int]:
    if not ids:
        return set()
    context = {**company.context, "active_test": False}
    return set(await session.client.call(model, "search", domain=[["id", "in", list(ids)]], context=context))


def _named(command: Command) -> tuple[str, ...]:
    document = command.arguments
    if not isinstance(document, PostDocument):
        return ()
    products = (line.product_id for line in document.lines if line.product_id and not line.product_id.startswith(PREFIX))
    return tuple(dict.fromkeys((f"customer/{document.customer_id}", *(f"product/{one}" for one in products))))
