"""The outbox: files that only ever grow, and an index that knows what counts in them. Exactly once by external key.

A write appends, puts the data on the disk, and then commits the index; what a broken-off write left behind the committed length is cut
off by the next one. The index's lock lets one process write at a time. A lost index is rebuilt from the files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from counterfoil.connectors.files.disk import Disk
from counterfoil.connectors.files.formats import FORMATS, Format, OutgoingDocument

INDEX = ".index.sqlite3"
LOCK_WAIT_S = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS written (
    external_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (kind, external_key)
);
CREATE TABLE IF NOT EXISTS file (name TEXT PRIMARY KEY, length INTEGER NOT NULL);
"""
"""What stands in the files by external key, and how long each file is by that: what is beyond was written by a run that was cut short."""


@dataclass(frozen=True, slots=True)
class OutboxFolder:
    """The files of one folder, one per kind of command."""

    folder: Path
    format: Format
    disk: Disk

    def write(self, items: Sequence[OutgoingDocument], *, is_updated: bool = False) -> dict[str, str]:
        """Append what is not there yet and return the content digest that counts for each external key.

        A key that is there keeps its first content; compare the digest. ``is_updated``: it is appended again with other content, and the
        last one counts. All items are of one kind. Raises OSError, sqlite3.Error.
        """
        if not items:
            return {}
        kind = items[0].kind
        with self._index() as index:
            found = _contents(index, kind, [item.external_key for item in items])
            new: dict[str, OutgoingDocument] = {}
            for item in items:
                known = new[item.external_key].content if item.external_key in new else found.get(item.external_key)
                if known is None or (is_updated and known != item.content):
                    new[item.external_key] = item
            if new:
                self._append(index, kind, list(new.values()))
            self.disk.commit(index)
        return {**found, **{key: item.content for key, item in new.items()}}

    def find(self, kind: str, external_keys: Sequence[str]) -> Mapping[str, str]:
        """Return the content digest of each of these keys that counts; keys that are not there are left out."""
        with self._index() as index:
            found = _contents(index, kind, external_keys)
            self.disk.commit(index)
        return found

    def list_after(self, place: int, limit: int) -> list[tuple[int, str, str]]:
        """Return (place, kind, external key) of what counts, in order of writing, after a place (0: from the first)."""
        with self._index() as index:
            query = "SELECT rowid, kind, external_key FROM written WHERE rowid > ? ORDER BY rowid LIMIT ?"
            found = index.execute(query, (place, limit)).fetchall()
            self.disk.commit(index)
        return found

    def _append(self, index: sqlite3.Connection, kind: str, items: Sequence[OutgoingDocument]) -> None:
        name = self._name(kind)
        known = index.execute("SELECT length FROM file WHERE name = ?", (name,)).fetchone()
        length = known[0] if known else 0
        data = b"".join(self.format.write(item) for item in items)
        if length == 0:
            data = self.format.header(kind) + data
        self.disk.append(self.folder / name, length, data)
        index.executemany("INSERT OR REPLACE INTO written VALUES (?, ?, ?)", [(item.external_key, kind, item.content) for item in items])
        index.execute("INSERT OR REPLACE INTO file VALUES (?, ?)", (name, length + len(data)))

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """Open the index and take its lock; leaving without a commit takes everything back."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / INDEX, timeout=LOCK_WAIT_S, isolation_level=None)) as index:
            index.execute("BEGIN IMMEDIATE")
            is_new = index.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            for statement in _SCHEMA.split(";"):
                index.execute(statement)
            if is_new:
                self._rebuild(index)
            yield index

    def _rebuild(self, index: sqlite3.Connection) -> None:
        """Fill an empty index from the files that are there, of every format; a broken-off end does not count."""
        for form in FORMATS.values():
            for path in sorted(self.folder.glob(f"*{form.suffix}")):
                length = 0
                with path.open("rb") as file:
                    for external_key, content, end in form.read(file):
                        index.execute("INSERT OR REPLACE INTO written VALUES (?, ?, ?)", (external_key, path.stem, content))
                        length = end
                index.execute("INSERT OR REPLACE INTO file VALUES (?, ?)", (path.name, length))

    def _name(self, kind: str) -> str:
        return f"{kind}{self.format.suffix}"


def _contents(index: sqlite3.Connection, kind: str, external_keys: Sequence[str]) -> dict[str, str]:
    found = {}
    for key in external_keys:
        row = index.execute("SELECT content FROM written WHERE kind = ? AND external_key = ?", (kind, key)).fetchone()
        if row:
            found[key] = row[0]
    return found
