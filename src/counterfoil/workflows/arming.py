"""Arming from any process: note work and enqueue the drain that does it, in the caller's transaction, with or without an engine here.

The engine's library takes new workflows through a function of its schema in the same database; a process that only writes (a command, an
intake of its own) uses that alone and never loads the library.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.store import work
from counterfoil.store.pool import Conn, Key

QUEUE = "drains"
BULK_QUEUE = "bulk"
QUEUES = (QUEUE, BULK_QUEUE)
"""What came in bulk waits in a queue of its own, of which few drains run at once: a month's import never delays a payment."""
APPLICATION_VERSION = "1"
"""Constant: with a new application version the engine leaves old work pending for ever; changed step orders go behind patches."""

_ENQUEUE = """
select dbos.enqueue_workflow(
    workflow_name => 'drain', queue_name => case when stage = any(%(bulk_stages)s) then %(bulk)s else %(queue)s end,
    positional_args => array[to_json(stage), to_json(key)],
    queue_partition_key => stage || ':' || key, app_version => %(version)s)
from unnest(%(stages)s::text[], %(keys)s::text[]) as t(stage, key)
"""


async def arm(conn: Conn, keys: Sequence[Key]) -> None:
    """Note work for partitions and enqueue a drain for each that has none.

    Before the first worker ever ran there is nothing to enqueue with: what is armed until then is found when it starts.
    """
    newly = await work.arm(conn, keys)
    if newly and await _has_engine(conn):
        await enqueue(conn, newly)


async def _has_engine(conn: Conn) -> bool:
    row = await (
        await conn.execute(
            "select exists (select 1 from pg_proc where pronamespace = to_regnamespace('dbos') and proname = 'enqueue_workflow')"
        )
    ).fetchone()
    return row is not None and bool(row[0])


async def enqueue(conn: Conn, keys: Sequence[Key]) -> None:
    """Enqueue a drain for each partition. The engine's schema must exist."""
    if keys:
        queues = {"queue": QUEUE, "bulk": BULK_QUEUE, "bulk_stages": sorted(work.BULK_STAGES), "version": APPLICATION_VERSION}
        await conn.execute(_ENQUEUE, {**queues, "stages": [stage for stage, _ in keys], "keys": [key for _, key in keys]})
