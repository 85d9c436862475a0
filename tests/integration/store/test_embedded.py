"""The embedded server: started once, shared, stopped by the last one out, however that one ends."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from counterfoil.store import guardian
from counterfoil.store.embedded import embedded, embedded_sync
from counterfoil.store.errors import StoreError

FAST = {"fsync": "off"}
USER = """
import sys
from pathlib import Path
from counterfoil.store.embedded import embedded_sync
with embedded_sync(Path(sys.argv[1]), {"fsync": "off"}) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


def is_let_in(sockets: Path, user: int) -> bool:
    """Ask for a session as another user, by the first message of the wire protocol: psycopg itself may be out of that user's reach.

    https://www.postgresql.org/docs/current/protocol-message-formats.html (StartupMessage; the answer E is a refusal).
    """
    said = b"user\0counterfoil\0database\0counterfoil\0\0"
    child = os.fork()
    if child == 0:
        answer = b"E"
        try:
            os.setgroups([])
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(sockets / ".s.PGSQL.5432"))
                connection.sendall(struct.pack("!ii", len(said) + 8, 196608) + said)
                answer = connection.recv(1)
        finally:
            os._exit(int(answer == b"E"))
    return os.waitpid(child, 0)[1] == 0


@pytest.fixture(scope="module")
def open_directory() -> Iterator[Path]:
    """Return a directory that the server's user can reach; pytest's own directories are shut against others."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="module")
def used_home(open_directory: Path) -> Path:
    """Return a home whose server was started and stopped before: making a cluster is what takes time."""
    home = open_directory / "used"
    with embedded_sync(home, FAST):
        pass
    return home


@pytest.fixture
def server_home(used_home: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a home of a test's own."""
    home = used_home.with_name(tmp_path.name)
    subprocess.run(["cp", "-a", str(used_home), str(home)], check=True)
    yield home
    subprocess.run(["rm", "-r", str(home)], check=True)


