"""Cursor in, page out: rows of new and changed files become deliveries; what cannot be read is parked with its line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.disk import Disk, FileEntry, disk_of
from counterfoil.connectors.files.layouts import LAYOUTS, Layout, layout_of
from counterfoil.connectors.files.normalize import normalize
from counterfoil.connectors.files.reader import FileReader
from counterfoil.connectors.files.wire import from_micros, to_micros
from counterfoil.core.language.ids import digest
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError

PAGE_SIZE = 500
"""Deliveries of one page."""

FILE_TRIES_MAX = 3
"""Polls that fail at a file, as a disk or a network may for a moment, before it is parked and the rest of the inbox goes on."""

OVERLAP_NS = 2_000_000_000
"""Files this much older than the newest one seen are looked at again: clocks of file systems are coarse."""


UNREAD_EVERY = timedelta(minutes=10)
"""So often files that could not be read are tried again as they are: a disk may have been mended, which changes no file."""
_CHUNK = 1024 * 1024
UNREAD_MAX = 50
"""Files kept in mind for that; more of them are read when they change."""


class Position(msgspec.Struct, frozen=True):
    """A place in the walk over a folder: in the middle of a file, or at the end with a digest of the newest files.

    ``unread``: the files (stamp, name) that were passed over because they could not be read.
    """

    stamp_ns: int = 0
    name: str = ""
    offset: int = 0
    line: int = 0
    tail: str = ""
    unread: tuple[tuple[int, str], ...] = ()

    @classmethod
    def parse(cls, cursor: str) -> Position:
        """Return the position a cursor means; the start for an empty one. Raises SetupError for one that is not ours."""
        try:
            return msgspec.json.decode(cursor, type=cls) if cursor else cls()
        except msgspec.DecodeError as error:
            raise SetupError("not a cursor of the files connector; clear it to read all again", code="files.cursor") from error

    def text(self) -> str:
        """Return the cursor."""
        return msgspec.json.encode(self).decode()


@dataclass
class _Walk:
    """One page in the making."""

    settings: FilesConfig
    disk: Disk
    hashes: dict[tuple[str, int], str]
    failures: dict[tuple[str, int], int]
    unread: dict[tuple[int, str], None]
    deliveries: list[Delivery] = field(default_factory=list)
    failed: OSError | None = None

    def page(self, entries: list[FileEntry], position: Position) -> Position | None:
        """Fill the page from the entries, the first from the position's offset; return where to go on, None at the end."""
        for entry in entries:
            start = position if (entry.stamp_ns, entry.name) == (position.stamp_ns, position.name) else Position()
            stopped = self._file(entry, start)
            if stopped is not None:
                return stopped
        return None

    def _file(self, entry: FileEntry, start: Position) -> Position | None:
        room = PAGE_SIZE - len(self.deliveries)
        here = Position(entry.stamp_ns, entry.name, start.offset, start.line)
        if room <= 0:
            return here
        if entry.problem:
            self._pass_over(entry, entry.problem)
            return None
        try:
            end = self._read(entry, start, room)
        except OSError as error:
            self._failed(entry, error)
            return None
        self.failures.pop((entry.name, entry.stamp_ns), None)
        self.unread.pop((entry.stamp_ns, entry.name), None)
        return None if end is None else msgspec.structs.replace(here, offset=end[0], line=end[1])

    def _read(self, entry: FileEntry, start: Position, room: int) -> tuple[int, int] | None:
        layout = layout_of(entry.name)
        if layout is None:
            self.deliveries.append(_unknown(entry, self._hash(entry)))
            return None
        reader = FileReader(self.settings, self.disk, entry, layout, self._hash(entry))
        found, end = reader.read(start.offset, start.line, room)
        self.deliveries.extend(found)
        return end

    def _failed(self, entry: FileEntry, error: OSError) -> None:
        """Park a file that may not be read, at once, or that failed several times; note another, for the page to be tried again.

        One that is there no more is not listed when it is: a folder that is away as a whole is told from a file that was taken out.
        """
        key = (entry.name, entry.stamp_ns)
        tries = self.failures.get(key, 0) + 1
        if isinstance(error, PermissionError) or tries >= FILE_TRIES_MAX:
            self._pass_over(entry, str(error.strerror))
            return
        self.failures[key] = tries
        self.failed = error

    def _pass_over(self, entry: FileEntry, words: str) -> None:
        self.deliveries.append(_unreadable(entry, words))
        if len(self.unread) < UNREAD_MAX:
            self.unread[entry.stamp_ns, entry.name] = None

    def _hash(self, entry: FileEntry) -> str:
        key = (entry.name, entry.stamp_ns)
        if key not in self.hashes:
            while len(self.hashes) >= 64:
                del self.hashes[next(iter(self.hashes))]
            self.hashes[key] = self.disk.digest(self.settings.inbox / entry.name)
        return self.hashes[key]


