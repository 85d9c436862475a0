"""Canonical JSON: how records, events and commands are written down and read back.

Encoding is deterministic: keys sorted, no white space, decimals as strings, instants in ISO 8601. Readers pass over fields they do not
know, so that an older release reads what a newer one wrote (see :mod:`counterfoil.kit.schemas` for what may change).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec

from counterfoil.core.commands import SPECS, command_kind
from counterfoil.core.facts.events import Event
from counterfoil.core.kinds import KIND_OF_RECORD, KINDS, event_type
from counterfoil.core.language.commands import Arguments, Command, CommandKind, Lane
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.schemas import incompatibilities, schemas

__all__ = ["decode_arguments", "decode_command", "decode_event", "decode_record", "encode", "incompatibilities", "schemas"]

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="sorted", decimal_format="string")
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    type_: msgspec.json.Decoder(type_) for type_ in {*KIND_OF_RECORD, *(spec.arguments for spec in SPECS.values())}
}


class _EventEnvelope(msgspec.Struct, frozen=True):
    """An event as written, its data not yet read."""

    id: str
    type: str
    version: int
    connection: str
    subject: ObjectRef
    occurred_at: datetime
    received_at: datetime
    sequence: int
    data: msgspec.Raw
    account: str = ""
    correlation_id: str = ""
    causation_id: str = ""


class _CommandEnvelope(msgspec.Struct, frozen=True):
    """A command as written, its arguments not yet read."""

    id: str
    kind: str
    target: str
    entity: str
    subject: ObjectRef
    external_key: str
    arguments: msgspec.Raw
    needs: tuple[str, ...] = ()
    produces: str = ""
    order_key: str = ""
    lane: Lane = Lane.REAL_TIME
    not_before: datetime | None = None
    rules_version: int = 0
    content: str = ""


def encode(value: Record | Arguments | Event | Command) -> bytes:
    """Return the value as canonical JSON; equal values give equal bytes."""
    return _ENCODER.encode(value)


def decode_record(kind: str, data: bytes) -> Record:
    """Return the record of that kind. Raises RejectedError (``codec.shape``) if the bytes are not one, or there is no such kind."""
    known = KINDS.get(kind)
    if known is None:
        raise RejectedError(f"cannot be read: there is no kind of record {kind!r} in this version", code="codec.shape")
    return cast(Record, _read(_DECODERS[known.record], data, kind))


def decode_arguments(kind: CommandKind, data: bytes) -> Arguments:
    """Return the arguments of a command of that kind. Raises RejectedError (``codec.shape``) if the bytes are not such."""
    return cast(Arguments, _read(_DECODERS[SPECS[kind].arguments], data, kind.value))


def decode_event(data: bytes) -> Event:
    """Return an event. Raises RejectedError (``codec.shape``) if the bytes are not one."""
    envelope = _read(_EVENT_DECODER, data, "event")
    values: dict[str, Any] = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    read = {"type": _named(event_type, envelope.type), "data": decode_record(envelope.subject.kind, bytes(envelope.data))}
    return Event(**{**values, **read})


def decode_command(data: bytes) -> Command:
    """Return a command. Raises RejectedError (``codec.shape``) if the bytes are not one."""
    envelope = _read(_COMMAND_DECODER, data, "command")
    values: dict[str, Any] = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    kind = _named(command_kind, envelope.kind)
    return Command(**{**values, "kind": kind, "arguments": decode_arguments(kind, bytes(envelope.arguments))})


_EVENT_DECODER = msgspec.json.Decoder(_EventEnvelope)
_COMMAND_DECODER = msgspec.json.Decoder(_CommandEnvelope)


def _named(known: Callable[[str], T], name: str) -> T:
    try:
        return known(name)
    except ValueError as error:
        raise RejectedError(f"cannot be read: {error}", code="codec.shape") from error


def _read(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise RejectedError(f"cannot be read as {what}: {error}", code="codec.shape") from error
