"""How deliveries become receipts: one statement, a case for those that are parked, and the partitions armed, in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from counterfoil.core.canonical.ids import digest
from counterfoil.kit.connector import Delivery
from counterfoil.store import cases, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn, Key
from counterfoil.store.receipts import Appended, Incoming

Arm = Callable[[Conn, Sequence[Key]], Awaitable[None]]
"""Notes work for partitions and has a drain enqueued for the idle ones, in the caller's transaction (the engine's ``arm``)."""

REASON_MAX = 200
"""Characters of a parked delivery's reason that are kept."""


def incoming_of(connection: str, deliveries: Iterable[Delivery], lane: int) -> tuple[Incoming, ...]:
    """Return a connection's deliveries as the store takes them."""
    return tuple(
        Incoming(
            connection=connection,
            dedupe_key=delivery.dedupe_key,
            shard_key=delivery.shard_key,
            kind=delivery.kind,
            body=delivery.body,
            occurred_at=delivery.occurred_at,
            account=delivery.account,
            api_version=delivery.api_version,
            headers=delivery.headers,
            parked=delivery.parked[:REASON_MAX],
            lane=lane,
        )
        for delivery in deliveries
    )


async def keep(conn: Conn, cipher: Cipher, arm: Arm, incoming: Sequence[Incoming], now: datetime) -> Appended:
    """Keep deliveries in the caller's transaction: new ones as receipts, parked ones with a case each per reason."""
    appended = await receipts.append(conn, cipher, incoming, now)
    parked = [
        opening(
            fingerprint=digest("intake", one.connection, one.parked),
            case_class="ownership_violation",
            code="intake.parked",
            cause=f"{one.connection} delivered what this connection does not process: {one.parked}",
            next_step="Correct the connection's settings and retry this case, or waive it; the deliveries are kept as they came.",
            stage="normalize",
            subject=str(receipt_id),
            now=now,
            label=one.dedupe_key,
            connection=one.connection,
        )
        for one, receipt_id in zip(incoming, appended.ids, strict=True)
        if one.parked and receipt_id is not None
    ]
    await cases.open_or_count(conn, parked, now)
    if appended.touched:
        await arm(conn, appended.touched)
    return appended
