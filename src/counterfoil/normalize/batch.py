"""A batch of receipts read: what each is normalized to, and how its turn ends; nothing is written here."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from counterfoil.core.facts.events import Fact
from counterfoil.core.identity.echoes import OWN_CONTENT
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.connector import Fetched, Ignored, Source
from counterfoil.kit.context import Context
from counterfoil.kit.errors import DriftError, HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.stage import TRIES_MAX, backoff_s
from counterfoil.normalize.fetching import WANTED, Prepared, delivery_of, fetched_delivery, pack
from counterfoil.normalize.storable import what_is_unstorable
from counterfoil.store import cases
from counterfoil.store.errors import StoreError
from counterfoil.store.opening import opening
from counterfoil.store.receipts import Receipt, ReceiptEnd, ReceiptState
from counterfoil.store.receipts_fetched import FetchedFor

log = structlog.get_logger()

YIELD_EVERY = 20
"""Receipts after which others of the process get their turn: a batch in bulk must not keep a payment waiting for all of it."""

KEY_TRIES_MAX = 8
"""Looks at a receipt whose key is not known, over about four minutes, before it is parked."""


@dataclass(slots=True)
class NormalizedBatch:
    """What a batch came to, before it is written.

    ``again``: the receipts that were through before and are read again; only what differs from then is written.
    """

    facts: list[tuple[Receipt, tuple[Fact, ...]]] = field(default_factory=list)
    settlements: list[ReceiptEnd] = field(default_factory=list)
    cases: list[cases.Opening] = field(default_factory=list)
    fetched: list[FetchedFor] = field(default_factory=list)
    refetched: set[int] = field(default_factory=set)
    again: dict[int, Receipt] = field(default_factory=dict)

    def parked_of(self) -> dict[tuple[datetime, int], ObjectRef]:
        """Return the things that receipts which are held back tell of, as far as that is known: by when they were received, and id."""
        named = {one.subject.subject: one.subject.concerns for one in self.cases if one.subject.stage == "normalize"}
        parked = [(one, named.get(str(one.id), "")) for one in self.settlements if one.state is ReceiptState.PARKED]
        return {(one.received_at, one.id): ObjectRef(*key.split("/", 1)) for one, key in parked if "/" in key}

    def settled(self, without: Container[int], echoes: Container[int] = ()) -> list[ReceiptEnd]:
        """Return the settlements to be written, of all but some receipts. ``echoes``: those that tell only what was written there."""
        wanted = [one for one in self.settlements if one.id not in without]
        wanted = [replace(one, state=ReceiptState.IGNORED, rule=OWN_CONTENT) if one.id in echoes else one for one in wanted]
        if not self.again:
            return wanted
        pairs = [(one, self.again[one.id]) for one in wanted]
        return [replace(one, seen=before.state) for one, before in pairs if (one.state, one.rule) != (before.state, before.rule)]


async def normalize(source: Source, ctx: Context, batch: Sequence[Receipt], prepared: Prepared, now: datetime) -> NormalizedBatch:
    """Return what a batch of prepared receipts says; those that could not be prepared are put off."""
    result = NormalizedBatch()
    for place, receipt in enumerate(batch, start=1):
        error = prepared.failed.get(receipt.id)
        if error is not None:
            _postpone(result, receipt, error, now)
        else:
            fetched = prepared.fetched.get(receipt.id, {})
            if receipt.id in prepared.fresh:
                packed = pack(fetched.values())
                result.fetched.append(FetchedFor(receipt.id, receipt.received_at, receipt.connection, receipt.dedupe_key, packed))
            _normalize_one(result, source, ctx.settings, receipt, fetched, now)
        if place % YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return result


def given_up(poisoned: Iterable[Receipt], now: datetime) -> NormalizedBatch:
    """Return receipts parked, each with a case, because whoever had them in hand died or failed each time."""
    result = NormalizedBatch()
    for receipt in poisoned:
        result.settlements.append(ended(receipt, ReceiptState.PARKED, "normalize.poisoned"))
        result.cases.append(_poisoned_case(receipt, now))
    return result


def unreadable(damaged: Iterable[Receipt], now: datetime) -> NormalizedBatch:
    """Return receipts whose payload cannot be decrypted parked, in one case for each key that is missing or does not fit.

    One whose key is not known here waits some minutes first: a worker that was started before the key was made does not know it, and
    another, or the same once it is started anew, reads it.
    """
    result = NormalizedBatch()
    for receipt in damaged:
        if receipt.damage is None:
            continue
        if receipt.damage.code == "store.key_unknown" and receipt.attempts < KEY_TRIES_MAX:
            next_try_at = now + timedelta(seconds=backoff_s(receipt.attempts + 1))
            result.settlements.append(
                ReceiptEnd(receipt.id, receipt.received_at, ReceiptState.PENDING, next_try_at=next_try_at, is_attempt=True)
            )
        else:
            result.settlements.append(ended(receipt, ReceiptState.PARKED, receipt.damage.code))
            result.cases.append(_damage_case(receipt, receipt.damage, now))
    return result


def ended(receipt: Receipt, state: ReceiptState, rule: str) -> ReceiptEnd:
    """Return the settlement of a receipt that is through."""
    return ReceiptEnd(receipt.id, receipt.received_at, state, rule=rule)


def _normalize_one(
    result: NormalizedBatch, source: Source, settings: Any, receipt: Receipt, fetched: Mapping[str, Fetched], now: datetime
) -> None:
    delivery = delivery_of(receipt) if receipt.kind != WANTED else fetched_delivery(receipt, fetched)
    if delivery is None:
        result.settlements.append(ended(receipt, ReceiptState.IGNORED, "wanted_object_does_not_exist"))
        return
    try:
        answer = source.normalize(settings, delivery, fetched)
    except RejectedError as error:
        _park(result, receipt, error, now)
        return
    except Exception as error:  # a normalizer's own fault stops the receipt it cannot read, not its neighbors
        log.exception("normalizer failed", connection=receipt.connection, kind=receipt.kind, receipt=receipt.id)
        words = f"the connector failed on it ({type(error).__name__}); the log says where"
        _park(result, receipt, RejectedError(words, code="normalize.failed", case_class=CaseClass.SCHEMA_DRIFT), now)
        return
    if isinstance(answer, Ignored):
        result.settlements.append(ended(receipt, ReceiptState.IGNORED, answer.rule))
        return
    wrong = what_is_unstorable(receipt.body, answer)
    if wrong:
        _park(result, receipt, RejectedError(wrong, code="normalize.unstorable", case_class=CaseClass.SCHEMA_DRIFT, cause=wrong), now)
        return
    result.facts.append((receipt, answer))
    result.settlements.append(ended(receipt, ReceiptState.NORMALIZED, ""))


def _park(result: NormalizedBatch, receipt: Receipt, error: RejectedError, now: datetime) -> None:
    result.settlements.append(ended(receipt, ReceiptState.PARKED, error.code))
    result.cases.append(_case(receipt, error, now))


def _postpone(result: NormalizedBatch, receipt: Receipt, error: HubError, now: datetime) -> None:
    wait_s = backoff_s(receipt.attempts + 1)
    if isinstance(error, TransientError) and error.retry_after_s is not None:
        wait_s = max(0.2, error.retry_after_s)
    result.settlements.append(
        ReceiptEnd(receipt.id, receipt.received_at, ReceiptState.PENDING, next_try_at=now + timedelta(seconds=wait_s), is_attempt=True)
    )
    if isinstance(error, SetupError):
        result.cases.append(connection_case(receipt.connection, error, now))
    log.info("fetch postponed", connection=receipt.connection, kind=receipt.kind, code=error.code, wait_s=round(wait_s, 1))


def _case(receipt: Receipt, error: RejectedError, now: datetime) -> cases.Opening:
    is_drift = isinstance(error, DriftError)
    told_of = error.object_key or asked_for(receipt)
    # By the kind of object, not of delivery: what an event tells, a poll lists and the hub asks for may be one object, wrong in one way.
    kind = (error.concerns or told_of).partition("/")[0] or receipt.kind
    shared = f"{kind}|{error.cause}" if error.cause else told_of or receipt.dedupe_key
    cause = error.drift_key if isinstance(error, DriftError) else shared
    next_step = (
        "Teach the connector this value in a release; then retry this case: all deliveries kept with it are normalized again."
        if is_drift
        else error.remedy or "Correct the record at the source, or the connector's settings; then retry this case."
    )
    return opening(
        now=now,
        fingerprint=f"{error.code}|{receipt.connection}|{cause}",
        case_class=error.case_class,
        code=error.code,
        cause=f"{receipt.kind} from {receipt.connection}: {error.cause or error}",
        next_step=next_step,
        stage="normalize",
        subject=str(receipt.id),
        label=told_of or receipt.dedupe_key,
        connection=receipt.connection,
        money=error.money,
        concerns=error.concerns or told_of,
        detail=str(error) if error.cause else "",
        alone=f"{receipt.kind} from {receipt.connection}: {error}",
    )


def asked_for(receipt: Receipt) -> str:
    """Return the key of the object a receipt was to bring because something waits for it; empty for a delivery."""
    return receipt.body.decode() if receipt.kind == WANTED else ""


def _damage_case(receipt: Receipt, damage: StoreError, now: datetime) -> cases.Opening:
    return opening(
        now=now,
        fingerprint=f"{damage.code}|{receipt.connection}|{damage.detail}",
        case_class=CaseClass.DEPENDENCY_MISSING,
        code=damage.code,
        cause=f"deliveries of {receipt.connection} are kept and cannot be read: {damage}",
        next_step="Put the key back into the key file (or the environment), restart the workers, then retry this case.",
        stage="normalize",
        subject=str(receipt.id),
        label=receipt.dedupe_key,
        connection=receipt.connection,
    )


def _poisoned_case(receipt: Receipt, now: datetime) -> cases.Opening:
    return opening(
        now=now,
        fingerprint=f"normalize.poisoned|{receipt.connection}|{asked_for(receipt) or receipt.dedupe_key}",
        case_class=CaseClass.SCHEMA_DRIFT,
        code="normalize.poisoned",
        cause=f"{receipt.kind} from {receipt.connection}: the worker died or failed {TRIES_MAX} times with it in hand",
        next_step="Look in the worker's log for what it died of (often memory); mend that, then retry this case.",
        stage="normalize",
        subject=str(receipt.id),
        label=asked_for(receipt) or receipt.dedupe_key,
        connection=receipt.connection,
    )


def connection_case(connection: str, error: SetupError, now: datetime) -> cases.Opening:
    """Return the case of a source that refuses our requests."""
    return opening(
        now=now,
        fingerprint=f"authentication_refused|{connection}",
        case_class=CaseClass.AUTHENTICATION_REFUSED,
        code=error.code,
        cause=f"{connection} refuses our key or rights: {error}",
        next_step="Renew the connection's key or its rights; what waits goes on by itself.",
        stage="poll",
        subject=connection,
        connection=connection,
    )
