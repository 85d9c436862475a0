"""Days and instants as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import typer


def instant(text: str) -> datetime:
    """Return the instant of ``2026-01-31``, ``2026-01-31T08:00`` or with an offset; without one it is UTC. Anything else is misuse."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a day like 2026-01-31 nor an instant like 2026-01-31T08:00Z") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
