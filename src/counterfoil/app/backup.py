"""Backup and restore of the hub: a folder with a dump and a manifest; put back in one transaction, or not at all.

The encryption keys are never in a backup: without them it is worthless, to a thief as to its owner. The manifest says which are needed and
holds, for each, a word encrypted under it, so that another key of the same name is told before anything is replaced.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import IsolationLevel

from counterfoil import __version__
from counterfoil.app.coverage import coverage
from counterfoil.store import audit, cursors, dump, migrate, outbox_due, rechecks, relearning, rotation, views, work, workers
from counterfoil.store.cipher import Cipher
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import Conn, connect

FORMAT = 1
DUMP_FILE = "database.dump"
MANIFEST_FILE = "manifest.json"
_WORD = b"counterfoil"
_WORD_CONTEXT = "backup/key"
_LOCK_WAIT = "10s"
_LOOKS_MAX, _LOOK_EVERY_S = 20, 0.1


@dataclass(frozen=True, slots=True)
class KeyNeeded:
    """A key payloads are encrypted under: its id, how many there are, and a word encrypted under it (base64; empty: it was not at hand)."""

    id: str
    payloads: int
    check: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``taken_at``: the instant it shows; ``rows``: by table; ``bytes`` and ``sha256``: of the dump."""

    format: int
    version: str
    schema: int
    taken_at: datetime
    server: int
    bytes: int
    sha256: str
    rows: Mapping[str, int]
    keys: tuple[KeyNeeded, ...]
    received: int
    wished: int
    is_balanced: bool


