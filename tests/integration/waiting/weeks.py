"""An office that goes through weeks of dunning, for tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.core.builders import RULES, at, invoice, usd
from tests.integration.waiting.office import EVERY_SHARD, Office

from counterfoil.app import processes as seen
from counterfoil.app.database import Database
from counterfoil.core.kinds.dunning import DUNNING, Block
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.policies.rules import DunningStage
from counterfoil.decide.deadlines import Deadlines
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.normalize.people import people_source
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import agenda, agenda_deadlines
from counterfoil.store.work import SHARDS

START = at("2026-03-01 12:00")


BILL = invoice(usd(100_00), issued_at=START, due_at=at("2026-03-15 12:00"))


KEY = DUNNING.ref(BILL.id).key


STAGES = (
    DunningStage("reminded", 3),
    DunningStage("warned", 14, (Block.UPGRADES,), tells="collections"),
    DunningStage("suspended", 30, (Block.ACCESS,), tells="head of finance", asks=True),
)


DUNNED = replace(RULES, dunning=STAGES)


@dataclass
class Weeks(Office):
    """An office whose clock goes through weeks, and people who answer."""

    async def decide(self) -> None:
        """Decide until nothing is left, also what lies in bulk."""
        one = self.decider()
        while await self.left():
            await one.turn(EVERY_SHARD)
            await one.bulk_turn(EVERY_SHARD)

    async def left(self) -> int:
        """Return how many subjects are to be decided now."""
        async with self.pool.connection() as conn:
            return len(await agenda.claim(conn, range(SHARDS), self.clock.now(), 1))

    def database(self) -> Database:
        """Return the database as commands see it."""
        return Database("", self.pool, self.cipher)

    async def until(self, day: str) -> None:
        """Let time go on to a day's noon; a worker that is started on the way looks at each deadline."""
        end = at(f"2026-{day} 12:00")
        while True:
            await Deadlines(self.pool, self.rules_source(), self.clock, self.arm).turn("all")
            await self.decide()
            async with self.pool.connection() as conn:
                due = await agenda_deadlines.next_due(conn)
            if self.clock.now() == end and (due is None or due > end):
                return
            self.clock.advance_to(end if due is None or due > end else max(due, self.clock.now()))

    async def read(self, *, does_decide: bool = True) -> None:
        """Have what people said read, and decided."""
        ctx = Context(PEOPLE, None, HttpClient("http://127.0.0.1:9", budget=LocalBudget()), self.clock)
        normalizer = Normalizer(self.pool, self.cipher, {PEOPLE: (people_source(), ctx)}, self.clock, self.arm, self.rules.purposes())
        await normalizer.turn(f"{PEOPLE}/{EVERY_SHARD}")
        if does_decide:
            await self.decide()

    async def say(self, verb: str, actor: str = "mira", **more: Any) -> bool:
        """Answer as the command does."""
        is_new = await seen.answer(self.database(), KEY, verb, actor, self.clock.now(), **more)
        await self.read()
        return is_new

    async def standing(self) -> str:
        """Return where it stands, in a line."""
        found = await seen.show_process(self.database(), KEY)
        if found is None:
            return "none"
        state: Any = found.seen.state
        words = [state.state.value, state.stage or "-", *([state.asked] if state.asked else []), *([state.reason] if state.reason else [])]
        return " ".join([*words, *state.blocks, str(state.open_amount)])

    async def case_words(self) -> list[tuple[str, str, int | None]]:
        """Return the open cases: code, owner and money."""
        return [(case.code, case.owner, case.money_minor) for case in await self.cases()]


def paid(left: int, state: InvoiceState = InvoiceState.PARTIALLY_PAID) -> Any:
    return replace(BILL, state=state, amount_remaining=usd(left))
