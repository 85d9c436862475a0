"""What the engine's library keeps about drains, set right: those of the dead put back, lost ones enqueued, finished ones dropped.

All statements take the caller's transaction. The library's own recovery puts one drain back after the other, and only for workers it is
told of; here the same change is one statement whose condition is the worker's row, so that nobody can be overlooked.
"""

from __future__ import annotations

from collections.abc import Collection

from counterfoil.store.pool import Conn, Key
from counterfoil.workflows import arming
from counterfoil.workflows.arming import QUEUES

FORGET_AFTER_S = 600.0
_NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint"

# As the library's reenqueue_for_recovery does (3.4): whoever ran the drain before owns it no more and cannot record its end.
_PUT_BACK = f"""
update dbos.workflow_status s set status = 'ENQUEUED', owner_xid = null, started_at_epoch_ms = null, updated_at = {_NOW_MS}
where s.queue_name = any(%(queues)s) and s.name = 'drain' and s.status = 'PENDING'
"""
_OF_THE_GONE = _PUT_BACK + "and not exists (select from worker w where w.id = s.executor_id) returning s.executor_id"
_OF_ONE = _PUT_BACK + "and s.executor_id = %(worker)s returning s.executor_id"
_UNRECORDED = (
    _PUT_BACK
    + f"and s.executor_id = %(worker)s and s.updated_at < {_NOW_MS} - %(silent_ms)s and s.workflow_uuid <> all(%(running)s)"
    + " returning s.executor_id"
)

# A partition armed for a while whose drain is neither waiting nor running was lost with a process.
_ORPHANS = """
select w.stage, w.key from work w
where w.armed and w.pause_until is null and w.armed_at <= clock_timestamp() - make_interval(secs => %(silent_s)s) and not exists (
    select 1 from dbos.workflow_status s
    where s.queue_name = any(%(queues)s) and s.queue_partition_key = w.stage || ':' || w.key
      and s.name = 'drain' and s.status in ('ENQUEUED', 'PENDING', 'DELAYED'))
limit 500
"""
_FORGET = f"""
delete from dbos.workflow_status where workflow_uuid in (
    select workflow_uuid from dbos.workflow_status
    where status in ('SUCCESS', 'ERROR', 'CANCELLED') and updated_at < {_NOW_MS} - %(after_ms)s limit 5000)
"""


async def put_back_of_the_gone(conn: Conn) -> list[str]:
    """Put the running drains of workers that have no row back into their queue: they would block their partitions for ever.

    Returns the workers they were of.
    """
    rows = await (await conn.execute(_OF_THE_GONE, {"queues": list(QUEUES)})).fetchall()
    return sorted({row[0] for row in rows})


async def put_back_of(conn: Conn, worker: str) -> int:
    """Put all drains a worker has taken back into their queue; return how many."""
    return len(await (await conn.execute(_OF_ONE, {"queues": list(QUEUES), "worker": worker})).fetchall())


async def put_back_unrecorded(conn: Conn, worker: str, running: Collection[str], silent_s: float) -> int:
    """Put back what a worker took that long ago and does not run: the database was away just when its end was to be written down."""
    given = {"queues": list(QUEUES), "worker": worker, "running": list(running), "silent_ms": int(silent_s * 1000)}
    return len(await (await conn.execute(_UNRECORDED, given)).fetchall())


async def enqueue_orphans(conn: Conn, silent_s: float) -> list[Key]:
    """Enqueue a drain for every partition that has been armed for so long and has none; return them."""
    rows = await (await conn.execute(_ORPHANS, {"queues": list(QUEUES), "silent_s": silent_s})).fetchall()
    orphans = [(row[0], row[1]) for row in rows]
    await arming.enqueue(conn, orphans)
    return orphans


async def forget_finished(conn: Conn) -> None:
    """Drop drains that ended long ago."""
    await conn.execute(_FORGET, {"after_ms": int(FORGET_AFTER_S * 1000)})
