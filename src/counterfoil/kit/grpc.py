"""gRPC with what every client has: budgets, doubt, yielding, retries of reads. Needs ``grpcio``; only connectors that speak it load it.

Messages are bytes: a connector encodes them with what its vendor's definitions are compiled to, and names methods by their full path
(``/acme.Ledger/Follow``). Whether a write was sent is known: a channel is ready before a call begins, so that what fails before took no
effect, and the library's own retries are off.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Unpack

import grpc
from grpc import StatusCode, aio

from counterfoil.kit.addresses import is_loopback
from counterfoil.kit.calling import Client, ClientOptions, TryResult
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.limits import Verdict

Metadata = Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""Gives the metadata that authenticates a call, asked before every try."""

MESSAGE_SIZE_MAX = 64 * 1024 * 1024
Judge = Callable[[StatusCode, Mapping[str, str]], "GrpcRule | None"]
"""judge(status, trailing metadata) -> what a status means where the vendor tells more than that; None: what the tables say."""

_PUSHBACK = "grpc-retry-pushback-ms"
"""How a server asks to be left alone (https://github.com/grpc/proposal/blob/master/A6-client-retries.md)."""


@dataclass(frozen=True, slots=True)
class GrpcRule:
    """What a status means: the error, its code and words, what it says of the target's health, whether a write may have been done."""

    error: type[TransientError] | type[SetupError] | type[RejectedError]
    code: str
    verdict: Verdict = Verdict.OK
    is_outcome_unknown: bool = False
    is_unavailable: bool = False


DEFAULT_STATUSES: Mapping[StatusCode, GrpcRule] = {
    StatusCode.UNAVAILABLE: GrpcRule(TransientError, "grpc.unavailable", Verdict.FAILED, is_outcome_unknown=True, is_unavailable=True),
    StatusCode.DEADLINE_EXCEEDED: GrpcRule(TransientError, "grpc.timeout", Verdict.FAILED, is_outcome_unknown=True),
    # Also told when an answer is too large for us, after all was done.
    StatusCode.RESOURCE_EXHAUSTED: GrpcRule(TransientError, "grpc.throttled", Verdict.THROTTLED, is_outcome_unknown=True),
    StatusCode.ABORTED: GrpcRule(TransientError, "grpc.aborted", Verdict.OK),
    StatusCode.CANCELLED: GrpcRule(TransientError, "grpc.canceled", Verdict.NEUTRAL, is_outcome_unknown=True),
    StatusCode.UNKNOWN: GrpcRule(TransientError, "grpc.server_error", Verdict.NEUTRAL, is_outcome_unknown=True),
    StatusCode.INTERNAL: GrpcRule(TransientError, "grpc.server_error", Verdict.NEUTRAL, is_outcome_unknown=True),
    StatusCode.DATA_LOSS: GrpcRule(TransientError, "grpc.server_error", Verdict.NEUTRAL, is_outcome_unknown=True),
    StatusCode.UNAUTHENTICATED: GrpcRule(SetupError, "grpc.unauthenticated"),
    StatusCode.PERMISSION_DENIED: GrpcRule(SetupError, "grpc.forbidden"),
    StatusCode.UNIMPLEMENTED: GrpcRule(SetupError, "grpc.unimplemented"),
}
"""What a status means (https://grpc.github.io/grpc/core/md_doc_statuscodes.html); any other is a refusal of what was asked."""
_REFUSED = GrpcRule(RejectedError, "grpc.rejected")


