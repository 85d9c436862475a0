"""All access to the disk, in one small class, so that the sandbox can make it fail."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO, Protocol

from counterfoil.kit.context import Context

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file of a folder. ``stamp_ns``: when it last appeared or changed here, by the disk's clock; a copy of an old file is new.

    ``problem``: why it cannot be read, in words, empty if nothing speaks against it.
    """

    stamp_ns: int
    name: str
    modified_us: int = 0
    problem: str = ""


class Disk(Protocol):
    """Reads the inbox and appends to the outbox. Every method raises OSError as the system does."""

    def listing(self, folder: Path) -> list[FileEntry]:
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

    def listing(self, folder: Path) -> list[FileEntry]:
        """Return the files of a folder, oldest first; hidden ones and those ending in ``.part`` or ``.tmp`` are still being written."""
        with os.scandir(folder) as entries:
            whole = [one for one in entries if not one.name.startswith(".") and not one.name.endswith((".part", ".tmp"))]
            return sorted(found for one in whole if (found := _entry(one)) is not None)

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


def _entry(entry: os.DirEntry[str]) -> FileEntry | None:
    """Return what a folder's entry is; None for what is no file, or was taken away meanwhile."""
    try:
        own = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    # The change time moves on renaming into place, where the modification time may be years old; a link has times of its own.
    stamp_ns = max(own.st_ctime_ns, own.st_mtime_ns)
    name = entry.name.encode("utf-8", "backslashreplace").decode()
    status = own
    if S_ISLNK(own.st_mode):
        try:
            status = entry.stat()
        except OSError as error:
            return FileEntry(stamp_ns, name, own.st_mtime_ns // 1000, f"the link cannot be followed: {error.strerror}")
        stamp_ns = max(stamp_ns, status.st_ctime_ns, status.st_mtime_ns)
    if not S_ISREG(status.st_mode):
        return None
    return FileEntry(stamp_ns, name, status.st_mtime_ns // 1000, "" if name == entry.name else "its name is not UTF-8")


def disk_of(ctx: Context) -> Disk:
    """Return the context's disk; a test puts a failing one there."""
    disk: Disk = ctx.state.setdefault("files.disk", SystemDisk())
    return disk