@dataclass(frozen=True, slots=True)
class SourceGap:
    """What a source has to be asked for again. ``is_beyond_retention``: it no longer shows the changes since; a backfill does."""

    connection: str
    since: datetime | None
    is_beyond_retention: bool

    @property
    def command(self) -> str:
        """The command that reads the history of the gap; empty where polling does it by itself."""
        if not self.is_beyond_retention or self.since is None:
            return ""
        return f"counterfoil backfill {self.connection} --since {(self.since - timedelta(days=1)).date().isoformat()} --again"


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore ended. ``migrations``: those applied; ``targets``: what must be learned again before anything is delivered there."""

    manifest: Manifest | None
    migrations: tuple[str, ...]
    targets: tuple[str, ...]
    gaps: tuple[SourceGap, ...]


async def back_up(dsn: str, keys: Mapping[str, bytes], folder: Path) -> Manifest:
    """Write a backup into a new folder while the hub works: everything in it is of one instant.

    Raises:
        StoreError: the folder exists, or there is nothing to back up, or pg_dump failed. Nothing is left behind then.
    """
    draft = _draft_of(folder)
    try:
        manifest = await _written(dsn, keys, draft)
        _complete(draft, manifest, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _draft_of(folder: Path) -> Path:
    if folder.exists():
        raise StoreError(f"{folder} exists already; name a new folder for every backup", code="backup.target_exists")
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    return draft


def _complete(draft: Path, manifest: Manifest, folder: Path) -> None:
    """Put everything on the disk, then let the folder appear under its name."""
    (draft / MANIFEST_FILE).write_text(_as_text(manifest), "utf-8")
    for file in (draft / DUMP_FILE, draft / MANIFEST_FILE):
        file.chmod(0o600)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    draft.rename(folder)


async def _written(dsn: str, keys: Mapping[str, bytes], folder: Path) -> Manifest:
    conn = await connect(dsn)
    async with conn:
        await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        schema = await dump.schema_number(conn)
        if schema == 0:
            raise StoreError("this database holds no hub: nothing to back up", code="backup.empty")
        row = await (await conn.execute("select pg_export_snapshot(), transaction_timestamp()")).fetchone()
        if row is None:
            raise StoreError("the database gave no snapshot", code="backup.dump_failed")
        file = folder / DUMP_FILE
        await dump.dump(dsn, row[0], file)
        where = await views.conservation(conn)
        needed = await rotation.payloads_by_key(conn)
        return Manifest(
            format=FORMAT,
            version=__version__,
            schema=schema,
            taken_at=row[1].astimezone(UTC),
            server=conn.info.server_version,
            bytes=file.stat().st_size,
            sha256=await asyncio.to_thread(dump.digest_of, file),
            rows=await dump.row_counts(conn),
            keys=tuple(KeyNeeded(id, number, _check_of(id, keys)) for id, number in sorted(needed.items())),
            received=sum(line.received for line in where.sources),
            wished=where.wished,
            is_balanced=where.is_balanced,
        )


def _check_of(id: str, keys: Mapping[str, bytes]) -> str:
    if id not in keys:
        return ""
    return base64.b64encode(Cipher({id: keys[id]}).encrypt(_WORD, _WORD_CONTEXT)[1]).decode()


def _as_text(manifest: Manifest) -> str:
    return json.dumps({**asdict(manifest), "taken_at": manifest.taken_at.isoformat()}, indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Return a backup's manifest. Raises StoreError: there is none, or this version cannot read it."""
    try:
        known: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        if known.get("format") != FORMAT:
            raise StoreError(
                f"{folder}: a backup of format {known.get('format')}; restore it with the version that made it ({known.get('version')})",
                code="restore.format",
            )
        keys = tuple(KeyNeeded(**key) for key in known.pop("keys"))
        return Manifest(**{**known, "keys": keys, "taken_at": datetime.fromisoformat(known["taken_at"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder} is no backup: {MANIFEST_FILE} cannot be read ({error})", code="restore.no_backup") from None


def check_source(folder: Path, manifest: Manifest, keys: Mapping[str, bytes]) -> None:
    """Make sure that a backup is whole and that every key it needs is at hand and the right one. Raises StoreError."""
    for needed in manifest.keys:
        if needed.id not in keys:
            raise StoreError(
                f"{needed.payloads:,} payloads of this backup are encrypted under key {needed.id!r}, which is not configured: put the key"
                " file (or COUNTERFOIL_ENCRYPTION_KEYS) of that time back first; nothing was changed",
                code="restore.key_missing",
            )
        if needed.check and not _is_right(needed, keys[needed.id]):
            raise StoreError(
                f"the configured key {needed.id!r} is another one than this backup was made under, though of the same name: put the key"
                " file (or COUNTERFOIL_ENCRYPTION_KEYS) of that time back first; nothing was changed",
                code="restore.key_wrong",
            )
    file = folder / DUMP_FILE
    if not file.exists() or dump.digest_of(file) != manifest.sha256:
        raise StoreError(
            f"{file} is not what was written (its digest differs, or it is missing); use another backup", code="restore.damaged"
        )


def _is_right(needed: KeyNeeded, key: bytes) -> bool:
    try:
        return Cipher({needed.id: key}).decrypt(needed.id, base64.b64decode(needed.check), _WORD_CONTEXT) == _WORD
    except StoreError:
        return False


async def restore(
    dsn: str,
    folder: Path,
    keys: Mapping[str, bytes],
    targets: Iterable[str],
    sources: Iterable[str],
    now: datetime,
    *,
    actor: str,
    is_replaced: bool,
) -> Restored:
    """Put a backup into a database, bring it up to this version, and mark its targets to be learned again; all in one transaction.

    ``targets`` and ``sources`` are the configured ones; targets of the backup's own commands are marked as well. ``actor``: who does it, as
    the restored hub's audit log keeps it. ``is_replaced``: what the database holds may be dropped.

    Raises:
        StoreError: the backup, its keys or the database do not allow it; the database is as it was.
    """
    manifest = read_manifest(folder)
    await asyncio.to_thread(check_source, folder, manifest, keys)
    conn = await _alone(dsn)
    async with conn:
        await _check_database(conn, is_replaced=is_replaced)
        await dump.clear(conn)
        await dump.load(conn, folder / DUMP_FILE)
        differ = dump.counts_differ(manifest.rows, await dump.row_counts(conn))
        if differ:
            raise StoreError(f"the backup did not come back whole: {'; '.join(differ)}; nothing was changed", code="restore.rows_differ")
        done = await migrate.migrate(conn)
        await workers.forget_all(conn)
        where = await views.conservation(conn)
        if manifest.is_balanced and not where.is_balanced:
            raise StoreError("what was restored does not add up; nothing was changed", code="restore.unbalanced")
        marked = await _mark(conn, targets, manifest.taken_at, now)
        restored = Restored(manifest, tuple(done), tuple(marked), tuple(await gaps(conn, sources, now)))
        detail = {"backup": str(folder), "replace": is_replaced, **_described(restored)}
        await audit.append(conn, audit.AuditLine(now, actor, "restored", "hub", detail))
        return restored


async def mark_only(dsn: str, targets: Iterable[str], sources: Iterable[str], now: datetime, *, actor: str) -> Restored:
    """Mark targets to be learned again in a database that was put back by other means (point-in-time recovery). Raises StoreError."""
    conn = await _alone(dsn)
    async with conn:
        done = await migrate.migrate(conn)
        await workers.forget_all(conn)
        marked = await _mark(conn, targets, None, now)
        restored = Restored(None, tuple(done), tuple(marked), tuple(await gaps(conn, sources, now)))
        await audit.append(conn, audit.AuditLine(now, actor, "marked to be learned again", "hub", _described(restored)))
        return restored


def _described(restored: Restored) -> dict[str, object]:
    """Return what the audit log keeps: which state came back, made by which version, and what was done to it."""
    found: dict[str, object] = {"targets": list(restored.targets), "migrations": list(restored.migrations)}
    if (shown := restored.manifest) is None:
        return found
    return {"taken_at": shown.taken_at.isoformat(), "version": shown.version, "sha256": shown.sha256, **found}


async def _alone(dsn: str) -> Conn:
    """Return a connection that is its user's only one; who opens the hub meanwhile waits for our transaction."""
    conn = await connect(dsn)
    try:
        await migrate.lock(conn)
        await conn.execute("select set_config('lock_timeout', %s, true)", (_LOCK_WAIT,))
        users = await dump.others_connected(conn)
        for _ in range(_LOOKS_MAX if users else 0):  # a program that has just ended is listed for a moment more
            await asyncio.sleep(_LOOK_EVERY_S)
            await conn.execute("select pg_stat_clear_snapshot()")
            users = await dump.others_connected(conn)
            if not users:
                break
        if users:
            raise StoreError(
                f"the database is in use by {len(users)} kind(s) of program ({'; '.join(users)}): stop every `counterfoil up` and whatever"
                " else uses it; nothing was changed",
                code="restore.in_use",
            )
    except BaseException:
        await conn.close()
        raise
    return conn


async def _check_database(conn: Conn, *, is_replaced: bool) -> None:
    foreign = await dump.foreign_tables(conn)
    if foreign:
        raise StoreError(
            f"the database also holds tables that are not the hub's, or of a newer version: {', '.join(foreign[:5])}; restore into a"
            " database of the hub's own",
            code="restore.foreign_tables",
        )
    if not is_replaced and not await dump.is_empty(conn):
        raise StoreError(
            "the database holds a hub already; --replace drops it and puts the backup in its place; nothing was changed",
            code="restore.not_empty",
        )


async def _mark(conn: Conn, targets: Iterable[str], state_of: datetime | None, now: datetime) -> list[str]:
    rows = await (await conn.execute("select distinct target from command")).fetchall()
    marked = await relearning.mark(conn, {*targets, *(row[0] for row in rows)}, state_of, now)
    await work.arm(conn, [*await outbox_due.partitions_open(conn), *await rechecks.partitions(conn)])
    return marked


async def gaps(conn: Conn, sources: Iterable[str], now: datetime) -> list[SourceGap]:
    """Return, per source, since when it has to be read again, and whether it can still show that by itself."""
    known = {one.connection: one for one in coverage(await cursors.list_cursors(conn), now)}
    found = []
    for name in sorted(set(sources)):
        one = known.get(name)
        is_lost = one is not None and one.no_gap_until is not None and one.hours_left is not None and one.hours_left < 0
        found.append(SourceGap(name, None if one is None else one.no_gap_until, is_lost))
    return found
