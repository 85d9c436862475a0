"""Fixtures for everybody: one embedded server per session, started once; a fresh, migrated database per test.

Sessions that are many and short share a server that runs already: its URL is in COUNTERFOIL_TESTS_SERVER (see ``benchmarks/mutate.py``).
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
import structlog

from counterfoil.store.cipher import Cipher
from counterfoil.store.embedded import embedded_sync
from counterfoil.store.migrate import ensure_partitions, migrate
from counterfoil.store.pool import Conn, Pool, connect, open_pool

TEMPLATE = "migrated"
SHARED_SERVER = "COUNTERFOIL_TESTS_SERVER"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_compression": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
}
"""What a server does for the day its machine stops, and tests need not pay for: they kill processes, not the machine."""
PREFIX = "counterfoil-tests-"
IN_MEMORY = Path("/dev/shm")
IN_MEMORY_FREE_BYTES = 4_000_000_000
"""So much must be free there for the server to live in it: a test's database is a copy of some 15 MB, written and thrown away."""
LONG_FILES = (
    "tests/crash/",
    "tests/e2e/",
    "tests/cli/test_whole.py",
    "tests/kit/test_trial_connectors.py",
    "tests/integration/",
)
"""Files whose tests take long, longest first: begun last, one of them would be waited for alone."""
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, each file's tests in their order."""
    items.sort(key=_place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without searching for garbage, and leave what was collected out of every search: all modules and tests stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _place(item: pytest.Item) -> int:
    return next((place for place, path in enumerate(LONG_FILES) if item.nodeid.startswith(path)), len(LONG_FILES))


@dataclass(frozen=True)
class Server:
    """The session's server: the URL of its maintenance database."""

    url: str

    def url_of(self, name: str) -> str:
        """Return the URL of another database of the server."""
        return self.url.replace("/counterfoil?", f"/{name}?")

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction, in the maintenance database."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(statement.encode())

    def has(self, name: str) -> bool:
        """Whether there is a database of that name."""
        with psycopg.connect(self.url) as conn:
            return conn.execute("select from pg_database where datname = %s", (name,)).fetchone() is not None

    @contextmanager
    def database(self, name: str, *, is_migrated: bool = True, opened_at: datetime | None = None) -> Iterator[str]:
        """Make a database of its own for as long as the context lasts and give its URL.

        ``is_migrated``: with the hub's schema; ``opened_at``: as a hub leaves it that was opened at that instant, so that the next one has
        nothing to make.
        """
        template = TEMPLATE if opened_at is None else self._template(opened_at)
        self.execute(f"create database {name}" + (f" template {template} strategy file_copy" if is_migrated else ""))
        try:
            yield self.url_of(name)
        finally:
            self.execute(f"drop database {name} with (force)")

    def _template(self, opened_at: datetime) -> str:
        """Return a template with the partitions of a month, this process's own: made at the first need."""
        name = f"{TEMPLATE}_{opened_at:%Y_%m}_{os.getpid()}"
        if not self.has(name):
            self.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
            _change(self.url_of(name), lambda conn: ensure_partitions(conn, opened_at))
        return name


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """End with each test what a command it ran set up for logging: that command's stderr is closed by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Run the embedded server once per session.

    Its home is not below pytest's own directories: pytest shuts those against other users, and root's server runs as one. It is in memory
    where there is room: nothing in it outlives the session.
    """
    shared = os.environ.get(SHARED_SERVER)
    if shared:
        yield Server(shared)
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=_memory(), ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        home.chmod(0o755)
        with embedded_sync(home, SETTINGS) as url:
            yield Server(url)


def _memory() -> Path | None:
    """Return a directory in memory with room for a server; None where there is none."""
    if not (IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK | os.X_OK)):
        return None
    for left in IN_MEMORY.glob(f"{PREFIX}*"):
        if _is_left_behind(left):
            shutil.rmtree(left, ignore_errors=True)
    return IN_MEMORY if shutil.disk_usage(IN_MEMORY).free > IN_MEMORY_FREE_BYTES else None


def _is_left_behind(home: Path) -> bool:
    """Tell whether a session that was killed left this home: whoever uses its server holds a lock."""
    try:
        with (home / "postgres" / "users.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, not made yet, or somebody else's
        return False
    return True


@pytest.fixture(scope="session")
def database_template(postgres_server: Server) -> Server:
    """Make the template that every test's database is copied from, unless an earlier session made it."""
    if not postgres_server.has(TEMPLATE):
        postgres_server.execute(f"create database {TEMPLATE}")
        _change(postgres_server.url_of(TEMPLATE), migrate)
    return postgres_server


def _change(url: str, change: Callable[[Conn], Awaitable[object]]) -> None:
    """Change a database, in a thread: where an async fixture is the first to need it, this one runs a loop already."""

    async def run() -> None:
        conn = await connect(url)
        async with conn, conn.transaction():
            await change(conn)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result()


@pytest.fixture
def database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    with database_template.database(f"test_{os.getpid()}_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def empty_database(database_template: Server) -> Iterator[str]:
    """Yield the URL of a database in which nothing was made yet."""
    with database_template.database(f"test_{os.getpid()}_{next(_numbers)}", is_migrated=False) as url:
        yield url


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """Yield an open pool on the test's database."""
    async with open_pool(database, size_min=1, size_max=12) as opened:
        yield opened


@pytest.fixture(scope="session")
def scratch_database(database_template: Server) -> str:
    """Return the URL of a migrated database in which nothing is ever committed."""
    name = f"scratch_{os.getpid()}"
    database_template.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    return database_template.url_of(name)


@pytest.fixture
async def conn(scratch_database: str) -> AsyncIterator[Conn]:
    """Yield one connection in a transaction that is rolled back at the end: cheaper than a database. Sequences go on counting."""
    connection = await connect(scratch_database)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def cipher() -> Cipher:
    """Return a cipher with one fixed key."""
    return Cipher({"test": bytes(range(32))})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home directory that does not exist yet."""
    return tmp_path / "home"
