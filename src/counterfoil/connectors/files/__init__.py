"""Files: CSV and JSON Lines in (history, opening balances) and postings out, exactly once by external key."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.files.config import FilesConfig, FilesIntake
from counterfoil.connectors.files.deliver import DELIVER, FilesTarget
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.kit.connector import Connector


def _sandbox(*args: Any, **options: Any) -> Any:
    """Return another side that fails on command; its code is loaded only when one is asked for."""
    from counterfoil.connectors.files.sandbox import FilesSandbox

    return FilesSandbox(*args, **options)


_SOURCE, _OUTBOX = FilesSource(), FilesTarget()

CONNECTOR = Connector(
    name="files",
    config=FilesConfig,
    intake=FilesIntake,
    source=_SOURCE,
    polls=_SOURCE,
    backfills=_SOURCE,
    has_balance=True,
    books=_OUTBOX,
    lists=_OUTBOX,
    deliver=DELIVER,
    sandbox=_sandbox,
    booking_settings=("namespace", "time_zone"),
)
