"""A database that customers are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.kit.connector import Connector

from .config import WarehouseConfig
from .deliver import DELIVER, check

if TYPE_CHECKING:
    from counterfoil.kit.database import DatabaseClient


def _client(settings: WarehouseConfig) -> DatabaseClient:
    """Return the client of one connection; the driver is loaded only when something is to be written."""
    from .client import client

    return client(settings)


CONNECTOR = Connector(name="acme_warehouse", config=WarehouseConfig, client=_client, deliver=DELIVER, target_check=check)
