"""Files: CSV and JSON Lines in (history, opening balances) and postings out, exactly once by external key."""

from counterfoil.connectors.files.config import FilesConfig, FilesIntake
from counterfoil.connectors.files.deliver import DELIVER, FilesTarget
from counterfoil.connectors.files.pull import FilesSource
from counterfoil.connectors.files.sandbox import FilesSandbox
from counterfoil.kit.connector import Connector

CONNECTOR = Connector(
    name="files",
    config=FilesConfig,
    intake=FilesIntake,
    source=FilesSource(),
    target=FilesTarget(),
    deliver=DELIVER,
    sandbox=FilesSandbox,
    booking_settings=("namespace", "time_zone"),
)
