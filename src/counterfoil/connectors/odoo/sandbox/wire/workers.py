"""Worker slots: at most so many calls at a time, each as long as its records cost; posting in one journal waits for the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from counterfoil.connectors.odoo.sandbox.apps import interference
from counterfoil.connectors.odoo.sandbox.database import Database
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.wire import calls, pushes

READS = (
    "search",
    "search_read",
    "search_count",
    "read",
    "fields_get",
    "name_search",
    "web_search_read",
    "web_read",
    "read_group",
    "formatted_read_group",
)


@dataclass(frozen=True)
class Work:
    """One call to be done."""

    uid: int
    model: Model
    method: str
    ids: Sequence[int]
    arguments: Mapping[str, Any]
    context: Mapping[str, Any]

    def records(self) -> int:
        """Return how many records the call concerns, for its duration."""
        if self.method == "load":
            return len(self.arguments.get("data") or [])
        if self.method == "create":
            given = self.arguments.get("vals_list")
            return len(given) if isinstance(given, list) else 1
        return 0 if self.method in READS else len(self.ids)


class Workers:
    """The server's processes. Without durations a call is done at once and nothing ever overlaps."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.busy_max = 0
        self._busy = 0
        self._slots = asyncio.Semaphore(count)
        self._journals: dict[int, asyncio.Lock] = {}

    async def execute(self, db: Database, work: Work) -> Any:
        """Do a call when a worker is free: it sees what was committed at its start, and commits at its end."""
        async with self._slots:
            self._busy += 1
            self.busy_max = max(self.busy_max, self._busy)
            try:
                return await self._execute(db, work)
            finally:
                self._busy -= 1

    async def _execute(self, db: Database, work: Work) -> Any:
        started, snapshot = db.instant(), db.store.commits
        duration = (db.settings.call_ms + db.settings.record_ms * work.records()) / 1000.0
        try:
            async with AsyncExitStack() as stack:
                for journal in self._locks(db, work) if duration else ():
                    await stack.enter_async_context(self._journals.setdefault(journal, asyncio.Lock()))
                if duration:
                    await asyncio.sleep(duration)
                result = calls.run(db, work.uid, work.model, work.method, work.ids, work.arguments, work.context, started, snapshot)
        finally:
            if db.outbox:
                await pushes.deliver(db)
        if db.script:
            interference.play(db.env(2, su=True), f"{work.model.name}/{work.method}")
        return result

    @staticmethod
    def _locks(db: Database, work: Work) -> list[int]:
        if work.method != "action_post":
            return []
        rows = db.store.tables[work.model.name].rows
        return sorted({rows[i]["journal_id"] for i in work.ids if i in rows and rows[i].get("journal_id")})
