"""Hubs on one database, each with a file of its own, and what their rules say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil.app.hub import Hub, open_hub, wait_until
from counterfoil.app.releasing import ReleaseRequest
from counterfoil.app.settings import parse
from counterfoil.core.policies.rules import MappingKey, MappingKind
from counterfoil.engine import membership
from counterfoil.kit.clock import SettableClock

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


SEVEN = MappingKey(MappingKind.TAX, "de", "7|exclusive")


FILE = """
[hub]
home = "HOME"
database_url = "DATABASE"
[rules]
approval = "APPROVAL"
[entities.de]
target = "books"
currency = "EUR"
time_zone = "Europe/Berlin"
[connections.books]
connector = "files"
inbox = "HOME/inbox"
outbox = "HOME/outbox"
namespace = "files"
[[routes]]
entity = "de"
[mappings.tax.de]
"7|exclusive" = "VAT 7"
"""


class Site:
    """Hubs on one database, each with a file of its own."""

    def __init__(self, stack: AsyncExitStack, home: Path, database: str) -> None:
        self.stack, self.home, self.database = stack, home, database
        self.clock = SettableClock(NOW)

    def file(self, *changes: tuple[str, str], approval: str = "self") -> str:
        """Return the configuration file with parts of it replaced."""
        text = FILE.replace("HOME", str(self.home)).replace("DATABASE", self.database).replace("APPROVAL", approval)
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        return text

    async def open(self, text: str) -> Hub:
        """Open a hub with a file, not at work yet."""
        return await self.stack.enter_async_context(open_hub(parse(text), self.clock))

    async def start(self, text: str, name: str = "web1") -> Hub:
        """Return a hub at work with a file."""
        hub = await self.open(text)
        await hub.start_work(name)
        return hub

    def ask(self, actor: str = "ann", **more: object) -> ReleaseRequest:
        """Return what a person asks for now."""
        return replace(ReleaseRequest(actor, self.clock.now()), **more)  # type: ignore[arg-type]


NEW = ('"VAT 7"', '"VAT 7 %"')


NEWER = ('"VAT 7"', '"USt 7"')


async def says(hub: Hub) -> tuple[int, str]:
    """Return the release a hub decides by, and what its rules make of 7 %."""
    async with hub.pool.connection() as conn:
        return hub.rules.release, (await hub.rules.current(conn)).mappings[SEVEN]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    assert await wait_until(condition, timeout_s=20.0, every_s=0.05), "it never came to pass"


async def takes_up(version: int, *hubs: Hub) -> None:
    """Wait until hubs decide, by a version."""

    async def all_do() -> bool:
        return all(hub.rules.release == version and hub.member is not None and hub.member.is_agreed for hub in hubs)

    await until(all_do)


@pytest.fixture
async def site(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(membership, "BEAT_EVERY_S", 0.1)
    monkeypatch.setattr(membership, "WAITING_BEAT_EVERY_S", 0.1)
    async with AsyncExitStack() as stack:
        yield Site(stack, tmp_path, database)
