"""The invoices, credit notes and payments an Odoo holds, whoever entered them: what a hub that comes later adopts. Read only.

Drafts of invoices and credit notes are read as well, since they would be posted beside what the hub posts.

A payment is what credits one customer's receivables and is no credit note: a payment, a line of a bank statement, an entry. So money that
was entered in any of the ways Odoo knows is found, and told by its entry where it is no ``account.payment``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.catalog_read import find_company
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.naming import listed_of
from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.core.identity.adopted_documents import ExistingDocument
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.kit.holdings import ExistingPage

MOVE, PAYMENT_MODEL = "account.move", "account.payment"
PAGE_SIZE = 1000
_KINDS = {"out_invoice": INVOICE.name, "out_refund": CREDIT_NOTE.name}
_ALL = {"active_test": False}
_DIGITS_MAX = 10
"""Of an id: the largest there can be is 2,147,483,647."""


class _ExistingMove(Struct, frozen=True):
    """A posted customer document, or an entry that may be a payment."""

    id: int
    name: Text
    state: str
    ref: Text
    payment_reference: Text
    move_type: str
    payment_state: Text
    company_id: Ref
    partner_id: Ref
    commercial_partner_id: Ref
    currency_id: Ref
    amount_total: Decimal
    amount_residual: Decimal
    invoice_date: Text
    date: Text


class _ReceivableLine(Struct, frozen=True):
    """A line that credits a receivable."""

    id: int
    move_id: Ref
    payment_id: Ref
    partner_id: Ref
    currency_id: Ref
    amount_currency: Decimal
    amount_residual_currency: Decimal
    name: Text


class _Currency(Struct, frozen=True):
    """A currency's code."""

    id: int
    name: str


async def page_of_documents(session: Session, cursor: str) -> ExistingPage:
    """Return the moves after ``cursor`` (the id of the last one seen) that are customers' documents or money from or to customers."""
    entities, context = await _books(session)
    domain: list[Any] = [["id", ">", int(cursor or "0")], *_domain(entities)]
    rows = await session.client.read(MOVE, domain, _ExistingMove, context=context, limit=PAGE_SIZE, order="id asc")
    documents = await _documents(session, rows, entities, context)
    return ExistingPage(documents, str(rows[-1].id) if rows else cursor, has_more=len(rows) == PAGE_SIZE)


async def documents_of(session: Session, external_ids: Collection[str]) -> tuple[ExistingDocument, ...]:
    """Return some documents as they are now; those that are gone are left out."""
    ids = {model: ids_of(external_ids, model) for model in (MOVE, PAYMENT_MODEL)}
    if not any(ids.values()):
        return ()
    entities, context = await _books(session)
    either: list[Any] = ["|", ["id", "in", ids[MOVE]], [session.dialect.move_payment, "in", ids[PAYMENT_MODEL]]]
    rows = await session.client.read(MOVE, [*either, *_domain(entities)], _ExistingMove, context=context)
    return tuple(one for one in await _documents(session, rows, entities, context) if one.external_id in external_ids)


def ids_of(external_ids: Collection[str], model: str) -> list[int]:
    """Return the ids of a model's records as Odoo counts them; people write these, so what cannot be one is left out."""
    told = (id for one in external_ids for name, _, id in [one.partition("/")] if name == model)
    return sorted({int(id) for id in told if id.isascii() and id.isdigit() and len(id) <= _DIGITS_MAX})


def _domain(entities: Mapping[int, str]) -> list[Any]:
    """Return the domain of what is posted, or drafted for customers, in the companies the hub keeps books in, less what suppliers sent."""
    customers = [["move_type", "in", list(_KINDS)], ["state", "in", ["posted", "draft"]]]
    return [["company_id", "in", sorted(entities)], "|", "&", *customers, "&", ["move_type", "=", "entry"], ["state", "=", "posted"]]


async def _books(session: Session) -> tuple[dict[int, str], dict[str, Any]]:
    entities = {(await find_company(session, entity)).id: entity for entity in session.settings.companies}
    return entities, {"allowed_company_ids": sorted(entities)}


