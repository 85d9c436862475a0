"""A process that reads a connection's customers into the log, on its own (nursery.py)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from counterfoil.app.backfilling import BackfillOrder, BackfillProgressReport, backfill
from counterfoil.app.settings import from_values
from counterfoil.ingress.backfill import BackfillProgress

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def read(progress: BackfillProgress) -> None:
    """Say how far it has come."""
    print(progress.read, flush=True)


def main(configuration: str) -> None:
    """Run."""
    settings = from_values(json.loads(Path(configuration).read_text("utf-8")))
    asyncio.run(
        backfill(settings, BackfillOrder("stripe_us", SINCE, ("customer",)), BackfillProgressReport(read, lambda _done, _left: None))
    )
