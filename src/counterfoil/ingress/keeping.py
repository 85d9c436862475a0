"""How deliveries become receipts: one statement, a case for those that are parked, and the partitions armed, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import digest
from counterfoil.kit.connector import Delivery
from counterfoil.store import cases, receipts
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Appended, Incoming
from counterfoil.store.work import Arm

REASON_MAX = 200
"""Characters of a parked delivery's reason that are kept."""
KEY_MAX = 700
"""Characters of a delivery's key that are kept; file names with a row's own key are the longest there are."""
KIND_MAX = 120
"""Characters of a delivery's type, account or version that are kept."""
UNNAMED = "it has no id, by which a second delivery of it could be told"
"""Why a delivery without a key is parked; it is kept under what it holds."""
UNFIT = "its id, type or account holds what is no character or is too long to be one"
"""Why a delivery is parked whose texts had to be made fit."""


def incoming_of(connection: str, deliveries: Iterable[Delivery], lane: int) -> tuple[Incoming, ...]:
    """Return a connection's deliveries as the store takes them.

    One with a text the database cannot hold, or longer than any vendor's, is kept with that text made fit, and parked: it must neither
    stop the page it came in nor fill a screen.
    """
    return tuple(_incoming(connection, delivery, lane) for delivery in deliveries)


def _incoming(connection: str, delivery: Delivery, lane: int) -> Incoming:
    has_key = bool(delivery.dedupe_key.strip())
    texts = {
        "dedupe_key": _fit(delivery.dedupe_key, KEY_MAX) if has_key else f"without id/{digest(delivery.body.hex())}",
        "shard_key": _fit(delivery.shard_key, KEY_MAX),
        "kind": _fit(delivery.kind, KIND_MAX),
        "account": _fit(delivery.account, KIND_MAX),
        "api_version": _fit(delivery.api_version, KIND_MAX),
    }
    parked = delivery.parked or ("" if has_key else UNNAMED)
    if not parked and any(getattr(delivery, name) != text for name, text in texts.items()):
        parked = UNFIT
    return Incoming(
        connection=connection,
        body=delivery.body,
        occurred_at=delivery.occurred_at,
        headers={_fit(name, KIND_MAX): _fit(value, KEY_MAX) for name, value in delivery.headers.items()},
        parked=_fit(parked, REASON_MAX),
        lane=lane,
        place=_fit(delivery.place, REASON_MAX),
        **texts,
    )


def _fit(text: str, length_max: int) -> str:
    """Return a text as the database can hold it: NUL and halves of surrogate pairs written out, what is too long cut, with a digest so
    that two stay two.
    """
    plain = text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= length_max else f"{plain[: length_max - 33]} {digest(plain)}"


async def keep(conn: Conn, cipher: Cipher, arm: Arm, incoming: Sequence[Incoming], now: datetime) -> Appended:
    """Keep deliveries in the caller's transaction: new ones as receipts, parked ones with a case each per reason."""
    appended = await receipts.append(conn, cipher, incoming, now)
    parked = [
        opening(
            fingerprint=digest("intake", one.connection, one.parked),
            case_class=CaseClass.OWNERSHIP_VIOLATION,
            code="intake.parked",
            cause=f"{one.connection} delivered what this connection does not process: {one.parked}",
            next_step="Correct the connection's settings and retry this case, or waive it; the deliveries are kept as they came.",
            stage="normalize",
            subject=str(receipt_id),
            now=now,
            label=one.dedupe_key,
            connection=one.connection,
            detail=f"{one.place}: {one.parked}" if one.place else "",
            alone=f"{one.connection} delivered what this connection does not process: {one.parked} ({one.place})" if one.place else "",
        )
        for one, receipt_id in zip(incoming, appended.ids, strict=True)
        if one.parked and receipt_id is not None
    ]
    await cases.open_or_count(conn, parked, now)
    if appended.touched:
        await arm(conn, appended.touched)
    return appended
