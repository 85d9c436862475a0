"""Facts written and decided over a real store, and targets that take what a test lets them take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.claiming import claim_all
from tests.core.builders import RULES

from counterfoil.core.facts.events import Fact, ref_of
from counterfoil.core.kinds.customer import CustomerEvent
from counterfoil.core.language.commands import Command
from counterfoil.core.language.records import Record
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.rules_source import RulesSource
from counterfoil.decide.stage import Decider
from counterfoil.kit.clock import SettableClock
from counterfoil.normalize.batch import NormalizedBatch, ended
from counterfoil.normalize.writing import Writer
from counterfoil.store import agenda, cases, outbox, receipts
from counterfoil.store.cases import Case
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, End, EndStatus
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.receipts import Incoming, ReceiptState
from counterfoil.store.work import ORDINARY, SHARDS

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
BATCH_KEY = "all"
EVERY_SHARD = "+".join(str(shard) for shard in range(SHARDS))
"""All shards in one turn, as a worker that is alone works them."""
ROUNDS_MAX = 100


def _batch_key(command: Command) -> str:
    del command
    return BATCH_KEY


@dataclass
class Office:
    """The stages a test drives by hand, one worker of everything. ``rules``: entities and routes (mappings are the store's)."""

    pool: Pool
    cipher: Cipher
    rules: Rules = RULES
    clock: SettableClock = field(default_factory=lambda: SettableClock(NOW))
    armed: list[PartitionKey] = field(default_factory=list)
    told: int = 0
    echoing: Sequence[str] = ()

    async def arm(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        """Note what would be armed."""
        del conn
        self.armed += keys

    def later(self, **by: float) -> None:
        """Move the clock."""
        self.clock.advance_to(self.clock.now() + timedelta(**by))

    async def tell(self, *states: Record, connection: str = "stripe", is_apart: bool = False, same_as: str | None = None) -> None:
        """Have states of objects reported, one after the other, and everything decided that is to be. The rest: see ``Fact``."""
        for state in states:
            await self._write(state, connection, is_apart, same_as)
            await self.decide()

    async def _write(self, state: Record, connection: str, is_apart: bool = False, same_as: str | None = None) -> None:
        self.told += 1
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            incoming = Incoming(connection, f"ev_{self.told}", f"obj_{self.told}", "told", b"{}", now)
            await receipts.append(conn, self.cipher, [incoming], now)
        result = NormalizedBatch()
        async with self.pool.connection() as conn:
            for receipt in await receipts.claim(conn, self.cipher, connection, range(SHARDS), now, 10):
                result.facts.append((receipt, (Fact(CustomerEvent.UPDATED, now, self.told, state, is_apart=is_apart, same_as=same_as),)))
                result.settlements.append(ended(receipt, ReceiptState.NORMALIZED, ""))
        await Writer(self.pool, self.cipher, self.arm, self.rules.purposes(), self.rules.ownership, self.echoing).write(result, now)

    def rules_source(self) -> RulesSource:
        """Return where the rules come from."""
        rules = self.rules
        given = (rules.entities, rules.routes, rules.mappings, rules.destinations)
        return RulesSource(*given, ownership=rules.ownership, dunning=rules.dunning, matching=rules.matching)

    def decider(self) -> Decider:
        """Return a decider, as every worker has one."""
        return Decider(self.pool, self.cipher, self.rules_source(), _batch_key, self.clock, self.arm)

    async def decide(self) -> None:
        """Decide everything that is on the agenda."""
        one = self.decider()
        for _ in range(ROUNDS_MAX):
            turn = await one.turn(EVERY_SHARD)
            async with self.pool.connection() as conn:  # what was decided may have put others there
                left = await agenda.claim(conn, range(SHARDS), self.clock.now(), 1, lanes=ORDINARY)
            if not turn.has_more and not left:
                return

    async def decide_again(self, *states: Record) -> None:
        """Put subjects on the agenda for no new reason, and decide."""
        async with self.pool.connection() as conn, conn.transaction():
            await agenda.add(conn, [agenda.Subject(ref_of(state)) for state in states], self.clock.now())
        await self.decide()

    async def take(self, target: str = "odoo", *kinds: str, status: EndStatus = EndStatus.DONE, code: str = "") -> list[str]:
        """Have a target take (or refuse) what can be sent to it now, of some kinds or of all; return the external keys."""
        now = self.clock.now()
        async with self.pool.connection() as conn, conn.transaction():
            rows = [row for row in await claim_all(conn, self.cipher, target, BATCH_KEY, now) if not kinds or row.kind in kinds]
            await outbox.mark_sent(conn, rows, now)
            ends = [
                End(row.id, row.created_at, status, external_id=f"{target}/{row.external_key}", fence=row.fence + 1, code=code)
                for row in rows
            ]
            await outbox.settle(conn, ends, now)
        return [row.external_key for row in rows]

    async def take_all(self, target: str = "odoo") -> list[str]:
        """Have a target take everything, in as many turns as that takes; return the external keys."""
        taken: list[str] = []
        while now_taken := await self.take(target):
            taken += now_taken
        return taken

    async def commands(self, *kinds: str) -> list[CommandRow]:
        """Return all commands, of some kinds or of all, in order of wishing."""
        async with self.pool.connection() as conn:
            ids = await (await conn.execute("select id from command order by seq")).fetchall()
            rows = await outbox.read(conn, self.cipher, [row[0].hex for row in ids])
        return [row for row in rows if not kinds or row.kind in kinds]

    async def states(self, *kinds: str) -> list[tuple[str, str, str]]:
        """Return target, external key and state of commands, in order of wishing."""
        return [(row.target, row.external_key, row.state.value) for row in await self.commands(*kinds)]

    async def cases(self) -> list[Case]:
        """Return the open cases."""
        async with self.pool.connection() as conn:
            return await cases.list_cases(conn)
