"""The key file and what is encrypted under which key."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.app.database import Database
from counterfoil.kit.errors import SetupError
from counterfoil.store import rotation, workers
from counterfoil.store.cipher import KEY_FILE, KEY_FILE_VARIABLE, KEY_VARIABLE, fresh_key, given_keys, parse_keys

ALIVE_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key: whether it is configured, whether it is the one for writing, and how many payloads are under it."""

    id: str
    is_writing: bool
    is_known: bool
    payloads: int


async def uses(database: Database, home: Path, environment: Mapping[str, str]) -> list[KeyUse]:
    """Return every key configured or in use, the writing one first."""
    known = parse_keys(_text(home, environment))
    async with database.pool.connection() as conn:
        counted = await rotation.payloads_by_key(conn)
    names = [*known, *sorted(counted.keys() - known.keys())]
    return [KeyUse(name, name == database.cipher.key_id, name in known, counted.get(name, 0)) for name in names]


async def under_other_keys(database: Database) -> int:
    """Return how many payloads are not under the writing key."""
    async with database.pool.connection() as conn:
        counted = await rotation.payloads_by_key(conn)
    return sum(number for name, number in counted.items() if name != database.cipher.key_id)


async def outdated_workers(database: Database, home: Path, environment: Mapping[str, str], now: datetime) -> list[str]:
    """Return the workers at work that started before the key file was last changed, and so do not know its newest key.

    With keys in the environment itself nothing can be told: an empty list.
    """
    if environment.get(KEY_VARIABLE, "").strip():
        return []
    changed_at = _changed_at(home, environment)
    async with database.pool.connection() as conn:
        found = await workers.list_workers(conn)
    return [one.id for one in found if one.started_at < changed_at and now - one.beat_at < ALIVE_WITHIN]


def configured_keys(home: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the keys that are configured, by id; none where there is neither variable nor key file. Makes none."""
    if not given_keys(environment) and not (home / KEY_FILE).exists():
        return {}
    return parse_keys(_text(home, environment))


def _changed_at(home: Path, environment: Mapping[str, str]) -> datetime:
    path = Path(environment.get(KEY_FILE_VARIABLE, "") or home / KEY_FILE)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _text(home: Path, environment: Mapping[str, str]) -> str:
    return given_keys(environment) or (home / KEY_FILE).read_text().strip()


def add_key(home: Path, environment: Mapping[str, str]) -> str:
    """Put a fresh key in front of the others in the key file, or begin one; return its id. The file is replaced as a whole.

    Raises:
        SetupError: the keys come from the environment, where only a person can put one.
        StoreError: the file is damaged.
    """
    if given_keys(environment):
        source = KEY_VARIABLE if environment.get(KEY_VARIABLE, "").strip() else KEY_FILE_VARIABLE
        raise SetupError(
            f"the keys come from {source}: put `newid:` and 32 random bytes as base64, then a comma, in front of what is there",
            code="keys.from_environment",
        )
    path = home / KEY_FILE
    text = path.read_text().strip() if path.exists() else ""
    if text:
        parse_keys(text)
    key_id, fresh = fresh_key()
    home.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(",".join([fresh, *([text] if text else [])]) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return key_id