class FilesSource:
    """The reading half: files are polled from the inbox; a row says all there is."""

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the facts of one row or document. Raises RejectedError naming file, line and column."""
        return normalize(settings, delivery)

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return rows of files that are new or changed since the cursor; an empty cursor means everything in the inbox."""
        now = ctx.clock.now()
        return await asyncio.to_thread(_page, ctx, cursor, now, None, 0)

    def backfill_kinds(self) -> tuple[str, ...]:
        """Return the layouts, what is needed before what needs it."""
        return tuple(LAYOUTS)

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        """Return rows of all files of a layout that were modified at or after ``since``."""
        return await asyncio.to_thread(_page, ctx, cursor, ctx.clock.now(), LAYOUTS[kind], to_micros(since))


def _page(ctx: Context, cursor: str, now: datetime, layout: Layout | None, since_us: int) -> Page:
    settings: FilesConfig = ctx.settings
    position = Position.parse(cursor)
    disk = disk_of(ctx)
    entries = _listing(ctx, disk)
    failures: dict[tuple[str, int], int] = ctx.state.setdefault("files.failures", {})
    for gone in failures.keys() - {(entry.name, entry.stamp_ns) for entry in entries}:
        failures.pop(gone, None)
    if layout is not None:
        entries = [e for e in entries if layout_of(e.name) is layout and e.modified_us >= since_us]
    again = _readable_again(ctx, disk, entries, position, now)
    if again is not None:  # on from that file: what comes after it and was read already is known by its keys
        position = msgspec.structs.replace(position, stamp_ns=again.stamp_ns, name=again.name, offset=0, line=0, tail="")
    if position.tail and position.tail == _tail(entries, position.stamp_ns):
        return Page((), cursor, has_more=False, covers_until=now)
    there = {(entry.stamp_ns, entry.name) for entry in entries}
    unread = dict.fromkeys(one for one in position.unread if one in there)
    walk = _Walk(settings, disk, ctx.state.setdefault("files.hashes", {}), failures, unread)
    stopped = walk.page(_rest(entries, position), position)
    if walk.failed is not None:
        words = f"a file in the inbox of {ctx.connection} cannot be read: {walk.failed.strerror}"
        raise TransientError(words, code="files.disk") from walk.failed
    if stopped is not None:
        stopped = msgspec.structs.replace(stopped, unread=tuple(walk.unread))
        return Page(tuple(walk.deliveries), stopped.text(), has_more=True)
    newest = max([e.stamp_ns for e in entries], default=position.stamp_ns)
    end = Position(newest, tail=_tail(entries, newest), unread=tuple(walk.unread))
    return Page(tuple(walk.deliveries), end.text(), has_more=False, covers_until=now)


def _readable_again(ctx: Context, disk: Disk, entries: list[FileEntry], position: Position, now: datetime) -> FileEntry | None:
    """Return the oldest file that was passed over and can be read as a whole now; looked at between walks, and not at every one."""
    looked_at: datetime | None = ctx.state.get("files.unread_at")
    if not position.unread or not position.tail or (looked_at is not None and now - looked_at < UNREAD_EVERY):
        return None
    ctx.state["files.unread_at"] = now
    for entry in entries:
        if (entry.stamp_ns, entry.name) not in position.unread or entry.problem:
            continue
        with suppress(OSError), disk.reading(ctx.settings.inbox / entry.name) as file:
            while file.read(_CHUNK):
                pass
            return entry
    return None


def _listing(ctx: Context, disk: Disk) -> list[FileEntry]:
    try:
        return disk.listing(ctx.settings.inbox)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise SetupError(f"the inbox of {ctx.connection} cannot be listed: {error.strerror}", code="files.inbox") from error
    except OSError as error:
        raise TransientError(f"the inbox of {ctx.connection} cannot be listed now: {error.strerror}", code="files.disk") from error


def _rest(entries: list[FileEntry], position: Position) -> list[FileEntry]:
    """Return what is still to be read: from the position on, or, after an end, all that is not clearly older than it."""
    if position.tail:
        return [e for e in entries if e.stamp_ns >= position.stamp_ns - OVERLAP_NS]
    return [e for e in entries if (e.stamp_ns, e.name) >= (position.stamp_ns, position.name)]


def _tail(entries: list[FileEntry], newest_ns: int) -> str:
    """Return a digest of the files that a next poll would look at, so that it does not if nothing changed."""
    recent = [f"{e.stamp_ns}/{e.name}" for e in entries if e.stamp_ns >= newest_ns - OVERLAP_NS]
    return digest(*recent)


def _unknown(entry: FileEntry, content: str) -> Delivery:
    reason = f"{entry.name}: the name says no layout; begin it with {', '.join(LAYOUTS)} and end it with .csv or .jsonl"
    return Delivery(f"{content}/0", f"file/{entry.name}", "file.fetched", b"", from_micros(entry.modified_us), parked=reason)


def _unreadable(entry: FileEntry, words: str) -> Delivery:
    """Return the parked delivery of a file that cannot be read; said once, and once more when it changed and still cannot be."""
    reason = f"{entry.name}: cannot be read ({words}); put it right: it is read within minutes, then waive this case"
    key = f"unreadable/{entry.stamp_ns}/{entry.name}"
    return Delivery(key, f"file/{entry.name}", "file.fetched", b"", from_micros(entry.modified_us), parked=reason, place=entry.name)
