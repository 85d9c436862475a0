"""A database that is not up to date."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture
def scratch_older(database: str) -> str:
    """Return the URL of a database that lacks the last thing this folder's migration made."""
    with psycopg.connect(database) as conn:
        conn.execute("drop view work_lag")
        conn.execute("delete from schema_migration where name = '0006_work_lag.sql'")
    return database
