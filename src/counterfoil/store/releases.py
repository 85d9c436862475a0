"""Table ``rules_release``: the rules that shape bookings, version by version, from proposal to release; and the versions commands carry.

A released version is never changed (a trigger sees to it). In force is the greatest one that is released, not withdrawn, and whose
``effective_from`` has come. Those who propose, release or withdraw hold one lock, so that what they looked at still is so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .errors import StoreError
from .pool import Conn

_LOCK = 0x0C0F_0008  # advisory locks of this project start with 0x0C0F
_COLUMNS = (
    "version, body, digest, origin, base, note, proposed_by, proposed_at, approved_by, approved_at, released_by, released_at,"
    " effective_from, withdrawn_by, withdrawn_at, applied_at"
)


class ReleaseOrigin(StrEnum):
    """Where a release comes from."""

    START = "start"  # a hub's start with a file that was changed, or its first one
    FILE = "file"  # somebody proposed a file
    ROLLBACK = "rollback"  # an earlier release again


class ReleaseState(StrEnum):
    """How far a release is, at an instant."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    SCHEDULED = "scheduled"  # released, its instant is still to come
    IN_FORCE = "in force"
    PAST = "past"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the rules. ``base``: the version in force when it was proposed; ``effective_from`` None: from its release on."""

    version: int
    body: str
    digest: str
    origin: ReleaseOrigin
    base: int
    note: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str = ""
    approved_at: datetime | None = None
    released_by: str = ""
    released_at: datetime | None = None
    effective_from: datetime | None = None
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = None
    applied_at: datetime | None = None

    def __post_init__(self) -> None:
        """Know the origin by its text."""
        object.__setattr__(self, "origin", ReleaseOrigin(self.origin))

    @property
    def is_open(self) -> bool:
        """Whether it is a proposal that is neither released nor withdrawn."""
        return self.released_at is None and self.withdrawn_at is None

    def state(self, now: datetime, in_force: int) -> ReleaseState:
        """Return how far it is at an instant; ``in_force``: the version in force then."""
        if self.withdrawn_at is not None:
            return ReleaseState.WITHDRAWN
        if self.released_at is None:
            return ReleaseState.PROPOSED if self.approved_at is None else ReleaseState.APPROVED
        if self.version == in_force:
            return ReleaseState.IN_FORCE
        is_to_come = self.effective_from is not None and self.effective_from > now
        return ReleaseState.SCHEDULED if is_to_come else ReleaseState.PAST


def digest_of(body: str) -> str:
    """Return the digest by which a body is known: hexadecimal SHA-256."""
    return hashlib.sha256(body.encode()).hexdigest()


async def lock(conn: Conn) -> None:
    """Be the only one who proposes, approves, releases or withdraws, until the transaction ends."""
    await conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


async def load(conn: Conn) -> list[Release]:
    """Return all releases and proposals, oldest first.

    Raises:
        StoreError: a body is not what its digest says (``store.release_differs``).
    """
    rows = await (await conn.execute(f"select {_COLUMNS} from rules_release order by version")).fetchall()
    return [_verified(Release(*row)) for row in rows]


_IN_FORCE = """
from rules_release where released_at is not null and withdrawn_at is null and (effective_from is null or effective_from <= %s)
order by version desc limit 1
"""


async def version_in_force(conn: Conn, now: datetime) -> int:
    """Return the version in force at an instant; 0: nothing was ever released."""
    row = await (await conn.execute(f"select version {_IN_FORCE}", (now,))).fetchone()
    return 0 if row is None else int(row[0])


async def in_force(conn: Conn, now: datetime) -> Release | None:
    """Return the release in force at an instant; None: nothing was ever released. Raises StoreError as :func:`load`."""
    row = await (await conn.execute(f"select {_COLUMNS} {_IN_FORCE}", (now,))).fetchone()
    return None if row is None else _verified(Release(*row))


def current(releases: Sequence[Release], now: datetime) -> Release | None:
    """Return which of all releases is in force at an instant."""
    held = [
        one
        for one in releases
        if one.released_at is not None and one.withdrawn_at is None and (one.effective_from is None or one.effective_from <= now)
    ]
    return held[-1] if held else None


def _verified(release: Release) -> Release:
    if digest_of(release.body) != release.digest:
        raise StoreError(
            f"rules release {release.version} is not what was released: its body does not have the digest {release.digest}. Somebody wrote"
            " to the table rules_release; put that row back from a backup. Nothing is decided meanwhile",
            code="store.release_differs",
        )
    return release


async def add(conn: Conn, body: str, origin: ReleaseOrigin, base: int, note: str, actor: str, now: datetime) -> Release:
    """Add a proposal under the lock; the caller made sure that there is no other one."""
    cursor = await conn.execute(
        "insert into rules_release (version, body, digest, origin, base, note, proposed_by, proposed_at)"
        f" select coalesce(max(version), 0) + 1, %s, %s, %s, %s, %s, %s, %s from rules_release returning {_COLUMNS}",
        (body, digest_of(body), origin.value, base, note, actor, now),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("an insert returned nothing")
    return Release(*row)


async def approve(conn: Conn, version: int, actor: str, now: datetime) -> None:
    """Note who approved a proposal."""
    await conn.execute("update rules_release set approved_by = %s, approved_at = %s where version = %s", (actor, now, version))


async def release(conn: Conn, version: int, actor: str, now: datetime, effective_from: datetime | None) -> None:
    """Release a proposal; from then on nobody changes it."""
    await conn.execute(
        "update rules_release set released_by = %s, released_at = %s, effective_from = %s where version = %s",
        (actor, now, effective_from, version),
    )


async def withdraw(conn: Conn, version: int, actor: str, now: datetime) -> None:
    """Take back a proposal, or a release whose instant is still to come."""
    await conn.execute("update rules_release set withdrawn_by = %s, withdrawn_at = %s where version = %s", (actor, now, version))


async def apply(conn: Conn, version: int, now: datetime) -> bool:
    """Note that a release is decided by from now on; False: another worker did."""
    cursor = await conn.execute("update rules_release set applied_at = %s where version = %s and applied_at is null", (now, version))
    return cursor.rowcount > 0


async def known_version(conn: Conn, release: int, mappings: int) -> int | None:
    """Return the version of a release with the mappings of a version, None if nothing was decided by them yet."""
    cursor = await conn.execute("select version from rules_version where release = %s and mappings = %s", (release, mappings))
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def rules_version(conn: Conn, release: int, mappings: int) -> int:
    """Return the version of a release with the mappings of a version: the same for the same two, greater for what came later."""
    await conn.execute(
        "insert into rules_version select nextval('rules_version_seq'), %s, %s on conflict (release, mappings) do nothing",
        (release, mappings),
    )
    found = await known_version(conn, release, mappings)
    if found is None:
        raise RuntimeError("an insert returned nothing")
    return found


@dataclass(frozen=True, slots=True)
class Shaped:
    """What a version stands for: the release, and every mapping set by people then: (kind, entity, key) -> value."""

    release: int
    mappings: dict[tuple[str, str, str], str]


async def shaped_by(conn: Conn, version: int) -> Shaped | None:
    """Return what the version a command carries stands for; None: it is of before the first release, or there is none such."""
    row = await (await conn.execute("select release, mappings from rules_version where version = %s", (version,))).fetchone()
    if row is None:
        return None
    cursor = await conn.execute(
        "select distinct on (kind, entity, key) kind, entity, key, value from mapping_change where version <= %s"
        " order by kind, entity, key, version desc",
        (row[1],),
    )
    return Shaped(int(row[0]), {(kind, entity, key): value for kind, entity, key, value in await cursor.fetchall() if value})
