"""Where the embedded database lives and as whom: its folder, its user, its socket, and who is let in.

Started by root the server runs as a user of its own: the account ``counterfoil`` where there is one, otherwise a number no account has,
drawn from the home's path; never as a user other services share. Whoever connects is known by the system (peer authentication): only root
and the user the home belongs to are let in, also by a server made by an earlier release.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import StoreError
from .home import make_home

USER = "counterfoil"
_OWN_USERS_FROM = 61184
_OWN_USERS = 4336
"""Numbers of users no account has, and how many of them there are."""
_SOCKET_PATH_MAX = 90  # bytes; the limit of sun_path is 104 to 108, and the server's lock file needs some more
_SOCKET_NAME = "/.s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Where one server lives and as whom it runs; ``user`` None: as ourselves."""

    root: Path
    user: int | None
    group: int | None

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.root / "data"

    @property
    def identity(self) -> dict[str, object]:
        """What a process is started with to run as the server's user."""
        return {} if self.user is None else {"user": self.user, "group": self.group, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a path."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def prepare(home: Path) -> ServerPlace:
    """Make the directories; as root, choose a user of the server's own (or the one whose home it is already) and a place it can reach."""
    make_home(home)
    link = home / "postgres"
    if os.geteuid() != 0:
        link.mkdir(mode=0o700, exist_ok=True)
        if not os.access(link, os.R_OK | os.W_OK | os.X_OK):
            message = f"{link} belongs to another user: run as that user, or give another home directory"
            raise StoreError(message, code="store.home_taken")
        return ServerPlace(link, None, None)
    owner = link.stat() if link.exists() else None
    if owner is not None and owner.st_uid not in (0, *_shared_users()):
        return ServerPlace(link.resolve(), owner.st_uid, owner.st_gid)
    user, group = _own_user(home)
    if not link.exists() and not can_pass(home, user, group):
        # a 0700 directory above, such as /root: the data goes where services keep theirs, and a link tells where
        elsewhere = Path("/var/lib/counterfoil") / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        elsewhere.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(elsewhere)
    link.mkdir(mode=0o711, exist_ok=True)
    return _taken_over(ServerPlace(link.resolve(), user, group))


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


def _taken_over(place: ServerPlace) -> ServerPlace:
    """Give a server that ran as another user to its own; one that runs goes on as it is until it has stopped."""
    if not place.data.exists():
        return place
    status = place.data.stat()
    if status.st_uid == place.user:
        return place
    if is_running(place):
        return ServerPlace(place.root, status.st_uid, status.st_gid)
    for path in (place.data, *place.data.rglob("*"), place.root / "run", _short_sockets(place)):
        if path.exists() and not path.is_symlink() and path.stat().st_uid == status.st_uid:
            place.give(path)
    return place


def can_pass(path: Path, user: int, group: int) -> bool:
    """Tell whether a user may pass through a directory and all above it."""
    for directory in (path, *path.parents):
        status = directory.stat()
        bit = 0o100 if status.st_uid == user else 0o010 if status.st_gid == group else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _short_sockets(place: ServerPlace) -> Path:
    return Path("/tmp") / f"counterfoil-{hashlib.sha256(os.fsencode(place.root)).hexdigest()[:16]}"  # noqa: S108 - its owner is checked


def socket_directory(place: ServerPlace) -> Path:
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


def is_running(place: ServerPlace) -> bool:
    """Tell whether the process that postmaster.pid names is a server on this data directory."""
    pid = pid_of(place)
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


def pid_of(place: ServerPlace) -> int | None:
    """Return the process id postmaster.pid names; None if it names none."""
    try:
        return int((place.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def let_in(place: ServerPlace) -> None:
    """Write who may connect: over the socket alone, root and the user the home belongs to, as the system knows them."""
    names = {name_of(0), name_of(os.geteuid()), name_of(place.data.stat().st_uid)} - {""}
    (place.data / "pg_hba.conf").write_text("local all all peer map=hub\n")
    (place.data / "pg_ident.conf").write_text("".join(f'hub "{name}" {USER}\n' for name in sorted(names)))
    for name in ("pg_hba.conf", "pg_ident.conf"):
        (place.data / name).chmod(0o600)
        place.give(place.data / name)


def name_of(user: int) -> str:
    """Return the name of a user's account, empty if it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return ""
