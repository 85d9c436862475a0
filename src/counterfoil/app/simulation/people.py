"""The people who look at the hub's cases every morning, and decide those that people made: everything else is the hub's own to heal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from counterfoil.app.demo.control import ControlError
from counterfoil.app.demo.report import CaseLine
from counterfoil.core.language.ids import external_key
from counterfoil.store import case_work, cases
from counterfoil.store.cases import Case, CaseSubject
from counterfoil.store.pool import Conn

from .trouble import FaultInjector
from .view import HubView

ACTOR = "accountant"
TRIES_MAX = 3
_MOVED = re.compile(r"(\S+) is (?:booked|posted) on \d{4}-\d\d-\d\d instead of (\d{4}-\d\d-\d\d)")
_POSTED = re.compile(r"; it is posted as ")
_NAMESPACE = "counterfoil"  # of external ids in the books, as the simulation's connection leaves it


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """A case a person decided, and why it was his to decide."""

    case: CaseLine
    reason: str


@dataclass(slots=True)
class SimulatedPeople:
    """Whoever decides. ``decided`` lists what was; a case is looked at ``TRIES_MAX`` times at most."""

    trouble: FaultInjector
    view: HubView
    decided: dict[int, DecidedCase] = field(default_factory=dict)
    _tries: dict[int, int] = field(default_factory=dict)

    async def look(self) -> bool:
        """Decide the open cases that came of what people did; return whether there were any."""
        found = await self.view.ask(cases.list_cases) or []
        is_any = False
        for case in found:
            reason = self._reason(case)
            if reason and self._tries.get(case.id, 0) < TRIES_MAX:
                self._tries[case.id] = self._tries.get(case.id, 0) + 1
                self.decided[case.id] = DecidedCase(CaseLine(str(case.id), case.case_class, case.cause, case.entity), reason)
                await self._decide(case)
                is_any = True
        return is_any

    def _reason(self, case: Case) -> str:
        """Return why a case is a person's to decide, empty for one that is not, or that nobody on the schedule can have caused."""
        struck = self.trouble.struck
        if case.code == "odoo.amount_mismatch" and self._edited(case) <= struck["draft_edited"]:
            if _POSTED.search(case.cause):
                return "a person had changed the draft between the hub's look and its posting; it is taken back, and made anew"
            return "a person had changed the draft; it was removed, and is made anew"
        if case.code == "odoo.date_moved" and struck["period_locked"]:
            return "the period was locked as it was posted, and Odoo chose the day; it is moved to the first open day"
        return ""

    def _edited(self, case: Case) -> int:
        """Return how many such cases there are with this one: more than drafts were edited are the hub's fault."""
        return len({case.id, *(id for id, one in self.decided.items() if one.case.case_class == case.case_class)})

    async def _decide(self, case: Case) -> None:
        for record in await self._records(case):
            moved = _MOVED.search(record.detail)
            if case.code == "odoo.date_moved" and moved is not None:
                await self._act(action="redate", name=moved[1], date=max(moved[2], self._first_open(case.entity)))
            elif case.code == "odoo.amount_mismatch" and _POSTED.search(record.detail):
                await self._act(action="delete", xid=f"{_NAMESPACE}.{external_key(*record.label.split('/', 1))}")

        async def retry(conn: Conn) -> None:
            async with conn.transaction():
                await self.view.database.arm(conn, await case_work.retry(conn, case.id, ACTOR, self.view.clock.now()))

        await self.view.ask(retry)

    async def _records(self, case: Case) -> list[CaseSubject]:
        async def standing_still(conn: Conn) -> list[CaseSubject]:
            detail = await cases.show(conn, case.id)
            return [] if detail is None else [held.subject for held in detail.subjects if held.released_at is None]

        return await self.view.ask(standing_still) or []

    async def _act(self, **wish: str) -> None:
        try:
            await self.trouble.books.call("POST", "/human", **wish)
        except ControlError:
            return  # it is as he found it: the case stays, and shows

    def _first_open(self, entity: str) -> str:
        locked = self.trouble.locked.get(entity)
        return (date.fromisoformat(locked) + timedelta(days=1)).isoformat() if locked else ""
