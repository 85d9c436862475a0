"""All access to the disk, in one small class, so that the sandbox can make it fail."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from counterfoil.kit.connector import Context

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of a folder. ``stamp_ns``: when it last appeared or changed here, by the disk's clock; a copy of an old file is new."""

    stamp_ns: int
    name: str
    modified_us: int = 0


class Disk(Protocol):
    """Reads the inbox and appends to the outbox. Every method raises OSError as the system does."""

    def listing(self, folder: Path) -> list[Entry]:
        """Return the files of a folder, oldest first; hidden ones and those ending in ``.part`` or ``.tmp`` are still being written."""
        ...

    def reading(self, path: Path) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading."""
        ...

    def digest(self, path: Path) -> str:
        """Return 32 hexadecimal digits that name the file's content."""
        ...

    def append(self, path: Path, length: int, data: bytes) -> None:
        """Make the file ``length`` bytes long, cutting off what a broken-off write left, append the data and put it on the disk."""
        ...

    def commit(self, index: sqlite3.Connection) -> None:
        """End the index's transaction; from here on what was appended counts."""
        ...


class SystemDisk:
    """The machine's disk."""

    def listing(self, folder: Path) -> list[Entry]:
        """Return the files of a folder, oldest first; hidden ones and those ending in ``.part`` or ``.tmp`` are still being written."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith((".part", ".tmp")) or not entry.is_file():
                    continue
                stat = entry.stat()
                # The change time moves on renaming into place, where the modification time may be years old.
                found.append(Entry(max(stat.st_ctime_ns, stat.st_mtime_ns), entry.name, stat.st_mtime_ns // 1000))
        return sorted(found)

    @contextmanager
    def reading(self, path: Path) -> Iterator[BinaryIO]:
        """Open a file for reading."""
        with path.open("rb") as file:
            yield file

    def digest(self, path: Path) -> str:
        """Return 32 hexadecimal digits that name the file's content."""
        content = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                content.update(chunk)
        return content.hexdigest()

    def append(self, path: Path, length: int, data: bytes) -> None:
        """Make the file ``length`` bytes long, cutting off what a broken-off write left, append the data and put it on the disk."""
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(length)
            file.seek(length)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def commit(self, index: sqlite3.Connection) -> None:
        """End the index's transaction; from here on what was appended counts."""
        index.execute("COMMIT")


def disk_of(ctx: Context) -> Disk:
    """Return the context's disk; a test puts a failing one there."""
    disk: Disk = ctx.state.setdefault("files.disk", SystemDisk())
    return disk
