"""Errors whose words are meant for people, from whichever room they come, and what to do about them: mend something, or try again later."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout

from counterfoil.kit.errors import HubError, TransientError
from counterfoil.store.errors import StoreError

EXPECTED: tuple[type[HubError], type[StoreError]] = (HubError, StoreError)
"""Each has a stable ``code``; its message says what happened and what to do next."""

NO_ANSWER: tuple[type[Exception], ...] = (psycopg.OperationalError, PoolTimeout)
"""The database does not answer, or no longer."""


def is_for_later(error: HubError | StoreError) -> bool:
    """Return whether trying again later may do, without anybody mending anything."""
    return isinstance(error, TransientError) or error.code == "store.server_not_ready"
