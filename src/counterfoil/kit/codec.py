"""Canonical JSON: how entities, events and commands are written down and read back.

Encoding is deterministic: keys sorted, no white space, decimals as strings, instants in ISO 8601. Readers pass over fields they do not
know, so that an older release reads what a newer one wrote (see :mod:`counterfoil.kit.schemas` for what may change).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec

from counterfoil.core.canonical.commands import ARGUMENTS_OF_KIND, Arguments, Command, CommandKind, Lane
from counterfoil.core.canonical.entities import Entity
from counterfoil.core.canonical.events import ENTITY_OF_KIND, Event, EventType
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.schemas import incompatibilities, schemas

__all__ = ["decode_arguments", "decode_command", "decode_entity", "decode_event", "encode", "incompatibilities", "schemas"]

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="sorted", decimal_format="string")
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    type_: msgspec.json.Decoder(type_) for type_ in {*ENTITY_OF_KIND.values(), *ARGUMENTS_OF_KIND.values()}
}


class _EventEnvelope(msgspec.Struct, frozen=True):
    """An event as written, its data not yet read."""

    id: str
    type: EventType
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
    kind: CommandKind
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


def encode(value: Entity | Arguments | Event | Command) -> bytes:
    """Return the value as canonical JSON; equal values give equal bytes."""
    return _ENCODER.encode(value)


def decode_entity(kind: ObjectKind, data: bytes) -> Entity:
    """Return the entity of that kind. Raises RejectedError (``codec.shape``) if the bytes are not one."""
    return cast(Entity, _read(_DECODERS[ENTITY_OF_KIND[kind]], data, kind.value))


def decode_arguments(kind: CommandKind, data: bytes) -> Arguments:
    """Return the arguments of a command of that kind. Raises RejectedError (``codec.shape``) if the bytes are not such."""
    return cast(Arguments, _read(_DECODERS[ARGUMENTS_OF_KIND[kind]], data, kind.value))


def decode_event(data: bytes) -> Event:
    """Return an event. Raises RejectedError (``codec.shape``) if the bytes are not one."""
    envelope = _read(_EVENT_DECODER, data, "event")
    values: dict[str, Any] = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    return Event(**{**values, "data": decode_entity(envelope.subject.kind, bytes(envelope.data))})


def decode_command(data: bytes) -> Command:
    """Return a command. Raises RejectedError (``codec.shape``) if the bytes are not one."""
    envelope = _read(_COMMAND_DECODER, data, "command")
    values: dict[str, Any] = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    return Command(**{**values, "arguments": decode_arguments(envelope.kind, bytes(envelope.arguments))})


_EVENT_DECODER = msgspec.json.Decoder(_EventEnvelope)
_COMMAND_DECODER = msgspec.json.Decoder(_CommandEnvelope)


def _read(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise RejectedError(f"cannot be read as {what}: {error}", code="codec.shape") from error
