"""How many signed webhooks one intake process makes durable per second, and how long a sender waits at a moderate rate.

Three processes: this one supervises, one serves (pinned to a single core where the system allows it), one sends over loopback. Bodies are
about 2 kB, signed as Stripe signs them. Prints figures and one JSON line. Usage: ``python benchmarks/intake.py [--seconds 8]``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SECRET = "whsec_benchmark"
ACCOUNT = "acct_benchmark"
CONNECTIONS_MAX = 64
RATE_PACED = 500
END_TIMEOUT_S = 20


def body_of(number: int) -> bytes:
    """Return an event of about 2 kB that nobody sent before."""
    created = 1_790_000_000 + number // 1000
    invoice = {
        "id": f"in_{number:012d}",
        "object": "invoice",
        "customer": f"cus_{number % 5000:08d}",
        "currency": "usd",
        "total": number % 100_000,
        "lines": {"object": "list", "data": [{"id": f"il_{number}_{i}", "amount": 100 * i, "description": "x" * 60} for i in range(12)]},
        "metadata": {"filler": "lorem ipsum " * 45},
    }
    event = {"id": f"evt_{os.getpid()}_{number}", "object": "event", "type": "invoice.paid", "created": created, "livemode": False}
    return json.dumps(event | {"api_version": "2026-10-28.endive", "data": {"object": invoice}}).encode()


def request_of(number: int) -> bytes:
    """Return a whole signed HTTP request."""
    body = body_of(number)
    stamp = int(time.time())
    signature = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST /in/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Stripe-Signature: t={stamp},v1={signature}\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One kept-alive connection that has one request under way at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport
        self._answer: asyncio.Future[bool] | None = None
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answers are small and end with their JSON object."""
        self._buffer += data
        if self._buffer.endswith(b"}") and self._answer is not None:
            self._answer.set_result(self._buffer.startswith(b"HTTP/1.1 200"))
            self._buffer = b""

    async def send(self, request: bytes) -> bool:
        """Send and wait for the answer; tell whether it was 200."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


async def saturate(senders: list[Sender], seconds: float, first: int) -> dict[str, Any]:
    """Keep every connection busy."""
    numbers = iter(range(first, first + 10_000_000))
    end = time.perf_counter() + seconds
    waits: list[float] = []
    refused = 0

    async def loop(sender: Sender) -> None:
        nonlocal refused
        while time.perf_counter() < end:
            request = request_of(next(numbers))
            began = time.perf_counter()
            if await sender.send(request):
                waits.append(time.perf_counter() - began)
            else:
                refused += 1

    began = time.perf_counter()
    await asyncio.gather(*(loop(sender) for sender in senders))
    return figures(waits, refused, time.perf_counter() - began)


async def pace(senders: list[Sender], seconds: float, first: int, rate: int) -> dict[str, Any]:
    """Send at a fixed rate; a wait counts from the moment a request was due, so a slow server cannot hide it."""
    free: asyncio.Queue[Sender] = asyncio.Queue()
    for sender in senders:
        free.put_nowait(sender)
    waits: list[float] = []
    refused = 0

    async def one(number: int, due: float) -> None:
        nonlocal refused
        sender = await free.get()
        if await sender.send(request_of(number)):
            waits.append(time.perf_counter() - due)
        else:
            refused += 1
        free.put_nowait(sender)

    tasks = []
    began = time.perf_counter()
    for index in range(int(rate * seconds)):
        due = began + index / rate
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        tasks.append(asyncio.create_task(one(first + index, due)))
    await asyncio.gather(*tasks)
    return figures(waits, refused, time.perf_counter() - began)


def figures(waits: list[float], refused: int, seconds: float) -> dict[str, Any]:
    """Return rate and percentiles in milliseconds."""
    waits.sort()

    def at(share: float) -> float:
        return round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))], 2)

    return {"accepted": len(waits), "refused": refused, "per_s": round(len(waits) / seconds), "p50_ms": at(0.5), "p99_ms": at(0.99)}


async def generate(port: int, seconds: float) -> None:
    """Be the sending process: print both phases as JSON."""
    loop = asyncio.get_running_loop()
    senders = [(await loop.create_connection(Sender, "127.0.0.1", port))[1] for _ in range(CONNECTIONS_MAX)]
    await saturate(senders, 1.0, 0)  # warm up
    print(json.dumps({"phase": "start"}), flush=True)
    full = await saturate(senders, seconds, 1_000_000)
    print(json.dumps({"phase": "full", **full}), flush=True)
    paced = await pace(senders, seconds, 20_000_000, RATE_PACED)
    print(json.dumps({"phase": "paced", **paced}), flush=True)


async def serve(url: str) -> None:
    """Be the serving process: print the port, then, for every line read, the CPU seconds used so far."""
    from counterfoil.ingress.app import Door, create_app
    from counterfoil.ingress.committer import Committer
    from counterfoil.ingress.server import serving
    from counterfoil.kit.clock import SystemClock
    from counterfoil.kit.discovery import load_connector
    from counterfoil.store import work
    from counterfoil.store.cipher import Cipher
    from counterfoil.store.pool import Conn, PartitionKey, open_pool

    connector = load_connector("stripe")
    settings = connector.config.model_validate({"api_key": "sk_test_benchmark", "webhook_secrets": [SECRET], "account": ACCOUNT})
    if connector.webhooks is None:
        raise RuntimeError("the connector takes no webhooks")

    async def arm(conn: Conn, keys: Any) -> None:
        idle: list[PartitionKey] = await work.arm(conn, keys)
        del idle  # no drains here: the intake alone is measured

    async def ready() -> bool:
        return True

    async with open_pool(url, size_min=2, size_max=4) as pool:
        clock = SystemClock()
        committer = Committer(pool, Cipher({"benchmark": bytes(32)}), clock, arm)
        app = create_app({"stripe": Door("stripe", connector.webhooks, settings)}, committer, clock, ready)
        async with serving(app, "127.0.0.1", 0) as address:
            print(json.dumps({"port": int(address.rsplit(":", 1)[1])}), flush=True)
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            while await reader.readline():
                usage = resource.getrusage(resource.RUSAGE_SELF)
                print(json.dumps({"cpu_s": usage.ru_utime + usage.ru_stime, "memory_mb": usage.ru_maxrss // 1024}), flush=True)


@asynccontextmanager
async def database(home: Path) -> AsyncIterator[str]:
    """Yield a migrated database."""
    from datetime import UTC, datetime

    from counterfoil.store.embedded import embedded
    from counterfoil.store.migrate import ensure_partitions, migrate
    from counterfoil.store.pool import connect

    async with embedded(home) as url:
        conn = await connect(url)
        async with conn:
            await migrate(conn)
            await ensure_partitions(conn, datetime.now(UTC))
        yield url


def spawn(*arguments: str) -> subprocess.Popen[str]:
    """Start this program in another role."""
    return subprocess.Popen([sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> None:
    """End a process: asked to, and killed if it does not."""
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read one line of JSON."""
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def usage(server: subprocess.Popen[str]) -> dict[str, Any]:
    """Ask the server what it has used."""
    assert server.stdin is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return read(server)


