"""Files: CSV and JSON Lines in (history, opening balances) and postings out, exactly once by external key."""

from counterfoil.connectors.files.config import FilesConfig, FilesIntake
from counterfoil.connectors.files.deliver import DELIVER, FilesTarget
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.connectors.files.sandbox import FilesSandbox
from counterfoil.kit.connector import Connector

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
    sandbox=FilesSandbox,
    booking_settings=("namespace", "time_zone"),
)