async def _documents(
    session: Session, rows: Sequence[_ExistingMove], entities: Mapping[int, str], context: Mapping[str, Any]
) -> tuple[ExistingDocument, ...]:
    if not rows:
        return ()
    currencies = {one.id: one.name for one in await session.client.read("res.currency", [], _Currency, context=_ALL)}
    entries = [row.id for row in rows if row.move_type == "entry"]
    lines = await _receivables(session, entries, context)
    payments = {ref(line.payment_id) for some in lines.values() for line in some} - {0}
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for model, ids in ((MOVE, [row.id for row in rows]), (PAYMENT_MODEL, sorted(payments))):
        for one in await listed_of(session, model, ids) if ids else ():
            keys[f"{model}/{one.res_id}"].append(one.name)
    found: list[ExistingDocument] = []
    for row in rows:
        if row.move_type != "entry":
            found.append(_bill(row, entities, currencies, keys[f"{MOVE}/{row.id}"]))
        elif row.id in lines:
            found += _money(row, lines[row.id], entities, currencies, keys)
    return tuple(found)


async def _receivables(session: Session, moves: Sequence[int], context: Mapping[str, Any]) -> dict[int, list[_ReceivableLine]]:
    """Return the receivable lines of entries, by entry: one call, however many there are."""
    if not moves:
        return {}
    domain = [["move_id", "in", list(moves)], ["account_id.account_type", "=", "asset_receivable"]]
    found: defaultdict[int, list[_ReceivableLine]] = defaultdict(list)
    for line in await session.client.read("account.move.line", domain, _ReceivableLine, context=context, order="id asc"):
        found[ref(line.move_id)].append(line)
    return found


def _bill(row: _ExistingMove, entities: Mapping[int, str], currencies: Mapping[int, str], keys: Sequence[str]) -> ExistingDocument:
    currency = currencies[ref(row.currency_id)]
    return ExistingDocument(
        external_id=f"{MOVE}/{row.id}",
        kind=_KINDS[row.move_type],
        name=text(row.name),
        entity=entities[ref(row.company_id)],
        customer=_partner(ref(row.commercial_partner_id)),
        contact=_contact(row, ref(row.commercial_partner_id)),
        total=from_number(row.amount_total, currency),
        days=_days(row.date, row.invoice_date),
        references=tuple(one for one in (text(row.ref), text(row.payment_reference)) if one),
        keys=tuple(sorted(keys)),
        open=from_number(row.amount_residual, currency),
        is_reversed=text(row.payment_state) == "reversed",
        is_draft=row.state == "draft",
    )


def _money(
    row: _ExistingMove,
    lines: Sequence[_ReceivableLine],
    entities: Mapping[int, str],
    currencies: Mapping[int, str],
    keys: Mapping[str, Sequence[str]],
) -> list[ExistingDocument]:
    """Return the payment an entry is: of one customer, in one currency, and to our side; any other is none that the hub would make."""
    whose = {(ref(line.partner_id), ref(line.currency_id)) for line in lines}
    total = sum((line.amount_currency for line in lines), Decimal(0))
    if len(whose) != 1 or total >= 0:
        return []
    ((partner, currency_id),) = whose
    currency, payment = currencies[currency_id], ref(lines[0].payment_id)
    external_id = f"{PAYMENT_MODEL}/{payment}" if payment else f"{MOVE}/{row.id}"
    told = (text(row.ref), text(row.payment_reference), *(text(line.name) for line in lines))
    return [
        ExistingDocument(
            external_id=external_id,
            kind=PAYMENT.name,
            name=text(row.name),
            entity=entities[ref(row.company_id)],
            customer=_partner(partner),
            contact=_contact(row, partner),
            total=from_number(-total, currency),
            days=_days(row.date),
            references=tuple(dict.fromkeys(one for one in told if one)),
            keys=tuple(sorted(keys.get(external_id, ()))),  # 17 gives the entry of a payment a twin of the payment's
            open=from_number(-sum((line.amount_residual_currency for line in lines), Decimal(0)), currency),
        )
    ]


def _partner(id: int) -> str:
    return f"res.partner/{id}" if id else ""


def _contact(row: _ExistingMove, owner: int) -> str:
    """Return whom a move names where that is another than who owes it: a company owes what is billed to its contacts."""
    named = ref(row.partner_id)
    return _partner(named) if owner and named != owner else ""


def _days(*several: Text) -> tuple[date, ...]:
    return tuple(sorted({date.fromisoformat(text(one)) for one in several if text(one)}))
