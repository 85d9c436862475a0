"""A process that reads a connection's customers into the log: ``python -m tests.integration.path.backfiller CONFIGURATION``."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from counterfoil.app.backfilling import BackfillOrder, BackfillProgressReport, backfill
from counterfoil.app.settings import from_values
from counterfoil.ingress.backfill import BackfillProgress

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def read(progress: BackfillProgress) -> None:
    """Say how far it has come."""
    print(progress.read, flush=True)


def main() -> None:
    """Run."""
    settings = from_values(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    asyncio.run(
        backfill(settings, BackfillOrder("stripe_us", SINCE, ("customer",)), BackfillProgressReport(read, lambda _done, _left: None))
    )


if __name__ == "__main__":
    main()
