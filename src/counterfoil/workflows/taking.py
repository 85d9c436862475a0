"""How a worker takes drains from the engine's queues: it asks cheaply whether there are any, and takes a few at a time.

The library's own statement, asked twenty times a second, was three quarters of a worker's processor time at rest; and it takes as many
drains as a worker may have at once, so that of sixteen partitions armed together one of two workers took all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

TAKE_MAX = 4
"""Drains taken with one poll: others poll in the same twentieth of a second and get theirs."""

# AUTOCOMMIT: one round trip, no transaction around it.
_IS_ANY = "select exists (select from dbos.workflow_status where queue_name = %s and status = 'ENQUEUED')"


def moderate(database: Any, is_taking: Callable[[], bool]) -> None:
    """Have the library take drains moderately from now on, and none while ``is_taking`` says no.

    ``database``: the library's system database (of 3.4; it has no public name).
    """
    take = database.start_queued_partitioned_workflows
    quick = database.engine.execution_options(isolation_level="AUTOCOMMIT")

    def moderately(queue: Any, executor_id: str, app_version: str, max_tasks: int = sys.maxsize, **named: Any) -> list[str]:
        if not is_taking():
            return []
        with quick.connect() as conn:
            if not conn.exec_driver_sql(_IS_ANY, (queue.name,)).scalar():
                return []
        return list(take(queue, executor_id, app_version, min(max_tasks, TAKE_MAX), **named))

    database.start_queued_partitioned_workflows = moderately
