"""A running hub between two systems that customers are written to by files, and that tell of them by files: nobody's echo is his word."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.path.house import _RESTLESS

from counterfoil.app.hub import Hub, open_hub, wait_until
from counterfoil.app.settings import from_values
from counterfoil.kit.clock import FollowingClock
from counterfoil.store import cases

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIELDS = ("name", "email", "phone", "city", "country")
ROUNDS_MAX = 6


@dataclass
class FileSystem:
    """A system that reads the outbox of its connection and exports whatever it holds into the inbox when that has changed."""

    folder: Path
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    exports: int = 0

    @property
    def written(self) -> list[dict[str, str]]:
        """All rows of customers in the outbox, in order."""
        files = sorted((self.folder / "out").glob("upsert_customer*.csv"))
        return [row for file in files for row in csv.DictReader(file.read_text("utf-8").splitlines())]

    def take(self) -> None:
        """Take the newest row of each customer."""
        for row in self.written:
            self.held.setdefault(row["customer_id"], {}).update({name: row[name] for name in FIELDS})

    def export(self, at: datetime) -> None:
        """Export all customers, as of an instant."""
        self.exports += 1
        rows = [{"id": id.partition(":")[2], **values, "updated_at": at.isoformat()} for id, values in sorted(self.held.items())]
        with (self.folder / "in" / f"customers-{self.exports}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, ["id", *FIELDS, "updated_at"])
            out.writeheader()
            out.writerows(rows)


@dataclass
class Round:
    """The hub, its clock, and both systems."""

    hub: Hub
    clock: FollowingClock
    crm: Path
    left: FileSystem
    right: FileSystem

    async def rest(self, *polled: str) -> None:
        """Have inboxes read, and everything done that comes of it."""
        self.clock.follow(self.clock.now() + timedelta(minutes=1))
        await self.hub.wake([("poll", name) for name in polled])

        async def is_quiet() -> bool:
            async with self.hub.pool.connection() as conn:
                polling = await (await conn.execute("select count(*) from work where stage = 'poll' and armed")).fetchone()
                return polling == (0,) and await (await conn.execute(_RESTLESS)).fetchone() == (0,)

        assert await wait_until(is_quiet, timeout_s=30.0, every_s=0.05)

    async def go_round(self) -> int:
        """Have both systems take what was written and tell of all they hold, until nothing new is written; return in how many rounds."""
        for count in range(ROUNDS_MAX):
            before = [len(one.written) for one in (self.left, self.right)]
            for one in (self.left, self.right):
                one.take()
                one.export(self.clock.now() + timedelta(seconds=30))
            await self.rest("left", "right")
            if [len(one.written) for one in (self.left, self.right)] == before:
                return count
        raise AssertionError("they write to each other for ever")

    def tell(self, number: int, **values: str) -> None:
        """Have the sales system tell of the customer."""
        columns = {"id": "1", **values, "updated_at": (self.clock.now() + timedelta(seconds=30)).isoformat()}
        (self.crm / "in" / f"customers-{number}.csv").write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n", "utf-8")

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names each system was written."""
        return [row["name"] for row in self.left.written], [row["name"] for row in self.right.written]


@pytest.fixture
async def round_(database: str, tmp_path: Path) -> AsyncIterator[Round]:
    for name in ("crm", "left", "right"):
        for folder in ("in", "out"):
            (tmp_path / name / folder).mkdir(parents=True)
    connections: dict[str, Any] = {
        name: {
            "connector": "files",
            "inbox": str(tmp_path / name / "in"),
            "outbox": str(tmp_path / name / "out"),
            "output": "csv",
            "namespace": "crm",
        }
        for name in ("crm", "left", "right")
    }
    values = {
        "hub": {"home": str(tmp_path / "home"), "database_url": database, "poll_interval_s": 3600.0},
        "connections": connections,
        "entities": {
            "US": {"target": "left", "currency": "USD", "time_zone": "America/New_York"},
            "DE": {"target": "right", "currency": "EUR", "time_zone": "Europe/Berlin"},
        },
        "routes": [{"entity": "DE", "connection": "crm", "currency": "EUR"}, {"entity": "US", "connection": "crm"}],
    }
    clock = FollowingClock(START)
    async with open_hub(from_values(values), clock) as hub:
        await hub.start_work("one")
        yield Round(hub, clock, tmp_path / "crm", FileSystem(tmp_path / "left"), FileSystem(tmp_path / "right"))


async def ignored(hub: Hub) -> dict[str, int]:
    async with hub.pool.connection() as conn:
        rows = await conn.execute("select connection, count(*) from receipt where rule = 'own_content_comes_back' group by 1 order by 1")
        return dict(await rows.fetchall())


async def test_what_is_written_to_two_systems_and_told_by_both_comes_to_rest_and_what_is_set_there_goes_on(round_: Round) -> None:
    round_.tell(1, name="Blue Harbor", email="ann@example.com", city="Boston", country="US")
    await round_.rest("crm")
    assert round_.names() == (["Blue Harbor"], ["Blue Harbor"])
    assert await round_.go_round() == 0
    assert await ignored(round_.hub) == {"left": 1, "right": 1}
    # An export of before that comes after a change elsewhere brings nothing back.
    round_.tell(2, name="Blue Harbor Inc", email="ann@example.com", city="Boston", country="US")
    await round_.rest("crm")
    assert await round_.go_round() == 0
    assert round_.names() == (["Blue Harbor", "Blue Harbor Inc"], ["Blue Harbor", "Blue Harbor Inc"])
    # What somebody sets in one of them goes to the other, once.
    round_.left.held["crm:1"]["phone"] = "12"
    round_.left.export(round_.clock.now() + timedelta(seconds=30))
    await round_.rest("left")
    assert [row["phone"] for row in round_.right.written] == ["", "", "12"]
    assert await round_.go_round() == 0
    assert round_.left.held == round_.right.held
    async with round_.hub.pool.connection() as conn:
        assert await cases.list_cases(conn) == []
