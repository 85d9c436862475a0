"""The database's client."""

from __future__ import annotations

from counterfoil.kit.database import DatabaseClient
from counterfoil.kit.limits import LocalBudget

from .config import WarehouseConfig


def client(settings: WarehouseConfig) -> DatabaseClient:
    """Return the (unopened) client of one connection."""
    return DatabaseClient(
        settings.conninfo.get_secret_value(), budget=LocalBudget(rate_per_s=100, concurrency_max=2), connect_timeout_s=2.0
    )
