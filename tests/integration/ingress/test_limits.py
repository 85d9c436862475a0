"""What a stranger's connection can take: time, memory and room are bounded for every request of it, not for the first one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from counterfoil.ingress import server as server_module
from counterfoil.ingress.server import HEAD_MAX_BYTES, serving

SHORT_S = 0.05
LIVE = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
BIG_BYTES = 16_000_000


async def _live(_: Request) -> Response:
    return Response(b"live")


async def _read(request: Request) -> Response:
    return Response(str(len(await request.body())).encode())


async def _big(_: Request) -> Response:
    return Response(b"x" * BIG_BYTES)


@asynccontextmanager
async def small(most: int | None = None) -> AsyncIterator[int]:
    routes = [Route("/live", _live), Route("/read", _read, methods=["POST"]), Route("/big", _big)]
    async with serving(Starlette(routes=routes), "127.0.0.1", 0, most=most) as address:
        yield int(address.rpartition(":")[2])


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with small() as number:
        yield number


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one whole answer and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    [length] = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    await reader.readexactly(length)
    return int(head.split()[1])


async def served(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection on which one request was answered."""
    reader, writer = await connect(port)
    writer.write(LIVE)
    assert await answered(reader) == 200
    return reader, writer


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes before the other side closes."""
    left = bytearray()
    with suppress(ConnectionResetError):
        while some := await reader.read(65536):
            left += some
    return bytes(left)


async def status_of(port: int, request: bytes) -> int:
    """Send bytes on a connection of its own and return the status of the answer, after which it is closed."""
    reader, writer = await connect(port)
    writer.write(request)
    status = await answered(reader)
    writer.close()
    return status


@pytest.mark.parametrize(
    "begun",
    [b"P", b"\r\n", b"GET /live HTTP/1.1\r\nHost: x\r\nX-A: a"],
)
async def test_a_further_head_that_does_not_come_whole_is_ended_as_the_first_is(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    reader, writer = await served(port)
    monkeypatch.setattr(server_module, "HEAD_WITHIN_S", SHORT_S)
    writer.write(LIVE)
    assert await answered(reader) == 200
    writer.write(begun)
    assert await until_closed(reader) == b""
    writer.close()


async def test_a_body_that_was_answered_before_its_end_is_not_waited_for_for_ever(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await served(port)
    monkeypatch.setattr(server_module, "HEAD_WITHIN_S", SHORT_S)
    writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert await answered(reader) == 404
    writer.write(b"x")
    assert await until_closed(reader) == b""
    writer.close()


async def test_answers_nobody_reads_do_not_keep_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small(most=1) as port:
        _, unread = await served(port)
        monkeypatch.setattr(server_module, "HEAD_WITHIN_S", SHORT_S)
        unread.transport.pause_reading()  # type: ignore[attr-defined]
        unread.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        await unread.drain()
        while True:  # until the only place is free again
            with suppress(ConnectionResetError, asyncio.IncompleteReadError):
                assert await status_of(port, LIVE) == 200
                break
        unread.transport.abort()


async def test_a_connection_is_kept_for_requests_that_come_in_time(port: int) -> None:
    reader, writer = await connect(port)
    for _ in range(3):
        writer.write(LIVE)
        assert await answered(reader) == 200
    writer.write(LIVE * 3)
    assert [await answered(reader) for _ in range(3)] == [200, 200, 200]
    writer.close()


def head_of(size: int) -> bytes:
    """Return a request whose request line and headers, with the empty line, have so many bytes."""
    begin = b"GET /live HTTP/1.1\r\nHost: x\r\nX-A: "
    return begin + b"a" * (size - len(begin) - 4) + b"\r\n\r\n"


async def test_a_head_of_64_kib_is_taken_and_one_byte_more_is_not(port: int) -> None:
    assert HEAD_MAX_BYTES == 65536
    reader, writer = await connect(port)
    for _ in range(2):  # each request of a connection has the whole of it
        writer.write(head_of(65536))
        assert await answered(reader) == 200
    writer.write(head_of(65537))
    assert await answered(reader) == 431
    assert await until_closed(reader) == b""
    writer.close()


MANY_LINES = b"".join(b"X-%d: aaaaaaaaaaaaaaaa\r\n" % number for number in range(4000))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /live HTTP/1.1\r\nHost: x\r\n" + MANY_LINES,
        b"GET /live HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 100_000,
        b"GET /live HTTP/1.1\r\nHost: x\r\nX" + b"a" * 100_000,
        b"GET /" + b"a" * 100_000,
        b"\r\n" * 50_000,
    ],
    ids=["many lines", "a long value", "a long name", "a long path", "empty lines"],
)
async def test_a_head_that_does_not_end_is_refused_and_its_connection_closed(port: int, request_bytes: bytes) -> None:
    reader, writer = await connect(port)
    writer.write(request_bytes)
    assert await answered(reader) == 431
    assert await until_closed(reader) == b""
    writer.close()


async def test_a_head_is_counted_to_the_byte_wherever_a_step_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_MAX_BYTES", 100)
    monkeypatch.setattr(server_module, "STEP_BYTES", 64)
    assert await status_of(port, head_of(100)) == 200
    assert await status_of(port, head_of(101)) == 431


async def test_a_head_sent_byte_by_byte_is_counted_as_a_whole(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_MAX_BYTES", 100)
    reader, writer = await connect(port)
    for byte in head_of(101):
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await answered(reader) == 431
    assert await until_closed(reader) == b""
    writer.close()


@pytest.mark.parametrize("between", [b"0\r\n" + MANY_LINES, b"0\r\nX-A: " + b"a" * 100_000, b"1;a=" + b"a" * 100_000])
async def test_what_stands_between_the_pieces_of_a_body_is_bounded_too(port: int, between: bytes) -> None:
    reader, writer = await connect(port)
    writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + between)
    assert await until_closed(reader) == b""
    writer.close()


async def test_the_end_of_a_request_that_was_answered_gets_no_second_answer(port: int) -> None:
    reader, writer = await connect(port)
    writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert await answered(reader) == 404
    writer.write(b"0\r\n" + MANY_LINES)
    assert await until_closed(reader) == b""
    writer.close()


async def test_a_body_larger_than_a_head_may_be_is_read_as_a_whole(port: int) -> None:
    body = b"x" * 300_000
    assert await status_of(port, b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + body) == 200
    pieces = b"".join(b"1;a=b\r\nx\r\n" for _ in range(20_000))  # more between them than a head may be, with body in between
    chunked = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\nX-A: b\r\n\r\n"
    assert await status_of(port, chunked) == 200


async def test_each_server_counts_its_own_connections() -> None:
    async with small(most=2) as intake, small(most=1) as health:
        there = [await connect(intake) for _ in range(2)]
        for reader, writer in there:
            writer.write(LIVE)
            assert await answered(reader) == 200
        refused, one_more = await connect(intake)
        assert await until_closed(refused) == b""
        assert await status_of(health, LIVE) == 200
        for _, writer in (*there, (refused, one_more)):
            writer.close()
