"""Whether a worker of this machine works by an older configuration file: a hub reads its file when it starts, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from counterfoil.engine.membership import host_name
from counterfoil.store.workers import Worker


def restart_needed(config: Path, workers: Sequence[Worker]) -> str:
    """Return the words that name the workers of this machine that started before the file was last written; empty if there are none."""
    try:
        written_at = datetime.fromtimestamp(config.stat().st_mtime, UTC)
    except OSError:
        return ""
    here = host_name()
    older = [one.id for one in workers if one.host == here and one.started_at < written_at]
    if not older:
        return ""
    return f"{config} was written at {written_at:%Y-%m-%d %H:%M:%S} UTC, and is read when a worker starts: restart {', '.join(older)}."
