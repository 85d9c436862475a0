"""People are told of a case once, in groups, quietly when it is over; a channel that fails is tried again and seen in status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from counterfoil.app.notifying import NOT_TAKEN, Channel, Notifier, by_apprise, failing, sent
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.store import cases, notices
from counterfoil.store.opening import opening
from counterfoil.store.pool import Pool

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Post:
    """Takes messages, or not."""

    taken: list[tuple[str, str]] = field(default_factory=list)
    is_down: bool = False

    def send(self, url: SecretStr, title: str, body: str) -> str:
        assert url.get_secret_value() == "json://somewhere"
        if self.is_down:
            return NOT_TAKEN
        self.taken.append((title, body))
        return ""


async def open_case(
    pool: Pool, number: int, at: datetime, case_class: CaseClass = CaseClass.TARGET_UNAVAILABLE, owner_money: int = 0
) -> int:
    one = opening(
        fingerprint=f"f{number}",
        case_class=case_class,
        code="odoo.refused",
        cause="refused for Zacharias Quillfeather",
        next_step="x",
        stage="deliver",
        subject=f"c{number}",
        now=at,
        entity="DE",
        connection="books",
        money=Money(owner_money, "EUR") if owner_money else None,
    )
    async with pool.connection() as conn:
        return (await cases.open_or_count(conn, [one], at))[f"f{number}"]


async def close(pool: Pool, *ids: int) -> None:
    async with pool.connection() as conn:
        for id in ids:
            await cases.close(conn, id, cases.CaseState.RESOLVED, "hub", "it went through", NOW)


def notifier(pool: Pool, clock: SettableClock, post: Post, **settings: object) -> Notifier:
    change: Callable[..., Channel] = Channel
    return Notifier(pool, clock, [change("desk", SecretStr("json://somewhere"), **settings)], post.send)


async def test_an_outage_is_told_once_and_its_end_once(pool: Pool) -> None:
    clock, post = SettableClock(NOW), Post()
    told = notifier(pool, clock, post)
    first = await open_case(pool, 1, NOW)
    second = await open_case(pool, 2, NOW + timedelta(seconds=10), CaseClass.REJECTED_BY_TARGET, 11_900)
    await told.turn("all")
    assert post.taken == []  # collected for 20 s
    clock.advance_to(NOW + timedelta(seconds=20))
    await told.turn("all")
    await told.turn("all")
    [(title, body)] = post.taken
    assert title == "Counterfoil: 2 new cases (1 urgent)"
    # due after 4 hours (operations) and after a day (finance)
    assert body.splitlines() == [
        f"#{first} target unavailable, (odoo.refused), books DE, operations, due 2026-03-01 16:00 UTC",
        f"#{second} rejected by target, (odoo.refused), books DE, 119.00 EUR, finance, due 2026-03-02 12:00 UTC",
        "counterfoil case show NUMBER tells what to do.",
    ]
    assert "Quillfeather" not in title + body
    await close(pool, first)
    clock.advance_to(NOW + timedelta(minutes=5))
    await told.turn("all")
    assert len(post.taken) == 1  # one is open yet
    await close(pool, second)
    await told.turn("all")
    await told.turn("all")
    assert [title for title, _ in post.taken[1:]] == ["Counterfoil: over, all 2 cases are closed"]


async def test_what_is_overdue_is_told_once_more(pool: Pool) -> None:
    clock, post = SettableClock(NOW + timedelta(minutes=1)), Post()
    told = notifier(pool, clock, post)
    await open_case(pool, 1, NOW)
    for later in (timedelta(minutes=1), timedelta(hours=5), timedelta(hours=6)):
        clock.advance_to(NOW + later)
        await told.turn("all")
    assert [title for title, _ in post.taken] == ["Counterfoil: 1 new case (1 urgent)", "Counterfoil: 1 overdue"]


async def test_filters_by_class_owner_and_severity(pool: Pool) -> None:
    clock = SettableClock(NOW + timedelta(hours=1))
    await open_case(pool, 1, NOW)
    await open_case(pool, 2, NOW, CaseClass.REJECTED_BY_TARGET)
    for settings, number in (
        ({"is_urgent_only": True}, 1),
        ({"classes": (CaseClass.REJECTED_BY_TARGET,)}, 1),
        ({"owners": ("operations", "finance")}, 2),
        ({"owners": ("nobody",)}, 0),
    ):
        post = Post()
        await notifier(pool, clock, post, **settings).turn("all")
        assert len([line for _, body in post.taken for line in body.splitlines() if line.startswith("#")]) == number
        async with pool.connection() as conn:
            await conn.execute("delete from notice")
            await conn.execute("delete from notify_channel")


async def test_a_channel_that_fails_is_tried_again_later_and_then_told_everything(pool: Pool) -> None:
    clock, post = SettableClock(NOW + timedelta(minutes=1)), Post(is_down=True)
    told = notifier(pool, clock, post)
    await open_case(pool, 1, NOW)
    await told.turn("all")
    async with pool.connection() as conn:
        [seen] = await notices.channels(conn)
    assert (seen.failing_since, seen.tries, seen.code) == (clock.now(), 1, NOT_TAKEN)
    assert failing({"desk"}, [seen]) == {"desk": NOT_TAKEN}
    assert failing({"another"}, [seen]) == {}  # one that is configured no more
    post.is_down = False
    await told.turn("all")
    assert post.taken == []  # not before its time
    clock.advance_to(clock.now() + timedelta(minutes=10))
    await open_case(pool, 2, NOW)
    await told.turn("all")
    assert [title for title, _ in post.taken] == ["Counterfoil: 2 new cases (2 urgent)"]
    async with pool.connection() as conn:
        [seen] = await notices.channels(conn)
    assert (seen.failing_since, seen.tries, seen.code) == (None, 0, "")


async def received(port_answers: bytes) -> tuple[asyncio.Server, int, list[bytes]]:
    """Serve one protocol's answers on a free port of loopback and keep what comes."""
    found: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")), 0)
        found.append(head + await reader.readexactly(length))
        writer.write(port_answers)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], found


async def mailed() -> tuple[asyncio.Server, int, list[bytes]]:
    """Serve as much of SMTP as one message needs."""
    found: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                found.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], found


@pytest.mark.parametrize(
    ("answer", "why"), [(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""), (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", NOT_TAKEN)]
)
async def test_a_webhook_is_told_and_a_refusal_is_noticed(answer: bytes, why: str) -> None:
    server, port, found = await received(answer)
    async with server:
        assert await sent(by_apprise, SecretStr(f"json://127.0.0.1:{port}/hook"), "A title", "#7 words") == why
    assert b"A title" in found[0]
    assert b"#7 words" in found[0]


async def test_mail_is_sent() -> None:
    server, port, found = await mailed()
    async with server:
        url = SecretStr(f"mailto://127.0.0.1:{port}/?from=hub@books.example&to=desk@books.example&mode=insecure")
        assert await sent(by_apprise, url, "A title", "seven words") == ""
    assert b"seven words" in found[0]


async def test_an_address_that_is_none_is_told_without_repeating_it(caplog: pytest.LogCaptureFixture) -> None:
    assert await sent(by_apprise, SecretStr("nonsense-s3cret"), "t", "b") == "notify.address"
    assert "s3cret" not in caplog.text
