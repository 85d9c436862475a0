"""A file that cannot be read stops only itself: one case with its name, and it is tried again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.disk import FileEntry, SystemDisk
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.kit.clock import SettableClock, SystemClock
from counterfoil.kit.connector import Delivery
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget

TEXT = "id,name\n1,a\n"


class SickDisk(SystemDisk):
    """A disk that cannot read some files: by name, the number of the error."""

    def __init__(self, **sick: int) -> None:
        self.sick = {f"{name}.csv": number for name, number in sick.items()}

    @contextmanager
    def reading(self, path: Path) -> Iterator[BinaryIO]:
        self._check(path)
        with super().reading(path) as file:
            yield file

    def _check(self, path: Path) -> None:
        if path.name in self.sick:
            raise OSError(self.sick[path.name], os.strerror(self.sick[path.name]))


class TakenDisk(SystemDisk):
    """A disk from which a file is taken after the first listing of it."""

    def listing(self, folder: Path) -> list[FileEntry]:
        found = super().listing(folder)
        (folder / "customers-taken.csv").unlink(missing_ok=True)
        return found


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "inbox"


def context(inbox: Path, disk: SystemDisk | None = None) -> Context:
    settings = FilesConfig(inbox=inbox, outbox=inbox.parent / "outbox", namespace="acme")
    state = {"files.disk": disk or SystemDisk()}
    return Context("history", settings, HttpClient("http://127.0.0.1", budget=LocalBudget()), SystemClock(), state)


async def read(ctx: Context, cursor: str = "") -> tuple[list[Delivery], str]:
    page = await FilesSource().poll(ctx, cursor)
    assert not page.has_more
    return list(page.deliveries), page.cursor


def told(found: list[Delivery]) -> set[tuple[str, str]]:
    """Return the place and the reason, without what to do, of each delivery."""
    return {(one.place, one.parked.partition(";")[0]) for one in found}


async def test_a_link_that_leads_in_a_circle_or_nowhere_is_one_case_and_the_rest_goes_on(inbox: Path) -> None:
    (inbox / "customers-a.csv").symlink_to(inbox / "customers-b.csv")
    (inbox / "customers-b.csv").symlink_to(inbox / "customers-a.csv")
    (inbox / "customers-c.csv").symlink_to(inbox / "none.csv")
    (inbox / "customers.csv").write_text(TEXT)
    (inbox / "folder.csv").mkdir()
    ctx = context(inbox)
    found, cursor = await read(ctx)
    circle = "cannot be read (the link cannot be followed: Too many levels of symbolic links)"
    assert told(found) == {
        ("customers-a.csv", f"customers-a.csv: {circle}"),
        ("customers-b.csv", f"customers-b.csv: {circle}"),
        ("customers-c.csv", "customers-c.csv: cannot be read (the link cannot be followed: No such file or directory)"),
        ("customers.csv line 2", ""),
    }
    assert await read(ctx, cursor) == ([], cursor)
    (inbox / "products.csv").write_text("id,name\np,Seat\n")
    again, _ = await read(ctx, cursor)
    assert {one.dedupe_key for one in again if one.parked} <= {one.dedupe_key for one in found}  # it is said once


async def test_a_link_is_found_by_the_later_of_its_own_time_and_that_of_its_file(inbox: Path) -> None:
    old = inbox.parent / "elsewhere" / "old.csv"
    old.write_text(TEXT)
    os.utime(old, (1, 1))
    (inbox / "customers.csv").write_text("id,name\n2,b\n")
    ctx = context(inbox)
    _, cursor = await read(ctx)
    # The link is made after the file was seen, its file long before: times of the link decide.
    (inbox / "customers-old.csv").symlink_to(old)
    ahead = (inbox / "customers.csv").stat().st_ctime_ns + 60_000_000_000
    os.utime(inbox / "customers-old.csv", ns=(ahead, ahead), follow_symlinks=False)
    [link] = [one for one in SystemDisk().listing(inbox) if one.name == "customers-old.csv"]
    assert (link.stamp_ns, link.modified_us) == (ahead, 1_000_000)
    found, _ = await read(ctx, cursor)
    assert "customers/1" in [one.shard_key for one in found]


async def test_a_file_that_may_not_be_read_is_parked_at_once_and_read_when_it_changed(inbox: Path) -> None:
    (inbox / "customers.csv").write_text(TEXT)
    (inbox / "customers-locked.csv").write_text("id,name\n2,b\n")
    disk = SickDisk(**{"customers-locked": errno.EACCES})
    ctx = context(inbox, disk)
    found, cursor = await read(ctx)
    assert told(found) == {
        ("customers.csv line 2", ""),
        ("customers-locked.csv", "customers-locked.csv: cannot be read (Permission denied)"),
    }
    disk.sick.clear()
    ahead = (inbox / "customers-locked.csv").stat().st_ctime_ns + 60_000_000_000
    os.utime(inbox / "customers-locked.csv", ns=(ahead, ahead))
    later, _ = await read(ctx, cursor)
    assert "customers/2" in [one.shard_key for one in later]


async def test_a_disk_that_fails_for_a_moment_is_tried_again_and_one_that_goes_on_failing_parks_the_file(inbox: Path) -> None:
    (inbox / "customers.csv").write_text(TEXT)
    (inbox / "customers-bad.csv").write_text(TEXT)
    (inbox / "customers-sick.csv").write_text("id,name\n2,b\n")
    disk = SickDisk(**{"customers-bad": errno.EIO, "customers-sick": errno.EIO})
    ctx = context(inbox, disk)
    for _ in range(2):
        with pytest.raises(TransientError, match="cannot be read: Input/output error"):
            await read(ctx)
    del disk.sick["customers-sick.csv"]
    found, cursor = await read(ctx)
    assert told(found) == {
        ("customers.csv line 2", ""),
        ("customers-sick.csv line 2", ""),
        ("customers-bad.csv", "customers-bad.csv: cannot be read (Input/output error)"),
    }
    assert await read(ctx, cursor) == ([], cursor)


async def test_a_file_is_read_by_itself_when_the_disk_is_mended_though_nothing_changed_it(inbox: Path) -> None:
    clock = SettableClock(datetime(2026, 3, 1, tzinfo=UTC))
    disk = SickDisk(**{"customers-bad": errno.EACCES, "customers-worse": errno.EACCES})
    ctx = replace(context(inbox, disk), clock=clock)
    for name, text in (("bad", TEXT), ("worse", "id,name\n3,c\n")):
        (inbox / f"customers-{name}.csv").write_text(text)
        os.utime(inbox / f"customers-{name}.csv", (0, 0))
    (inbox / "products.csv").write_text("id,name\n2,b\n")
    found, cursor = await read(ctx)
    assert len(found) == 3
    assert await read(ctx, cursor) == ([], cursor)
    del disk.sick["customers-bad.csv"]
    assert await read(ctx, cursor) == ([], cursor)  # it is not looked at in every poll
    clock.advance_to(clock.now() + timedelta(minutes=10))
    again, cursor = await read(ctx, cursor)
    assert "customers-bad.csv line 2" in {one.place for one in again}
    assert {one.dedupe_key for one in again} - {one.dedupe_key for one in found} == {
        one.dedupe_key for one in again if one.place == "customers-bad.csv line 2"
    }
    del disk.sick["customers-worse.csv"]
    restarted = replace(context(inbox, disk), clock=clock)  # a worker that starts looks at once
    last, cursor = await read(restarted, cursor)
    assert "customers-worse.csv line 2" in {one.place for one in last}
    assert await read(restarted, cursor) == ([], cursor)


async def test_a_file_taken_out_meanwhile_is_no_fault(inbox: Path) -> None:
    (inbox / "customers.csv").write_text(TEXT)
    (inbox / "customers-taken.csv").write_text("id,name\n2,b\n")
    ctx = context(inbox, TakenDisk())
    with pytest.raises(TransientError):
        await read(ctx)
    found, _ = await read(ctx)
    assert told(found) == {("customers.csv line 2", "")}


async def test_an_inbox_that_went_away_as_a_whole_passes_no_file_over(inbox: Path) -> None:
    class Leaving(SystemDisk):
        def listing(self, folder: Path) -> list[FileEntry]:
            found = super().listing(folder)
            folder.rename(folder.with_name("away"))
            return found

    (inbox / "customers.csv").write_text(TEXT)
    ctx = context(inbox, Leaving())
    with pytest.raises(TransientError):
        await read(ctx)
    with pytest.raises(SetupError):
        await read(ctx)
    inbox.with_name("away").rename(inbox)
    found, _ = await read(context(inbox))
    assert told(found) == {("customers.csv line 2", "")}


async def test_a_name_that_is_not_utf_8_is_a_case_and_the_rest_goes_on(inbox: Path) -> None:
    (inbox / "customers.csv").write_text(TEXT)
    (inbox / os.fsdecode(b"customers-\xe9.csv")).write_text(TEXT)
    found, cursor = await read(context(inbox))
    shown = r"customers-\udce9.csv"
    assert told(found) == {("customers.csv line 2", ""), (shown, f"{shown}: cannot be read (its name is not UTF-8)")}
    assert await read(context(inbox), cursor) == ([], cursor)