class GrpcClient(Client):
    """Calls the methods of one server.

    Args:
        target: ``host:port``.
        credentials: how the channel is secured; None: not at all.
        metadata: gives what authenticates a call; what it gives never appears in a message.
        statuses: the vendor's meanings, looked at before the default ones.
        judge: what the trailing metadata tell beside a status, asked before any table.
        timeout_s: for one try of a unary call; connect_timeout_s: until the channel is ready.
        options: as :class:`counterfoil.kit.calling.Client` takes them.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: Any = None,
        metadata: Metadata | None = None,
        statuses: Mapping[StatusCode, GrpcRule] | None = None,
        judge: Judge = lambda _status, _trailing: None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(**options)
        self._target = target
        self._credentials = credentials
        self._metadata = metadata
        self._statuses = {**DEFAULT_STATUSES, **(statuses or {})}
        self._judge = judge
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._channel: Any = None

    @property
    def address(self) -> str:
        """What it was made for."""
        return f"grpc://{self._target}"

    @property
    def is_plain_abroad(self) -> bool:
        """Whether the channel is not secured and leaves this machine."""
        return self._credentials is None and not is_loopback(self._target.rpartition(":")[0])

    @property
    def is_open(self) -> bool:
        """Whether there is a channel."""
        return self._channel is not None

    async def open(self) -> None:
        """Make the channel; it connects with the first call."""
        options = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", MESSAGE_SIZE_MAX)]
        if self._credentials is None:
            self._channel = aio.insecure_channel(self._target, options=options)
        else:
            self._channel = aio.secure_channel(self._target, self._credentials, options=options)

    async def close(self) -> None:
        """Close the channel and what streams over it."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def unary(self, method: str, request: bytes, *, is_write: bool, is_idempotent: bool = False) -> bytes:
        """Call a method that takes and gives one message. Writes are tried again only with ``is_idempotent``.

        Raises TransientError, SetupError, RejectedError or what the vendor's table says.
        """

        async def attempt(metadata: Mapping[str, str]) -> TryResult[bytes]:
            if (failed := await self._not_ready(method)) is not None:
                return failed
            try:
                answer = await self._open_channel.unary_unary(method)(request, timeout=self._timeout_s, metadata=tuple(metadata.items()))
            except aio.AioRpcError as error:
                return self._failed(error, method, is_write=is_write)
            if answer is None:  # the method streams, and streamed nothing
                words = f"{self._target}{method}: answered without a message"
                return TryResult(Verdict.NEUTRAL, bytes, TransientError(words, code="grpc.server_error", is_outcome_unknown=is_write))
            return TryResult(Verdict.OK, lambda: bytes(answer))

        return await self._try(attempt, prepare=self._authenticated, is_repeatable=is_idempotent or not is_write)

    @asynccontextmanager
    async def stream(self, method: str, request: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give what a method streams; the call ends with the context. The permit is given back once it has begun, however long it lasts.

        Nothing is tried again: where to go on is known to the caller. Raises as :meth:`unary` does.
        """
        call = await self._held(method, lambda channel, metadata: channel.unary_stream(method)(request, metadata=metadata))
        try:
            yield self._messages(call, method)
        finally:
            call.cancel()

    @asynccontextmanager
    async def converse(self, method: str) -> AsyncIterator[Conversation]:
        """Hold a method that takes and gives messages; the call ends with the context. Otherwise as :meth:`stream`."""
        call = await self._held(method, lambda channel, metadata: channel.stream_stream(method)(metadata=metadata))
        try:
            yield Conversation(call, self._messages(call, method), lambda error: self._error(error, method, is_write=False))
        finally:
            call.cancel()

    async def _held(self, method: str, begin: Callable[[Any, Any], Any]) -> Any:
        return await self._try(lambda metadata: self._begun(method, begin, metadata), prepare=self._authenticated, is_repeatable=False)

    async def _messages(self, call: Any, method: str) -> AsyncIterator[bytes]:
        try:
            async for message in call:
                yield bytes(message)
        except aio.AioRpcError as error:
            raise self._error(error, method, is_write=False) from None

    async def _begun(self, method: str, begin: Callable[[Any, Any], Any], metadata: Mapping[str, str]) -> TryResult[Any]:
        if (failed := await self._not_ready(method)) is not None:
            return failed
        call = begin(self._open_channel, tuple(metadata.items()))
        return TryResult(Verdict.OK, lambda: call)

    @property
    def _open_channel(self) -> Any:
        if self._channel is None:
            raise RuntimeError("the client is not open; use it as an async context manager")
        return self._channel

    async def _not_ready(self, method: str) -> TryResult[Any] | None:
        """Wait until the channel can carry a call; return what it means if it does not in time: certainly nothing was sent."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._open_channel.channel_ready()
        except TimeoutError:
            error = TransientError(f"{self._target}{method}: no connection could be made", code="grpc.unreachable", is_unavailable=True)
            return TryResult(Verdict.FAILED, bytes, error)
        return None

    async def _authenticated(self) -> Mapping[str, str]:
        if self._metadata is None:
            return {}
        given = self._metadata()
        return await given if inspect.isawaitable(given) else given

    def _failed(self, error: Any, method: str, *, is_write: bool) -> TryResult[bytes]:
        return TryResult(self._rule(error).verdict, bytes, self._error(error, method, is_write=is_write))

    def _rule(self, error: Any) -> GrpcRule:
        trailing = {str(key): str(value) for key, value in error.trailing_metadata() or ()}
        return self._judge(error.code(), trailing) or self._statuses.get(error.code(), _REFUSED)

    def _error(self, error: Any, method: str, *, is_write: bool) -> HubError:
        """Return the error of a status. The server's own words are left out: they may quote what was sent."""
        rule = self._rule(error)
        message = f"{self._target}{method}: status {error.code().name}"
        if not issubclass(rule.error, TransientError):
            refusal = rule.error(message, code=rule.code)
            refusal.is_outcome_unknown = is_write and rule.is_outcome_unknown
            return refusal
        return TransientError(
            message,
            code=rule.code,
            retry_after_s=_pushback_s(error),
            is_outcome_unknown=is_write and rule.is_outcome_unknown,
            is_unavailable=rule.is_unavailable,
        )


class Conversation:
    """One call in which both sides send messages, in any order."""

    def __init__(self, call: Any, messages: AsyncIterator[bytes], error_of: Callable[[Any], HubError]) -> None:
        self._call = call
        self._messages = messages
        self._error_of = error_of

    async def send(self, message: bytes) -> None:
        """Send a message. Raises what the call ended with, if it did."""
        try:
            await self._call.write(message)
        except aio.AioRpcError as error:
            raise self._error_of(error) from None
        except asyncio.InvalidStateError:
            return  # the call is over: whoever reads the next message is told why

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give what the other side sends. Raises what the call ended with."""
        return self._messages


def _pushback_s(error: Any) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == _PUSHBACK and str(value).isdecimal():
            return int(value) / 1000
    return None


__all__ = ["DEFAULT_STATUSES", "Conversation", "GrpcClient", "GrpcRule", "grpc"]
