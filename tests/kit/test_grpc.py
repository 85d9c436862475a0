"""The gRPC client against a server on loopback: what failed surely, what is in doubt, what is tried again, and whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from counterfoil.kit.calling import RetryPolicy
from counterfoil.kit.doubts import counting_doubts
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.grpc import GrpcClient, GrpcRule
from counterfoil.kit.limits import LocalBudget

TOKEN = "very_secret_4242"
Code = grpc.StatusCode


class Ledger:
    """Adds what it is sent; fails as told, before or after it did."""

    def __init__(self) -> None:
        self.added: list[bytes] = []
        self.fails: list[tuple[Any, bool]] = []
        self.pushback = ""
        self.answers = 1

    async def add(self, request: bytes, context: Any) -> bytes:
        code, is_late = self.fails.pop(0) if self.fails else (None, False)
        if code is not None and not is_late:
            await self._abort(code, context)
        self.added.append(request)
        if code is not None:
            await self._abort(code, context)
        return b"ok"

    async def several(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        del context
        self.added.append(request)
        for _ in range(self.answers):
            yield b"ok"

    async def answering(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            if request == b"end":
                await context.abort(Code.INVALID_ARGUMENT, f"words that quote {TOKEN}", (("error-code", "acme.too.old"),))
            self.added.append(request)
            yield b"got " + request

    async def _abort(self, code: Any, context: Any) -> None:
        trailing = (("grpc-retry-pushback-ms", self.pushback),) if self.pushback else ()
        await context.abort(code, f"words that quote {TOKEN}", trailing)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[GrpcClient]:
    server = aio.server()
    methods = {
        "Add": grpc.unary_unary_rpc_method_handler(ledger.add),
        "Answering": grpc.stream_stream_rpc_method_handler(ledger.answering),
        "Several": grpc.unary_stream_rpc_method_handler(ledger.several),
    }
    handler = grpc.method_handlers_generic_handler("acme.Ledger", methods)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    budget = LocalBudget(rate_per_s=1000, concurrency_max=2)
    opened = GrpcClient(f"127.0.0.1:{port}", budget=budget, metadata=lambda: {"authorization": TOKEN}, retry=RetryPolicy(base_s=0.0))
    async with opened:
        yield opened
    await server.stop(0)


async def failing(client: GrpcClient, *, is_write: bool = True) -> HubError:
    with pytest.raises(HubError) as caught:
        await client.unary("/acme.Ledger/Add", b"1", is_write=is_write)
    assert TOKEN not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNKNOWN, Code.RESOURCE_EXHAUSTED])
async def test_a_write_that_ends_so_may_have_been_done_and_is_not_sent_again(
    client: GrpcClient, ledger: Ledger, code: Any, is_late: bool
) -> None:
    ledger.fails = [(code, is_late)]
    with counting_doubts() as doubts:
        error = await failing(client)
    assert isinstance(error, TransientError)
    assert (error.is_outcome_unknown, doubts.count, len(ledger.added)) == (True, 1, int(is_late))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.ABORTED, TransientError),
        (Code.UNAUTHENTICATED, SetupError),
        (Code.PERMISSION_DENIED, SetupError),
        (Code.UNIMPLEMENTED, SetupError),
        (Code.INVALID_ARGUMENT, RejectedError),
        (Code.FAILED_PRECONDITION, RejectedError),
        (Code.ALREADY_EXISTS, RejectedError),
    ],
)
async def test_a_refusal_leaves_no_doubt(client: GrpcClient, ledger: Ledger, code: Any, kind: type[HubError]) -> None:
    ledger.fails = [(code, False)]
    error = await failing(client)
    assert (type(error), error.is_outcome_unknown) == (kind, False)


async def test_a_read_is_tried_again_and_a_write_only_if_twice_is_once(client: GrpcClient, ledger: Ledger) -> None:
    ledger.fails = [(Code.UNAVAILABLE, True)]
    assert await client.unary("/acme.Ledger/Add", b"1", is_write=False) == b"ok"
    ledger.fails = [(Code.UNAVAILABLE, True)]
    with counting_doubts() as doubts:
        assert await client.unary("/acme.Ledger/Add", b"1", is_write=True, is_idempotent=True) == b"ok"
    assert (len(ledger.added), doubts.count) == (4, 1)


@pytest.mark.parametrize("code", [Code.ALREADY_EXISTS, Code.PERMISSION_DENIED])
async def test_a_refusal_after_a_try_without_an_answer_is_still_in_doubt(client: GrpcClient, ledger: Ledger, code: Any) -> None:
    ledger.fails = [(Code.UNAVAILABLE, True), (code, False)]
    with pytest.raises(HubError) as caught:
        await client.unary("/acme.Ledger/Add", b"1", is_write=True, is_idempotent=True)
    assert (caught.value.is_outcome_unknown, isinstance(caught.value, RejectedError), len(ledger.added)) == (True, False, 1)


async def test_a_vendor_s_refusal_that_may_come_after_the_effect_is_in_doubt(client: GrpcClient, ledger: Ledger) -> None:
    client._statuses[Code.FAILED_PRECONDITION] = GrpcRule(RejectedError, "acme.refused", is_outcome_unknown=True)
    ledger.fails = [(Code.FAILED_PRECONDITION, True), (Code.FAILED_PRECONDITION, True)]
    with counting_doubts() as doubts:
        error = await failing(client)
    assert (type(error), error.is_outcome_unknown, doubts.count) == (TransientError, True, 1)
    assert not (await failing(client, is_write=False)).is_outcome_unknown


@pytest.mark.parametrize("answers", [0, 2])
async def test_a_write_answered_otherwise_than_by_one_message_is_in_doubt(client: GrpcClient, ledger: Ledger, answers: int) -> None:
    ledger.answers = answers
    client._timeout_s = 5.0  # a second answer is not read: such a call lasts until it is given up
    with pytest.raises(HubError) as caught:
        await client.unary("/acme.Ledger/Several", b"1", is_write=True)
    assert (caught.value.is_outcome_unknown, ledger.added) == (True, [b"1"])


async def test_a_server_that_is_not_there_took_no_effect(ledger: Ledger) -> None:
    budget = LocalBudget(rate_per_s=1000, concurrency_max=2)
    async with GrpcClient("127.0.0.1:9", budget=budget, connect_timeout_s=0.3) as client:
        error = await failing(client)
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown, error.is_unavailable) == ("grpc.unreachable", False, True)


async def test_a_server_that_asks_to_be_left_alone_says_for_how_long(client: GrpcClient, ledger: Ledger) -> None:
    ledger.fails, ledger.pushback = [(Code.RESOURCE_EXHAUSTED, False)], "45000"
    error = await failing(client)
    assert isinstance(error, TransientError)
    assert error.retry_after_s == 45.0


async def test_every_call_asks_the_budget_and_failures_open_its_breaker(ledger: Ledger) -> None:
    budget = LocalBudget(rate_per_s=1000, concurrency_max=2, failures_max=2)
    async with GrpcClient("127.0.0.1:9", budget=budget, connect_timeout_s=0.1) as client:
        codes = [(await failing(client)).code for _ in range(3)]
    assert codes == ["grpc.unreachable", "grpc.unreachable", "target.resting"]


@pytest.mark.parametrize(
    ("target", "is_plain"), [("127.0.0.1:1", False), ("[::1]:1", False), ("localhost:1", False), ("feed.example.com:1", True)]
)
def test_an_open_channel_to_another_machine_is_known_to_be_one(target: str, is_plain: bool) -> None:
    assert GrpcClient(target, budget=LocalBudget()).is_plain_abroad == is_plain
    credentials = grpc.ssl_channel_credentials()
    assert not GrpcClient(target, budget=LocalBudget(), credentials=credentials).is_plain_abroad


class Leaving:
    """A server that takes its leave at each call, before it did anything: the library would call it again by itself.

    Frames: https://www.rfc-editor.org/rfc/rfc9113#section-6 (GOAWAY names 0 as the last stream that was looked at).
    """

    SETTINGS, PING, HEADERS, GOAWAY = 4, 6, 1, 7

    def __init__(self) -> None:
        self.calls = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            writer.write(self._frame(self.SETTINGS))
            while True:
                head = await reader.readexactly(9)
                kind, is_answer = head[3], head[4] & 1
                body = await reader.readexactly(int.from_bytes(head[:3], "big"))
                if kind in (self.SETTINGS, self.PING) and not is_answer:
                    writer.write(self._frame(kind, 1, body if kind == self.PING else b""))
                elif kind == self.HEADERS:
                    self.calls += 1
                    writer.write(self._frame(self.GOAWAY, 0, bytes(8)))
                    break
        writer.close()

    @staticmethod
    def _frame(kind: int, flags: int = 0, body: bytes = b"") -> bytes:
        return len(body).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + body


async def test_the_library_never_calls_again_by_itself_what_the_hub_counts_as_one_try() -> None:
    leaving = Leaving()
    server = await asyncio.start_server(leaving.serve, "127.0.0.1", 0)
    target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with GrpcClient(target, budget=LocalBudget(), retry=RetryPolicy(tries_max=3, base_s=0.0)) as client:
        await failing(client)
        assert leaving.calls == 1, "a write without a key is tried once"
        # A try that meets the library while it waits to connect again (for a second, after a connection that ended early) fails unsent.
        rounds = 0
        while leaving.calls == 1 and rounds < 100:
            rounds += 1
            await failing(client, is_write=False)
            await asyncio.sleep(0.1)
        assert 1 < leaving.calls <= 1 + 3 * rounds, "a read is tried at most as often as the hub says"
    server.close()


async def test_both_sides_of_a_conversation_speak_until_it_ends_and_its_end_is_told_to_whoever_listens(
    client: GrpcClient, ledger: Ledger
) -> None:
    async with client.converse("/acme.Ledger/Answering") as talk:
        await talk.send(b"1")
        answers = aiter(talk)
        assert await anext(answers) == b"got 1"
        await talk.send(b"2")
        assert await anext(answers) == b"got 2"
        await talk.send(b"end")
        with pytest.raises(RejectedError) as ended:
            await anext(answers)
        assert (ended.value.code, TOKEN in str(ended.value)) == ("grpc.rejected", False)
        await talk.send(b"3")  # nobody hears it
    assert ledger.added == [b"1", b"2"]


async def test_what_a_vendor_tells_beside_a_status_decides_what_it_means(client: GrpcClient, ledger: Ledger) -> None:
    rule = GrpcRule(SetupError, "acme.too_old")
    client._judge = lambda code, trailing: rule if trailing.get("error-code") == "acme.too.old" and code is Code.INVALID_ARGUMENT else None
    async with client.converse("/acme.Ledger/Answering") as talk:
        await talk.send(b"end")
        with pytest.raises(SetupError) as ended:
            await anext(aiter(talk))
        assert ended.value.code == "acme.too_old"
    ledger.fails = [(Code.INVALID_ARGUMENT, False)]
    assert (await failing(client)).code == "grpc.rejected"


async def test_a_conversation_that_is_left_is_over_for_the_other_side(client: GrpcClient, ledger: Ledger) -> None:
    async with client.converse("/acme.Ledger/Answering") as talk:
        await talk.send(b"1")
        assert await anext(aiter(talk)) == b"got 1"
    await talk.send(b"2")
    assert ledger.added == [b"1"]
