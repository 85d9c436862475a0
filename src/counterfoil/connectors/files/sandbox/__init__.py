"""The other side of a files connection: a folder of its own with an inbox and an outbox, on a disk that fails on command.

``GET /files`` lists both folders, ``PUT /inbox/NAME`` puts a file in, ``GET /outbox/NAME`` reads one. Faults strike by the lines
``GET /inbox/NAME`` (a file is read), ``POST /outbox/NAME`` (documents are appended) and ``PUT /outbox/index`` (the append is committed).
A program under test reaches the failing disk as the object it does its reading and appending with.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import web

from counterfoil.kit.sandbox import FaultSwitch, Sandbox

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$")


class FailingDisk:
    """Another disk with a fault switch: ``*_before``, ``status`` and ``stall`` faults fail before the work, ``*_after`` ones after it."""

    def __init__(self, switch: FaultSwitch, disk: Any) -> None:
        self._switch = switch
        self._disk = disk

    def listing(self, folder: Path) -> list[Any]:
        """List the folder, unless a fault strikes."""
        with self._struck("GET /inbox/"):
            return list(self._disk.listing(folder))

    def digest(self, path: Path) -> str:
        """Return the digest of the file."""
        return str(self._disk.digest(path))

    @contextmanager
    def reading(self, path: Path) -> Iterator[BinaryIO]:
        """Open the file, unless a fault strikes."""
        with self._struck(f"GET /inbox/{path.name}"), self._disk.reading(path) as file:
            yield file

    def append(self, path: Path, length: int, data: bytes) -> None:
        """Append, unless a fault strikes; a truncating one writes half."""
        with self._struck(f"POST /outbox/{path.name}") as kind:
            self._disk.append(path, length, data[: len(data) // 2] if kind == "truncate_after" else data)

    def commit(self, index: sqlite3.Connection) -> None:
        """Commit, unless a fault strikes."""
        with self._struck("PUT /outbox/index"):
            self._disk.commit(index)

    @contextmanager
    def _struck(self, line: str) -> Iterator[str]:
        fault = self._switch.pick(line)
        if fault is not None and not fault.kind.endswith("_after"):
            raise OSError(errno.EIO, f"sandbox fault {fault.kind}")
        yield fault.kind if fault is not None else ""
        if fault is not None:
            raise OSError(errno.EIO, f"sandbox fault {fault.kind}")


class FilesSandbox(Sandbox):
    """A folder that lives as long as the sandbox."""

    name = "files"

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder of both; made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="counterfoil-files-"))
            (self._folder / "inbox").mkdir()
            (self._folder / "outbox").mkdir()
        return self._folder

    @property
    def inbox(self) -> Path:
        """Where files are put in."""
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        """Where postings come out."""
        return self.folder / "outbox"

    def put(self, name: str, text: str) -> None:
        """Put a file into the inbox, whole at once. Raises ValueError for a name that is not plain."""
        if not _NAME.match(name):
            raise ValueError("a name has letters, digits, dots, dashes and underscores only")
        part = self.folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(self.inbox / name)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def stop(self) -> None:
        """Stop listening and delete the folder."""
        await super().stop()
        self.remove()

    def details(self) -> dict[str, Any]:
        """Return the address and both folders."""
        return {**super().details(), "inbox": str(self.inbox), "outbox": str(self.outbox)}

    def routes(self, app: web.Application) -> None:
        """Add the routes to look into the folders and put files in."""
        app.router.add_get("/files", self._list)
        app.router.add_put("/inbox/{name}", self._put)
        app.router.add_get("/outbox/{name}", self._get)

    async def _list(self, _request: web.Request) -> web.Response:
        folders = {"inbox": self.inbox, "outbox": self.outbox}
        return web.json_response({key: sorted(p.name for p in folder.iterdir() if p.name[0] != ".") for key, folder in folders.items()})

    async def _put(self, request: web.Request) -> web.Response:
        try:
            self.put(request.match_info["name"], await request.text())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({}, status=201)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not _NAME.match(name) or not (self.outbox / name).is_file():
            return web.json_response({"error": "there is no such file"}, status=404)
        return web.FileResponse(self.outbox / name)
