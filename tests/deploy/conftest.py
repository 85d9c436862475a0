"""Databases that are not up to date."""

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


@pytest.fixture
def empty_database(database: str) -> str:
    """Return the URL of a database in which nothing was made yet."""
    with psycopg.connect(database) as conn:
        conn.execute("drop schema public cascade")
        conn.execute("create schema public")
    return database
