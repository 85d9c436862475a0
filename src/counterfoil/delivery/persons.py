"""What the hub knows about whom a posting concerns, to keep it out of words that are stored in clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.core.kinds.customer import CUSTOMER, Customer, personal
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.policies.concerns import concerns_of
from counterfoil.delivery.causes import About, arguments_of
from counterfoil.kit.codec import decode_record
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
        records = {ref: decode_record(ref.kind, row.data) for ref, row in found.items()}
        customers = {ref: CUSTOMER.ref(row.customer_id) for ref, row in found.items() if row.customer_id}
        others = await objects.load(conn, cipher, {ref for ref in customers.values() if ref not in records})
    records |= {ref: decode_record(ref.kind, row.data) for ref, row in others.items()}
    return {row.id: _about(row, records, customers) for row in rows}


def _about(row: CommandRow, records: Mapping[ObjectRef, Record], customers: Mapping[ObjectRef, ObjectRef]) -> About:
    arguments = arguments_of(row)
    found = [] if arguments is None else [*arguments.personal]
    for ref in (row.subject, customers.get(row.subject, row.subject)):
        record = records.get(ref)
        if isinstance(record, Customer):
            found += personal(record)
        elif isinstance(record, Invoice) and record.customer_name:
            found.append((record.customer_name, "name"))
    return About(tuple(dict.fromkeys(found)), concerns_of(row.subject, records.get(row.subject)))
