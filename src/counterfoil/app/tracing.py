"""The path of one thing with all that belongs to it: a customer by name or e-mail, an invoice by its number, with what settles it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.dispute import Dispute
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.kinds.refund import Refund
from counterfoil.core.language.records import Record
from counterfoil.kit.codec import decode_record
from counterfoil.kit.connector import Connector
from counterfoil.store import objects
from counterfoil.store import trace as store_trace
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn
from counterfoil.store.trace import Trace

STEPS_MAX = 3
"""From an invoice to its payments and credit notes, from those to refunds and disputes."""


def known_as(connections: Iterable[tuple[Connector, Mapping[str, Any]]], asked: str) -> frozenset[str]:
    """Return the canonical ids under which a record may be known whose id in its system's own pages somebody pasted.

    ``connections``: each connector with the settings of its connection as they stand in the file.
    """
    found = (connector.known_as(given, asked.strip()) for connector, given in connections if connector.known_as is not None)
    return frozenset(id for id in found if id)


async def trace(conn: Conn, cipher: Cipher, asked: str, also: Collection[str] = ()) -> Trace:
    """Return the path of whatever has this id, number, name or e-mail. A customer gives everything of his, an invoice what settles it.

    ``also``: canonical ids that are meant, too.
    """
    ids = {*await store_trace.canonical_ids(conn, asked.strip()), *also}
    named = {ref.id for ref in await objects.named(conn, cipher, asked)} | {*also}
    return await store_trace.trace(conn, asked, {*named, *await _belonging(conn, cipher, ids | named)})


async def _belonging(conn: Conn, cipher: Cipher, ids: Iterable[str]) -> set[str]:
    """Return the ids of the payments, credit notes, refunds and disputes of invoices among some ids."""
    invoices = await objects.load(conn, cipher, [INVOICE.ref(id) for id in ids])
    found = {ref.id for ref in invoices}
    for customer_id in {row.customer_id for row in invoices.values() if row.customer_id}:
        others = {row.ref.id: decode_record(row.ref.kind, row.data) for row in await objects.of_customer(conn, cipher, customer_id)}
        for _ in range(STEPS_MAX):
            found |= {id for id, record in others.items() if found & set(_belongs_to(record))}
    return found


def _belongs_to(record: Record) -> tuple[str, ...]:
    match record:
        case Payment(applications=applications):
            return tuple(one.invoice_id for one in applications)
        case CreditNote(invoice_id=invoice_id):
            return (invoice_id,)
        case Refund(payment_id=payment_id, credit_note_id=credit_note_id):
            return (payment_id, credit_note_id)
        case Dispute(payment_id=payment_id):
            return (payment_id,)
        case _:
            return ()