def pid_of(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def is_running(home: Path) -> bool:
    return (home / "postgres" / "data" / "postmaster.pid").exists()


def value(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(statement.encode()).fetchone()
        return None if row is None else row[0]


def start_user(home: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def wait_until_stopped(home: Path) -> None:
    deadline = time.monotonic() + 30
    while is_running(home):
        assert time.monotonic() < deadline, "the server was left running"
        time.sleep(0.05)


async def test_it_starts_answers_and_stops_and_keeps_its_data(open_directory: Path) -> None:
    server_home = open_directory / "fresh"
    async with embedded(server_home, FAST) as url:
        assert value(url, "select datlocprovider::text || datlocale from pg_database where datname = 'counterfoil'") == "bC.UTF-8"
        assert value(url, "show synchronous_commit") == "on"
        assert value(url, "show listen_addresses") == ""
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("create table kept (n integer)")
    assert not is_running(server_home)
    async with embedded(server_home, FAST) as url:
        assert value(url, "select count(*) from kept") == 0


@pytest.mark.parametrize("limits", [{"silent_s": 0.5}, {"wait_s": 0.5}])
def test_a_server_that_runs_and_says_nothing_is_given_up_before_one_that_starts(server_home: Path, limits: dict[str, float]) -> None:
    with embedded_sync(server_home, FAST) as url:
        os.kill(pid_of(server_home), signal.SIGSTOP)
        try:
            with pytest.raises(StoreError, match=r"did not answer within 0\.5 s") as refused, embedded_sync(server_home, FAST, **limits):
                pass
        finally:
            os.kill(pid_of(server_home), signal.SIGCONT)
        assert (refused.value.code, "it runs and says nothing" in str(refused.value)) == ("store.server_not_ready", True)
        with embedded_sync(server_home, FAST, silent_s=30.0) as again:
            assert (again, value(url, "select 1")) == (url, 1)


def test_processes_share_one_server_and_the_last_one_out_stops_it(server_home: Path) -> None:
    with embedded_sync(server_home, FAST) as url:
        pid = pid_of(server_home)
        other, other_url = start_user(server_home)
        assert other_url == url
        assert pid_of(server_home) == pid
    assert value(url, "select 1") == 1  # the one who started it has left
    assert other.communicate("\n")[0] == ""
    assert not is_running(server_home)


def test_a_killed_user_leaves_no_server_behind_and_the_next_one_starts_clean(server_home: Path) -> None:
    process, url = start_user(server_home)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table kept (n integer)")
    process.kill()
    process.communicate()
    wait_until_stopped(server_home)
    with embedded_sync(server_home, FAST) as again:
        assert value(again, "select count(*) from kept") == 0


def test_a_server_that_dies_while_in_use_is_started_again(server_home: Path) -> None:
    with embedded_sync(server_home, FAST) as url:
        os.kill(pid_of(server_home), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert value(url, "select 1") == 1
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "it was not started again"
                time.sleep(0.05)


def test_a_stale_pid_file_whose_number_another_process_has_now_is_no_server(server_home: Path) -> None:
    with embedded_sync(server_home, FAST):
        left = (server_home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")
    path = server_home / "postgres" / "data" / "postmaster.pid"
    path.write_text("\n".join([str(os.getpid()), *left[1:]]))
    with embedded_sync(server_home, FAST) as url:
        assert value(url, "select 1") == 1


def test_data_of_another_major_version_is_refused_with_the_way_out(server_home: Path) -> None:
    (server_home / "postgres" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(StoreError, match=r"made by PostgreSQL 15.*counterfoil backup") as caught, embedded_sync(server_home, FAST):
        pass
    assert caught.value.code == "store.server_version"


def test_a_home_with_a_long_path_works(server_home: Path) -> None:
    with embedded_sync(server_home / ("long" * 30), FAST) as url:
        assert value(url, "select 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_root_s_home_behind_a_shut_door_works_by_data_elsewhere(open_directory: Path) -> None:
    server_home = open_directory / "shut"
    server_home.mkdir(mode=0o700)
    elsewhere: Path | None = None
    try:
        with embedded_sync(server_home, FAST) as url:
            elsewhere = (server_home / "postgres").resolve()
            assert value(url, "select 1") == 1
            assert (elsewhere / "data").stat().st_uid != 0
            assert server_home.stat().st_mode & 0o777 == 0o700  # no door was opened for it
    finally:
        if elsewhere is not None and elsewhere.is_relative_to("/var/lib/counterfoil"):
            subprocess.run(["rm", "-r", str(elsewhere)], check=True)


async def test_many_starting_at_once_start_one_server(server_home: Path) -> None:
    async def use() -> int:
        async with embedded(server_home, FAST) as url:
            pid = pid_of(server_home)
            assert await asyncio.to_thread(value, url, "select 1") == 1
            await asyncio.sleep(0.2)
            return pid

    assert len(set(await asyncio.gather(*(use() for _ in range(4))))) == 1
    assert not is_running(server_home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as another user")
def test_started_by_root_it_runs_as_a_user_of_its_own_and_lets_in_nobody_else(server_home: Path) -> None:
    with embedded_sync(server_home, FAST) as url:
        owner = (server_home / "postgres" / "data").stat().st_uid
        assert owner not in (0, pwd.getpwnam("nobody").pw_uid)
        assert Path(f"/proc/{pid_of(server_home)}").stat().st_uid == owner
        sockets = Path(unquote(url.rpartition("host=")[2]))
        sockets.chmod(0o755)  # even if somebody else could reach the socket
        assert is_let_in(sockets, 0)
        assert not is_let_in(sockets, pwd.getpwnam("nobody").pw_uid)
        assert value(url, "select 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_server_that_ran_as_a_shared_user_is_given_to_its_own(server_home: Path) -> None:
    data = server_home / "postgres" / "data"
    subprocess.run(["chown", "-R", "nobody", str(data)], check=True)
    (data / "pg_hba.conf").write_text("local all all trust\n")  # as an earlier release left it
    with embedded_sync(server_home, FAST) as url:
        assert value(url, "select 1") == 1
    assert data.stat().st_uid != pwd.getpwnam("nobody").pw_uid
    assert "trust" not in (data / "pg_hba.conf").read_text()


def test_a_server_that_cannot_start_is_tried_for_as_long_as_somebody_uses_it(server_home: Path) -> None:
    """A full disk stops a server, and it cannot recover before there is room; its log shows that it was tried more than the five times."""
    marker = server_home / "tries"
    script = f"import os, sys; f = open({str(marker)!r}, 'a'); f.write('x'); f.close(); sys.exit(os.path.getsize({str(marker)!r}) < 8)"
    lock = server_home / "lock"
    lock.touch()
    with lock.open() as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        orders = {
            "command": [sys.executable, "-I", "-c", script],
            "lock_path": str(lock),
            "log_path": os.devnull,
            "user": None,
            "group": None,
        }
        ended = subprocess.run([sys.executable, "-I", "-S", guardian.__file__, json.dumps(orders)], check=False)
    assert (ended.returncode, marker.read_text()) == (0, "x" * 8)
