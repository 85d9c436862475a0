"""What must be re-read before receipts can be normalized, once per object, and how the answers are kept with the receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from counterfoil.core.language.ids import ObjectRef
from counterfoil.kit.connector import Delivery, Fetched, Source
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.store.receipts import Receipt

WANTED = "wanted"
"""Kind of a receipt that is no delivery: the hub asks the source for an object something waits for. Its body is the object's key."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[Fetched, ...])


def delivery_of(receipt: Receipt) -> Delivery:
    """Return the delivery a receipt was made from."""
    return Delivery(
        dedupe_key=receipt.dedupe_key,
        shard_key=receipt.shard_key,
        kind=receipt.kind,
        body=receipt.body,
        occurred_at=receipt.occurred_at,
        account=receipt.account,
        api_version=receipt.api_version,
        headers=receipt.headers,
    )


def wanted_ref(receipt: Receipt) -> ObjectRef:
    """Return the object a ``wanted`` receipt asks for."""
    kind, _, object_id = receipt.body.decode().partition("/")
    return ObjectRef(kind, object_id)


def fetched_delivery(receipt: Receipt, fetched: Mapping[str, Fetched]) -> Delivery | None:
    """Return the object a ``wanted`` receipt asked for as a delivery of its whole state; None if the source does not have it."""
    for answer in fetched.values():
        if answer.body is not None:
            kind = f"{wanted_ref(receipt).kind}.fetched"
            return replace(delivery_of(receipt), kind=kind, body=answer.body, occurred_at=answer.fetched_at)
    return None


def pack(fetched: Iterable[Fetched]) -> bytes:
    """Return the answers as bytes, to be kept with the receipt."""
    return _ENCODER.encode(tuple(fetched))


def unpack(data: bytes | None) -> dict[str, Fetched]:
    """Return kept answers by reference."""
    return {} if data is None else {answer.ref: answer for answer in _DECODER.decode(data)}


@dataclass(slots=True)
class Prepared:
    """Receipts with what was fetched for them, and those that could not be prepared now with the reason."""

    fetched: dict[int, dict[str, Fetched]] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    failed: dict[int, HubError] = field(default_factory=dict)


def needed_refs(source: Source, receipt: Receipt, ties: Mapping[int, tuple[ObjectRef, ...]]) -> tuple[str, ...]:
    """Return the references one receipt needs: what the connector says, or the objects whose order of states was a tie."""
    if receipt.kind == WANTED:
        located = source.locate(wanted_ref(receipt))
        return (located,) if located else ()
    refs = source.needs(delivery_of(receipt))
    located_ties = (source.locate(ref) for ref in ties.get(receipt.id, ()))
    return tuple(dict.fromkeys((*refs, *(ref for ref in located_ties if ref))))


async def prepare(
    source: Source, ctx: Context, receipts: Sequence[Receipt], ties: Mapping[int, tuple[ObjectRef, ...]], refs_max: int = 100
) -> Prepared:
    """Fetch what the receipts need and do not have yet: one request per object, in chunks; one failing chunk fails only its receipts."""
    prepared = Prepared()
    wanting: dict[str, list[int]] = {}
    for receipt in receipts:
        have = {} if receipt.must_fetch else unpack(receipt.fetched)
        prepared.fetched[receipt.id] = have
        for ref in needed_refs(source, receipt, ties):
            if ref not in have:
                wanting.setdefault(ref, []).append(receipt.id)
    refs = list(wanting)
    for start in range(0, len(refs), refs_max):
        chunk = refs[start : start + refs_max]
        try:
            answers = await source.fetch(ctx, chunk)
        except (TransientError, SetupError) as error:
            prepared.failed.update({receipt_id: error for ref in chunk for receipt_id in wanting[ref]})
            continue
        for answer in answers:
            for receipt_id in wanting.get(answer.ref, ()):
                prepared.fetched[receipt_id][answer.ref] = answer
                prepared.fresh.add(receipt_id)
    return prepared
