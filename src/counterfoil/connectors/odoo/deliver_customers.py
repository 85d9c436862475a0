"""Customers: partners by external id, written only where something differs in the columns we own, so that what people keep stays theirs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from counterfoil.connectors.odoo.batches import done, in_chunks, refused
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.found_partners import find_partners
from counterfoil.connectors.odoo.grouped import load_grouped
from counterfoil.connectors.odoo.load import LoadedRows
from counterfoil.connectors.odoo.partner_rows import (
    COUNTRY,
    IS_COMPANY,
    VAT,
    PartnerRow,
    PartnerWords,
    changes,
    is_business,
    is_insert_only,
    partner_cells,
)
from counterfoil.connectors.odoo.places import places
from counterfoil.core.commands.books import UpsertCustomer
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome

_SEEN_KEY = "odoo.partners"
_SEEN_MAX = 50_000
_MODEL = "res.partner"


@dataclass(frozen=True, slots=True)
class _Remark:
    """What an outcome that is done still says: its code, and words."""

    code: str
    words: str


@dataclass(slots=True)
class _Sending:
    """What is sent of a chunk's customers and what came of it, by command id."""

    loaded: LoadedRows = field(default_factory=LoadedRows)
    remarks: dict[str, _Remark] = field(default_factory=dict)


async def send_customers(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Create or update the customers and return one outcome per command; their partner ids are the external ids."""
    session = await connect(ctx)
    words = await places(ctx, session)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return await _customers(ctx, session, words, commands, bindings)

    return await in_chunks(batch, session.settings.master_batch_size, session.settings.concurrency, send_chunk)


async def _customers(
    ctx: Context, session: Session, words: PartnerWords, commands: Sequence[Command], bindings: Mapping[str, str]
) -> list[Outcome]:
    namespace = session.settings.namespace
    customers = {command.id: _customer(command) for command in commands}
    cells = {command.id: partner_cells(customers[command.id], f"{namespace}.{command.external_key}", words) for command in commands}
    kept = {key for key, customer in customers.items() if is_insert_only(customer)}
    made = {command.id: bindings.get(command.produces, "").rpartition("/")[2] for command in commands}
    found = await find_partners(session, cells, kept, {key: int(id) for key, id in made.items() if id.isdigit()})
    known = found.rows
    sending = _Sending()
    wanted: dict[str, Mapping[str, str]] = {}
    for key, customer in customers.items():
        marked = {IS_COMPANY: "1"} if session.dialect.writes_is_company and is_business(customer) else {}
        if key not in known:
            wanted[key] = {**cells[key], **marked}
        elif key not in kept:
            wanted[key] = _update(sending, key, cells[key], known[key], marked)
    for key in found.nameless & wanted.keys():
        wanted[key] = {".id": str(known[key].id), **{name: cell for name, cell in wanted[key].items() if name != "id"}}
    await _send(session, sending, wanted, known)
    sending.loaded.ids.update({key: known[key].id for key in kept & known.keys()})
    return [_outcome(ctx, command, sending) for command in commands]


def _update(sending: _Sending, key: str, cells: Mapping[str, str], partner: PartnerRow, marked: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an existing partner is written with. One that was a person becomes a company when its first VAT id comes."""
    wanted, is_held_back = changes(cells, partner)
    if is_held_back:
        words = "Odoo has this contact under a company: the company's address and VAT id were left as they are"
        sending.remarks[key] = _Remark(code="odoo.partner_linked", words=words)
    is_first = VAT in wanted and not partner.vat and not partner.is_company and not partner.parent_id
    return {**wanted, **marked} if is_first else wanted


async def _send(session: Session, sending: _Sending, wanted: Mapping[str, Mapping[str, str]], known: Mapping[str, PartnerRow]) -> None:
    """Load; what Odoo refuses once more without the VAT id, then without the country, for which the VAT id it has may be wrong.

    A customer is not refused for a wrong VAT id: nobody at the source can correct what only Odoo sees.
    """
    await _load(session, sending, wanted, known)
    found = sending.loaded
    with_vat = [key for key in found.refused if VAT in wanted[key]]
    await _again(session, sending, wanted, known, with_vat, (VAT, IS_COMPANY), "saved without the VAT id, which Odoo calls invalid")
    moved = [key for key in found.refused if key in known and known[key].vat and COUNTRY[0] in wanted[key]]
    words = "saved without the country: Odoo calls the VAT id it has invalid there; correct the VAT id or the country"
    await _again(session, sending, wanted, known, moved, (VAT, IS_COMPANY, *COUNTRY), words)


async def _again(
    session: Session,
    sending: _Sending,
    wanted: Mapping[str, Mapping[str, str]],
    known: Mapping[str, PartnerRow],
    keys: Iterable[str],
    left_out: Sequence[str],
    words: str,
) -> None:
    """Load refused partners without some columns; those that are saved now bear a remark."""
    refusals = {key: sending.loaded.refused.pop(key) for key in list(keys)}
    rest = {key: {name: cell for name, cell in wanted[key].items() if name not in left_out} for key in refusals}
    await _load(session, sending, rest, known)
    sending.remarks.update({key: _Remark(code="odoo.vat_refused", words=words) for key in refusals if key in sending.loaded.ids})


async def _load(session: Session, sending: _Sending, wanted: Mapping[str, Mapping[str, str]], known: Mapping[str, PartnerRow]) -> None:
    """Load what has anything to be written; a known partner without is as wished already."""
    same = {key: known[key].id for key, cells in wanted.items() if key in known and not cells.keys() - {"id", ".id"}}
    part = await load_grouped(session, _MODEL, {key: cells for key, cells in wanted.items() if key not in same})
    sending.loaded.ids.update(same | part.ids)
    sending.loaded.refused.update(part.refused)


def _customer(command: Command) -> Customer:
    arguments = command.arguments
    if not isinstance(arguments, UpsertCustomer):
        raise TypeError(f"{command.kind} does not carry a customer")
    return arguments.customer


def _outcome(ctx: Context, command: Command, sending: _Sending) -> Outcome:
    refusal = sending.loaded.refused.get(command.id)
    if refusal is not None:
        return refused(command, RejectedError(refusal.message, code="odoo.refused"))
    partner_id = sending.loaded.ids[command.id]
    other = _seen_as(ctx, partner_id, command.external_key)
    if other:
        words = f"merged in Odoo with the customer of {other}: both are partner {partner_id} now; updates of one overwrite the other's"
        return done(command, _MODEL, partner_id, code="odoo.partner_merged", message=words)
    remark = sending.remarks.get(command.id)
    if remark is not None:
        return done(command, _MODEL, partner_id, code=remark.code, message=remark.words)
    return done(command, _MODEL, partner_id)


def _seen_as(ctx: Context, partner_id: int, external_key: str) -> str:
    """Return the other customer already seen on this partner, empty if there is none. Remembers the last ones only."""
    seen: OrderedDict[int, str] = ctx.state.setdefault(_SEEN_KEY, OrderedDict())
    first = seen.setdefault(partner_id, external_key)
    seen.move_to_end(partner_id)
    if len(seen) > _SEEN_MAX:
        seen.popitem(last=False)
    return first if first != external_key else ""
