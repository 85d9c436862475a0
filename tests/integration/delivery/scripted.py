"""A target that does what a test says, and a deliverer over a real outbox and a clock that is moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.pq import TransactionStatus

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import Allocate, Unmatch, UpsertProduct
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.commands import Command
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.codec import encode
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.stage import PLAIN, Turn, TurnContext
from counterfoil.kit.windows import Window
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus
from counterfoil.store import cases, outbox
from counterfoil.store.cases import Case
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandRow, NewCommand
from counterfoil.store.pool import Conn, PartitionKey, Pool

START = datetime(2026, 3, 1, tzinfo=UTC)
PARTITION = "books/all"
SUBJECT = INVOICE.ref("stripe:in_1")


@dataclass
class Books:
    """The target. ``failing`` raises before anything is done, ``losing`` after everything was; both may pick by what is sent.

    ``delaying``: the same, but nothing is done before ``land``. ``held``: what the target holds by thing, as last written.
    """

    failing: Callable[[str, Sequence[Command]], HubError | None] = lambda _call, _commands: None
    losing: Callable[[str, Sequence[Command]], HubError | None] = lambda _call, _commands: None
    delaying: Callable[[str, Sequence[Command]], HubError | None] = lambda _call, _commands: None
    done: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    matches: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    late: list[Sequence[Command]] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)

    async def send(self, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        """Book every command, each time it is asked to."""
        del ctx, bound
        self._fail(self.failing, "send", commands)
        self.calls.append(("send", len(commands)))
        delayed = self.delaying("send", commands)
        if delayed is not None:
            self.late.append(commands)
            raise delayed
        self._do(commands)
        self._fail(self.losing, "send", commands)
        return tuple(Outcome(command.id, OutcomeStatus.DONE, f"book/{command.external_key}") for command in commands)

    def land(self, place: int = 0) -> None:
        """Do one of the writes that were delayed."""
        self._do(self.late.pop(place))

    def _do(self, commands: Sequence[Command]) -> None:
        self.done += [command.external_key for command in commands]
        for command in commands:
            match command.arguments:
                case UpsertProduct(_, name, _):
                    self.held[command.external_key] = name
                case Allocate(debit, credit, amount):
                    self.matches.setdefault((debit, credit), {})[command.external_key] = str(amount)
                    self.held[f"{debit}+{credit}"] = " and ".join(self.matches[debit, credit].values())
                case Unmatch(debit, credit):
                    self.matches.pop((debit, credit), None)
                    self.held.pop(f"{debit}+{credit}", None)

    async def resolve(self, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        """Say of every command whether it is booked."""
        del ctx, bound
        self._fail(self.failing, "resolve", commands)
        self.calls.append(("resolve", len(commands)))
        return tuple(
            Outcome(command.id, OutcomeStatus.DONE, f"book/{command.external_key}")
            if command.external_key in self.done
            else Outcome(command.id, OutcomeStatus.RETRY, code="books.absent")
            for command in commands
        )

    async def probe(self, ctx: Context) -> None:
        """Be there, or not."""
        del ctx
        self._fail(self.failing, "probe", ())
        self.calls.append(("probe", 0))

    @staticmethod
    def _fail(script: Callable[[str, Sequence[Command]], HubError | None], call: str, commands: Sequence[Command]) -> None:
        error = script(call, commands)
        if error is not None:
            raise error


async def breaking(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Fail as a connector with a fault of its own does."""
    del ctx, commands, bound
    raise KeyError("x")


@dataclass
class Desk:
    """A deliverer and what tests do with it."""

    pool: Pool
    cipher: Cipher
    books: Books = field(default_factory=Books)
    clock: SettableClock = field(default_factory=lambda: SettableClock(START))
    may_send: Callable[[], bool] = lambda: True
    armed: list[PartitionKey] = field(default_factory=list)
    batch_size_max: int = 100
    width: int = 1
    windows: tuple[Window, ...] = ()
    worker: str = ""
    overwrites: bool = False
    late_s: float = 130.0
    _rest: Rest | None = None

    @property
    def rest(self) -> Rest:
        """The process's resting: one for all of its turns."""
        if self._rest is None:
            self._rest = Rest(self.pool, self.clock, self._arm, lambda: self.worker)
        return self._rest

    async def turn(self, context: TurnContext = PLAIN, partition: str = PARTITION, **changes: Any) -> Turn:
        """Take one turn of the partition."""
        return await self.deliverer(**changes).turn(partition, context)

    def deliverer(self, **changes: Any) -> Deliverer:
        """Return a deliverer, as every process has one."""
        http = HttpClient("http://127.0.0.1", budget=LocalBudget())
        ctx = Context("books", None, http, self.clock)
        one = CommandWriter(self.books.send, self.books.resolve, "looked up by its key", self.batch_size_max, self.overwrites)
        link = TargetLink(ctx, dict.fromkeys(SPECS, one), self.books.probe, self.width, self.windows, self.late_s)
        return Deliverer(
            self.pool, self.cipher, {"books": link}, self.clock, self._arm, self.rest, **{"may_send": self.may_send, **changes}
        )

    async def _arm(self, conn: Conn, keys: Sequence[PartitionKey]) -> None:
        """Note what would be armed, in the transaction of what makes it work."""
        assert conn.info.transaction_status == TransactionStatus.INTRANS
        self.armed += keys

    async def wish(self, *numbers: int, **changes: Any) -> None:
        """Wish commands that need nothing."""
        plain: dict[str, Any] = {"kind": "upsert_product", "target": "books", "entity": "DE01", "batch_key": "all", "subject": SUBJECT}
        plain["arguments"] = encode(UpsertProduct("p", "Plan"))
        wishes = [NewCommand(f"{n:032x}", **{"external_key": f"k{n}", **plain, **changes}) for n in numbers]
        async with self.pool.connection() as conn:
            await outbox.wish(conn, self.cipher, wishes, self.clock.now())

    async def rows(self, *numbers: int) -> list[CommandRow]:
        """Return commands as they stand."""
        async with self.pool.connection() as conn:
            return await outbox.read(conn, self.cipher, [f"{n:032x}" for n in numbers])

    async def states(self, *numbers: int) -> list[str]:
        """Return the states of commands."""
        return [row.state.value for row in await self.rows(*numbers)]

    async def cases(self) -> list[Case]:
        """Return the open cases."""
        async with self.pool.connection() as conn:
            return await cases.list_cases(conn)

    def later(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=seconds))

    async def settle(self, turns_max: int = 50) -> None:
        """Take turns, moving the clock to each wake, until nothing more is to be done."""
        for _ in range(turns_max):
            turn = await self.turn()
            if not turn.has_more and turn.wake_in_s is None:
                return
            self.later(turn.wake_in_s or 0.0)
        raise AssertionError("the partition does not come to rest")


@dataclass
class Wary:
    """The context of a partition whose workers died."""

    limit: int | None = None
    is_ending: bool = False
    poison: frozenset[str] = frozenset()
    held: list[tuple[str, ...]] = field(default_factory=list)

    async def hold(self, items: Sequence[str]) -> frozenset[str]:
        """Keep what was held, and name the poison in it."""
        self.held.append(tuple(items))
        return self.poison & set(items)
