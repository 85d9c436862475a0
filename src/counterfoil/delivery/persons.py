"""What the hub knows about whom a posting concerns: to keep it out of words that are stored in clear, and to count money once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.core.canonical.entities import Customer, Entity, Invoice, Payment
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.masking import about as personal
from counterfoil.core.canonical.masking import named_by
from counterfoil.delivery.causes import About, arguments_of
from counterfoil.kit.codec import decode_entity
from counterfoil.store import objects
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow
from counterfoil.store.pool import Pool


async def about(pool: Pool, cipher: Cipher, rows: Sequence[CommandRow]) -> dict[str, About]:
    """Return what is known of postings of which something is to be said, by command id. Costs nothing where there are none."""
    if not rows:
        return {}
    async with pool.connection() as conn:
        found = await objects.load(conn, cipher, {row.subject for row in rows})
        entities = {ref: decode_entity(ref.kind, row.data) for ref, row in found.items()}
        customers = {ref: ObjectRef(ObjectKind.CUSTOMER, row.customer_id) for ref, row in found.items() if row.customer_id}
        others = await objects.load(conn, cipher, {ref for ref in customers.values() if ref not in entities})
    entities |= {ref: decode_entity(ref.kind, row.data) for ref, row in others.items()}
    return {row.id: _about(row, entities, customers) for row in rows}


def _about(row: CommandRow, entities: Mapping[ObjectRef, Entity], customers: Mapping[ObjectRef, ObjectRef]) -> About:
    found = [*named_by(arguments_of(row))]
    for ref in (row.subject, customers.get(row.subject, row.subject)):
        entity = entities.get(ref)
        if isinstance(entity, Customer):
            found += personal(entity)
        elif isinstance(entity, Invoice) and entity.customer_name:
            found.append((entity.customer_name, "name"))
    return About(tuple(dict.fromkeys(found)), concerns_of(row.subject, entities.get(row.subject)))


def concerns_of(ref: ObjectRef, entity: Entity | None) -> str:
    """Return the document whose money an object's is: a payment of one invoice is that invoice's, anything else its own."""
    if isinstance(entity, Payment) and len(entity.applications) == 1:
        return ObjectRef(ObjectKind.INVOICE, entity.applications[0].invoice_id).key
    return ref.key
