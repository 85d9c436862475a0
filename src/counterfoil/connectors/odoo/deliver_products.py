"""Products: one for one thing sold, whatever connection sells it; name and reference are kept up to date, all else is Odoo's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from counterfoil.connectors.odoo.batches import done, in_chunks, refused
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.grouped import load_grouped
from counterfoil.connectors.odoo.load import LoadedRows
from counterfoil.connectors.odoo.wire import Ref, Text, text
from counterfoil.connectors.odoo.xids import listed
from counterfoil.core.commands.books import UpsertProduct
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome

_MODEL = "product.product"
_PLAIN = {"list_price": "0", "sale_ok": "", "purchase_ok": "", "taxes_id/.id": "", "supplier_taxes_id/.id": ""}
"""What a new product is made with: left to itself Odoo gives it a price of 1.00 and the default taxes of every company. It is for the
documents of the source, which bring price and taxes; somebody who wants to sell it in Odoo gives it those there."""


class _Same(Struct, frozen=True):
    """A product of Odoo that may be the same thing."""

    id: int
    name: Text
    default_code: Text
    company_id: Ref


async def send_products(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Create or update the products and return one outcome per command; the ids are those of product.product."""
    del bindings
    session = await connect(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return await _products(session, commands)

    return await in_chunks(batch, session.settings.master_batch_size, session.settings.concurrency, send_chunk)


async def _products(session: Session, commands: Sequence[Command]) -> list[Outcome]:
    """Update the products that are ours; of the others use the one Odoo has already, or insert one."""
    cells = {command.id: _cells(session, command) for command in commands}
    own = await _own(session, cells)
    loaded = await load_grouped(session, _MODEL, {key: cells[key] for key in own})
    shared = await _shared(session, {key: record for key, record in cells.items() if key not in own})
    loaded.ids.update(shared)
    first: dict[str, str] = {}
    absent = [key for key in cells if key not in own and key not in shared]
    for key in absent:
        first.setdefault(_thing(cells[key]), key)
    typed = {key: {**cells[key], **_PLAIN, session.dialect.product_type: "service"} for key in first.values()}
    made = await load_grouped(session, _MODEL, typed, is_insert_only=True)
    loaded.ids.update({key: made.ids[first[_thing(cells[key])]] for key in absent if first[_thing(cells[key])] in made.ids})
    loaded.refused.update({key: made.refused[first[_thing(cells[key])]] for key in absent if first[_thing(cells[key])] in made.refused})
    return [_outcome(command, loaded) for command in commands]


def _cells(session: Session, command: Command) -> dict[str, str]:
    arguments = command.arguments
    if not isinstance(arguments, UpsertProduct):
        raise TypeError(f"{command.kind} does not carry a product")
    xid = f"{session.settings.namespace}.{command.external_key}"
    code = {"default_code": arguments.sku} if arguments.sku else {}
    return {"id": xid, "name": arguments.name or arguments.product_id, **code}


def _thing(cells: Mapping[str, str]) -> str:
    """Return what makes two products the same thing: the internal reference, or without one the name."""
    return f"code {cells['default_code']}" if "default_code" in cells else f"name {cells['name']}"


async def _own(session: Session, cells: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the keys whose external id names a product. Who may not read the list sees it by loading nothing but the external id."""
    known = await listed(session, _MODEL, [record["id"] for record in cells.values()])
    if known is not None:
        return {key for key, record in cells.items() if record["id"] in known}
    asked = await load_grouped(session, _MODEL, {key: {"id": record["id"]} for key, record in cells.items()}, is_insert_only=True)
    return set(asked.ids)


async def _shared(session: Session, cells: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Return the products of Odoo that are the same things: exactly one, in use, and not one company's alone."""
    if not cells:
        return {}
    codes = sorted({record["default_code"] for record in cells.values() if "default_code" in record})
    names = sorted({record["name"] for record in cells.values() if "default_code" not in record})
    domain: list[Any] = ["|", ["default_code", "in", codes], "&", ["default_code", "=", False], ["name", "in", names]]
    rows = await session.client.read(_MODEL, domain, _Same)
    by_thing: dict[str, list[_Same]] = {}
    for row in rows:
        code = {"default_code": text(row.default_code)} if text(row.default_code) else {}
        by_thing.setdefault(_thing({"name": text(row.name), **code}), []).append(row)
    found = {key: by_thing.get(_thing(record), []) for key, record in cells.items()}
    return {key: same[0].id for key, same in found.items() if len(same) == 1 and not same[0].company_id}


def _outcome(command: Command, loaded: LoadedRows) -> Outcome:
    if command.id in loaded.refused:
        return refused(command, RejectedError(loaded.refused[command.id].message, code="odoo.refused"))
    return done(command, _MODEL, loaded.ids[command.id])