async def measure(home: Path, seconds: float) -> dict[str, Any]:
    """Run both phases and return the figures."""
    async with database(home) as url:
        server = spawn("--serve", url)
        try:
            port = read(server)["port"]
            with contextlib.suppress(AttributeError, OSError):
                os.sched_setaffinity(server.pid, {0})
            generator = spawn("--generate", str(port), "--seconds", str(seconds))
            read(generator)
            before = usage(server)
            full = await asyncio.to_thread(read, generator)
            after = usage(server)
            paced = await asyncio.to_thread(read, generator)
            end(generator)
            cpu_us = round(1e6 * (after["cpu_s"] - before["cpu_s"]) / max(1, full["accepted"]))
            return {"full": full, "paced": paced, "cpu_us_per_receipt": cpu_us, "memory_mb": usage(server)["memory_mb"]}
        finally:
            end(server)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--serve", metavar="URL")
    parser.add_argument("--generate", metavar="PORT", type=int)
    given = parser.parse_args()
    if given.serve:
        import uvloop

        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(given.serve))
        return
    if given.generate:
        import uvloop

        uvloop.run(generate(given.generate, given.seconds))
        return
    with tempfile.TemporaryDirectory(prefix="intake-") as home:
        Path(home).chmod(0o755)
        result = asyncio.run(measure(Path(home), given.seconds))
    full, paced = result["full"], result["paced"]
    print(f"one process, all connections busy: {full['per_s']} receipts/s, p50 {full['p50_ms']} ms, p99 {full['p99_ms']} ms")
    print(
        f"its own CPU time per receipt: {result['cpu_us_per_receipt']} us (one core would do {1_000_000 // result['cpu_us_per_receipt']}/s)"
    )
    print(f"at {RATE_PACED}/s: p50 {paced['p50_ms']} ms, p99 {paced['p99_ms']} ms; refused {full['refused'] + paced['refused']}")
    print(json.dumps({"benchmark": "intake", **result}))


if __name__ == "__main__":
    main()
