"""Customers and products: plain upserts of the columns we own, so that what people keep in Odoo stays theirs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo.batches import done, in_chunks, refused
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.known import KnownRow
from counterfoil.connectors.odoo.load import Loaded, Row, Table, load
from counterfoil.connectors.odoo.partner_rows import VAT, PartnerWords, is_insert_only, partner_cells
from counterfoil.connectors.odoo.places import places
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.core.canonical.commands import Command, UpsertCustomer, UpsertProduct
from counterfoil.core.canonical.entities import Customer
from counterfoil.kit.connector import Context, Outcome
from counterfoil.kit.errors import RejectedError, SetupError

_SEEN_KEY = "odoo.partners"
_SEEN_MAX = 50_000


async def send_customers(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Create or update the customers and return one outcome per command; their partner ids are the external ids."""
    del bindings
    session = await connect(ctx)
    words = await places(ctx, session)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return await _customers(ctx, session, words, commands)

    return await in_chunks(batch, session.settings.master_batch_size, session.settings.concurrency, send_chunk)


async def _customers(ctx: Context, session: Session, words: PartnerWords, commands: Sequence[Command]) -> list[Outcome]:
    """Load the customers grouped by the columns they fill: a blank cell would clear what somebody entered in Odoo."""
    namespace = session.settings.namespace
    kept = {command.id for command in commands if is_insert_only(_customer(command))}
    plain = {command.id: partner_cells(_customer(command), f"{namespace}.{command.external_key}", words) for command in commands}
    loaded = await _load_grouped(session, "res.partner", {key: cells for key, cells in plain.items() if key not in kept})
    if kept:
        await _load_kept(session, {key: plain[key] for key in sorted(kept)}, loaded)
    without_vat = {key: _without(plain[key], VAT) for key in loaded.refused if VAT in plain[key]}
    if without_vat:  # Odoo checks VAT ids where base_vat is installed; a customer is not refused for a wrong one
        again = await _load_grouped(session, "res.partner", without_vat)
        for key in again.ids:
            del loaded.refused[key]
        loaded.ids.update(again.ids)
    return [_customer_outcome(ctx, command, loaded, set(without_vat)) for command in commands]


async def _load_kept(session: Session, records: Mapping[str, Mapping[str, str]], loaded: Loaded) -> None:
    """Find partners that are to stay as they are; only one that is absent is created, with all that is known of it.

    Insert-only loading would not do: Odoo keeps its hands off existing records only where they were created that way. Where the list of
    external ids may not be read, absence shows in Odoo asking for a name (and writing an error to its log).
    """
    present = await _present(session, [cells["id"] for cells in records.values()])
    asked = {key: {"id": cells["id"], "ref": cells["ref"]} for key, cells in records.items() if present is None or cells["id"] in present}
    found = await _load_grouped(session, "res.partner", asked)
    absent = found.refused if present is None else records.keys() - asked.keys()
    made = await _load_grouped(session, "res.partner", {key: records[key] for key in sorted(absent)})
    loaded.ids.update(found.ids | made.ids)
    loaded.refused.update(made.refused if present is None else found.refused | made.refused)


async def _present(session: Session, xids: Sequence[str]) -> set[str] | None:
    """Return which of the external ids name a partner; None if this user may not read the list of them."""
    names = [xid.partition(".")[2] for xid in xids]
    domain = [["module", "=", session.settings.namespace], ["model", "=", "res.partner"], ["name", "in", names]]
    try:
        rows = await session.client.read("ir.model.data", domain, KnownRow)
    except SetupError as error:
        if error.code == "odoo.forbidden":
            return None
        raise
    return {f"{session.settings.namespace}.{row.name}" for row in rows}


def _without(cells: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in cells.items() if key != name}


def _customer(command: Command) -> Customer:
    arguments = command.arguments
    if not isinstance(arguments, UpsertCustomer):
        raise TypeError(f"{command.kind} does not carry a customer")
    return arguments.customer


def _customer_outcome(ctx: Context, command: Command, loaded: Loaded, without_vat: set[str]) -> Outcome:
    refusal = loaded.refused.get(command.id)
    if refusal is not None:
        return refused(command, RejectedError(refusal.message, code="odoo.refused"))
    partner_id = loaded.ids[command.id]
    other = _seen_as(ctx, partner_id, command.external_key)
    if other:
        words = f"merged in Odoo with the customer of {other}: both are partner {partner_id} now; updates of one overwrite the other's"
        return done(command, "res.partner", partner_id, code="odoo.partner_merged", message=words)
    if command.id in without_vat:
        return done(
            command, "res.partner", partner_id, code="odoo.vat_refused", message="saved without the VAT id, which Odoo calls invalid"
        )
    return done(command, "res.partner", partner_id)


def _seen_as(ctx: Context, partner_id: int, external_key: str) -> str:
    """Return the other customer already seen on this partner, empty if there is none. Remembers the last ones only."""
    seen: OrderedDict[int, str] = ctx.state.setdefault(_SEEN_KEY, OrderedDict())
    first = seen.setdefault(partner_id, external_key)
    seen.move_to_end(partner_id)
    if len(seen) > _SEEN_MAX:
        seen.popitem(last=False)
    return first if first != external_key else ""


async def send_products(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Create or update the products and return one outcome per command; the ids are those of product.product."""
    del bindings
    session = await connect(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return await _products(session, commands)

    return await in_chunks(batch, session.settings.master_batch_size, session.settings.concurrency, send_chunk)


async def _products(session: Session, commands: Sequence[Command]) -> list[Outcome]:
    """Insert what is absent as a service, then update name and reference: the type may have been changed in Odoo and is left alone."""
    plain: dict[str, dict[str, str]] = {}
    for command in commands:
        arguments = command.arguments
        if not isinstance(arguments, UpsertProduct):
            raise TypeError(f"{command.kind} does not carry a product")
        xid = f"{session.settings.namespace}.{command.external_key}"
        code = {"default_code": arguments.sku} if arguments.sku else {}
        plain[command.id] = {"id": xid, "name": arguments.name or arguments.product_id, **code}
    typed = {key: {**cells, session.dialect.product_type: "service"} for key, cells in plain.items()}
    inserted = await _load_grouped(session, "product.product", typed, is_insert_only=True)
    loaded = await _load_grouped(session, "product.product", {key: plain[key] for key in inserted.ids})
    loaded.refused.update(inserted.refused)
    return [
        refused(command, RejectedError(loaded.refused[command.id].message, code="odoo.refused"))
        if command.id in loaded.refused
        else done(command, "product.product", loaded.ids[command.id])
        for command in commands
    ]


async def _load_grouped(session: Session, model: str, records: Mapping[str, Mapping[str, str]], *, is_insert_only: bool = False) -> Loaded:
    """Load records in one call per set of columns."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for key, cells in records.items():
        groups.setdefault(tuple(cells), []).append(Row(key, (tuple(cells.values()),)))
    found = Loaded()
    for fields, rows in groups.items():
        table = Table(model, fields, is_insert_only, quiet(session, {}))
        part = await load(session, table, rows)
        found.ids.update(part.ids)
        found.refused.update(part.refused)
    return found
